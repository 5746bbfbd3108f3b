"""Trees of at most 256 leaves as logic over planes: a bit for each of 256 rows.

A test, a column and one of its thresholds, is made once for all splits of the forest that ask it:
one plane, set where a row goes left. Each row marks the plane of its rank, the number of thresholds
below its value, and then every plane is joined to the one before it.

The leaves of a tree are counted from left to right. Boundary k of a tree is the plane of rows whose
leaf is k or a later one: boundary 0 holds all rows, the one behind the last leaf no row. A split
whose leaves are `low` to `high`, those of its right side from `middle` on, gives one boundary:

    boundary[middle] = boundary[low] and not left  or  boundary[high]

Rows that came to this split are in `low` and not in `high`, and go right unless they go left;
those in `high` are beyond all its leaves. So a split costs three steps for 256 rows, and nothing is
asked about the shape of the tree. Bit b of a leaf's number is the exclusive or of every 2**b-th
boundary.

Ranks are found through the grid of each column: see `grids`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.grouping import ungrouped
from model_quantization.kernels.trees.leaf_sums import add_leaves

LANES = 256  # rows of a block
WORDS = LANES // 64
MOST_LEAVES = 256

Longs = npt.NDArray[np.int64]


@kernel
def sum_planes(
    columns: Longs,
    firsts: Longs,
    starts: Longs,
    spans: Longs,
    lows: npt.NDArray[np.float32],
    scales: npt.NDArray[np.float32],
    cells: npt.NDArray[np.uint16],
    edges: npt.NDArray[np.float32],
    tests: npt.NDArray[np.uint32],
    links: npt.NDArray[np.uint16],
    splits: Longs,
    groups: npt.NDArray[np.float32],
    n_columns: int,
    first: int,
    last: int,
    payload: npt.NDArray[np.uint32],
    leaf_values: npt.NDArray[Any],
    leaf_places: npt.NDArray[np.uint8],
    ends: npt.NDArray[np.uint32],
    places: npt.NDArray[np.uint32],
    values: npt.NDArray[Any],
    width: int,
    cycle: int,
    planes: npt.NDArray[np.uint64],
    totals: npt.NDArray[Any],
    out: npt.NDArray[Any],
) -> None:
    """Add to `out` what rows `first` to `last` reach; `leaf_sums.sum_block` in another way.

    Parameters
    ----------
    columns, firsts, starts, spans, lows, scales, cells, edges, tests, links, splits
        The trees: see `plane_layout.Planes`.
    groups : float32
        All rows as `grouping.group_rows` arranges them.
    n_columns : int
        Of a row; twice as many where they are doubled.
    first : int
        A multiple of eight.
    payload : uint32, shape (n_leaves,)
    leaf_values : shape (n_leaves,)
        What each leaf adds where `width` is 1; of the type of `out`.
    leaf_places : uint8, shape (n_leaves,), or empty
        Where each leaf adds, if it adds a one at one place; `cycle` is 1 then, `width` at most 16.
    ends, places, values, width, cycle, out
        As in `leaf_sums.sum_block`.
    planes : uint64, shape (starts[-1] * WORDS,)
        Scratch.
    totals : shape (cycle * LANES,)
        Scratch, of the type of `out`.
    """
    x = ungrouped(groups, n_columns, first, last)
    sums = out.reshape(-1, cycle * width)[first:last]
    numbers = numbers_of_leaves(columns, firsts, starts, edges, tests, links, splits, x)
    for tree, number in enumerate(numbers):
        found = payload[splits[tree] + tree + number]  # a tree has one leaf more than splits
        add_leaves(found, ends, places, values, sums[:, tree % cycle * width :])


def numbers_of_leaves(
    columns: Longs,
    firsts: Longs,
    starts: Longs,
    edges: npt.NDArray[np.float32],
    tests: npt.NDArray[np.uint32],
    links: npt.NDArray[np.uint16],
    splits: Longs,
    x: npt.NDArray[np.float32],
) -> Longs:
    """The leaf of each row in each tree, counted from its left: shape (n_trees, n)."""
    goes_left = np.zeros((int(starts[-1]), len(x)), dtype=bool)
    for j, column in enumerate(columns):
        mine = goes_left[starts[j] : starts[j + 1]]
        own = edges[firsts[j] : firsts[j] + len(mine) - 1]
        # A NaN is above nothing.
        rank = np.searchsorted(own, np.where(np.isnan(x[:, column]), -np.inf, x[:, column]))
        mine[:-1] = rank <= np.arange(len(own))[:, None]
    numbers = np.zeros((splits.size - 1, len(x)), dtype=np.int64)
    for tree, number in enumerate(numbers):
        span = slice(int(splits[tree]), int(splits[tree + 1]))
        bounds = np.zeros((span.stop - span.start + 2, len(x)), dtype=bool)
        bounds[0] = True
        asked = (tests[span] // WORDS).tolist()
        for test, (low, middle, high) in zip(asked, (links[span] // WORDS).tolist(), strict=True):
            bounds[middle] = bounds[low] & ~goes_left[test] | bounds[high]
        number[:] = bounds[1:].sum(axis=0)
    return numbers
