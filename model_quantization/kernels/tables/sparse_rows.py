"""Rows of any kind that become the rows of a sparse matrix, on the way to a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.tables.categories import Entries
from model_quantization.kernels.text.steps import Adder, Scorer, scorer_of
from model_quantization.kernels.text.term_weights import TermWeights
from model_quantization.kernels.text.weighting import Weighting, score_type


@dataclass(frozen=True, slots=True)
class SparseRows:
    """What makes sparse rows. Implements `text.Step`; its documents are what `entries` takes.

    Attributes
    ----------
    n_columns : int
    entries : callable
        The indices (ascending within a row), values and row boundaries of what it is given; None
        for what the real step must treat.
    dtype : {"d", "f"}
        Of the matrix.
    """

    n_columns: int
    entries: Callable[[Any], Entries | None]
    dtype: str = "d"

    def matrix(self, documents: Any) -> Any:
        """The rows as `scipy.sparse.csr_matrix`, or None."""
        from scipy.sparse import csr_matrix

        found = self.entries(documents)
        if found is None:
            return None
        indices, values, ends = found
        shape = (len(ends) - 1, self.n_columns)
        kind = np.int32 if len(indices) < 1 << 31 else np.int64
        parts = (values.astype(self.dtype), indices.astype(kind), ends.astype(kind))
        made = csr_matrix(parts, shape=shape)
        made.has_sorted_indices = True
        return made

    def rows(self, documents: Any) -> Array | None:
        """The same rows as an array, (n, n_columns), C order."""
        found = self.entries(documents)
        if found is None:
            return None
        indices, values, ends = found
        block = np.zeros((len(ends) - 1, self.n_columns), dtype=values.dtype)
        block[np.repeat(np.arange(len(block)), np.diff(ends)), indices] = values
        return block

    def scorer(self, weights: TermWeights, *, threshold: float | None = None) -> Scorer | None:
        """See `text.Step`."""
        return scorer_of(self.adder(weights, threshold), weights.n_channels)

    def adder(self, weights: TermWeights, threshold: float | None) -> tuple[Adder, str] | None:
        """See `text.Step`."""
        if threshold is not None or score_type(Weighting(), weights) != "d":
            return None
        entries = self.entries

        def add(documents: Any, out: Array) -> bool:
            found = entries(documents)
            if found is None:
                return False
            weights.add(*found, out)
            return True

        return add, "d"

    def weighed(self, weighting: Any) -> None:
        """None: the meaning of these values is not known."""
