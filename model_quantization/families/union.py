"""Feature unions: steps side by side over the same input, their columns one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from model_quantization.families.family import Component, Example, Family, Parts
from model_quantization.families.forms import Text, text_step
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.children import lower_all

_UNION = "sklearn.pipeline:FeatureUnion"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """One text step out of several."""
    if component.get("transformer_weights"):
        return NotFast("its parts have weights")
    parts = lower_all([part for _, part in component["transformer_list"]], exact)
    if isinstance(parts, NotFast):
        return parts
    steps = [step for part in parts if (step := text_step(part.form)) is not None]
    if len(steps) != len(parts) or len({part.input for part in parts}) != 1:
        return NotFast("a part is no text, or the parts take different input")
    from model_quantization.kernels.text.steps import TextUnion

    union = TextUnion(tuple(steps))
    return Lowered(
        {"transform": union.matrix},
        by=f"{len(steps)} text steps side by side",
        names=(component.path, *(name for part in parts for name in part.names)),
        input=parts[0].input,
        form=Text(union),
    )


def examples() -> Iterable[Example]:
    """Words beside characters."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.pipeline import make_union

    rows = ["one fish two fish", "red fish blue fish", "black fish", "blue fish old fish new"]
    union = make_union(TfidfVectorizer(), CountVectorizer(analyzer="char", dtype=float))
    yield Example("words and characters", union.fit(rows), rows)


FAMILY = Family(
    name="union",
    types=frozenset({_UNION}),
    lower=lower,
    parts={_UNION: Parts("transformer_list", "name")},
    examples=examples,
)
