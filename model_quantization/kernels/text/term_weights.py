"""Weights of terms as they lie in memory: a row of channels per term, or nonzero ones only.

Pruning leaves most codes of a text model zero. Listed, a term whose weights are all zero takes
four bytes for any number of channels; it still counts in the norm of its document's row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import narrowed_in_two, read_only
from model_quantization.kernels.linear.stored_codes import StoredCodes
from model_quantization.kernels.text import term_values
from model_quantization.values import Value


class RowWeights(Value, frozen=True):
    """All weights, term by term.

    Attributes
    ----------
    weights : ndarray of shape (n_terms, n_channels), C order
        Floats; or signed integer codes when `scale` is given.
    scale : float array, (n_channels,) or (0,)
        The weight is `scale * code`, in the dtype of `scale`; empty: `weights` are the weights.
    """

    weights: Array
    scale: Array

    @property
    def n_channels(self) -> int:
        """Scores of a document."""
        return int(self.weights.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the weights that are stored: codes, where there is a scale."""
        return self.weights.dtype

    def of_terms(self, start: int, end: int) -> RowWeights:
        """The weights of a range of terms."""
        return RowWeights(self.weights[start:end], self.scale)

    def with_zeros(self) -> RowWeights:
        """These weights, none left out."""
        return self

    def add(self, indices: Array, values: Array, rows: Array, out: Array) -> None:
        """Add value times weight to `out`, (n, n_channels)."""
        scale = self.scale.astype(np.float64, copy=False)
        term_values.accumulate(indices, values, rows, self.weights, scale, out)


class ListedWeights(Value, frozen=True):
    """The weights that are not zero, term by term.

    Attributes
    ----------
    starts : uint32 array, (n_terms + 1,)
        Where the weights of each term begin.
    entries : record array
        `channel`, ascending within a term, and `weight`: side by side, as they are read.
    scale : float array, (n_channels,) or (0,)
        See `RowWeights`.
    n_channels : int
    raw : uint8 array
        The bytes of the entries, as kernels take them.
    layout : int
        Their type: see `term_values.layout_of`.
    """

    starts: Array
    entries: Array
    scale: Array
    n_channels: int
    raw: Array
    layout: int

    @classmethod
    def of(cls, starts: Array, entries: Array, scale: Array, n_channels: int) -> ListedWeights:
        """Return the listed form of these entries."""
        layout = term_values.layout_of(entries.dtype)
        return cls(starts, entries, scale, n_channels, entries.view(np.uint8), layout)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the weights that are stored: codes, where there is a scale."""
        return self.entries.dtype["weight"]

    def of_terms(self, start: int, end: int) -> ListedWeights:
        """The weights of a range of terms."""
        return replace(self, starts=self.starts[start : end + 1])

    def with_zeros(self) -> RowWeights:
        """These weights, none left out."""
        starts = self.starts.astype(np.int64)
        rows = np.zeros((len(starts) - 1, self.n_channels), dtype=self.dtype)
        listed = self.entries[starts[0] : starts[-1]]
        terms = np.repeat(np.arange(len(rows)), np.diff(starts))
        rows[terms, listed["channel"]] = listed["weight"]
        return RowWeights(read_only(rows), self.scale)

    def add(self, indices: Array, values: Array, rows: Array, out: Array) -> None:
        """Add value times weight to `out`, (n, n_channels)."""
        scale = self.scale.astype(np.float64, copy=False)
        term_values.accumulate_listed(
            indices, values, rows, self.starts, self.raw, self.layout, scale, out
        )


TermWeights: TypeAlias = RowWeights | ListedWeights


def hold_weights(weights: Array, scale: Array | None = None) -> TermWeights:
    """The form that takes fewer bytes; both give the same scores, bit for bit.

    What is left out would add zero, which changes no sum that starts at zero: so for finite
    values only (`with_zeros` for others).

    Parameters
    ----------
    weights, scale : ndarray
        As `RowWeights` takes them, in any memory order.
    """
    n_terms, n_channels = weights.shape
    rows = read_only(np.ascontiguousarray(weights))
    scale = np.zeros(0) if scale is None else scale
    count = int(np.count_nonzero(rows))
    entry = _entry(n_channels, rows.dtype)
    if not _pays(count, entry, n_terms, n_channels):
        return RowWeights(rows, scale)
    starts = np.zeros(n_terms + 1, dtype=np.uint32)
    entries = np.empty(count, dtype=entry)
    term_values.list_weights(rows, entry["channel"].itemsize, starts, entries.view(np.uint8))
    return ListedWeights.of(starts, entries, scale, n_channels)


def hold_codes(stored: StoredCodes) -> TermWeights:
    """As `hold_weights`, straight from stored codes: what is left out is never laid out."""
    n_terms, n_channels = stored.n_features, stored.n_outputs
    scale = np.array(np.broadcast_to(stored.scale, n_channels))
    entry = _entry(n_channels, stored.codes.dtype)
    if stored.gaps is None or not _pays(len(stored.codes), entry, n_terms, n_channels):
        return hold_weights(stored.dense().reshape(n_channels, n_terms, order="F").T, scale)
    starts = np.zeros(n_terms + 1, dtype=np.uint32)
    entries = np.empty(len(stored.codes), dtype=entry)
    gaps, codes = narrowed_in_two(stored.gaps), read_only(stored.codes)
    channel_bytes = entry["channel"].itemsize
    term_values.list_codes(
        gaps, codes, stored.by_feature, n_channels, channel_bytes, starts, entries.view(np.uint8)
    )
    return ListedWeights.of(starts, entries, scale, n_channels)


def _entry(n_channels: int, weight: np.dtype[Any]) -> np.dtype[Any]:
    channel = np.min_scalar_type(max(n_channels - 1, 0))
    return np.dtype([("channel", channel), ("weight", weight)])


def _pays(count: int, entry: np.dtype[Any], n_terms: int, n_channels: int) -> bool:
    listed = count * entry.itemsize + 4 * (n_terms + 1)
    return listed < n_terms * n_channels * entry["weight"].itemsize and count < 1 << 32
