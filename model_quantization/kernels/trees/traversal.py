"""Walk rows down trees, eight at a time, so that the cache misses of one hide those of another.

A node is one 64-bit word, siblings are adjacent, and children start at an even node:

    low half    a split: its threshold as float32; a leaf: a NaN that carries its payload
    high half   the column times eight; then `shift` bits: the first child, or the leaf itself

A row goes to the second child when its value is above the threshold, else to the first. Nothing is
above a NaN, so that a row that has reached a leaf stays there, and eight walks can go on until all
have arrived without asking each time which ones have.

Children are counted from the start of the tree's bank: as many trees as `shift` bits can address,
mostly all of them. Payloads are counted from the least of their tree.

Rows come in groups of eight, their values side by side: value j of row r is at
`(r // 8 * n_columns + j) * 8 + r % 8`. So eight walks need one pointer to rows and one to nodes,
and their states stay in registers.

Missing values are no matter of the walk: where rows have any, column j holds plus infinity for
NaN, column `n_columns + j` minus infinity, and a split looks at the one that sends NaN its way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from model_quantization.kernels.compile import compiled

Words = npt.NDArray[np.uint64]
Payloads = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Starts = npt.NDArray[np.uint64]

LINK_BITS = 32
GROUP = 8
PAYLOAD_BITS = 22
ONE = np.uint64(1)
ZERO = np.uint64(0)
HALF = np.uint64(32)
QUIET_NAN = np.uint64(0x7FC00000)
EXPONENT = np.uint64(0x7F800000)
PAYLOAD_MASK = np.uint32((1 << PAYLOAD_BITS) - 1)


def _as_float32(typing_context: Any, value: Any) -> Any:
    """The float32 whose bits are the low half of a uint64."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]

        return builder.bitcast(builder.trunc(args[0], ir.IntType(32)), ir.FloatType())

    return types.float32(types.uint64), emit


as_float32: Any = intrinsic(_as_float32)


