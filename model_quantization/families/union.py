"""Feature unions: steps side by side over the same input, their columns one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, Parts
from model_quantization.families.forms import Text, text_step
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.children import (
    Ask,
    Combine,
    lower_all,
    over_children,
)
from model_quantization.families.shared.steps import side_by_side

_UNION = "sklearn.pipeline:FeatureUnion"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """Several steps as one, of text or of numbers."""
    listed = [part for _, part in component["transformer_list"] if part != "drop"]
    parts = lower_all([part for part in listed if part != "passthrough"], exact)
    if isinstance(parts, NotFast):
        return parts
    steps = [step for part in parts if (step := text_step(part.form)) is not None]
    if not steps:
        return _of_numbers(component, listed, parts, exact)
    if len(steps) != len(listed) or len({(part.input, part.n_features) for part in parts}) != 1:
        return NotFast("a part is no text, or the parts take different input")
    if component.get("transformer_weights"):
        return NotFast("its parts have weights")
    from model_quantization.kernels.text.steps import TextUnion

    union = TextUnion(tuple(steps))
    return Lowered(
        {"transform": union.matrix},
        by=f"{len(steps)} sparse steps side by side",
        names=(component.path, *(name for part in parts for name in part.names)),
        input=parts[0].input,
        n_features=parts[0].n_features,
        integers=parts[0].integers,
        takes=parts[0].takes,
        form=Text(union),
    )


def _of_numbers(
    component: Component, listed: list[Any], parts: list[Lowered], exact: bool
) -> Lowered | NotFast:
    weights = component.get("transformer_weights") or {}
    names = [name for name, part in component["transformer_list"] if part != "drop"]
    factors = [weights.get(name) for name in names]
    if any("transform" not in part.methods or part.input != "rows" for part in parts):
        return NotFast("a part has no fast `transform` of rows of numbers")
    if "passthrough" in listed:
        return NotFast("a part passes the rows through as they come, frames included")
    widths = [part.n_columns for part in parts]

    def transform(ask: Ask) -> Array:
        found = [ask(index, "transform") for index in range(len(parts))]
        weighed = [
            one if factor is None else one * factor
            for one, factor in zip(found, factors, strict=True)
        ]
        return np.concatenate(weighed, axis=1)

    combine: dict[str, Combine] = {"transform": transform}
    both = over_children(
        parts,
        combine,
        exact=exact,
        names=(component.path,),
        by=f"{len(parts)} steps side by side" if len(parts) > 1 else "one step",
        together=False,
    )
    if isinstance(both, NotFast):
        return both
    width, form = both.n_features, None
    if not exact and width is not None and all(factor is None for factor in factors):
        form = side_by_side([part.form for part in parts], width)
    return Lowered(
        both.methods,
        by=both.by,
        names=both.names,
        n_features=width,
        n_columns=None if None in widths else sum(one for one in widths if one is not None),
        form=form,
        integers=both.integers,
        takes=both.takes,
    )


def sees_input(component: Component) -> list[Component]:
    """Every part looks at the input itself."""
    parts = [part for _, part in component["transformer_list"]]
    return [part for part in parts if isinstance(part, Component)] or [component]


def examples() -> Iterable[Example]:
    """Words beside characters; directions beside chosen columns."""
    from sklearn.decomposition import PCA
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.feature_selection import SelectKBest
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
    from sklearn.preprocessing import StandardScaler

    rows = ["one fish two fish", "red fish blue fish", "black fish", "blue fish old fish new"]
    union = make_union(TfidfVectorizer(), CountVectorizer(analyzer="char", dtype=float))
    yield Example("words and characters", union.fit(rows), rows)
    numbers = np.random.default_rng(0).normal(size=(90, 12))
    labels = numbers[:, 0] > 0
    several = [("pca", PCA(3)), ("best", SelectKBest(k=4)), ("all", StandardScaler())]
    yield Example("directions", FeatureUnion(several[:2]).fit(numbers, labels), numbers)
    weighed = FeatureUnion(several, transformer_weights={"pca": 2.5})
    yield Example("with weights", weighed.fit(numbers, labels), numbers)
    model = make_pipeline(FeatureUnion(several), LogisticRegression())
    yield Example("before a model", model.fit(numbers, labels), numbers)


FAMILY = Family(
    name="union",
    types=frozenset({_UNION}),
    lower=lower,
    parts={_UNION: Parts("transformer_list", "name")},
    sees_input=sees_input,
    examples=examples,
)
