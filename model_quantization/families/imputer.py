"""Imputers: one value per column, for the gaps in it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.forms import Columns
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.steps import gives_frames, number_step
from model_quantization.graph.nodes import ValueNode
from model_quantization.kernels.tables.categories import Filler
from model_quantization.kernels.tables.gaps import NearestRows
from model_quantization.schemes.scheme import Role, Slot

_SIMPLE = "sklearn.impute._base:SimpleImputer"
_MARKS = "sklearn.impute._base:MissingIndicator"
_NEAREST = "sklearn.impute._knn:KNNImputer"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """Numbers filled as rows, names as columns."""
    if component.type == _NEAREST:
        return lower_nearest(component)
    if component.type == _MARKS:
        return _lower_marks(component)
    missing, values = component.get("missing_values"), component.get("statistics_")
    if not isinstance(missing, float) or not math.isnan(missing):
        return NotFast("it takes another value than NaN for missing")
    if not isinstance(values, np.ndarray) or values.ndim != 1:
        return NotFast("what it fills in is no array")
    if component.get("keep_empty_features") or gives_frames(component):
        return NotFast("it keeps empty columns, or gives frames")
    names = (component.path,)
    if values.dtype == object:
        if component.get("add_indicator"):
            return NotFast("it adds columns that say which names were missing")
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

    width = len(values)
    marked = _marked(component, width)
    if isinstance(marked, NotFast):
        return marked

    def transform(rows: Array) -> Array | None:
        if np.isinf(rows).any():
            return None
        filled = rows.copy(order="K")
        gaps = np.isnan(filled)
        filled[gaps] = np.broadcast_to(values, filled.shape)[gaps]
        return filled if marked is None else np.hstack((filled, gaps[:, marked]))

    return Lowered(
        {"transform": transform},
        by="a filler of gaps",
        names=names,
        n_features=width,
        takes="numbers" if component.get("strategy") in ("mean", "median") else "floats",
        n_columns=width if marked is None else width + len(marked),
    )


def _marked(component: Component, width: int) -> Array | NotFast | None:
    """The columns for which another one says what was missing; None where none are added."""
    if not component.get("add_indicator"):
        return None
    indicator = component.get("indicator_")
    places = indicator.get("features_") if isinstance(indicator, Component) else None
    if not isinstance(places, np.ndarray) or places.ndim != 1 or places.dtype.kind != "i":
        return NotFast("which columns it marks is not known")
    if not isinstance(indicator, Component) or indicator.get("features") != "missing-only":
        return NotFast("it marks columns in another way than imputers do")
    if len(places) and not 0 <= int(places.min()) <= int(places.max()) < width:
        return NotFast("it marks columns beyond those it was fitted on")
    return places


def _lower_marks(component: Component) -> Lowered | NotFast:
    """Which values are missing, in the columns that had gaps when it was fitted."""
    missing, places = component.get("missing_values"), component.get("features_")
    width = component.get("n_features_in_")
    if not isinstance(missing, float) or not math.isnan(missing) or component.get("sparse") is True:
        return NotFast("it takes another value than NaN for missing, or gives a sparse matrix")
    if not isinstance(places, np.ndarray) or places.dtype.kind != "i" or type(width) is not int:
        return NotFast("which columns it marks is not known")
    # Nothing of the width that the file claims is allocated: only rows of that width prove it.
    if places.ndim != 1 or (places.size and not 0 <= places.min() <= places.max() < width):
        return NotFast("it marks columns beyond those it was fitted on")
    strict = component.get("error_on_new") and component.get("features") == "missing-only"

    def transform(rows: Array) -> Array | None:
        gaps = np.isnan(rows)
        if strict and np.delete(gaps, places, axis=1).any():
            return None
        return gaps[:, places] if len(places) < width else gaps

    return number_step(
        component,
        transform,
        by="marks of gaps",
        n_features=width,
        n_columns=len(places),
        refuses="infinite",
        takes="floats",
    )


def lower_nearest(component: Component) -> Lowered | NotFast:
    """Gaps filled from the nearest training rows that have a value there."""
    known, present = component.get("_fit_X"), component.get("_valid_mask")
    gaps, count = component.get("_mask_fit_X"), component.get("n_neighbors")
    missing, weights = component.get("missing_values"), component.get("weights")
    if not isinstance(missing, float) or not math.isnan(missing):
        return NotFast("it takes another value than NaN for missing")
    if component.get("keep_empty_features") or component.get("metric") != "nan_euclidean":
        return NotFast("it keeps empty columns, or measures distances in a way of its own")
    arrays = (known, present, gaps)
    if not all(isinstance(each, np.ndarray) for each in arrays) or known.dtype.char != "d":
        return NotFast("its training rows are no float64")
    if gaps.shape != known.shape or known.shape[1:] != present.shape or type(count) is not int:
        return NotFast("its training rows do not fit each other")
    if gaps.dtype != bool or present.dtype != bool:
        return NotFast("where its training rows have gaps is not known")
    if weights not in ("uniform", "distance") or count < 1:
        return NotFast("it weighs neighbours by a function of its own")
    marked = _marked(component, len(present))
    if isinstance(marked, NotFast):
        return marked
    nearest = NearestRows(known, gaps, present, count, by_distance=weights == "distance")

    def transform(rows: Array) -> Array | None:
        if rows.dtype.char != "d":
            return None
        filled = nearest.filled(rows)
        if filled is None:
            return None
        return filled if marked is None else np.hstack((filled, np.isnan(rows)[:, marked]))

    width = int(present.sum())
    return number_step(
        component,
        transform,
        by=f"gaps filled from the nearest of {len(known)} rows",
        n_features=len(present),
        n_columns=width if marked is None else width + len(marked),
        refuses="infinite",
    )


def examples() -> Iterable[Example]:
    """Numbers and names."""
    from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer

    rng = np.random.default_rng(0)
    rows = np.where(rng.random((60, 4)) < 0.2, np.nan, rng.normal(size=(60, 4)))
    names = np.array(["north", "south", np.nan], dtype=object)[rng.integers(0, 3, (60, 2))]
    yield Example("median", SimpleImputer(strategy="median").fit(rows), rows)
    yield Example("constant", SimpleImputer(strategy="constant", fill_value=0).fit(rows), rows)
    marking = SimpleImputer(add_indicator=True)
    yield Example("marked", marking.fit(np.where(np.arange(4) > 1, 1.0, rows)), rows)
    yield Example("marks", MissingIndicator().fit(rows), rows)
    yield Example("nearest", KNNImputer(n_neighbors=3).fit(rows), rows)
    weighed = KNNImputer(weights="distance", add_indicator=True)
    yield Example("nearest by distance", weighed.fit(rows), rows)
    yield Example("names", SimpleImputer(strategy="most_frequent").fit(names), names)


FAMILY = Family(
    name="imputer",
    types=frozenset({_SIMPLE, _NEAREST, _MARKS}),
    slots={
        "statistics_": Slot(Role.STATISTIC, note="what stands in for missing values"),
        "_fit_X": Slot(Role.SUPPORT),
    },
    lower=lower,
    examples=examples,
)
