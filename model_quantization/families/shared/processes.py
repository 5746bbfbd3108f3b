"""Gaussian processes from their arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.lowered import Lowered, Method, NotFast, WithOptions
from model_quantization.families.shared.kernel_functions import KernelFunction
from model_quantization.families.shared.kernel_sums import KernelSums
from model_quantization.families.shared.known_rows import of_known_rows
from model_quantization.families.shared.process_kernels import kernel_of_component
from model_quantization.families.shared.steps import all_finite
from model_quantization.families.shared.wrapping import renamed

# Williams and Barber's sum of error functions for a logistic curve, as scikit-learn has it.
_LAMBDAS: Final = np.array([0.41, 0.4, 0.37, 0.44, 0.39])[:, np.newaxis]
_WEIGHTS: Final = np.array(
    [-1854.8214151, 3516.89893646, 221.29346712, 128.12323805, -2010.49422654]
)[:, np.newaxis]


def _lowered(
    component: Component,
    exact: bool,
    lower: Callable[[Component, bool, KernelFunction, Array], Lowered],
) -> Lowered | NotFast:
    """The predictor that `lower` makes of a fitted process, its kernel and its training rows."""
    function, known = kernel_of_component(component.get("kernel_")), component.get("X_train_")
    usable = isinstance(known, np.ndarray) and known.ndim == 2 and known.dtype.kind == "f"
    if function is None or not usable or not known.size:
        return NotFast("its kernel has no fast form, or it was not fitted")
    for step in function.steps:
        if step.scale is not None and step.scale.shape not in ((), (known.shape[1],)):
            raise ValueError("its lengths do not fit its rows")
    return lower(component, exact, function, known)


# Regression ---------------------------------------------------------------------------------


def regressor(component: Component, exact: bool) -> Lowered | NotFast:
    """The mean of a process in one pass; its deviation by the calls that scikit-learn makes.

    Raises
    ------
    ValueError
        The kernel, the coefficients and the rows do not fit each other.
    """
    return _lowered(component, exact, _regressor)


def _regressor(
    component: Component, exact: bool, function: KernelFunction, known: Array
) -> Lowered:
    coefficients = component["alpha_"]
    scale, mean = component.get("_y_train_std"), component.get("_y_train_mean")
    if scale is None or mean is None or len(coefficients) != len(known):
        raise ValueError("its coefficients do not fit its rows")
    if any(np.shape(one) not in ((), (1,), coefficients.shape[1:]) for one in (scale, mean)):
        raise ValueError("the units of its targets do not fit its coefficients")
    one_pass = KernelSums(function, known, coefficients.reshape(len(known), -1))

    def in_units(found: Array) -> Array:
        answer = scale * found + mean
        squeezes = answer.ndim > 1 and answer.shape[1] == 1
        return np.asarray(np.squeeze(answer, axis=1) if squeezes else answer)

    def predict(rows: Array, *, return_std: bool = False, return_cov: bool = False) -> object:
        if not all_finite(rows) or (return_std and return_cov):
            return None
        if return_std or return_cov:
            return deviating(rows, return_cov)
        if exact or not one_pass.is_steady:
            return in_units(function.plain(rows, known) @ coefficients)
        found = one_pass(rows)
        if not all_finite(found):
            return None
        return in_units(found.reshape(-1) if coefficients.ndim == 1 else found)

    def deviating(rows: Array, together: bool) -> tuple[Array, Array] | None:
        from scipy.linalg import solve_triangular

        factor = component.get("L_")
        if not isinstance(factor, np.ndarray):
            return None  # it is made again by the restored estimator
        similar = function.plain(rows, known)
        answer = in_units(similar @ coefficients)
        try:
            solved = solve_triangular(factor, similar.T, lower=True, check_finite=False)
        except ValueError:  # its factor has no inverse: scikit-learn raises its own error
            return None
        if together:
            covered = function.plain(rows, None) - solved.T @ solved
            return answer, _spread(covered, scale)
        variances = function.diagonal(rows).copy()
        variances -= np.einsum("ij,ji->i", solved.T, solved)
        if (variances < 0).any():
            return None  # scikit-learn warns
        return answer, np.sqrt(_spread(variances, scale))

    return of_known_rows(
        component,
        {"predict": WithOptions(predict, frozenset({"return_std", "return_cov"}))},
        by=f"similarities to {len(known)} rows, added up",
        known=known,
    )


def _spread(variances: Array, scale: Array) -> Array:
    """Variances in the units of each target."""
    found = np.outer(variances, scale**2).reshape(*variances.shape, -1)
    return np.squeeze(found, axis=-1) if found.shape[-1] == 1 else found


# Classification -----------------------------------------------------------------------------


def classifier(component: Component, exact: bool) -> Lowered | NotFast:
    """The binary process inside, or one for each class or pair."""
    inside = renamed(component, component.get("base_estimator_"), exact)
    if isinstance(inside, NotFast):
        return inside
    answered = {"predict", "predict_proba"}
    return Lowered(
        {name: method for name, method in inside.methods.items() if name in answered},
        by=inside.by,
        names=inside.names,
        n_features=inside.n_features,
        integers=inside.integers,
        takes=inside.takes,
        classes=component.get("classes_"),
        decides_by="predict_proba",
    )


def binary_classifier(component: Component, exact: bool) -> Lowered | NotFast:
    """The sign of the mean, and the probability that the process lies on either side.

    Raises
    ------
    ValueError
        The kernel, the targets and the rows do not fit each other.
    """
    return _lowered(component, exact, _binary_classifier)


def _binary_classifier(
    component: Component, exact: bool, function: KernelFunction, known: Array
) -> Lowered:
    classes = component["classes_"]
    excess = component["y_train_"] - component["pi_"]
    if excess.shape != (len(known),) or classes.shape != (2,):
        raise ValueError("its targets do not fit its rows")
    one_pass = KernelSums(function, known, excess[:, np.newaxis])

    def predict(rows: Array) -> Array | None:
        if not all_finite(rows):
            return None
        mean = one_pass(rows).reshape(-1)
        reach = function.diagonal(rows).max(initial=1.0)  # of similarities to the known rows
        if not (np.abs(mean) > one_pass.doubt * reach).all():
            mean = function.plain(known, rows).T.dot(excess)
        return np.asarray(np.where(mean > 0, classes[1], classes[0]))

    latent = _latent_bits(component, function, known, excess)
    if not exact:
        latent = _latent(component, function, one_pass, excess)

    def predict_proba(rows: Array) -> Array | None:
        if not all_finite(rows):
            return None
        try:
            mean, variance = latent(rows)
        except ValueError:  # its factor has no inverse: scikit-learn raises its own error
            return None
        return _probabilities(mean, variance) if (variance > 0).all() else None

    return of_known_rows(
        component,
        {"predict": predict, "predict_proba": predict_proba},
        by=f"similarities to {len(known)} rows, added up",
        known=known,
    )


def _latent_bits(
    component: Component, function: KernelFunction, known: Array, excess: Array
) -> Method:
    """Mean and variance by the calls that scikit-learn makes."""

    def latent(rows: Array) -> tuple[Array, Array]:
        from scipy.linalg import solve

        similar = function.plain(known, rows)
        mean = similar.T.dot(excess)
        solved = solve(component["L_"], component["W_sr_"][:, np.newaxis] * similar)
        return mean, function.diagonal(rows) - np.einsum("ij,ij->j", solved, solved)

    return latent


def _latent(
    component: Component, function: KernelFunction, one_pass: KernelSums, excess: Array
) -> Method:
    """Mean and variance with the factor inverted once.

    All eigenvalues of the matrix that it is a factor of are at least 1, so that its inverse loses
    no digits (Rasmussen and Williams, section 3.4.3).
    """

    @cache
    def inverse() -> Array:
        solved = np.linalg.solve(component["L_"], np.diag(component["W_sr_"]))
        return np.ascontiguousarray(solved.T)

    def latent(rows: Array) -> tuple[Array, Array]:
        similar = one_pass.rows.similarities(rows)
        solved = similar @ inverse()
        return similar @ excess, function.diagonal(rows) - np.einsum("ij,ij->i", solved, solved)

    return latent


def _probabilities(mean: Array, variance: Array) -> Array:
    from scipy.special import erf

    alpha = 1 / (2 * variance)
    gamma = _LAMBDAS * mean
    integrals = (
        np.sqrt(np.pi / alpha)
        * erf(gamma * np.sqrt(alpha / (alpha + _LAMBDAS**2)))
        / (2 * np.sqrt(variance * 2 * np.pi))
    )
    second = (_WEIGHTS * integrals).sum(axis=0) + 0.5 * _WEIGHTS.sum()
    return np.vstack((1 - second, second)).T
