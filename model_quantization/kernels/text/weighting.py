"""Weights of term counts: tf, times idf, divided by the norm of the row."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import read_only
from model_quantization.kernels.text import term_values
from model_quantization.kernels.text.term_weights import TermWeights
from model_quantization.values import Value, field


class Weighting(Value, frozen=True):
    """The value of a count: tf, times idf, divided by the norm of its row.

    Attributes
    ----------
    binary : bool
        Every count is one.
    sublinear : bool
        tf is log(count) + 1.
    codes, idf : ndarray
        The idf of column j is `idf[codes[j]]`; both empty: columns are not weighted by idf.
    norm : {"l1", "l2", None}
    dtype : {"d", "f", "l", "i"}
        Type of the matrix.
    """

    binary: bool = False
    sublinear: bool = False
    codes: Array = field(default_factory=lambda: read_only(np.zeros(0, dtype=np.uint16)))
    idf: Array = field(default_factory=lambda: np.zeros(0, dtype=np.float64))
    norm: str | None = None
    dtype: str = "d"

    @property
    def plain(self) -> bool:
        """Whether counts stay counts (or ones)."""
        return not self.sublinear and not self.idf.size and self.norm is None

    @property
    def float_dtype(self) -> str:
        """The type in which values are multiplied: counts become float64."""
        return "f" if self.dtype == "f" else "d"

    def values(self, counts: Array, indices: Array, rows: Array) -> Array:
        """The values of a CSR matrix of counts, in scikit-learn's own order of operations."""
        values = np.ones(len(counts), self.dtype) if self.binary else counts.astype(self.dtype)
        if self.sublinear:
            values = np.log(values, out=values)
            values += 1.0
        if self.idf.size:
            values *= self.idf[self.codes[indices]]
        if self.norm is not None:
            term_values.normalize_rows(values, rows, term_values.NORMS[self.norm])
        return values

    def tf_table(self, size: int) -> Array:
        """The tf of counts below `size`; empty when tf is the count itself."""
        if not self.sublinear:
            return np.zeros(0, dtype=self.float_dtype)
        table = np.arange(size, dtype=self.float_dtype)
        with np.errstate(divide="ignore"):
            np.log(table, out=table)
        table += 1.0
        return table


def score_type(weighting: Weighting, weights: TermWeights) -> str | None:
    """The type that scipy's product has; None for types whose rounding is not reproduced here."""
    coded = weights.dtype.kind == "i" and weights.scale.size == weights.n_channels
    stored = weights.scale.dtype if coded else weights.dtype
    if stored.char not in "df":
        return None
    result = np.result_type(weighting.float_dtype, stored)
    # float32 codes that meet float64 values would be rounded once less than the real weights.
    return None if coded and stored != result else result.char
