"""Logarithms of densities of Gaussian mixtures: as scikit-learn has them, and as one linear map.

A component's squared Mahalanobis distance is the squared length of `row @ factor - mean @ factor`,
with the Cholesky factor of its precision (Bishop, Pattern Recognition and Machine Learning,
section 9.2). The factors of all components side by side are one product.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import squared_lengths
from model_quantization.kernels.linear.clear_winners import fill_clear_winners
from model_quantization.kernels.linear.linear import kernel_operands, linear_rows
from model_quantization.kernels.linear.mixed import fill_mixed
from model_quantization.values import Value

KINDS = ("full", "tied", "diag", "spherical")
_SHARE = 16.0  # roundings of two ways to work out two scores
_NUMBERS = 1 << 13  # between the product and its squares: they stay in the cache
_EPS = float(np.finfo(np.float64).eps)


class Mixture(Value, frozen=True):
    """Components as scikit-learn keeps them.

    Attributes
    ----------
    kind : str
        One of `KINDS`: which components share which part of their covariance.
    means : float64 array of shape (n_components, n_features)
    factors : float64 array
        Cholesky factors of the precisions, in the shape of the kind.
    """

    kind: str
    means: Array
    factors: Array

    def log_determinants(self) -> Array:
        """The logarithm of the determinant of each factor; one for all where they share it."""
        width = self.means.shape[1]
        if self.kind == "full":
            diagonals = np.reshape(self.factors, (len(self.factors), -1))[:, :: width + 1]
            return np.asarray(np.sum(np.log(diagonals), axis=1))
        if self.kind == "tied":
            return np.asarray(np.sum(np.log(np.linalg.diagonal(self.factors))))
        if self.kind == "diag":
            return np.asarray(np.sum(np.log(self.factors), axis=1))
        return np.asarray(width * np.log(self.factors))

    def log_densities(self, rows: Array) -> Array:
        """The logarithm of each component's density, with the bits of scikit-learn's."""
        width = rows.shape[1]
        means, factors = self.means, self.factors
        if self.kind in ("full", "tied"):
            distances = np.empty((len(rows), len(means)))
            for index, mean in enumerate(means):
                factor = factors[index] if self.kind == "full" else factors
                along = (rows @ factor) - (mean @ factor)
                distances[:, index] = np.sum(np.square(along), axis=1)
        elif self.kind == "diag":
            precisions = factors**2
            distances = (
                np.sum((means**2 * precisions), axis=1)
                - 2.0 * (rows @ (means * precisions).T)
                + (rows**2 @ precisions.T)
            )
        else:
            precisions = factors**2
            distances = (
                np.sum(means**2, axis=1) * precisions
                - 2 * (rows @ means.T * precisions)
                + np.outer(squared_lengths(rows), precisions)
            )
        found = -0.5 * (width * math.log(2 * math.pi) + distances) + self.log_determinants()
        return np.asarray(found)


class MixtureScores(Value, frozen=True):
    """The logarithms of weighted densities as a product, and by how much rounding moves them.

    Attributes
    ----------
    weights : float64 array of shape (n_columns, n_features)
        Of rows; for `expanded` of rows and their squares.
    bias : float64 array of shape (n_columns,)
    constants : float64 array of shape (n_components,)
    expanded : bool
        Whether the product gives the scores themselves, otherwise coordinates to be squared.
    steepest, farthest : float
        The norm of the largest factor, and the length of the farthest mean along its factor.
    least : float
        The largest of the constants.
    """

    weights: Array
    bias: Array
    constants: Array
    expanded: bool
    steepest: float
    farthest: float
    least: float

    @classmethod
    def of(cls, mixture: Mixture, added: Array) -> MixtureScores:
        """For components, and what is added to the logarithm of each one's density."""
        means, factors = mixture.means, mixture.factors
        count, width = means.shape
        constants = mixture.log_determinants() + added - 0.5 * width * math.log(2 * math.pi)
        least = float(np.abs(constants).max())
        if mixture.kind in ("full", "tied"):
            each = (
                factors
                if mixture.kind == "full"
                else np.broadcast_to(factors, (count, width, width))
            )
            along = np.einsum("kf,kfj->kj", means, each)
            weights = np.ascontiguousarray(each.transpose(0, 2, 1)).reshape(-1, width)
            steepest = float(np.sqrt(np.square(each).sum(axis=(1, 2)).max()))
            farthest = float(np.sqrt(np.square(along).sum(axis=1).max()))
            return cls(weights, -along.reshape(-1), constants, False, steepest, farthest, least)
        scale = factors if mixture.kind == "diag" else np.repeat(factors[:, np.newaxis], width, 1)
        precisions = scale**2
        weights, _ = kernel_operands(np.hstack((means * precisions, -0.5 * precisions)).T, 0.0)
        lengths = np.sum(means**2 * precisions, axis=1)
        bias = constants - 0.5 * lengths
        farthest = float(np.sqrt(lengths.max()))
        steepest = float(np.abs(scale).max())
        return cls(weights, bias, constants, True, steepest, farthest, least)

    def scores(self, rows: Array) -> Array:
        """The logarithm of each component's weighted density, up to rounding."""
        return self._answered(rows)[0]

    def winners(self, rows: Array) -> Array | None:
        """The index of the likeliest component; None where rounding may have chosen one.

        Also None where a number is not finite.
        """
        _, winners, unclear = self._answered(rows)
        return None if unclear else winners

    def _answered(self, rows: Array) -> tuple[Array, Array, int]:
        """Scores, the largest of each row, and how many of those are not clear."""
        count = len(self.constants)
        winners = np.empty(len(rows), dtype=np.int64)
        unit = _SHARE * (rows.shape[1] + 8) * _EPS
        if self.expanded:
            with np.errstate(all="ignore"):
                width = rows.shape[1]
                both = np.empty((len(rows), 2 * width))
                both[:, :width] = rows
                np.multiply(rows, rows, out=both[:, width:])
                scores = linear_rows().row_scores(both, self.weights, self.bias)
                far = np.sqrt(both[:, width:].sum(axis=1)) * self.steepest + self.farthest
                slack = unit * (far * far + self.least)
            return scores, winners, fill_clear_winners(scores, slack, winners)
        if not rows.flags.c_contiguous:
            rows = np.ascontiguousarray(rows)
        scores = np.empty((len(rows), count))
        size = min(len(rows), max(4, _NUMBERS // len(self.weights)))
        along = np.empty((size, len(self.weights)))
        steep, far = self.steepest, self.farthest
        unclear = fill_mixed(
            rows, self.weights, self.bias, self.constants, steep, far, unit, self.least,
            along, scores, winners,
        )  # fmt: skip
        return scores, winners, unclear


def log_of_sums(scores: Array) -> Array:
    """The logarithm of the sum of exponentials of each row, with the bits of scikit-learn's."""
    most = np.max(scores, axis=1, keepdims=True)
    at_most = scores == most
    rest = scores.copy()
    rest[at_most] = -np.inf
    ties = np.sum(at_most.astype(scores.dtype), axis=1, keepdims=True, dtype=scores.dtype)
    shift = np.where(np.isfinite(most), most, 0)
    sums = np.sum(np.exp(rest - shift), axis=1, keepdims=True, dtype=scores.dtype)
    sums = np.where(sums == 0, sums, sums / ties)
    return np.asarray(np.squeeze(np.log1p(sums) + np.log(ties) + most, axis=1))


def quick_log_of_sums(scores: Array) -> Array:
    """The same up to rounding; the scores are overwritten."""
    most = np.maximum.reduce(scores, axis=1, keepdims=True)
    scores -= most
    np.exp(scores, out=scores)
    found: Array = np.log(np.add.reduce(scores, axis=1))
    found += most[:, 0]
    return found


Digamma = Callable[[Array], Array]

# Of the expansion in 1 / x ** 2 (Abramowitz and Stegun, 6.3.18).
_BERNOULLI = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
_FAR = 10.0


def digamma(values: Array) -> Array:
    """The logarithmic derivative of the gamma function of positive numbers, up to rounding."""
    values = np.array(values, dtype=np.float64)
    found = np.zeros_like(values)
    for _ in range(int(_FAR)):
        near = values < _FAR
        found = np.where(near, found - 1.0 / values, found)
        values = np.where(near, values + 1.0, values)
    inverse = 1.0 / values**2
    series = np.zeros_like(values)
    for number in reversed(_BERNOULLI):
        series = (series + number) * inverse
    return np.asarray(found + np.log(values) - 0.5 / values - series)
