"""Partial least squares: directions that two tables share, and a linear model between them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.steps import all_finite, width_of
from model_quantization.schemes.scheme import Role, Slot

_MODULE = "sklearn.cross_decomposition._pls"
_TYPES = frozenset(f"{_MODULE}:{name}" for name in ("PLSRegression", "PLSCanonical", "CCA"))


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The regression and the projection of the rows, as scikit-learn computes them."""
    names = ("_x_mean", "_x_std", "x_rotations_", "coef_", "intercept_")
    mean, spread, rotations, weights, intercept = (component.get(name) for name in names)
    width = width_of(component)
    if not all(isinstance(each, np.ndarray) for each in (mean, spread, rotations, weights)):
        return NotFast("its arrays are not those of today's scikit-learn")
    if not mean.shape == spread.shape == rotations.shape[:1] == weights.shape[1:] == (width,):
        return NotFast("its arrays do not fit each other")
    is_flat = bool(component.get("_predict_1d"))

    def centred(rows: Array) -> Array | None:
        if not all_finite(rows):
            return None
        found = rows.copy(order="K")
        found -= mean
        return found

    def predict(rows: Array) -> Array | None:
        found = centred(rows)
        if found is None:
            return None
        values = found @ weights.T + intercept
        return np.asarray(values.ravel() if is_flat else values)

    def transform(rows: Array) -> Array | None:
        found = centred(rows)
        if found is None:
            return None
        found /= spread
        return np.asarray(np.dot(found, rotations))

    return Lowered(
        {"predict": predict, "transform": transform},
        by="directions shared with the target",
        names=(component.path,),
        n_features=width,
        n_columns=rotations.shape[1],
    )


def examples() -> Iterable[Example]:
    """Several targets and one, and directions alone."""
    from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
    from sklearn.datasets import make_regression

    rows, target = make_regression(120, 12, n_targets=2, random_state=0)
    yield Example("regressor", PLSRegression(4).fit(rows, target), rows)
    yield Example("one target", PLSRegression(3).fit(rows, target[:, 0]), rows)
    yield Example("canonical", PLSCanonical(2).fit(rows, target), rows)
    yield Example("correlation", CCA(1).fit(rows, target), rows)


_TRAINED = "the training rows along the directions; no method reads them"

FAMILY = Family(
    name="cross_decomposition",
    types=_TYPES,
    slots=slots_for(
        ("x_weights_", "y_weights_", "x_loadings_", "y_loadings_", "x_rotations_", "y_rotations_"),
        Slot(Role.BASIS, channel_axis=1),
    )
    | {"coef_": Slot(Role.WEIGHT, channel_axis=0), "intercept_": Slot(Role.BIAS)},
    dropped=dict.fromkeys(("x_scores_", "y_scores_", "_x_scores", "_y_scores"), _TRAINED),
    lower=lower,
    examples=examples,
)
