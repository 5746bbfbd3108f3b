"""Compiled counts of hashed terms: MurmurHash3 of the bytes of every n-gram, modulo the columns.

The hash is MurmurHash3_x86_32 with seed 0 (A. Appleby, public domain); its sign may be the sign of
the count. Importing this module imports numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import Index
from model_quantization.kernels.compile import compiled
from model_quantization.kernels.text.term_tree import sort_ascending

WORDS, CHARACTERS, INSIDE_WORDS = 0, 1, 2
_C1 = np.uint32(0xCC9E2D51)
_C2 = np.uint32(0x1B873593)
_ADD = np.uint32(0xE6546B64)
_F1 = np.uint32(0x85EBCA6B)
_F2 = np.uint32(0xC2B2AE35)


@compiled
def _mix(value: Any) -> Any:
    value = np.uint32(value * _C1)
    value = np.uint32((value << np.uint32(15)) | (value >> np.uint32(17)))
    return np.uint32(value * _C2)


@compiled
def murmur(data: Array, start: Index, end: Index) -> Index:
    """The hash of the bytes, as a signed 32-bit number."""
    value = np.uint32(0)
    whole = start + (end - start) // 4 * 4
    for at in range(start, whole, 4):
        block = np.uint32(data[at]) | (np.uint32(data[at + 1]) << np.uint32(8))
        block |= (np.uint32(data[at + 2]) << np.uint32(16)) | (
            np.uint32(data[at + 3]) << np.uint32(24)
        )
        value = np.uint32(value ^ _mix(block))
        value = np.uint32((value << np.uint32(13)) | (value >> np.uint32(19)))
        value = np.uint32(np.uint32(value * np.uint32(5)) + _ADD)
    tail = np.uint32(0)
    for at in range(end - 1, whole - 1, -1):
        tail = np.uint32((tail << np.uint32(8)) | np.uint32(data[at]))
    if end > whole:
        value = np.uint32(value ^ _mix(tail))
    value = np.uint32(value ^ np.uint32(end - start))
    value = np.uint32((value ^ (value >> np.uint32(16))) * _F1)
    value = np.uint32((value ^ (value >> np.uint32(13))) * _F2)
    value = np.uint32(value ^ (value >> np.uint32(16)))
    signed = np.int64(value)
    return signed - (np.int64(1) << 32) if signed >= np.int64(1) << 31 else signed


@compiled
def _spans(data: Array, start: Index, end: Index, kind: int, starts: Array, ends: Array) -> Index:
    """Where the symbols of one document begin and end: words between spaces, or characters.

    A negative start marks the gap between two words whose characters must not be joined.
    """
    filled = 0
    if kind == WORDS:
        begin = start
        for at in range(start, end + 1):
            if at == end or data[at] == 32:
                if at > begin:
                    starts[filled] = begin
                    ends[filled] = at
                    filled += 1
                begin = at + 1
        return filled
    for at in range(start, end):
        if data[at] & 0xC0 == 0x80:  # goes on with the character before
            ends[filled - 1] = at + 1
            continue
        if kind == INSIDE_WORDS and data[at] == 32 and at > start and data[at - 1] == 32:
            starts[filled] = -1
            ends[filled] = -1
            filled += 1
        starts[filled] = at
        ends[filled] = at + 1
        filled += 1
    return filled


@compiled
def _hash_region(
    data: Array, starts: Array, ends: Array, first: Index, last: Index,
    least: Index, most: Index, n_columns: int, keys: Array, filled: Index,
) -> Index:  # fmt: skip
    """Append the key (twice the column, plus one for a negative hash) of every n-gram."""
    for place in range(first, last):
        for size in range(least, min(most, last - place) + 1):
            value = murmur(data, starts[place], ends[place + size - 1])
            if value == -2147483648:  # its magnitude overflows in the original
                column = (2147483647 - (n_columns - 1)) % n_columns
            else:
                column = abs(value) % n_columns
            keys[filled] = 2 * column + (1 if value < 0 else 0)
            filled += 1
    return filled


@compiled
def _document_columns(
    data: Array, start: Index, end: Index, kind: int, least: Index, most: Index,
    n_columns: int, signed: bool,
    starts: Array, ends: Array, keys: Array, scratch: Array, found: Array, counts: Array,
) -> Index:  # fmt: skip
    """Ascending columns and counts of one document; how many."""
    symbols = _spans(data, start, end, kind, starts, ends)
    filled = 0
    first = 0
    for at in range(symbols + 1):
        if at == symbols or starts[at] < 0:
            size = at - first
            shortest = min(least, size) if kind == INSIDE_WORDS else least
            filled = _hash_region(
                data, starts, ends, first, at, shortest, most, n_columns, keys, filled
            )
            first = at + 1
    sort_ascending(keys[:filled], scratch)
    distinct = 0
    for i in range(filled):
        column = keys[i] >> 1
        step = -1 if signed and keys[i] & 1 else 1
        if distinct and found[distinct - 1] == column:
            counts[distinct - 1] += step
        else:
            found[distinct] = column
            counts[distinct] = step
            distinct += 1
    return distinct


@compiled
def room_for(cuts: Array, kind: int) -> Index:
    """The most symbols that one document can have."""
    most = 0
    for i in range(cuts.size - 1):
        most = max(most, cuts[i + 1] - cuts[i])
    return 2 * most + 1 if kind == INSIDE_WORDS else most + 1


@compiled
def count_hashed(
    data: Array, cuts: Array, kind: int, least: Index, most: Index, n_columns: int,
    signed: bool, indices: Array, counts: Array, rows: Array,
) -> None:  # fmt: skip
    """Fill `indices`, `counts` and `rows` (CSR) with the hashed terms of every document."""
    room = room_for(cuts, kind)
    starts = np.empty(room, dtype=np.int64)
    ends = np.empty(room, dtype=np.int64)
    keys = np.empty(room * (most - least + 1), dtype=np.int64)
    scratch = np.empty(room * (most - least + 1), dtype=np.int64)
    found = np.empty(room * (most - least + 1), dtype=np.int32)
    times = np.empty(room * (most - least + 1), dtype=np.int64)
    filled = 0
    rows[0] = 0
    for document in range(cuts.size - 1):
        n = _document_columns(
            data, cuts[document], cuts[document + 1], kind, least, most, n_columns, signed,
            starts, ends, keys, scratch, found, times,
        )  # fmt: skip
        indices[filled : filled + n] = found[:n]
        counts[filled : filled + n] = times[:n]
        filled += n
        rows[document + 1] = filled
