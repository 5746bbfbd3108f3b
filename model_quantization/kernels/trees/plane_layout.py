"""A forest laid out as tests and links, which `bit_planes` reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.trees.bit_planes import MOST_LEAVES, WORDS, Longs
from model_quantization.kernels.trees.grids import grids_of
from model_quantization.kernels.trees.topology import count_leaves, node_depths, tree_starts
from model_quantization.kernels.trees.tree_layout import Shape, looked_at
from model_quantization.values import Value

# A block of rows has a plane for every test: 32 bytes each.
MOST_TESTS = 1 << 17
MOST_EDGES = (1 << 16) - 1  # of a column: cells count them in 16 bits


Floats = npt.NDArray[np.float32]
Shorts = npt.NDArray[np.uint16]
Asked = tuple[
    Longs,
    Longs,
    Longs,
    Longs,
    Floats,
    Floats,
    Shorts,
    Floats,
    npt.NDArray[np.uint32],
    Shorts,
    Longs,
]


class Planes(Value, frozen=True):
    """The trees as `bit_planes.sum_planes` reads them.

    Attributes
    ----------
    columns : int64, shape (k,)
        The columns that splits look at.
    edges : float32
        The different thresholds of each column, sorted, with infinities behind them.
    firsts : int64, shape (k + 1,)
        Where the edges of each column start.
    starts : int64, shape (k + 1,)
        The test of the first edge of each column; behind that of its last edge comes one that
        nothing asks.
    lows, scales : float32, shape (k,)
    cells : uint16, shape (k, CELLS)
    spans : int64, shape (k,)
        The grid of each column: see `grids.Grids`.
    tests : uint32, shape (n_splits,)
        What each split asks, in preorder.
    links : uint16, shape (n_splits, 3)
        Its first leaf, the first of its right side, and the first behind it.
    splits : int64, shape (n_trees + 1,)
        The first split of each tree.
    """

    columns: Longs
    edges: Floats
    firsts: Longs
    starts: Longs
    lows: Floats
    scales: Floats
    cells: Shorts
    spans: Longs
    tests: npt.NDArray[np.uint32]
    links: Shorts
    splits: Longs


def plane_out(shape: Shape, n_columns: int, *, doubled: bool) -> Planes | None:
    """The planes of a forest; None where a tree or table is too large, or a threshold is a NaN."""
    if (int(shape.sizes.max(initial=1)) + 1) // 2 > MOST_LEAVES:
        return None
    seen = looked_at(shape, n_columns, doubled=doubled)
    if seen is None:
        return None
    column, threshold = seen
    if np.isnan(threshold).any():  # nothing is below it, and nothing above
        return None
    # -0.0 is 0.0: they compare alike. The order of these keys is that of column and threshold.
    bits = (threshold + np.float32(0.0)).view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    keys, which = np.unique(
        column.astype(np.uint64) << np.uint64(32) | ordered, return_inverse=True
    )
    upper = (keys & np.uint64((1 << 32) - 1)).astype(np.uint32)
    edges = np.where(upper >> 31, upper & np.uint32((1 << 31) - 1), ~upper).view(np.float32)
    columns, sizes = np.unique((keys >> np.uint64(32)).astype(np.int64), return_counts=True)
    if len(keys) > MOST_TESTS or int(sizes.max(initial=0)) > MOST_EDGES:
        return None
    grids = grids_of(edges, sizes)
    firsts = tree_starts(sizes + 2 * grids.spans)
    padded = np.full(int(firsts[-1]), np.inf, dtype=np.float32)
    padded[np.arange(len(edges)) + np.repeat(firsts[:-1] - tree_starts(sizes)[:-1], sizes)] = edges
    below = np.empty(shape.split.size, dtype=np.int32)
    count_leaves(shape.split, shape.sizes, shape.right, below)
    is_split = shape.split != 0
    before = np.cumsum(~is_split) - ~is_split  # leaves before each node
    before -= np.repeat(before[tree_starts(shape.sizes)[:-1]], shape.sizes)
    at = np.flatnonzero(is_split)
    low = before[at]
    links = np.stack([low, low + below[at + 1], low + below[at]], axis=1) * WORDS
    tests = (which.reshape(-1) + np.searchsorted(columns, column)) * WORDS
    # Level by level no split waits for the one before it.
    depth = node_depths(shape.split, shape.sizes, shape.right)[at]
    order = np.lexsort((depth, np.repeat(np.arange(shape.sizes.size), shape.sizes // 2)))
    return Planes(
        columns,
        padded,
        firsts,
        tree_starts(sizes + 1),
        grids.lows,
        grids.scales,
        grids.before.astype(np.uint16),
        grids.spans,
        tests[order].astype(np.uint32),
        links[order].astype(np.uint16),
        tree_starts(shape.sizes // 2),
    )


def asked_of(planes: Planes) -> Asked:
    """The parts of planes in the order in which kernels take them."""
    return (
        planes.columns,
        planes.firsts,
        planes.starts,
        planes.spans,
        planes.lows,
        planes.scales,
        planes.cells,
        planes.edges,
        planes.tests,
        planes.links,
        planes.splits,
    )


def plane_room(planes: Planes) -> npt.NDArray[np.uint64]:
    """Room for the tests of one block of rows."""
    return np.empty(int(planes.starts[-1]) * WORDS, dtype=np.uint64)
