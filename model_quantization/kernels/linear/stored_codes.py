"""Weights that are a scale times an integer code, as they lie in a file."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.values import Value


class StoredCodes(Value, frozen=True):
    """Codes that are not laid out as a matrix: most codes of a text model are zero.

    Attributes
    ----------
    shape : tuple of int
        (n_features,) or (n_outputs, n_features).
    scale : ndarray of shape (n_outputs,) or (1,)
        In the type that the weights have.
    codes : signed integer array, one-dimensional
        Every code, or those that are not left out.
    gaps : unsigned integer array or None
        How many codes, all zero, are left out before each; None: none are.
    by_feature : bool
        Whether codes are listed feature by feature, otherwise output by output.
    """

    shape: tuple[int, ...]
    scale: Array
    codes: Array
    gaps: Array | None
    by_feature: bool

    @property
    def n_outputs(self) -> int:
        """One for a vector of codes."""
        return 1 if len(self.shape) == 1 else self.shape[0]

    @property
    def n_features(self) -> int:
        """Codes of one output."""
        return self.shape[-1]

    def dense(self) -> Array:
        """All codes, in `shape`, each feature's codes side by side (Fortran order)."""
        if self.gaps is None:
            return np.asfortranarray(
                self.codes.reshape(self.shape, order="F" if self.by_feature else "C")
            )
        places = np.cumsum(self.gaps.astype(np.int64) + 1) - 1
        if not self.by_feature:
            places = places % self.n_features * self.n_outputs + places // self.n_features
        codes = np.zeros(self.n_outputs * self.n_features, dtype=self.codes.dtype)
        codes[places] = self.codes
        return codes.reshape(self.shape, order="F")
