"""Trees of at most 64 leaves as bit masks: every split is one comparison over a block of rows.

A row starts with one bit per leaf, all set. A split whose test fails (the row goes right) clears
the leaves of its left subtree. The lowest bit that is left is the row's leaf. There are no
branches and no dependent loads, so the compiler makes vector code of it. After Lucchese et al.,
QuickScorer (SIGIR 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.grouping import ungrouped
from model_quantization.kernels.trees.leaf_sums import add_leaves

LANES = 256  # rows of a block: enough to amortise what is done once per split
MOST_LEAVES = 64

Masks = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]


@kernel
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
    block: npt.NDArray[np.float32],
    totals: npt.NDArray[Any],
    out: npt.NDArray[Any],
) -> None:
    """Add to `out` what rows `first` to `last` reach; `leaf_sums.sum_block` in another way.

    Parameters
    ----------
    features, thresholds, masks
        One entry per split, in preorder.
    splits, leaves : int64, shape (n_trees + 1,)
        First split and first leaf of each tree, and the ends.
    rows : float32
        All rows as `grouping.group_rows` arranges them, without NaN.
    first : int
        A multiple of eight.
    payload : uint32, shape (n_leaves,)
    leaf_values : shape (n_leaves,)
        What each leaf adds where `width` is 1; of the type of `out`.
    ends, places, values, width, cycle, out
        As in `leaf_sums.sum_block`.
    block : float32, shape (n_features, LANES)
        Scratch.
    totals : shape (cycle, LANES)
        Scratch, of the type of `out`.
    """
    x = ungrouped(rows, n_features, first, last)
    sums = out.reshape(-1, cycle * width)[first:last]
    every = ~masks.dtype.type(0)
    for tree in range(splits.size - 1):
        alive = np.full(last - first, every)
        for at in range(int(splits[tree]), int(splits[tree + 1])):
            alive &= np.where(x[:, features[at]] <= thresholds[at], every, masks[at])
        lowest = np.frexp((alive & (~alive + alive.dtype.type(1))).astype(np.float64))[1] - 1
        found = payload[leaves[tree] + lowest]
        add_leaves(found, ends, places, values, sums[:, tree % cycle * width :])
