"""Kernel ridge and kernel PCA from their arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.kernel_functions import pairwise_kernel
from model_quantization.families.shared.kernel_sums import KernelSums
from model_quantization.families.shared.steps import all_finite, number_step
from model_quantization.kernels.linear.similarities import of_length_one
from model_quantization.values import Value

_DOUBLE = "d"


class _Similar(Value, frozen=True):
    """Similarities to the training rows of a component.

    Attributes
    ----------
    n_features : int
    plain : callable
        The similarities of rows, (n, n_known), with scikit-learn's bits.
    sums : callable
        `sums(coefficients, offset)` makes the function of rows to weighted sums.
    by : str
    """

    n_features: int
    plain: Callable[[Array], Array]
    sums: Callable[[Array, float | Array], Callable[[Array], Array | None]]
    by: str


def _similar(component: Component, gamma: str) -> _Similar | NotFast:
    known, name = component.get("X_fit_"), component.get("kernel")
    if not isinstance(known, np.ndarray) or known.ndim != 2 or known.dtype.char != _DOUBLE:
        return NotFast("the rows that it keeps are sparse, or no float64")
    parameters = {"gamma": component.get(gamma)}
    parameters |= {each: component.get(each) for each in ("coef0", "degree")}
    made = pairwise_kernel(name, known, parameters)
    if made is None:
        return NotFast("its kernel has no fast form")
    function, plain = made
    is_cosine = name == "cosine"

    def sums(coefficients: Array, offset: float | Array) -> Callable[[Array], Array | None]:
        one_pass = KernelSums(
            function, of_length_one(known) if is_cosine else known, coefficients, offset
        )

        def call(rows: Array) -> Array | None:
            if not one_pass.is_steady:
                found = plain(rows) @ coefficients
                found += offset
                return np.asarray(found)
            return one_pass(of_length_one(rows) if is_cosine else rows)

        return call

    return _Similar(known.shape[1], plain, sums, f"{name} similarities to {len(known)} rows")


def ridge(component: Component, exact: bool) -> Lowered | NotFast:
    """KernelRidge: similarities times coefficients.

    Raises
    ------
    ValueError
        The coefficients do not fit the rows.
    """
    similar = _similar(component, "gamma")
    if isinstance(similar, NotFast):
        return similar
    coefficients = component["dual_coef_"]
    if coefficients.ndim not in (1, 2) or len(coefficients) != len(component["X_fit_"]):
        raise ValueError("its coefficients do not fit its rows")
    one_pass = similar.sums(coefficients.reshape(len(coefficients), -1), 0.0)

    def predict(rows: Array) -> Array | None:
        # Of float32 rows scikit-learn takes distances in blocks of its own.
        if rows.dtype.char != _DOUBLE or not all_finite(rows):
            return None
        if exact:
            return np.asarray(np.dot(similar.plain(rows), coefficients))
        found = one_pass(rows)
        if found is None or not all_finite(found):
            return None
        return found.reshape(-1) if coefficients.ndim == 1 else found

    return Lowered(
        {"predict": predict},
        by=f"{similar.by}, added up",
        names=(component.path,),
        n_features=similar.n_features,
    )


def components(component: Component, exact: bool) -> Lowered | NotFast:
    """KernelPCA: centred similarities times directions.

    Raises
    ------
    ValueError
        The directions do not fit the rows.
    """
    similar = _similar(component, "gamma_")
    if isinstance(similar, NotFast):
        return similar
    values, vectors = component["eigenvalues_"], component["eigenvectors_"]
    centre = component["_centerer"]
    means, mean = centre["K_fit_rows_"], centre["K_fit_all_"]
    count = len(component["X_fit_"])
    if vectors.shape != (count, *values.shape) or means.shape != (count,):
        raise ValueError("its directions do not fit its rows")
    kept = np.flatnonzero(values)
    directions = np.zeros_like(vectors)
    directions[:, kept] = vectors[:, kept] / np.sqrt(values[kept])
    # Centring is linear: it is a part of the directions, and of what is added at last.
    totals = directions.sum(axis=0)
    one_pass = similar.sums(directions - totals / count, float(mean) * totals - means @ directions)

    def transform(rows: Array) -> Array | None:
        if rows.dtype.char != _DOUBLE:
            return None
        if not exact:
            found = one_pass(rows)
            return found if found is not None and all_finite(found) else None
        found = similar.plain(rows)
        own = (np.sum(found, axis=1) / count)[:, None]
        found -= means
        found -= own
        found += mean
        return np.asarray(np.dot(found, directions))

    return number_step(
        component,
        transform,
        by=f"{similar.by}, projected",
        n_features=similar.n_features,
        n_columns=directions.shape[1],
    )
