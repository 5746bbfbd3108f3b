"""Compiled text kernels: term counts to values, and values to scores.

A matrix is CSR: `rows` says where each document's `indices` (ascending columns) and values begin
and end. Every floating-point operation is done in the order in which scikit-learn and scipy do it
(tf, idf, norm over ascending columns, one multiply-add a column and channel), so that results are
equal bit for bit. Importing this module imports numba.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import Index
from model_quantization.kernels.compile import compiled

NORMS = {None: 0, "l1": 1, "l2": 2}


@compiled
def weigh(
    counts: Array, indices: Array, rows: Array,
    binary: bool, sublinear: bool, tf: Array, codes: Array, idf: Array, norm: int, values: Array,
) -> None:  # fmt: skip
    """Fill `values` with tf, times idf, divided by the norm of the row.

    `tf` is a table of logarithms that reaches beyond the largest count (`sublinear` only).
    """
    for i in range(rows[-1]):
        if sublinear:
            values[i] = tf[1 if binary else counts[i]]
        else:
            values[i] = 1 if binary else counts[i]
        if idf.size:
            values[i] = values[i] * idf[codes[indices[i]]]
    normalize_rows(values, rows, norm)


@compiled
def normalize_rows(values: Array, rows: Array, norm: int) -> None:
    """Divide each row by its norm, in place; a norm of zero changes nothing."""
    if norm == 0:
        return
    for row in range(rows.size - 1):
        total = 0.0
        for i in range(rows[row], rows[row + 1]):
            value = values[i]
            if norm == 1:
                total += abs(value)
            else:
                total += value * value
        if norm == 2:
            total = np.sqrt(total)
        if total != 0.0:
            for i in range(rows[row], rows[row + 1]):
                values[i] = values[i] / total


@compiled
def keep_above(indices: Array, values: Array, rows: Array, threshold: float) -> None:
    """Leave only what is above the threshold, each with the value one; `rows` shrinks with it."""
    left = 0
    start = rows[0]
    for row in range(rows.size - 1):
        end = rows[row + 1]
        for i in range(start, end):
            if values[i] > threshold:
                indices[left] = indices[i]
                values[left] = 1.0
                left += 1
        start = end
        rows[row + 1] = left


@compiled
def accumulate(
    indices: Array, values: Array, rows: Array, weights: Array, scale: Array, out: Array
) -> None:
    """Add value times weight to `out` (n, n_channels), in ascending columns.

    With `scale` a weight is `scale * code`.
    """
    channels = out.shape[1]
    for document in range(rows.size - 1):
        scores = out[document]
        for i in range(rows[document], rows[document + 1]):
            row = np.int64(indices[i])
            value = out.dtype.type(values[i])
            if scale.size:
                for channel in range(channels):
                    scores[channel] += value * out.dtype.type(
                        scale[channel] * weights[row, channel]
                    )
            else:
                for channel in range(channels):
                    scores[channel] += value * out.dtype.type(weights[row, channel])


@compiled
def accumulate_listed(
    indices: Array, values: Array, rows: Array,
    starts: Array, entries: Array, scale: Array, out: Array,
) -> None:  # fmt: skip
    """As `accumulate`, with only the weights that are not zero, listed for each column."""
    for document in range(rows.size - 1):
        scores = out[document]
        for i in range(rows[document], rows[document + 1]):
            row = np.int64(indices[i])
            value = out.dtype.type(values[i])
            for k in range(starts[row], starts[row + 1]):
                channel = np.int64(entries[k].channel)
                weight = entries[k].weight
                if scale.size:
                    scores[channel] += value * out.dtype.type(scale[channel] * weight)
                else:
                    scores[channel] += value * out.dtype.type(weight)


@compiled
def list_weights(weights: Array, starts: Array, entries: Array) -> None:
    """Fill the listed form of `weights` (n_terms, n_channels); see `term_weights`."""
    count = 0
    for term in range(weights.shape[0]):
        for channel in range(weights.shape[1]):
            if weights[term, channel] != 0:
                entries[count].channel = channel
                entries[count].weight = weights[term, channel]
                count += 1
        starts[term + 1] = count


@compiled
def list_codes(
    gaps: Array, codes: Array, by_term: bool, n_channels: Index, starts: Array, entries: Array
) -> None:
    """Fill the listed form from codes with the number of zeros left out before each.

    Parameters
    ----------
    gaps, codes : ndarray
        Codes that are not zero, term by term (`by_term`) or channel by channel; their places are
        known to be in range.
    n_channels : int
    starts, entries : ndarray
        Filled; `starts` holds zeros before. See `term_weights`.
    """
    n_terms = starts.size - 1
    inner = n_channels if by_term else n_terms
    outer: Index = 0
    place: Index = -1
    if by_term:
        for k in range(codes.size):
            place += np.int64(gaps[k]) + 1
            while place >= inner:
                place -= inner
                outer += 1
                starts[outer] = k
            entries[k].channel = place
            entries[k].weight = codes[k]
        for term in range(outer, n_terms):
            starts[term + 1] = codes.size
        return
    for k in range(codes.size):
        place = (place + np.int64(gaps[k]) + 1) % inner
        starts[place + 1] += 1
    total: Index = 0
    for term in range(n_terms):  # where the entries of each term begin, one place further on
        count = np.int64(starts[term + 1])
        starts[term + 1] = total
        total += count
    place = -1
    for k in range(codes.size):
        place += np.int64(gaps[k]) + 1
        while place >= inner:
            place -= inner
            outer += 1
        at = np.int64(starts[place + 1])
        entries[at].channel = outer
        entries[at].weight = codes[k]
        starts[place + 1] = at + 1


@compiled
def largest(counts: Array) -> Index:
    """The largest count, at least 1."""
    most = 1
    for count in counts:
        most = max(most, count)
    return most
