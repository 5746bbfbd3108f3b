"""Makes the explanation of a model: its methods, and the components that were asked on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model_quantization.families import Lowered
from model_quantization.predictor.component import ComponentView
from model_quantization.predictor.explanation import (
    RESTORED,
    Explanation,
    MethodAnswer,
    component_answer,
)


def explain_model(
    view: ComponentView,
    lowered: Lowered | None,
    methods: Sequence[str],
    fast_methods: Sequence[str],
    *,
    exact: bool,
    differing: Mapping[str, str],
) -> Explanation:
    """The explanation of one model.

    Parameters
    ----------
    view : ComponentView
        The model, after it was asked for its fast predictor: its context has the replies.
    lowered : Lowered or None
        The fast predictor.
    methods, fast_methods : sequence of str
        The public methods, and those that the predictor answers now.
    exact : bool
        Whether the artifact rounds nothing.
    differing : mapping of str to str
        Methods whose fast answers were found to differ when the artifact was made -> how.
    """
    own = view.path
    below = f"{own}/" if own else ""
    found = [
        component_answer(path, asked)
        for path, asked in view.context.answers.items()
        if path == own or path.startswith(below)
    ]
    found.sort(key=lambda answer: answer.path != own)  # the model first, then in order

    def explained(name: str) -> MethodAnswer:
        if name in fast_methods and lowered is not None:
            return MethodAnswer(name, True, lowered.by)
        if name in differing:
            why = f"the fast answer differs: {differing[name]}"
            return MethodAnswer(name, False, RESTORED, why)
        return MethodAnswer(name, False, RESTORED, _why(view, lowered, name))

    return Explanation(own, view.type, exact, tuple(map(explained, methods)), tuple(found))


def _why(view: ComponentView, lowered: Lowered | None, name: str) -> str:
    if lowered is None:
        answer = view.context.answers[view.path]
        elsewhere = answer.where not in ("", view.path)
        return f"{answer.where}: {answer.why}" if elsewhere else answer.why
    if name in lowered.methods:
        return "it gives frames, as `set_output` asked"
    return "the fast predictor does not answer it"
