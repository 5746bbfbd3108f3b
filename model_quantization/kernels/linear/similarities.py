"""Similarities of rows to known rows, with the calls that scikit-learn's pairwise kernels make."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import squared_lengths

SIMILARITIES = ("rbf", "linear", "poly", "polynomial", "sigmoid", "cosine")


def similarity(
    kernel: str,
    known: Array,
    *,
    gamma: float | None = None,
    coef0: float = 1,
    degree: float = 3,
) -> Callable[[Array], Array]:
    """A function of float64 rows to their similarities, (n, n_known).

    Parameters
    ----------
    kernel : str
        One of `SIMILARITIES`.
    known : float64 array of shape (n_known, n_features)
    gamma : float, optional
        Default: 1 / n_features.
    coef0, degree : float
        Of `poly` and `sigmoid`.
    """
    factor = 1.0 / known.shape[1] if gamma is None else gamma
    if kernel == "rbf":
        squares = squared_lengths(known)[np.newaxis, :]

        def rbf(rows: Array) -> Array:
            found = -2 * (rows @ known.T)
            found += squared_lengths(rows)[:, np.newaxis]
            found += squares
            np.maximum(found, 0, out=found)
            found *= -factor
            return np.asarray(np.exp(found, out=found))

        return rbf
    if kernel == "linear":
        return lambda rows: np.asarray(rows @ known.T)
    if kernel == "cosine":
        directions = of_length_one(known)
        return lambda rows: np.asarray(of_length_one(rows) @ directions.T)

    def product(rows: Array) -> Array:
        found = rows @ known.T
        found *= factor
        found += coef0
        if kernel == "sigmoid":
            np.tanh(found, out=found)
        else:
            found **= degree
        return np.asarray(found)

    return product


def likenesses(known: Array, gamma: float) -> Callable[[Array], Array]:
    """A function of float64 rows that gives `exp(-gamma * squared distance)`, (n_known, n).

    Parameters
    ----------
    known : float64 array of shape (n_known, n_features)
    gamma : float
    """
    squares = squared_lengths(known)[:, np.newaxis]

    def like(rows: Array) -> Array:
        found = -2 * (known @ rows.T)
        found += squares
        found += squared_lengths(rows)[np.newaxis, :]
        np.maximum(found, 0, out=found)
        found *= -gamma
        return np.asarray(np.exp(found, out=found))

    return like


def of_length_one(rows: Array) -> Array:
    """Return the rows divided by their lengths."""
    found = rows.copy(order="K")
    norms = np.sqrt(squared_lengths(found))
    norms[norms < 10 * np.finfo(norms.dtype).eps] = 1.0
    found /= norms[:, np.newaxis]
    return found
