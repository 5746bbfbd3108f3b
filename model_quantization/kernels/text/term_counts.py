"""Compiled text kernels: symbols to term counts, as the rows of a sparse matrix.

Importing this module imports numba.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import Index
from model_quantization.kernels.compile import compiled
from model_quantization.kernels.text.symbol_ids import EDGE
from model_quantization.kernels.text.term_tree import find_child, sort_ascending


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
def _columns_of(
    found: Array, filled: Index, columns: Array, counts: Array, scratch: Array
) -> Index:
    """Turn terms into ascending distinct columns (in place) with their counts; how many."""
    if columns.size:
        for i in range(filled):
            found[i] = columns[found[i]]
    sort_ascending(found[:filled], scratch)
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
    scratch = np.empty(room, dtype=np.int32)
    times = np.empty(room, dtype=np.int64)
    filled = 0
    rows[0] = 0
    for document in range(id_cuts.size - 1):
        n = _document_terms(
            ids, id_cuts[document], id_cuts[document + 1], least, most, words,
            first, labels, number, n_symbols, found,
        )  # fmt: skip
        n = _columns_of(found, n, columns, times, scratch)
        indices[filled : filled + n] = found[:n]
        counts[filled : filled + n] = times[:n]
        filled += n
        rows[document + 1] = filled
