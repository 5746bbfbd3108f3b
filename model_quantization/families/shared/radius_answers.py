"""What models make of all known rows within a radius.

A row that is as far away as the radius, but for rounding, may be within it for scikit-learn or not:
the restored estimator then answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.families.shared.fitted_neighbours import (
    is_weighed,
    labels_of,
    searched_rows,
    targets_of,
    usual_metric,
)
from model_quantization.families.shared.known_rows import of_known_rows
from model_quantization.families.shared.neighbour_answers import PRECISE, clear_labels
from model_quantization.families.shared.steps import all_finite
from model_quantization.kernels.distances.all_distances import AllDistances
from model_quantization.kernels.distances.neighbours import MEASURES

CLASSIFIER: Final = "sklearn.neighbors._classification:RadiusNeighborsClassifier"
REGRESSOR: Final = "sklearn.neighbors._regression:RadiusNeighborsRegressor"
DENSITY: Final = "sklearn.neighbors._kde:KernelDensity"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor of a model that asks for all rows within its radius."""
    metric = usual_metric(component)
    if metric not in ("euclidean", "manhattan", "chebyshev"):
        return NotFast("it measures distances in a way of its own")
    rows = searched_rows(component)
    if rows is None:
        return NotFast("its rows are sparse, or no float64")
    radius = component.get("radius")
    if not isinstance(radius, int | float) or not radius > 0:
        return NotFast("its radius is no number above zero")
    weighed = is_weighed(component)
    if weighed is None:
        return NotFast("it weighs neighbours by a function of its own")
    if exact and (weighed or component.type == REGRESSOR):
        return NotFast("the last bits of its sums are those of scikit-learn's order of rows")
    known = AllDistances(rows, MEASURES[metric])
    within = _Within(known, float(radius) ** (2 if known.measure == 2 else 1), weighed)
    methods = (
        _classifier(component, within)
        if component.type == CLASSIFIER
        else _regressor(component, within)
    )
    if isinstance(methods, NotFast):
        return methods
    by = f"those of {len(rows)} rows that are within the radius"
    return of_known_rows(component, methods, by=by, known=rows, takes="floats")


class _Within:
    """The weights of known rows: what is within the radius, or how close it is."""

    __slots__ = ("known", "limit", "weighed")

    def __init__(self, known: AllDistances, limit: float, weighed: bool) -> None:
        self.known, self.limit, self.weighed = known, limit, weighed

    def summed(self, rows: Array, values: Array) -> Array | None:
        """The weighed sums of values, (n_known, n_columns); None where rounding may decide.

        Also None where a row has no neighbour at all.
        """
        if rows.dtype.char != "d" or not all_finite(rows):
            return None
        sums = np.empty((len(rows), values.shape[1]))
        for part, distances, slack in self.known.blocks(rows):
            inside = distances <= self.limit
            if (np.abs(distances - self.limit) <= slack).any() or not inside.any(axis=1).all():
                return None
            weights = inside.astype(np.float64)
            if self.weighed:
                if (inside & (distances <= PRECISE * slack)).any():
                    return None
                power = 0.5 if self.known.measure == 2 else 1.0
                np.divide(weights, distances**power, out=weights, where=inside)
            sums[part] = weights @ values
        return sums


def _classifier(component: Component, within: _Within) -> dict[str, Method] | NotFast:
    labels = labels_of(component, len(within.known.known))
    if isinstance(labels, NotFast):
        return labels
    classes = component["classes_"]
    indicators = (labels[:, np.newaxis] == np.arange(len(classes))).astype(np.float64)

    def predict_proba(rows: Array) -> Array | None:
        votes = within.summed(rows, indicators)
        return None if votes is None else votes / votes.sum(axis=1)[:, np.newaxis]

    def predict(rows: Array) -> Array | None:
        votes = within.summed(rows, indicators)
        return None if votes is None else clear_labels(votes, classes)

    return {"predict": predict, "predict_proba": predict_proba}


def _regressor(component: Component, within: _Within) -> dict[str, Method] | NotFast:
    targets = targets_of(component, len(within.known.known))
    if isinstance(targets, NotFast):
        return targets
    columns = targets.reshape(len(targets), -1)
    beside = np.hstack((columns, np.ones((len(columns), 1)))).astype(np.float64)

    def predict(rows: Array) -> Array | None:
        sums = within.summed(rows, beside)
        if sums is None:
            return None
        means = sums[:, :-1] / sums[:, -1:]
        return means.ravel() if targets.ndim == 1 else means

    return {"predict": predict}


def lower_density(component: Component, exact: bool) -> NotFast:
    """NotFast: a density keeps its tree unrounded, so that every bit of its sums is promised."""
    return NotFast("the last bits of its sums are those of the walk through its tree")


ANSWERS: Final[dict[str, Callable[[Component, bool], Lowered | NotFast]]] = {
    CLASSIFIER: lower,
    REGRESSOR: lower,
    DENSITY: lower_density,
}
