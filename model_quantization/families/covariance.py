"""Covariances: the Mahalanobis distance of a row from the middle of the data."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.families.shared.steps import all_finite
from model_quantization.schemes.scheme import Role, Slot

_ENVELOPE = "sklearn.covariance._elliptic_envelope:EllipticEnvelope"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """Squared Mahalanobis distances, by the function of scipy that scikit-learn calls."""
    location, precision = component.get("location_"), component.get("precision_")
    offset = component.get("offset_")
    if not component.get("store_precision") or not isinstance(precision, np.ndarray):
        return NotFast("it has not kept the inverse of its covariance")
    if not isinstance(location, np.ndarray) or precision.shape != (len(location),) * 2:
        return NotFast("its covariance does not fit its location")
    if not isinstance(offset, float | np.floating):
        return NotFast("the offset between inliers and outliers is no number")
    middle, inverse = location[np.newaxis, :], np.ascontiguousarray(precision)

    def distances(rows: Array) -> Array | None:
        from scipy.spatial.distance import cdist

        if rows.dtype.char != "d" or not all_finite(rows):
            return None
        found = cdist(rows, middle, metric="mahalanobis", VI=inverse)
        return np.asarray(np.reshape(found, (len(rows),)) ** 2)

    def scores(rows: Array) -> Array | None:
        found = distances(rows)
        return None if found is None else -found

    def decision(rows: Array) -> Array | None:
        found = scores(rows)
        return None if found is None else found - offset

    def predict(rows: Array) -> Array | None:
        found = decision(rows)
        return None if found is None else np.where(found >= 0, 1, -1)

    methods: dict[str, Method] = {
        "mahalanobis": distances,
        "score_samples": scores,
        "decision_function": decision,
        "predict": predict,
    }
    return Lowered(
        methods,
        by="distances from the middle",
        names=(component.path,),
        n_features=len(location),
    )


def examples() -> Iterable[Example]:
    """An envelope of correlated rows."""
    from sklearn.covariance import EllipticEnvelope

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 6)) @ rng.normal(size=(6, 6))
    yield Example("envelope", EllipticEnvelope(random_state=0).fit(rows), rows)


FAMILY = Family(
    name="covariance",
    types=frozenset({_ENVELOPE}),
    slots=slots_for(
        ("location_", "covariance_", "precision_", "raw_location_", "raw_covariance_"),
        Slot(Role.STATISTIC, note="distances are divided by variances that may be next to nothing"),
    )
    | {"dist_": Slot(Role.PARAMETER)},  # of the training rows
    lower=lower,
    examples=examples,
)