@compiled
def group_rows(rows: npt.NDArray[Any], groups: Floats, doubled: bool) -> int:
    """Copy rows (n, n_columns) into groups of eight as float32; what was met, in two bits.

    Bit 0: a NaN; bit 1: an infinity, or a value beyond float32. The last group is filled up with
    zeros. `doubled`: every column twice, with infinities for NaN (see the head of this file).
    """
    found = 0
    n, n_columns = rows.shape
    stride = n_columns * (2 if doubled else 1) * GROUP
    second = n_columns * GROUP
    infinity = np.float32(np.inf)
    for row in range(n):
        at = row // GROUP * stride + row % GROUP
        for column in range(n_columns):
            x = np.float32(rows[row, column])
            absent = x != x
            if x - x != np.float32(0.0):
                found |= 1 if absent else 2
            if doubled:
                groups[at + second] = -infinity if absent else x
                x = infinity if absent else x
            groups[at] = x
            at += GROUP
    for row in range(n, -(-n // GROUP) * GROUP):
        at = row // GROUP * stride + row % GROUP
        for _ in range(stride // GROUP):
            groups[at] = np.float32(0.0)
            at += GROUP
    return found


@compiled
def _after(
    words: Words, bank: np.uint64, word: np.uint64, low: np.uint64, x: np.float32
) -> np.uint64:
    """The node after `word`; a leaf is followed by itself."""
    following: np.uint64 = words[
        bank + (word >> HALF & low | (ONE if x > as_float32(word) else ZERO))
    ]
    return following


@compiled
def walk_one(
    words: Words, bank: np.uint64, slot: np.uint64, rows: Floats, offset: np.uint64, shift: int
) -> np.uint32:
    """The payload that one row reaches in one tree."""
    s = np.uint64(shift + 32)
    low = (ONE << np.uint64(shift)) - ONE
    word = words[bank + slot]
    while word & EXPONENT != EXPONENT:
        word = _after(words, bank, word, low, rows[offset + (word >> s)])
    return np.uint32(word) & PAYLOAD_MASK


@compiled
def walk_eight(
    words: Words,
    bank: np.uint64,
    slots: tuple[np.uint64, ...],
    rows: Floats,
    o: np.uint64,
    shift: int,
    spread: bool,
) -> tuple[np.uint64, ...]:
    """The leaves of eight walks together, from these slots, over the rows at offset `o`.

    `spread`: one tree and the eight rows of a group; otherwise eight trees and the first row.
    """
    s = np.uint64(shift + 32)
    low = (ONE << np.uint64(shift)) - ONE
    i0, i1, i2, i3, i4, i5, i6, i7 = slots
    w0, w1, w2, w3 = words[bank + i0], words[bank + i1], words[bank + i2], words[bank + i3]
    w4, w5, w6, w7 = words[bank + i4], words[bank + i5], words[bank + i6], words[bank + i7]
    o1, o2, o3, o4 = o + np.uint64(1), o + np.uint64(2), o + np.uint64(3), o + np.uint64(4)
    o5, o6, o7 = o + np.uint64(5), o + np.uint64(6), o + np.uint64(7)
    # Unrolled by hand; the compiler makes a loop of its own for either value of `spread`.
    while w0 & w1 & w2 & w3 & w4 & w5 & w6 & w7 & EXPONENT != EXPONENT:
        w0 = _after(words, bank, w0, low, rows[o + (w0 >> s)])
        w1 = _after(words, bank, w1, low, rows[(o1 if spread else o) + (w1 >> s)])
        w2 = _after(words, bank, w2, low, rows[(o2 if spread else o) + (w2 >> s)])
        w3 = _after(words, bank, w3, low, rows[(o3 if spread else o) + (w3 >> s)])
        w4 = _after(words, bank, w4, low, rows[(o4 if spread else o) + (w4 >> s)])
        w5 = _after(words, bank, w5, low, rows[(o5 if spread else o) + (w5 >> s)])
        w6 = _after(words, bank, w6, low, rows[(o6 if spread else o) + (w6 >> s)])
        w7 = _after(words, bank, w7, low, rows[(o7 if spread else o) + (w7 >> s)])
    return w0, w1, w2, w3, w4, w5, w6, w7


@compiled
def fill_eight(found: Payloads, at: int, w: tuple[np.uint64, ...], base: np.uint32) -> None:
    """Write the payloads of eight leaves, counted from `base`."""
    found[at] = (np.uint32(w[0]) & PAYLOAD_MASK) + base
    found[at + 1] = (np.uint32(w[1]) & PAYLOAD_MASK) + base
    found[at + 2] = (np.uint32(w[2]) & PAYLOAD_MASK) + base
    found[at + 3] = (np.uint32(w[3]) & PAYLOAD_MASK) + base
    found[at + 4] = (np.uint32(w[4]) & PAYLOAD_MASK) + base
    found[at + 5] = (np.uint32(w[5]) & PAYLOAD_MASK) + base
    found[at + 6] = (np.uint32(w[6]) & PAYLOAD_MASK) + base
    found[at + 7] = (np.uint32(w[7]) & PAYLOAD_MASK) + base


@compiled
def payload_groups(
    words: Words,
    bank: np.uint64,
    slot: np.uint64,
    base: np.uint32,
    groups: Floats,
    n_columns: int,
    first: int,
    last: int,
    shift: int,
    found: Payloads,
) -> None:
    """Fill `found` with what the rows of groups `first` to `last` reach in one tree."""
    slots = (slot, slot, slot, slot, slot, slot, slot, slot)
    stride = np.uint64(n_columns * GROUP)
    for group in range(first, last):
        offset = np.uint64(group) * stride
        w = walk_eight(words, bank, slots, groups, offset, shift, True)
        fill_eight(found, (group - first) * GROUP, w, base)


@compiled
def payload_block(
    words: Words,
    starts: Starts,
    banks: Starts,
    bases: Payloads,
    groups: Floats,
    n_columns: int,
    first: int,
    last: int,
    block: int,
    shift: int,
    out: npt.NDArray[np.int64],
) -> None:
    """Fill `out` (n * n_trees, flat) with the payload of each row in each tree."""
    found = np.empty(block, dtype=np.uint32)
    for start in range(first, last, block):
        end = min(start + block, last)
        for tree in range(starts.size):
            payload_groups(
                words, banks[tree], starts[tree], bases[tree], groups, n_columns,
                start // GROUP, -(-end // GROUP), shift, found,
            )  # fmt: skip
            for row in range(start, end):
                out[row * starts.size + tree] = found[row - start]


def payload_reference(
    split: npt.NDArray[np.uint8],
    sizes: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    feature: npt.NDArray[np.int64],
    threshold: npt.NDArray[np.float64],
    missing_left: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """The leaf (its number in the forest) of each row in each tree, by definition: (n, n_trees).

    `feature`, `threshold` and `missing_left` have one entry a split, in preorder.
    """
    rank = np.where(split == 1, np.cumsum(split) - 1, np.cumsum(1 - split) - 1)
    out = np.empty((len(rows), sizes.size), dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for row, values in enumerate(rows):
        for tree in range(sizes.size):
            node = starts[tree]
            while split[node]:
                at = rank[node]
                x = values[feature[at]]
                left = missing_left[at] if np.isnan(x) else x <= threshold[at]
                node = node + 1 if left else starts[tree] + right[node]
            out[row, tree] = rank[node]
    return out
