"""What models make of the nearest known rows: votes, means, distances, and how odd a row is.

Two distances that differ by less than rounding may be ranked either way by scikit-learn. Where an
answer depends on that, the restored estimator gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

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
from model_quantization.families.shared.steps import all_finite
from model_quantization.kernels.distances.candidates import MOST_NEIGHBOURS
from model_quantization.kernels.distances.neighbours import Found, KnownRows, root_of
from model_quantization.values import Value

_MODULE: Final = "sklearn.neighbors."
_CLASSIFIER: Final = f"{_MODULE}_classification:KNeighborsClassifier"
_REGRESSOR: Final = f"{_MODULE}_regression:KNeighborsRegressor"
_ALONE: Final = f"{_MODULE}_unsupervised:NearestNeighbors"
_OUTLIERS: Final = f"{_MODULE}_lof:LocalOutlierFactor"
_SCANNED: Final = 6000  # rows; twice as many for every two features (measured)
_ONE_ROW: Final = 8  # times as many for one row, of which most is what surrounds the search
_CLEARLY: Final = 1e-9  # of the larger vote: more than rounding changes it by
PRECISE: Final = 1e8
"""A distance of so many times its slack is good for eight digits."""

Search: TypeAlias = Callable[[Array], Found | None]


class _Model(Value, frozen=True):
    """A model of neighbours as the answers below need it.

    Attributes
    ----------
    component : Component
    known : KnownRows
    count : int
        Neighbours of a row.
    is_cosine, is_squared : bool
        How distances are shown.
    from_products : bool
        Whether rounding gives distances of zero another value.
    most : int or None
        Rows up to which a scan is quicker than the model's tree; None: it has no tree.
    """

    component: Component
    known: KnownRows
    count: int
    is_cosine: bool
    is_squared: bool
    from_products: bool
    most: int | None

    def search(self, rows: Array) -> Found | None:
        """The neighbours of finite rows of float64; None where scikit-learn has to look."""
        if rows.dtype.char != "d" or not (self.known.looks_at_rows or all_finite(rows)):
            return None
        known = len(self.known.rows)
        if self.most is not None and known > self.most and len(rows) * known > _ONE_ROW * self.most:
            return None
        return self.known.nearest(rows, self.count)

    def shown(self, found: Found) -> Array:
        """Distances as the model shows them."""
        if self.is_squared:
            return found.distances
        return root_of(found.distances, self.known.measure, cosine=self.is_cosine)

    def are_precise(self, found: Found) -> bool:
        """Whether the distances of scikit-learn's own way have the first digits of these."""
        return not self.from_products or bool((found.distances[:, 0] > PRECISE * found.slack).all())


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor of a model of nearest neighbours."""
    answers = _ANSWERS.get(component.type)
    if answers is None:
        return NotFast("it gives a sparse graph")
    model = _model(component)
    if isinstance(model, NotFast):
        return model
    methods = answers(model, exact)
    if isinstance(methods, NotFast):
        return methods
    known = model.known.rows
    how = "as bytes" if model.known.looks_at_rows else "in single precision"
    by = f"the nearest of {len(known)} rows, scanned {how}"
    return of_known_rows(component, methods, by=by, known=known, takes="floats")


def _model(component: Component) -> _Model | NotFast:
    method, metric = component.get("_fit_method"), component.get("effective_metric_")
    name = usual_metric(component)
    if name is None:
        return NotFast("it measures distances in a way of its own")
    rows = searched_rows(component)
    if rows is None:
        return NotFast("its rows are sparse, or no float64, or it was not fitted to search them")
    count = component.get("n_neighbors_", component.get("n_neighbors"))
    if type(count) is not int or not 0 < count <= min(MOST_NEIGHBOURS, len(rows)):
        return NotFast(f"it asks for more than {MOST_NEIGHBOURS} neighbours, or than there are")
    # A tree finds the nearest of many rows sooner than a scan, where they have few features.
    most = None if method == "brute" else int(_SCANNED * 2.0 ** min(rows.shape[1] / 2, 30))
    if most is not None and len(rows) > _ONE_ROW * most:
        return NotFast("its tree finds the nearest of so many rows sooner")
    from_products = method == "brute" and name in ("euclidean", "cosine")
    power = component["effective_metric_params_"].get("p", 2) if name == "minkowski" else 2
    known = KnownRows(rows, name, int(power), by_products=from_products)
    squared = metric == "sqeuclidean"
    return _Model(component, known, count, name == "cosine", squared, from_products, most)


def clear_labels(votes: Array, classes: Array) -> Array | None:
    """The class of most votes; None where rounding may have chosen one."""
    if len(classes) > 1:
        top = np.partition(votes, -2, axis=1)[:, -2:]
        # Whole numbers are votes that all count alike: equal ones are equal.
        close = top[:, 1] - top[:, 0] <= _CLEARLY * top[:, 1]
        if (close & (top[:, 1] != np.rint(top[:, 1]))).any():
            return None
    return np.asarray(classes.take(votes.argmax(axis=1)))


# Votes ------------------------------------------------------------------------------------


def _classifier(model: _Model, exact: bool) -> dict[str, Method] | NotFast:
    labels = labels_of(model.component, len(model.known.rows))
    if isinstance(labels, NotFast):
        return labels
    classes, weighed = model.component["classes_"], is_weighed(model.component)
    if weighed is None:
        return NotFast("it weighs neighbours by a function of its own")
    if weighed:
        return _weighed_votes(model, classes, labels, exact)

    places = labels.astype(np.int64)

    def votes(rows: Array) -> Array | None:
        found = model.search(rows)
        return None if found is None else found.votes(places, len(classes))

    def predict(rows: Array) -> Array | None:
        counts = votes(rows)
        return None if counts is None else np.asarray(classes.take(counts.argmax(axis=1)))

    def predict_proba(rows: Array) -> Array | None:
        counts = votes(rows)
        return None if counts is None else counts / model.count

    return {"predict": predict, "predict_proba": predict_proba}


def _counted(labels: Array, n_classes: int, weights: Array) -> Array:
    """Weighed votes for each class, (n, n_classes), added neighbour by neighbour."""
    offsets = np.arange(0, len(labels) * n_classes, n_classes)[:, np.newaxis]
    flat = (labels + offsets).ravel()
    votes = np.bincount(flat, weights.ravel(), minlength=len(labels) * n_classes)
    return votes.reshape(len(labels), n_classes)


def _agree_at_the_edge(found: Found, values: Array) -> bool:
    """Whether all that could be the last neighbour of a row have the same value."""
    rows = found.open_rows()
    if not len(rows):
        return True
    last, slack = found.distances[rows, -1], found.slack[rows]
    if (found.all_distances[rows, -1] <= last + slack).any():
        return False  # there may be more of them than are known
    places, may_be = found.could_be_last(rows)
    other = values[places] != values[found.places[rows, -1:]]
    return not (other & may_be.reshape(may_be.shape + (1,) * (values.ndim - 1))).any()


def _weighed_votes(model: _Model, classes: Array, labels: Array, exact: bool) -> dict[str, Method]:
    def votes(rows: Array) -> Array | None:
        found = model.search(rows)
        if found is None or len(found.open_rows()) or not model.are_precise(found):
            return None
        return _counted(labels[found.places], len(classes), _closeness(model.shown(found)))

    def predict(rows: Array) -> Array | None:
        counts = votes(rows)
        return None if counts is None else clear_labels(counts, classes)

    def predict_proba(rows: Array) -> Array | None:
        counts = votes(rows)
        return None if counts is None else counts / counts.sum(axis=1)[:, np.newaxis]

    return {"predict": predict} if exact else {"predict": predict, "predict_proba": predict_proba}


def _closeness(distances: Array) -> Array:
    """1 / distance; if a row has neighbours at distance 0, only they count."""
    with np.errstate(divide="ignore"):
        weights: Array = 1.0 / distances
    endless = np.isinf(weights)
    rows = endless.any(axis=1)
    if rows.any():
        weights[rows] = endless[rows]
    return weights


# Means ------------------------------------------------------------------------------------


def _regressor(model: _Model, exact: bool) -> dict[str, Method] | NotFast:
    targets, weighed = (
        targets_of(model.component, len(model.known.rows)),
        is_weighed(model.component),
    )
    if isinstance(targets, NotFast):
        return targets
    if weighed is None:
        return NotFast("it weighs neighbours by a function of its own")
    if weighed and exact:
        return NotFast("the last bits of the distances that it weighs by are scikit-learn's")
    columns = targets.reshape(len(targets), -1)
    mean = _weighed_mean(model, columns) if weighed else _plain_mean(model, columns, exact)

    def predict(rows: Array) -> Array | None:
        found = mean(rows)
        return found.ravel() if found is not None and targets.ndim == 1 else found

    return {"predict": predict}


def _plain_mean(model: _Model, targets: Array, exact: bool) -> Callable[[Array], Array | None]:
    def mean(rows: Array) -> Array | None:
        found = model.search(rows)
        if found is None or not _agree_at_the_edge(found, targets):
            return None
        if exact and not found.in_clear_order():
            return None  # the order shows in the last bits of the sum
        return np.asarray(np.mean(targets[found.places], axis=1))

    return mean


def _weighed_mean(model: _Model, targets: Array) -> Callable[[Array], Array | None]:
    def mean(rows: Array) -> Array | None:
        found = model.search(rows)
        if found is None or len(found.open_rows()) or not model.are_precise(found):
            return None
        weights = _closeness(model.shown(found))
        sums = np.einsum("nkt,nk->nt", targets[found.places], weights)
        return np.asarray(sums / weights.sum(axis=1)[:, np.newaxis])

    return mean


# Neighbours themselves --------------------------------------------------------------------


def _alone(model: _Model, exact: bool) -> dict[str, Method] | NotFast:
    if exact:
        return NotFast("the last bits of its distances are scikit-learn's")
    return {"kneighbors": _neighbours(model)}


def _neighbours(model: _Model) -> Method:
    def kneighbors(rows: Array) -> Any:
        found = model.search(rows)
        if found is None or len(found.open_rows()) or not found.in_clear_order():
            return None
        if not model.are_precise(found):
            return None
        return model.shown(found), np.ascontiguousarray(found.places)

    return kneighbors


def _outliers(model: _Model, exact: bool) -> dict[str, Method] | NotFast:
    reach, density, offset = (
        model.component.get(name) for name in ("_distances_fit_X_", "_lrd", "offset_")
    )
    known = len(model.known.rows)
    if not isinstance(reach, np.ndarray) or not isinstance(density, np.ndarray):
        return NotFast("the densities of its rows are no arrays")
    if reach.ndim != 2 or reach.shape[0] != known or reach.shape[1] < model.count:
        return NotFast("the distances of its rows do not fit them")
    if density.shape != (known,) or not isinstance(offset, float | np.floating):
        return NotFast("the densities of its rows do not fit them")
    if model.component.get("novelty") is not True:
        return NotFast("it judges the rows that it was fitted on")
    last = np.ascontiguousarray(reach[:, model.count - 1])

    def score_samples(rows: Array) -> Array | None:
        found = model.search(rows)
        if found is None or len(found.open_rows()) or not model.are_precise(found):
            return None
        within = np.maximum(model.shown(found), last[found.places])
        own = 1.0 / (within.mean(axis=1) + 1e-10)
        return np.asarray(-(density[found.places] / own[:, np.newaxis]).mean(axis=1))

    def decision_function(rows: Array) -> Array | None:
        scores = score_samples(rows)
        return None if scores is None else scores - offset

    def predict(rows: Array) -> Array | None:
        scores = score_samples(rows)
        if scores is None or (np.abs(scores - offset) <= 1e-6 * np.abs(scores)).any():
            return None
        return np.where(scores < offset, -1, 1)

    methods: dict[str, Method] = {"predict": predict}
    if not exact:
        methods |= {"score_samples": score_samples, "decision_function": decision_function}
    return methods


_ANSWERS: Final[dict[str, Callable[[_Model, bool], dict[str, Method] | NotFast]]] = {
    _CLASSIFIER: _classifier,
    _REGRESSOR: _regressor,
    _ALONE: _alone,
    _OUTLIERS: _outliers,
}
