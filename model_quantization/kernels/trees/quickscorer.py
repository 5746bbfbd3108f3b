"""Trees of at most 64 leaves as bit masks: every split is one comparison over a block of rows.

A row starts with one bit a leaf, all set. A split whose test fails (the row goes right) clears
the leaves of its left subtree. The lowest bit that is left is the row's leaf. There are no
branches and no dependent loads, so the compiler makes vector code of it. After Lucchese et al.,
QuickScorer (SIGIR 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from model_quantization.kernels.compile import compiled

GROUP = 8
LANES = 256  # rows of a block: enough to amortise what is done once a split
STEP = 64
MOST_LEAVES = 64

Masks = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]


def _lowest_bit(typing_context: Any, value: Any) -> Any:
    """Position of the lowest set bit of an unsigned integer that is not zero."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]

        found = builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))
        return context.cast(builder, found, signature.args[0], signature.return_type)

    if not isinstance(value, types.Integer):
        return None
    return types.int64(value), emit


lowest_bit: Any = intrinsic(_lowest_bit)


@compiled
def clear_masks(
    split: npt.NDArray[np.uint8],
    sizes: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    masks: Masks,
) -> None:
    """Fill `masks`, one a split in preorder, with the leaves that stay when its test fails."""
    one = masks.dtype.type(1)
    start = 0
    rank = 0
    for tree in range(sizes.size):
        first = 0  # leaves of this tree before the current node
        for node in range(start, start + sizes[tree]):
            if split[node]:
                # Leaves of the left subtree, which has 2 n - 1 nodes: first to first + n.
                n = (start + right[node] - node) // 2
                span = (one << masks.dtype.type(n)) - one
                masks[rank] = ~(span << masks.dtype.type(first))
                rank += 1
            else:
                first += 1
        start += sizes[tree]


@compiled
def sum_masked(
    features: npt.NDArray[np.int32],
    thresholds: npt.NDArray[np.float32],
    masks: Masks,
    splits: npt.NDArray[np.int64],
    leaves: npt.NDArray[np.int64],
    rows: npt.NDArray[np.float32],
    n_features: int,
    first: int,
    last: int,
    payload: npt.NDArray[np.uint32],
    leaf_values: npt.NDArray[Any],
    ends: npt.NDArray[np.uint32],
    places: npt.NDArray[np.uint32],
    values: npt.NDArray[Any],
    width: int,
    cycle: int,
    out: npt.NDArray[Any],
) -> None:
    """Add to `out` what rows `first` to `last` reach; `traversal.sum_block` in another way.

    Parameters
    ----------
    features, thresholds, masks
        One entry a split, in preorder.
    splits, leaves : int64, shape (n_trees + 1,)
        First split and first leaf of each tree, and the ends.
    rows : float32
        All rows in groups of eight (see `traversal`), without NaN.
    first : int
        A multiple of eight.
    payload : uint32, shape (n_leaves,)
    leaf_values : shape (n_leaves,)
        What each leaf adds where `width` is 1; of the type of `out`.
    ends, places, values, width, cycle, out
        As in `traversal.sum_block`.
    """
    every = ~masks.dtype.type(0)
    block = np.zeros((n_features, LANES), dtype=np.float32)
    alive = np.empty(LANES, dtype=masks.dtype)
    totals = np.zeros((cycle, LANES), dtype=out.dtype)
    columns = cycle * width
    for start in range(first, last, LANES):
        count = min(LANES, last - start)
        lanes = min(LANES, -(-count // STEP) * STEP)
        for lane in range(0, count, GROUP):
            at = (start + lane) * n_features
            for feature in range(n_features):
                for k in range(GROUP):
                    block[feature, lane + k] = rows[at + feature * GROUP + k]
        if width == 1:
            for row in range(count):
                for column_out in range(cycle):
                    totals[column_out, row] = out[(start + row) * columns + column_out]
        for tree in range(splits.size - 1):
            alive[:] = every
            at, end = splits[tree], splits[tree + 1]
            while at + 4 <= end:  # four at once: `alive` is loaded and stored once for them
                t0, t1, t2, t3 = (
                    thresholds[at], thresholds[at + 1], thresholds[at + 2], thresholds[at + 3],
                )  # fmt: skip
                m0, m1, m2, m3 = masks[at], masks[at + 1], masks[at + 2], masks[at + 3]
                x0, x1 = block[features[at]], block[features[at + 1]]
                x2, x3 = block[features[at + 2]], block[features[at + 3]]
                for lane in range(lanes):
                    left = alive[lane]
                    left &= every if x0[lane] <= t0 else m0
                    left &= every if x1[lane] <= t1 else m1
                    left &= every if x2[lane] <= t2 else m2
                    left &= every if x3[lane] <= t3 else m3
                    alive[lane] = left
                at += 4
            for rest in range(at, end):
                threshold, mask, column = thresholds[rest], masks[rest], block[features[rest]]
                for lane in range(lanes):
                    alive[lane] &= every if column[lane] <= threshold else mask
            base = leaves[tree]
            if width == 1:
                sums = totals[tree % cycle]
                for lane in range(lanes):
                    sums[lane] += leaf_values[base + lowest_bit(alive[lane])]
            else:
                to = start * columns + (tree % cycle) * width
                for row in range(count):
                    p = payload[np.uint64(base + lowest_bit(alive[row]))]
                    for e in range(ends[p], ends[p + 1]):
                        out[to + places[e]] += values[e]
                    to += columns
        if width == 1:
            for row in range(count):
                for column_out in range(cycle):
                    out[(start + row) * columns + column_out] = totals[column_out, row]
