"""Compiled parts of `vocabulary`: decoding the streams of a term tree, and hashing its symbols.

Importing this module imports numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import Index
from model_quantization.kernels.compile import compiled

FNV_START = np.uint32(2166136261)
FNV_PRIME = np.uint32(16777619)
_SMALL = 40


@compiled
def join_symbols(prefix: Array, data: Array, offsets: Array, blob: Array) -> bool:
    """Fill `blob` with the whole symbols; False when one shares more than there is."""
    at = 0
    before = np.int64(0)
    for i in range(prefix.size):
        start = np.int64(offsets[i])
        end = np.int64(offsets[i + 1])
        shared = np.int64(prefix[i])
        if shared > start - before:
            return False
        for k in range(shared):
            blob[start + k] = blob[before + k]
        for k in range(start + shared, end):
            blob[k] = data[at]
            at += 1
        before = start
    return True


@compiled
def sort_ascending(values: Array, scratch: Array) -> None:
    """Sort non-negative integers in place: short lists by insertion, long ones byte by byte.

    `scratch` is of the type of `values` and at least as long.
    """
    n = values.size
    if n <= _SMALL:
        for i in range(1, n):
            value = values[i]
            j = i - 1
            while j >= 0 and values[j] > value:
                values[j + 1] = values[j]
                j -= 1
            values[j + 1] = value
        return
    top = np.int64(0)
    for i in range(n):
        top = max(top, np.int64(values[i]))
    source = values
    target = scratch
    shift: Index = 0
    places = np.empty(257, dtype=np.int64)
    while top >> shift > 0:
        places[:] = 0
        for i in range(n):
            places[((np.int64(source[i]) >> shift) & 255) + 1] += 1
        for digit in range(256):
            places[digit + 1] += places[digit]
        for i in range(n):
            digit = (np.int64(source[i]) >> shift) & 255
            target[places[digit]] = source[i]
            places[digit] += 1
        source, target = target, source
        shift += 8
    if shift & 8:
        for i in range(n):
            values[i] = scratch[i]


@compiled
def mark(values: Array, present: Array) -> None:
    """Set `present` at every value."""
    for value in values:
        present[value] = True


@compiled
def rank_symbols(popularity: Array, order: Array) -> None:
    """Fill `order` with the symbols from the most to the least popular; see `ranking`."""
    n_symbols = popularity.size
    most: Index = np.int64(popularity.max()) if n_symbols else 0
    places = np.zeros(most + 2, dtype=np.int64)
    for symbol in range(n_symbols):
        places[most - np.int64(popularity[symbol]) + 1] += 1
    for i in range(most + 1):
        places[i + 1] += places[i]
    for symbol in range(n_symbols):
        step = most - np.int64(popularity[symbol])
        order[places[step]] = symbol
        places[step] += 1


@compiled
def place_children(gaps: Array, first: Array, order: Array, labels: Array, nodes: Array) -> bool:
    """Fill `labels` from the steps between ranks; False when a rank has no symbol.

    The children of a node have to ascend. All of them are sorted at once: by symbol, and then,
    which keeps that order, by node. `nodes` is room for the number of a node for each child.
    """
    n_symbols = order.size
    n_nodes = first.size - 1
    places = np.zeros(n_symbols + 1, dtype=np.uint32)
    for node in range(n_nodes):
        rank = np.int64(-1)
        for i in range(np.int64(first[node]), np.int64(first[node + 1])):
            rank += np.int64(gaps[i]) + 1
            if rank >= n_symbols:
                return False
            labels[i] = order[rank]
            places[order[rank] + 1] += 1
    for symbol in range(n_symbols):
        places[symbol + 1] += places[symbol]
    for node in range(n_nodes):
        for i in range(np.int64(first[node]), np.int64(first[node + 1])):
            label = labels[i]
            nodes[places[label]] = node
            places[label] += 1
    filled = first.copy()
    at = 0
    for symbol in range(n_symbols):
        while at < places[symbol]:
            labels[filled[nodes[at]]] = symbol
            filled[nodes[at]] += 1
            at += 1
    return True


@compiled
def number_terms(ends: Array, first: Array, n_symbols: Index, number: Array) -> Index:
    """Fill `number` (twice the terms before, plus one at an end); the number of all terms."""
    n_inner = ends.size
    if n_inner == 0:
        return n_symbols
    below = np.empty(n_inner, dtype=np.int64)
    for node in range(n_inner - 1, -1, -1):
        terms = np.int64(ends[node])
        start = n_symbols + np.int64(first[node])
        end = n_symbols + np.int64(first[node + 1])
        if start >= n_inner:
            terms += end - start
        else:
            for child in range(start, end):
                terms += below[child]
        below[node] = terms
    total = np.int64(0)
    for node in range(n_symbols):
        number[node] = np.uint32(2 * total + np.int64(ends[node]))
        total += below[node]
    for node in range(n_inner):
        start = n_symbols + np.int64(first[node])
        if start >= n_inner:
            continue
        before = np.int64(number[node] >> 1) + np.int64(ends[node])
        for child in range(start, n_symbols + np.int64(first[node + 1])):
            number[child] = np.uint32(2 * before + np.int64(ends[child]))
            before += below[child]
    return total


@compiled
def hashed(data: Array, start: Index, end: Index) -> Any:
    """FNV-1a of the bytes, 32 bits."""
    value = FNV_START
    for i in range(start, end):
        value = np.uint32((value ^ np.uint32(data[i])) * FNV_PRIME)
    return value


@compiled
def fill_table(blob: Array, offsets: Array, table: Array) -> bool:
    """Enter every symbol (number plus one) into the empty open-addressing `table`.

    A symbol that is there already is not entered again: the first one counts. False when the
    table has no free place.
    """
    mask = np.uint32(table.size - 1)
    if offsets.size > table.size:
        return False
    for i in range(offsets.size - 1):
        start = np.int64(offsets[i])
        end = np.int64(offsets[i + 1])
        value = hashed(blob, start, end)
        slot = (value ^ (value >> np.uint32(15))) & mask
        while table[slot] != 0:
            if _equal(blob, start, end, blob, offsets, np.int64(table[slot]) - 1):
                break
            slot = (slot + np.uint32(1)) & mask
        if table[slot] == 0:
            table[slot] = i + 1
    return True


@compiled
def _equal(
    data: Array, start: Index, end: Index, blob: Array, offsets: Array, symbol: Index
) -> bool:
    other = np.int64(offsets[symbol])
    if np.int64(offsets[symbol + 1]) - other != end - start:
        return False
    for k in range(end - start):  # noqa: SIM110 (compiled)
        if data[start + k] != blob[other + k]:
            return False
    return True


@compiled
def find_symbol(
    data: Array, start: Index, end: Index, value: Any, blob: Array, offsets: Array, table: Array
) -> Index:
    """The symbol with exactly these bytes, whose `hashed` is `value`; -1: there is none."""
    mask = np.uint32(table.size - 1)
    slot = (value ^ (value >> np.uint32(15))) & mask
    while table[slot] != 0:
        symbol = np.int64(table[slot]) - 1
        if _equal(data, start, end, blob, offsets, symbol):
            return symbol
        slot = (slot + np.uint32(1)) & mask
    return -1


@compiled
def find_child(labels: Array, start: Index, end: Index, symbol: Index) -> Index:
    """Where `symbol` is in the ascending `labels[start:end]`; -1: it is not."""
    low = start
    high = end
    while low < high:
        middle = (low + high) >> 1
        if np.int64(labels[middle]) < symbol:
            low = middle + 1
        else:
            high = middle
    if low < end and np.int64(labels[low]) == symbol:
        return low
    return -1
