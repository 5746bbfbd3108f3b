"""Parts of `vocabulary`: words from their suffixes, a tree from its streams, a table of words."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

FNV_START = 2166136261
FNV_PRIME = 16777619


@kernel
def join_symbols(prefix: Array, data: Array, offsets: Array, blob: Array) -> bool:
    """Fill `blob` with the whole symbols; False when one shares more than there is.

    Parameters
    ----------
    prefix : uint32, shape (n_symbols,)
        Bytes that each symbol shares with the one before it.
    data : uint8
        The bytes of their own, one symbol after the other.
    offsets : int32, shape (n_symbols + 1,)
        Where each symbol begins in `blob`.
    blob : uint8
        Filled.
    """
    at = before = 0
    for shared, start, end in zip(
        prefix.tolist(), offsets.tolist(), offsets[1:].tolist(), strict=False
    ):
        if shared > start - before:
            return False
        own = end - start - shared
        blob[start : start + shared] = blob[before : before + shared]
        blob[start + shared : end] = data[at : at + own]
        at, before = at + own, start
    return True


@kernel
def mark(values: Array, present: Array) -> None:
    """Set the bool array `present` at every value; uint16 or uint32."""
    present[values] = True


@kernel
def rank_symbols(popularity: Array, order: Array, places: Array) -> None:
    """Fill `order` with the symbols from the most to the least popular, equal ones in order.

    Parameters
    ----------
    popularity, order : uint32, shape (n_symbols,)
    places : int64, at least two more than the largest popularity
        Scratch.
    """
    order[:] = np.argsort(-popularity.astype(np.int64), kind="stable")


@kernel
def place_children(
    gaps: Array, first: Array, order: Array, labels: Array, nodes: Array, places: Array,
    filled: Array,
) -> bool:  # fmt: skip
    """Fill `labels` from the steps between ranks; False when a rank has no symbol.

    The children of a node have to ascend. All of them are sorted at once: by symbol, and then,
    which keeps that order, by node.

    Parameters
    ----------
    gaps : uint16 or uint32, shape (n_children,)
    first : uint32, shape (n_inner + 1,)
        Where the children of each node begin.
    order : uint32, shape (n_symbols,)
        Symbols by rank.
    labels : uint16 or uint32, shape (n_children,)
        Filled.
    nodes : uint16 or uint32, shape (n_children,)
        Scratch, as `places` and `filled`.
    places, filled : uint32, shapes (n_symbols + 1,) and (n_inner + 1,)
    """
    for start, end in zip(first.tolist(), first[1:].tolist(), strict=False):
        ranks = np.cumsum(gaps[start:end].astype(np.int64) + 1) - 1
        if ranks.size and ranks[-1] >= order.size:
            return False
        labels[start:end] = np.sort(order[ranks])
    return True


@kernel
def number_terms(ends: Array, first: Array, n_symbols: int, number: Array, below: Array) -> int:
    """Fill `number` (twice the terms before, plus one at an end); the number of all terms.

    Parameters
    ----------
    ends : bool, shape (n_inner,)
    first : uint32, shape (n_inner + 1,)
    n_symbols : int
    number : uint32, shape (n_inner,)
        Filled.
    below : int64, shape (n_inner,)
        Scratch: the terms at and below each node.
    """
    n_inner = ends.size
    if not n_inner:
        return n_symbols
    start = n_symbols + first.astype(np.int64)
    for node in range(n_inner - 1, -1, -1):
        inside = start[node] < n_inner
        children = below[start[node] : start[node + 1]].sum() if inside else 0
        last = 0 if inside else start[node + 1] - start[node]
        below[node] = int(ends[node]) + children + last
    roots = np.concatenate([[0], np.cumsum(below[:n_symbols])])
    number[:n_symbols] = 2 * roots[:-1] + ends[:n_symbols]
    for node in range(n_inner):
        if start[node] < n_inner:
            before = int(number[node] >> 1) + int(ends[node])
            for child in range(start[node], start[node + 1]):
                number[child] = 2 * before + int(ends[child])
                before += int(below[child])
    return int(roots[-1])


@kernel
def fill_table(blob: Array, offsets: Array, table: Array) -> bool:
    """Enter every symbol (number plus one) into the empty open-addressing `table`.

    A symbol that is there already is not entered again: the first one counts. False when the
    table has no free place.

    Parameters
    ----------
    blob : uint8
    offsets : int32, shape (n_symbols + 1,)
    table : uint32
        Zeros; its size is a power of two.
    """
    if offsets.size > table.size:
        return False
    raw, seen = blob.tobytes(), set()
    for symbol, (start, end) in enumerate(
        zip(offsets.tolist(), offsets[1:].tolist(), strict=False)
    ):
        word = raw[start:end]
        if word not in seen:
            seen.add(word)
            slot = _slot(fnv(word), table.size)
            while table[slot]:
                slot = (slot + 1) & (table.size - 1)
            table[slot] = symbol + 1
    return True


@kernel
def find_symbol(data: Array, blob: Array, offsets: Array, table: Array) -> int:
    """Return the symbol with exactly the bytes of `data`; -1 if no symbol has them."""
    return symbol_of(data.tobytes(), blob.tobytes(), offsets, table)


def symbol_of(word: bytes, raw: bytes, offsets: Array, table: Array) -> int:
    """Return the number of a word by the table of `fill_table`; -1 if no term is this word."""
    slot = _slot(fnv(word), table.size)
    while table[slot]:
        symbol = int(table[slot]) - 1
        if raw[offsets[symbol] : offsets[symbol + 1]] == word:
            return symbol
        slot = (slot + 1) & (table.size - 1)
    return -1


def fnv(word: bytes) -> int:
    """Return FNV-1a of the bytes, 32 bits."""
    value = FNV_START
    for byte in word:
        value = (value ^ byte) * FNV_PRIME & 0xFFFFFFFF
    return value


def _slot(value: int, size: int) -> int:
    return (value ^ value >> 15) & (size - 1)
