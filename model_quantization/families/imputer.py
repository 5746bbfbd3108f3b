"""Imputers: one value per column, for the gaps in it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.forms import Columns
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.graph.nodes import ValueNode
from model_quantization.kernels.tables.categories import Filler
from model_quantization.schemes.scheme import Role, Slot

_SIMPLE = "sklearn.impute._base:SimpleImputer"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """Numbers filled as rows, names as columns."""
    missing, values = component.get("missing_values"), component.get("statistics_")
    if not isinstance(missing, float) or not math.isnan(missing):
        return NotFast("it takes another value than NaN for missing")
    if component.get("add_indicator") or not isinstance(values, np.ndarray) or values.ndim != 1:
        return NotFast("it adds columns that say what was missing")
    if component.get("keep_empty_features") or component.get("_sklearn_output_config") is not None:
        return NotFast("it keeps empty columns, or gives frames")
    names = (component.path,)
    if values.dtype == object:
        fill = tuple(values.tolist())
        if not all(type(value) in (str, int, bool) for value in fill):
            return NotFast("it fills in something else than text and whole numbers")
        columns = component.get("feature_names_in_")
        known = None if columns is None else tuple(str(name) for name in columns)
        form = Columns(None, Filler(fill, known))
        return Lowered({}, by="a filler of names", names=names, form=form)
    kind = component.get("_fill_dtype", component.get("_fit_dtype"))  # the second before 1.8
    is_double = isinstance(kind, ValueNode) and kind.items == ("<f8",)
    if values.dtype.char != "d" or not np.isfinite(values).all() or not is_double:
        return NotFast("it fills numbers of another type than float64, or a column has no value")

    def transform(rows: Array) -> Array | None:
        if np.isinf(rows).any():
            return None
        filled = rows.copy(order="K")
        gaps = np.isnan(filled)
        filled[gaps] = np.broadcast_to(values, filled.shape)[gaps]
        return filled

    width = len(values)
    return Lowered(
        {"transform": transform},
        by="a filler of gaps",
        names=names,
        n_features=width,
        takes="numbers" if component.get("strategy") in ("mean", "median") else "floats",
        n_columns=width,
    )


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
