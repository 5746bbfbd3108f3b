"""Compiled text kernels: symbols to term counts, term counts to scores.

Every floating-point operation is done in the order in which scikit-learn and scipy do it (counts,
tf, idf, norm over ascending columns, one multiply-add a column and class), so that results are
equal bit for bit. Importing this module imports numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ml.quantization.kernels.compile import compiled
from ml.quantization.kernels.symbol_ids import EDGE
from ml.quantization.kernels.term_tree import find_child
from ml.quantization.kernels.vocabulary import Array, Index

NORMS = {None: 0, "l1": 1, "l2": 2, "max": 3}
_SMALL = 40


@compiled
def _walk(
    ids: Array, start: Index, end: Index, least: Index, most: Index,
    first: Array, labels: Array, number: Array, n_symbols: Index, found: Array, filled: Index,
) -> Index:  # fmt: skip
    """Append to `found` the number of every term in `ids[start:end]`; how many it holds then.

    A term has `least` to `most` symbols. What is no path from the root is no prefix of a term
    either, so that the walk from one place ends at the first miss.
    """
    n_inner = number.size
    for place in range(start, end):
        node = np.int64(ids[place])
        if node < 0:
            continue
        if n_inner == 0:
            if least <= 1:
                found[filled] = node
                filled += 1
            continue
        if least <= 1 and number[node] & 1:
            found[filled] = number[node] >> 1
            filled += 1
        for size in range(2, min(most, end - place) + 1):
            symbol = np.int64(ids[place + size - 1])
            if node >= n_inner or symbol < 0:
                break
            low = np.int64(first[node])
            at = find_child(labels, low, np.int64(first[node + 1]), symbol)
            if at < 0:
                break
            child = n_symbols + at
            if child < n_inner:
                if size >= least and number[child] & 1:
                    found[filled] = number[child] >> 1
                    filled += 1
            elif size >= least:
                found[filled] = (number[node] >> 1) + (number[node] & 1) + (at - low)
                filled += 1
            node = child
    return filled


@compiled
def _document_terms(
    ids: Array, start: Index, end: Index, least: Index, most: Index, words: bool,
    first: Array, labels: Array, number: Array, n_symbols: Index, found: Array,
) -> Index:  # fmt: skip
    """The terms of one document in `found`; a word shorter than `least` counts as a whole."""
    filled = 0
    if not words:
        return _walk(
            ids, start, end, least, most, first, labels, number, n_symbols, found, filled
        )  # fmt: skip
    place = start
    for at in range(start, end + 1):
        if at == end or ids[at] == EDGE:
            filled = _walk(
                ids, place, at, min(least, at - place), most,
                first, labels, number, n_symbols, found, filled,
            )  # fmt: skip
            place = at + 1
    return filled


@compiled
def sort_terms(found: Array) -> None:
    """Ascending in place; short documents are the rule."""
    if found.size > _SMALL:
        found.sort()
        return
    for i in range(1, found.size):
        value = found[i]
        j = i - 1
        while j >= 0 and found[j] > value:
            found[j + 1] = found[j]
            j -= 1
        found[j + 1] = value


@compiled
def _columns_of(found: Array, filled: Index, columns: Array, counts: Array) -> Index:
    """Turn terms into ascending distinct columns (in place) with their counts; how many."""
    if columns.size:
        for i in range(filled):
            found[i] = columns[found[i]]
    sort_terms(found[:filled])
    distinct = 0
    for i in range(filled):
        if distinct and found[i] == found[distinct - 1]:
            counts[distinct - 1] += 1
        else:
            found[distinct] = found[i]
            counts[distinct] = 1
            distinct += 1
    return distinct


@compiled
def longest(cuts: Array) -> Index:
    """The largest difference of neighbours."""
    most = 0
    for i in range(cuts.size - 1):
        most = max(most, cuts[i + 1] - cuts[i])
    return most


@compiled
def count_terms(
    ids: Array, id_cuts: Array, least: Index, most: Index, words: bool,
    first: Array, labels: Array, number: Array, n_symbols: Index, columns: Array,
    indices: Array, counts: Array, rows: Array,
) -> None:  # fmt: skip
    """Fill `indices`, `counts` and `rows` (CSR): ascending columns and counts of every document."""
    room = longest(id_cuts) * (most - least + 1) + 1
    found = np.empty(room, dtype=np.int32)
    times = np.empty(room, dtype=np.int64)
    filled = 0
    rows[0] = 0
    for document in range(id_cuts.size - 1):
        n = _document_terms(
            ids, id_cuts[document], id_cuts[document + 1], least, most, words,
            first, labels, number, n_symbols, found,
        )  # fmt: skip
        n = _columns_of(found, n, columns, times)
        indices[filled : filled + n] = found[:n]
        counts[filled : filled + n] = times[:n]
        filled += n
        rows[document + 1] = filled


@compiled
def weigh(
    found: Array, counts: Array, n: int, tf: Array, sublinear: bool,
    codes: Array, idf: Array, norm: int, values: Array,
) -> bool:  # fmt: skip
    """Fill `values` with tf, times idf, divided by the norm; False: a count is beyond `tf`."""
    for i in range(n):
        if sublinear:
            if counts[i] >= tf.size:
                return False
            values[i] = tf[counts[i]]
        else:
            values[i] = counts[i]
        if idf.size:
            values[i] = values[i] * idf[codes[found[i]]]
    normalize(values[:n], norm)
    return True


@compiled
def normalize(values: Array, norm: int) -> None:
    """Divide one row by its norm, in place; a zero norm changes nothing."""
    total = 0.0
    if norm == 0:
        return
    for value in values:
        if norm == 1:
            total += abs(value)
        elif norm == 2:
            total += value * value
        else:
            total = max(total, abs(value))
    if norm == 2:
        total = np.sqrt(total)
    if total == 0.0:
        return
    for i in range(values.size):
        values[i] = values[i] / total


@compiled
def normalize_rows(values: Array, rows: Array, norm: int) -> None:
    """`normalize` for every row of a CSR matrix."""
    for row in range(rows.size - 1):
        normalize(values[rows[row] : rows[row + 1]], norm)


@compiled
def accumulate(
    found: Array, values: Array, n: int, kept: Array, weights: Array, scale: Array, out: Any
) -> None:
    """Add each value times the weights of its column to `out`, in ascending columns."""
    for i in range(n):
        row = np.int64(found[i])
        if kept.size:
            row = np.int64(kept[row])
            if row < 0:
                continue
        value = out.dtype.type(values[i])
        if scale.size:
            for channel in range(out.size):
                out[channel] += value * out.dtype.type(scale[channel] * weights[row, channel])
        else:
            for channel in range(out.size):
                out[channel] += value * out.dtype.type(weights[row, channel])


@compiled
def keep_above(found: Array, values: Array, n: Index, threshold: float) -> Index:
    """Leave only the columns with a value above the threshold, each with the value one."""
    left = 0
    for i in range(n):
        if values[i] > threshold:
            found[left] = found[i]
            values[left] = 1.0
            left += 1
    return left


@compiled
def score_terms(
    ids: Array, id_cuts: Array, least: Index, most: Index, words: bool,
    first: Array, labels: Array, number: Array, n_symbols: Index, columns: Array,
    binary: bool, sublinear: bool, tf: Array, codes: Array, idf: Array, norm: int,
    kept: Array, weights: Array, scale: Array, threshold: float, out: Array, begin: int,
) -> Index:  # fmt: skip
    """Add the scores of documents from `begin` on to `out`.

    Returns the document at which it stopped: the number of all, or one with a count beyond `tf`.
    """
    room = longest(id_cuts) * (most - least + 1) + 1
    found = np.empty(room, dtype=np.int32)
    times = np.empty(room, dtype=np.int64)
    values = np.empty(room, dtype=tf.dtype)
    for document in range(begin, id_cuts.size - 1):
        n = _document_terms(
            ids, id_cuts[document], id_cuts[document + 1], least, most, words,
            first, labels, number, n_symbols, found,
        )  # fmt: skip
        n = _columns_of(found, n, columns, times)
        if binary:
            times[:n] = 1
        if not weigh(found, times, n, tf, sublinear, codes, idf, norm, values):
            return document
        if threshold == threshold:
            n = keep_above(found, values, n, threshold)
        accumulate(found, values, n, kept, weights, scale, out[document])
    return id_cuts.size - 1
