"""Nearest centroids: one centre for each class."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.families.shared.steps import all_finite
from model_quantization.kernels.linear.centroids import centroid_scores, within_spread
from model_quantization.kernels.linear.clear_winners import clear_winners
from model_quantization.kernels.linear.discriminant import log_softmax
from model_quantization.kernels.linear.nearest import NearestCentre
from model_quantization.schemes.scheme import Role, Slot

_CENTROID = "sklearn.neighbors._nearest_centroid:NearestCentroid"
_SHARE = 8.0  # roundings of two ways to add up two distances


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The label of the nearest centre, and scores bit for bit as scikit-learn's."""
    arrays = tuple(
        component.get(name)
        for name in ("centroids_", "classes_", "class_prior_", "within_class_std_dev_")
    )
    if not all(isinstance(each, np.ndarray) for each in arrays):
        return NotFast("its centres are no arrays, or it was fitted before it knew priors")
    centres, classes, prior, spread = arrays
    if any(each.dtype.char != "d" for each in (centres, prior, spread)):
        return NotFast("its centres are no float64")
    if not (np.isfinite(centres).all() and (spread >= 0).all() and (prior > 0).all()):
        return NotFast("a centre is not finite, or a class has no prior")
    metric = component.get("metric")
    if metric == "manhattan" and _are_equal(prior):
        methods: dict[str, Method] = {"predict": _labels(_manhattan(centres), classes)}
    elif metric == "euclidean":
        methods = _euclidean(centres, classes, prior, spread)
    else:
        return NotFast("it measures distances in a way of its own")
    return Lowered(
        {name: _of_doubles(method, name == "predict") for name, method in methods.items()},
        by=f"the nearest of {len(centres)} centres",
        names=(component.path,),
        n_features=centres.shape[1],
        classes=classes,
    )


def _are_equal(prior: Array) -> bool:
    """Whether scikit-learn takes all classes to be equally likely, and looks at centres alone."""
    return bool(np.isclose(prior, 1 / len(prior)).all())


def _of_doubles(answer: Method, sees_the_finite: bool) -> Method:
    """The answer for finite rows of float64; labels show by their margin what is not finite."""

    def call(rows: Array) -> Array | None:
        if rows.dtype.char != "d" or not (sees_the_finite or all_finite(rows)):
            return None
        found: Array | None = answer(rows)
        return found

    return call


def _labels(winners: Callable[[Array], Array | None], classes: Array) -> Method:
    def predict(rows: Array) -> Array | None:
        found = winners(rows)
        return None if found is None else np.asarray(classes[found])

    return predict


def _euclidean(centres: Array, classes: Array, prior: Array, spread: Array) -> dict[str, Method]:
    if _are_equal(prior):
        winners = NearestCentre.of(centres).winners
    else:
        scaled = NearestCentre.of(within_spread(centres, spread), 2.0 * np.log(prior))

        def winners(rows: Array) -> Array | None:
            return scaled.winners(within_spread(rows, spread))

    def of_scores(answer: Callable[[Array], Array]) -> Method:
        # The order of rows in memory shows in the last bits of a product.
        return lambda rows: answer(centroid_scores(rows, centres, spread, prior))

    two = len(classes) == 2
    return {
        "predict": _labels(winners, classes),
        "decision_function": of_scores(
            lambda scores: scores[:, 1] - scores[:, 0] if two else scores
        ),
        "predict_log_proba": of_scores(log_softmax),
        "predict_proba": of_scores(lambda scores: np.asarray(np.exp(log_softmax(scores)))),
    }


def _manhattan(centres: Array) -> Callable[[Array], Array | None]:
    unit = _SHARE * (centres.shape[1] + 4) * np.finfo(np.float64).eps

    def winners(rows: Array) -> Array | None:
        scores = np.empty((len(rows), len(centres)))
        with np.errstate(all="ignore"):
            for index, centre in enumerate(centres):
                np.abs(rows - centre).sum(axis=1, out=scores[:, index])
            slack = unit * scores.max(axis=1)
        np.negative(scores, out=scores)
        return clear_winners(scores, slack)

    return winners


def examples() -> Iterable[Example]:
    """Classes of one size, of several, and centres of medians."""
    from sklearn.neighbors import NearestCentroid

    rows = np.random.default_rng(0).normal(size=(150, 6))
    several = (rows[:, 0] > 0).astype(int) + (rows[:, 1] > 0)
    yield Example("several", NearestCentroid().fit(rows, several), rows)
    names = np.array(["low", "high"])[(rows[:, 0] > 0.5).astype(int)]
    yield Example("priors", NearestCentroid(priors="empirical").fit(rows, names), rows)
    equal = np.arange(150) % 3
    yield Example("medians", NearestCentroid(metric="manhattan").fit(rows, equal), rows)


FAMILY = Family(
    name="centroids",
    types=frozenset({_CENTROID}),
    slots={"centroids_": Slot(Role.CENTER, channel_axis=1), "classes_": Slot(Role.LABEL)},
    lower=lower,
    examples=examples,
)
