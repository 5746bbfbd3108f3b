"""Sums of similarities to known rows, in one pass, where rounding is known to stay small."""

from __future__ import annotations

from typing import Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.shared.kernel_functions import KernelFunction
from model_quantization.kernels.machines.known_rows import KnownRows, Step
from model_quantization.locks import cached_property

_EPSILON: Final = float(np.finfo(np.float64).eps)
_SMALL: Final = 1e-7  # of the largest answer: a tenth of what a fast predictor may be off by
_SOME_ROWS: Final = 64
_PRODUCTS: Final = (Step("products"),)


class KernelSums:
    """The similarities of rows to known rows, times coefficients.

    Parameters
    ----------
    function : KernelFunction
    known : ndarray of shape (n_known, n_features)
    coefficients : ndarray of shape (n_known, n_columns)
    offset : float or ndarray of shape (n_columns,)
        What is added to the sums.
    """

    def __init__(
        self,
        function: KernelFunction,
        known: Array,
        coefficients: Array,
        offset: float | Array = 0.0,
    ) -> None:
        self._function = function
        self._known = np.asarray(known, dtype=np.float64)
        self._coefficients = np.asarray(coefficients, dtype=np.float64)
        self._offset = offset

    @cached_property
    def rows(self) -> KnownRows:
        """The known rows."""
        return KnownRows(self._function.steps, self._known)

    @cached_property
    def _laid_out(self) -> Array:
        return self.rows.laid_out(self._coefficients.T)

    @cached_property
    def _weights(self) -> Array:
        return self._known.T @ self._coefficients

    def __call__(self, rows: Array) -> Array:
        """Return the sums, (n, n_columns)."""
        if self._function.steps == _PRODUCTS:
            found = np.asarray(rows @ self._weights)
        else:
            found = self.rows.sums(rows, self._laid_out)
        found += self._offset
        return found

    @cached_property
    def doubt(self) -> float:
        """How far a sum can be from scikit-learn's, for rows like the known ones.

        A similarity is at most the root of those of both rows with themselves, and off by a few
        rounded operations and a sum over the features; the sum over the known rows by as many as
        there are (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
        """
        largest = np.abs(self._function.diagonal(self._known)).max(initial=1.0)
        weight = np.abs(self._coefficients).sum(axis=0).max(initial=0.0)
        size = sum(self._known.shape) + 16
        return float(4 * _EPSILON * size * largest * weight)

    @cached_property
    def is_steady(self) -> bool:
        """Whether cancellation of large coefficients stays below the promised digits."""
        some = self(self._known[:_SOME_ROWS])
        return self.doubt <= _SMALL * float(np.abs(some).max(initial=0.0))
