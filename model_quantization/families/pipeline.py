"""Pipelines: steps one after the other, folded into one where the arithmetic allows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from model_quantization.families.family import Component, Example, Family, Lowered, Method

_PIPELINE = "sklearn.pipeline:Pipeline"


def lower(component: Component, exact: bool) -> Lowered | None:
    """The fast predictor of the whole pipeline, or None when a step has none."""
    lowered = [step.lower(exact) for _, step in component["steps"] if isinstance(step, Component)]
    known = all(
        isinstance(step, Component) or step in ("passthrough", None)
        for _, step in component["steps"]
    )
    if not known or not lowered or any(step is None for step in lowered):
        return None
    steps: list[Lowered] = [step for step in lowered if step is not None]
    while len(steps) > 1 and _needs_the_next(steps[0]):
        fused = steps[1].absorb(steps[0]) if steps[1].absorb else None
        if fused is None:
            return None
        steps[:2] = [fused]
    whole = steps.pop()
    while steps:
        previous = steps.pop()
        both = (whole.absorb(previous) if whole.absorb else None) or _after(previous, whole)
        if both is None:
            return None
        whole = both
    return whole


def _needs_the_next(step: Lowered) -> bool:
    """Whether only a step that takes it in can go on from here.

    Text becomes a sparse matrix, and filled columns of names a matrix of objects: neither is made.
    """
    return step.text is not None or (step.filler is not None and step.columns is None)


def _after(first: Lowered, then: Lowered) -> Lowered | None:
    """Both steps in turn, each as it is; None when the first predicts fast, but transforms not."""
    transform = first.feeds or first.methods.get("transform")
    if transform is None:
        return None

    def method(call: Method) -> Method:
        def both(rows: Any) -> Any:
            between = transform(rows)
            return None if between is None else call(between)

        return both

    return Lowered(
        methods={name: method(call) for name, call in then.methods.items()},
        input=first.input,
        n_features=first.n_features,
        names=first.names + then.names,
        n_columns=then.n_columns,
    )


def examples() -> Iterable[Example]:
    """A scaler before a linear model, and a step that passes through."""
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels = make_classification(200, 40, n_informative=10, random_state=0)
    model = make_pipeline(StandardScaler(), "passthrough", LogisticRegression())
    yield Example("scaled", model.fit(rows, labels), rows)


FAMILY = Family(name="pipeline", types=frozenset({_PIPELINE}), lower=lower, examples=examples)
