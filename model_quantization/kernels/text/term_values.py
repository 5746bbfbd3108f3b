"""Term counts to values, and values to scores.

A matrix is CSR: `rows` says where each document's `indices` (ascending columns, int32) and values
begin and end (int64). Every floating-point operation is done in the order in which scikit-learn and
scipy do it (tf, idf, norm over ascending columns, one multiplication and addition per column and
channel), so that results are equal bit for bit.

A listed weight is an entry: its channel (uint8, uint16 or uint32) and the weight right behind it.
Entries are given as bytes, with `layout_of` their type.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

NORMS = {None: 0, "l1": 1, "l2": 2}
_WEIGHTS = ("i1", "i2", "i4", "f4", "f8")


def layout_of(entry: np.dtype[Any]) -> int:
    """Return the number by which kernels know a type of entries."""
    weight = _WEIGHTS.index(entry["weight"].str[1:])
    return 10 * entry["channel"].itemsize + weight


def entry_of(layout: int) -> np.dtype[Any]:
    """Return the type of entries with this `layout_of`."""
    channel, weight = divmod(layout, 10)
    return np.dtype([("channel", f"u{channel}"), ("weight", _WEIGHTS[weight])])


@kernel
def weigh(
    counts: Array, indices: Array, rows: Array,
    binary: bool, sublinear: bool, tf: Array, codes: Array, idf: Array, norm: int, values: Array,
) -> None:  # fmt: skip
    """Fill `values` with tf, times idf, divided by the norm of the row.

    Parameters
    ----------
    counts, indices, rows : int64, int32 and int64 arrays
        The matrix of counts.
    binary : bool
        Every count is one.
    sublinear : bool
        tf is `tf[count]`; that table, of the type of `values`, reaches beyond the largest count.
    codes, idf : uint16 or uint32, float32 or float64
        The idf of column j is `idf[codes[j]]`; both empty: columns are not weighted by idf.
    norm : int
        A value of `NORMS`.
    values : float32 or float64
        Filled as far as `rows[-1]`.
    """
    n = int(rows[-1])
    times = np.ones(n, dtype=np.int64) if binary else counts[:n]
    values[:n] = tf[times] if sublinear else times
    if idf.size:
        values[:n] *= idf[codes[indices[:n]]]
    _normalize(values, rows, norm)


@kernel
def normalize_rows(values: Array, rows: Array, norm: int) -> None:
    """Divide each row of float32 or float64 values by its norm; a norm of zero changes nothing."""
    _normalize(values, rows, norm)


def _normalize(values: Array, rows: Array, norm: int) -> None:
    if norm == 0:
        return
    for start, end in zip(rows.tolist(), rows[1:].tolist(), strict=False):
        row = values[start:end]
        terms = np.abs(row) if norm == 1 else row * row
        total = np.cumsum(terms, dtype=np.float64)[-1] if row.size else 0.0  # one after the other
        total = np.sqrt(total) if norm == 2 else total
        if total != 0.0:
            row[:] = row / total


@kernel
def keep_above(indices: Array, values: Array, rows: Array, threshold: float) -> None:
    """Leave only what is above the threshold, each with the value one; `rows` shrinks with it."""
    kept = values > threshold
    starts = rows.copy()
    left = 0
    for row, (start, end) in enumerate(zip(starts.tolist(), starts[1:].tolist(), strict=False)):
        chosen = indices[start:end][kept[start:end]]
        indices[left : left + chosen.size] = chosen
        values[left : left + chosen.size] = 1.0
        left += chosen.size
        rows[row + 1] = left


@kernel
def accumulate(
    indices: Array, values: Array, rows: Array, weights: Array, scale: Array, out: Array
) -> None:
    """Add value times weight to `out`, in ascending columns.

    Parameters
    ----------
    indices, values, rows : int32, float32 or float64, int64
        The matrix.
    weights : signed integers or floats, shape (n_terms, n_channels)
    scale : float64, shape (n_channels,) or (0,)
        A weight is `scale * code`; empty: `weights` are the weights.
    out : float32 or float64, shape (n, n_channels)
    """
    kind = out.dtype.type
    for document, (start, end) in enumerate(zip(rows.tolist(), rows[1:].tolist(), strict=False)):
        for at in range(start, end):
            row = weights[indices[at]]
            exact = (scale * row if scale.size else row).astype(kind)
            out[document] += kind(values[at]) * exact


@kernel
def accumulate_listed(
    indices: Array, values: Array, rows: Array,
    starts: Array, entries: Array, layout: int, scale: Array, out: Array,
) -> None:  # fmt: skip
    """As `accumulate`, with only the weights that are not zero, listed for each term.

    Parameters
    ----------
    starts : uint32, shape (n_terms + 1,)
        Where the entries of each term begin.
    entries : uint8
        The bytes of the entries; see `layout_of`.
    """
    listed = entries.view(entry_of(layout))
    kind = out.dtype.type
    for document, (start, end) in enumerate(zip(rows.tolist(), rows[1:].tolist(), strict=False)):
        for at in range(start, end):
            term = int(indices[at])
            found = listed[starts[term] : starts[term + 1]]
            channels, weights = found["channel"], found["weight"]
            exact = (scale[channels] * weights if scale.size else weights).astype(kind)
            out[document, channels] += kind(values[at]) * exact


@kernel
def list_weights(weights: Array, channel_bytes: int, starts: Array, entries: Array) -> None:
    """Fill the listed form of `weights` (n_terms, n_channels).

    Parameters
    ----------
    weights : signed integers or floats, shape (n_terms, n_channels)
    channel_bytes : int
        Bytes of a channel in an entry: 1, 2 or 4.
    starts : uint32, shape (n_terms + 1,)
        Zeros, filled.
    entries : uint8
        Filled: room for every weight that is not zero.
    """
    kind = np.dtype([("channel", f"u{channel_bytes}"), ("weight", weights.dtype)])
    terms, channels = np.nonzero(weights)
    listed = entries.view(kind)
    listed["channel"], listed["weight"] = channels, weights[terms, channels]
    starts[1:] = np.cumsum(np.bincount(terms, minlength=len(weights)))


@kernel
def list_codes(
    gaps: Array, codes: Array, by_term: bool, n_channels: int, channel_bytes: int,
    starts: Array, entries: Array,
) -> None:  # fmt: skip
    """Fill the listed form from codes with the number of zeros left out before each.

    Parameters
    ----------
    gaps, codes : uint16 or uint32, signed integers
        Codes that are not zero, term by term (`by_term`) or channel by channel; their places are
        known to be in range.
    n_channels, channel_bytes : int
        See `list_weights`.
    starts, entries : uint32, uint8
        As by `list_weights`.
    """
    n_terms = starts.size - 1
    places = np.cumsum(gaps.astype(np.int64) + 1) - 1
    inner = n_channels if by_term else n_terms
    outer, within = np.divmod(places, max(inner, 1))
    terms, channels = (outer, within) if by_term else (within, outer)
    order = np.argsort(terms, kind="stable")
    kind = np.dtype([("channel", f"u{channel_bytes}"), ("weight", codes.dtype)])
    listed = entries.view(kind)
    listed["channel"], listed["weight"] = channels[order], codes[order]
    starts[1:] = np.cumsum(np.bincount(terms, minlength=n_terms))
