"""Imputers: one value for what is missing, a column at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, Lowered
from model_quantization.graph.nodes import ValueNode
from model_quantization.kernels.tables.categories import Filler
from model_quantization.schemes.scheme import Role, Slot

_SIMPLE = "sklearn.impute._base:SimpleImputer"


def lower(component: Component, exact: bool) -> Lowered | None:
    """Numbers filled as rows, names as columns; None for markers, indicators and empty columns."""
    missing, values = component.get("missing_values"), component.get("statistics_")
    if not isinstance(missing, float) or not math.isnan(missing):
        return None
    if component.get("add_indicator") or not isinstance(values, np.ndarray) or values.ndim != 1:
        return None
    if component.get("keep_empty_features") or component.get("_sklearn_output_config") is not None:
        return None
    names = (component.path,)
    if values.dtype == object:
        fill = tuple(values.tolist())
        if not all(type(value) in (str, int, bool) for value in fill):
            return None
        held = component.get("feature_names_in_")
        known = None if held is None else tuple(str(name) for name in held)
        return Lowered(methods={}, filler=Filler(fill, known), names=names)
    kind = component.get("_fill_dtype")
    is_double = isinstance(kind, ValueNode) and kind.items == ("<f8",)
    if values.dtype.char != "d" or not np.isfinite(values).all() or not is_double:
        return None

    def transform(rows: Array) -> Array | None:
        if np.isinf(rows).any():
            return None
        filled = rows.copy(order="K")
        gaps = np.isnan(filled)
        filled[gaps] = np.broadcast_to(values, filled.shape)[gaps]
        return filled

    width = len(values)
    return Lowered(methods={"transform": transform}, n_features=width, n_columns=width, names=names)


def examples() -> Iterable[Example]:
    """Numbers and names."""
    from sklearn.impute import SimpleImputer

    rng = np.random.default_rng(0)
    rows = np.where(rng.random((60, 4)) < 0.2, np.nan, rng.normal(size=(60, 4)))
    names = np.array(["north", "south", np.nan], dtype=object)[rng.integers(0, 3, (60, 2))]
    yield Example("median", SimpleImputer(strategy="median").fit(rows), rows)
    yield Example("constant", SimpleImputer(strategy="constant", fill_value=0).fit(rows), rows)
    yield Example("names", SimpleImputer(strategy="most_frequent").fit(names), names)


FAMILY = Family(
    name="imputer",
    types=frozenset({_SIMPLE}),
    slots={"statistics_": Slot(Role.STATISTIC, note="what stands in for missing values")},
    lower=lower,
    examples=examples,
)
