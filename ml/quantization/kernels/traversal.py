"""Walk rows down trees, eight at a time, so that the cache misses of one hide those of another.

A node is two 32-bit words, siblings are adjacent, and a tree starts at an even node:

    word 0   a split: its threshold as float32; a leaf: its payload as uint32
    word 1   bit 31: missing values go left; then the feature; the lowest `shift` bits: the first
             child, counted from the tree's start, 0 for a leaf

`x <= threshold` goes to the first child, anything else to the second; NaN as bit 31 says.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.quantization.kernels.compile import compiled

Words = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Starts = npt.NDArray[np.int64]

LINK_BITS = 31
GROUP = 8
_LOW31 = np.uint32(0x7FFFFFFF)
_ONE = np.uint32(1)
_ZERO = np.uint32(0)


@compiled
def lay_out(
    split: npt.NDArray[np.uint8],
    sizes: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    leaves: npt.NDArray[np.int32],
    links: Words,
    thresholds: Floats,
    payload: Words,
    shift: int,
    words: Words,
    floats: Floats,
    starts: Starts,
) -> None:
    """Write the nodes of a forest.

    The children of the heavier side follow their parent at once, so that the likely path stays
    in few cache lines.

    Parameters
    ----------
    split, sizes, right, leaves
        The shape, as `topology.shape` and `topology.count_leaves` give it.
    links : uint32, shape (n_splits,)
        Bit 31 and the feature (not yet shifted) of each split, in preorder.
    thresholds : float32, shape (n_splits,)
    payload : uint32, shape (n_leaves,)
    words, floats : shape (2 * (n_nodes + n_trees),)
        Two views of the same memory; written.
    starts : int64, shape (n_trees,)
        Receives the first node of each tree.
    """
    largest = 0
    for tree in range(sizes.size):
        largest = max(largest, sizes[tree])
    rank = np.empty(largest, dtype=np.int32)  # which split or leaf of the forest a node is
    nodes = np.empty(largest, dtype=np.int32)
    slots = np.empty(largest, dtype=np.uint32)
    first = 0
    base = 0
    n_split = 0
    n_leaf = 0
    for tree in range(sizes.size):
        for node in range(sizes[tree]):
            if split[first + node]:
                rank[node] = n_split
                n_split += 1
            else:
                rank[node] = n_leaf
                n_leaf += 1
        starts[tree] = base
        free = np.uint32(2)
        top = 0
        node = 0
        slot = np.uint32(0)
        while True:
            at = 2 * (base + np.int64(slot))
            if split[first + node]:
                link = links[rank[node]]
                floats[at] = thresholds[rank[node]]
                words[at + 1] = (
                    (link & np.uint32(0x80000000))
                    | ((link & _LOW31) << np.uint32(shift))
                    | free
                )
                low, high = node + 1, right[first + node]
                if leaves[first + low] >= leaves[first + high]:
                    nodes[top] = high
                    slots[top] = free + _ONE
                    node = low
                    slot = free
                else:
                    nodes[top] = low
                    slots[top] = free
                    node = high
                    slot = free + _ONE
                top += 1
                free += np.uint32(2)
                continue
            words[at] = payload[rank[node]]
            words[at + 1] = np.uint32(0x80000000)
            if top == 0:
                break
            top -= 1
            node = nodes[top]
            slot = slots[top]
        first += sizes[tree]
        base += sizes[tree] + 1


@compiled
def _step(child: np.uint32, slot: np.uint32, x: np.float32, threshold: np.float32) -> np.uint32:
    """The next node; a leaf stays where it is."""
    if child == _ZERO:
        return slot
    return child if x <= threshold else child + _ONE


@compiled
def _step_missing(
    word: np.uint32, child: np.uint32, slot: np.uint32, x: np.float32, threshold: np.float32
) -> np.uint32:
    """The next node where x may be NaN."""
    if child == _ZERO:
        return slot
    left = x <= threshold or (x != x and (word >> np.uint32(31)) != _ZERO)
    return child if left else child + _ONE


@compiled
def walk_one(
    words: Words, floats: Floats, base: int, rows: Floats, offset: int, shift: int
) -> np.uint32:
    """The payload that one row reaches in one tree; NaN allowed."""
    low = np.uint32((1 << shift) - 1)
    slot = np.uint32(0)
    while True:
        at = 2 * (base + np.int64(slot))
        word = words[at + 1]
        child = word & low
        if child == _ZERO:
            return words[at]
        x = rows[offset + np.int64((word & _LOW31) >> np.uint32(shift))]
        slot = _step_missing(word, child, slot, x, floats[at])


@compiled
def walk_eight(  # noqa: PLR0915 - unrolled by hand: numba keeps eight chains in registers so
    words: Words,
    floats: Floats,
    b: tuple[int, ...],
    rows: Floats,
    o: tuple[int, ...],
    shift: int,
    missing: bool,
) -> tuple[np.uint32, ...]:
    """The payloads of eight walks together: from tree starts `b`, rows at offsets `o`."""
    s = np.uint32(shift)
    low = np.uint32((1 << shift) - 1)
    b0, b1, b2, b3, b4, b5, b6, b7 = b
    o0, o1, o2, o3, o4, o5, o6, o7 = o
    i0 = i1 = i2 = i3 = i4 = i5 = i6 = i7 = _ZERO
    while True:
        a0 = 2 * (b0 + np.int64(i0))
        a1 = 2 * (b1 + np.int64(i1))
        a2 = 2 * (b2 + np.int64(i2))
        a3 = 2 * (b3 + np.int64(i3))
        a4 = 2 * (b4 + np.int64(i4))
        a5 = 2 * (b5 + np.int64(i5))
        a6 = 2 * (b6 + np.int64(i6))
        a7 = 2 * (b7 + np.int64(i7))
        w0, w1, w2, w3 = words[a0 + 1], words[a1 + 1], words[a2 + 1], words[a3 + 1]
        w4, w5, w6, w7 = words[a4 + 1], words[a5 + 1], words[a6 + 1], words[a7 + 1]
        c0, c1, c2, c3 = w0 & low, w1 & low, w2 & low, w3 & low
        c4, c5, c6, c7 = w4 & low, w5 & low, w6 & low, w7 & low
        if (c0 | c1 | c2 | c3 | c4 | c5 | c6 | c7) == _ZERO:
            return (
                words[a0], words[a1], words[a2], words[a3],
                words[a4], words[a5], words[a6], words[a7],
            )  # fmt: skip
        x0 = rows[o0 + np.int64((w0 & _LOW31) >> s)]
        x1 = rows[o1 + np.int64((w1 & _LOW31) >> s)]
        x2 = rows[o2 + np.int64((w2 & _LOW31) >> s)]
        x3 = rows[o3 + np.int64((w3 & _LOW31) >> s)]
        x4 = rows[o4 + np.int64((w4 & _LOW31) >> s)]
        x5 = rows[o5 + np.int64((w5 & _LOW31) >> s)]
        x6 = rows[o6 + np.int64((w6 & _LOW31) >> s)]
        x7 = rows[o7 + np.int64((w7 & _LOW31) >> s)]
        if missing:
            i0 = _step_missing(w0, c0, i0, x0, floats[a0])
            i1 = _step_missing(w1, c1, i1, x1, floats[a1])
            i2 = _step_missing(w2, c2, i2, x2, floats[a2])
            i3 = _step_missing(w3, c3, i3, x3, floats[a3])
            i4 = _step_missing(w4, c4, i4, x4, floats[a4])
            i5 = _step_missing(w5, c5, i5, x5, floats[a5])
            i6 = _step_missing(w6, c6, i6, x6, floats[a6])
            i7 = _step_missing(w7, c7, i7, x7, floats[a7])
        else:
            i0 = _step(c0, i0, x0, floats[a0])
            i1 = _step(c1, i1, x1, floats[a1])
            i2 = _step(c2, i2, x2, floats[a2])
            i3 = _step(c3, i3, x3, floats[a3])
            i4 = _step(c4, i4, x4, floats[a4])
            i5 = _step(c5, i5, x5, floats[a5])
            i6 = _step(c6, i6, x6, floats[a6])
            i7 = _step(c7, i7, x7, floats[a7])


@compiled
def _fill_eight(found: Words, at: int, p: tuple[np.uint32, ...]) -> None:
    found[at], found[at + 1], found[at + 2], found[at + 3] = p[0], p[1], p[2], p[3]
    found[at + 4], found[at + 5], found[at + 6], found[at + 7] = p[4], p[5], p[6], p[7]


@compiled
def payload_rows(
    words: Words,
    floats: Floats,
    base: int,
    rows: Floats,
    n_features: int,
    first: int,
    last: int,
    shift: int,
    missing: bool,
    found: Words,
) -> None:
    """Fill `found[: last - first]` with what rows `first` to `last` reach in one tree."""
    row = first
    while row + GROUP <= last:
        o = row * n_features
        offsets = (
            o, o + n_features, o + 2 * n_features, o + 3 * n_features, o + 4 * n_features,
            o + 5 * n_features, o + 6 * n_features, o + 7 * n_features,
        )  # fmt: skip
        bases = (base, base, base, base, base, base, base, base)
        p = walk_eight(words, floats, bases, rows, offsets, shift, missing)
        _fill_eight(found, row - first, p)
        row += GROUP
    while row < last:
        found[row - first] = walk_one(words, floats, base, rows, row * n_features, shift)
        row += 1


@compiled
def sum_block(
    words: Words,
    floats: Floats,
    starts: Starts,
    rows: Floats,
    n_features: int,
    first: int,
    last: int,
    block: int,
    shift: int,
    missing: bool,
    table: Doubles,
    width: int,
    groups: int,
    out: Doubles,
) -> None:
    """Add to `out` what rows `first` to `last` reach, tree by tree in order.

    Parameters
    ----------
    rows : float32, shape (n * n_features,)
        All rows, flat.
    table : float64, shape (n_payloads * width,)
        A payload p adds `table[p * width : (p + 1) * width]`.
    groups : int
        Tree t adds to columns `(t % groups) * width` and on.
    out : float64, shape (n * groups * width,)
    """
    found = np.empty(block, dtype=np.uint32)
    columns = groups * width
    for start in range(first, last, block):
        end = min(start + block, last)
        for tree in range(starts.size):
            payload_rows(
                words, floats, starts[tree], rows, n_features, start, end, shift, missing, found
            )
            column = (tree % groups) * width
            if width == 1:
                for row in range(start, end):
                    out[row * columns + column] += table[found[row - start]]
            else:
                for row in range(start, end):
                    at = row * columns + column
                    source = np.int64(found[row - start]) * width
                    for k in range(width):
                        out[at + k] += table[source + k]


@compiled
def sum_one(
    words: Words,
    floats: Floats,
    starts: Starts,
    row: Floats,
    shift: int,
    missing: bool,
    table: Doubles,
    width: int,
    groups: int,
    out: Doubles,
) -> None:
    """`sum_block` for a single row: eight trees are walked together."""
    tree = 0
    zeros = (0, 0, 0, 0, 0, 0, 0, 0)
    found = np.empty(GROUP, dtype=np.uint32)
    while tree < starts.size:
        end = min(tree + GROUP, starts.size)
        if end - tree == GROUP:
            bases = (
                starts[tree], starts[tree + 1], starts[tree + 2], starts[tree + 3],
                starts[tree + 4], starts[tree + 5], starts[tree + 6], starts[tree + 7],
            )  # fmt: skip
            _fill_eight(found, 0, walk_eight(words, floats, bases, row, zeros, shift, missing))
        else:
            for k in range(tree, end):
                found[k - tree] = walk_one(words, floats, starts[k], row, 0, shift)
        for k in range(tree, end):
            column = (k % groups) * width
            source = np.int64(found[k - tree]) * width
            for c in range(width):
                out[column + c] += table[source + c]
        tree = end


@compiled
def payload_block(
    words: Words,
    floats: Floats,
    starts: Starts,
    rows: Floats,
    n_features: int,
    first: int,
    last: int,
    block: int,
    shift: int,
    missing: bool,
    out: npt.NDArray[np.int64],
) -> None:
    """Fill `out` (n * n_trees, flat) with the payload of each row in each tree."""
    found = np.empty(block, dtype=np.uint32)
    for start in range(first, last, block):
        end = min(start + block, last)
        for tree in range(starts.size):
            payload_rows(
                words, floats, starts[tree], rows, n_features, start, end, shift, missing, found
            )
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
