"""Weights of terms as they lie in memory: a row of channels a term, or only what is not zero.

Pruning leaves most codes of a text model zero. Listed, a term whose weights are all zero takes
four bytes whatever the number of channels; it still counts in the norm of its document's row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.quantization.kernels import term_values
from ml.quantization.kernels.vocabulary import Array

Add = Callable[[Array, Array, Array, Array], None]


@dataclass(frozen=True, slots=True)
class RowWeights:
    """All weights, (n_terms, n_channels) in C order; with `scale` a weight is `scale * code`."""

    weights: Array
    scale: Array

    def add(self, indices: Array, values: Array, rows: Array, out: Array) -> None:
        """Add value times weight to `out`, (n, n_channels)."""
        term_values.accumulate(indices, values, rows, self.weights, self.scale, out)


@dataclass(frozen=True, slots=True)
class ListedWeights:
    """The weights that are not zero, term by term.

    Attributes
    ----------
    starts : uint32 array, (n_terms + 1,)
        Where the weights of each term begin.
    entries : record array, (n_weights,)
        `channel`, ascending within a term, and `weight`: side by side, as they are read.
    scale : float64 array, (n_channels,) or (0,)
    """

    starts: Array
    entries: Array
    scale: Array

    def add(self, indices: Array, values: Array, rows: Array, out: Array) -> None:
        """Add value times weight to `out`, (n, n_channels)."""
        term_values.accumulate_listed(
            indices, values, rows, self.starts, self.entries, self.scale, out
        )


def hold_weights(weights: Array, scale: Array) -> RowWeights | ListedWeights:
    """The form that takes fewer bytes; both give the same scores, bit for bit.

    What is left out would add zero, which changes no sum that starts at zero: so for finite
    values only.
    """
    n_terms, n_channels = weights.shape
    kind = np.min_scalar_type(max(n_channels - 1, 0))
    count = int(np.count_nonzero(weights))
    entry = np.dtype([("channel", kind), ("weight", weights.dtype)])
    listed = count * entry.itemsize + 4 * (n_terms + 1)
    if listed >= weights.nbytes or count >= 1 << 32:
        return RowWeights(weights, scale)
    starts = np.zeros(n_terms + 1, dtype=np.uint32)
    entries = np.empty(count, dtype=entry)
    term_values.list_weights(weights, starts, entries)
    return ListedWeights(starts, entries, scale)
