"""Feature unions: steps side by side over the same input, their columns one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from model_quantization.families.family import Component, Example, Family, Lowered

if TYPE_CHECKING:
    from model_quantization.kernels.text.steps import Step


def lower(component: Component, exact: bool) -> Lowered | None:
    """One text step out of several; None when a part is no text or has a weight."""
    if component.get("transformer_weights"):
        return None
    steps: list[Step] = []
    names = [component.path]
    for _, part in component["transformer_list"]:
        lowered = part.lower(exact) if isinstance(part, Component) else None
        if lowered is None or lowered.text is None:
            return None
        steps.append(lowered.text)
        names.extend(lowered.names)
    if not steps:
        return None
    from model_quantization.kernels.text.steps import TextUnion

    union = TextUnion(tuple(steps))
    return Lowered(
        methods={"transform": union.matrix}, input="text", names=tuple(names), text=union
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
    types=frozenset({"sklearn.pipeline:FeatureUnion"}),
    lower=lower,
    examples=examples,
)
