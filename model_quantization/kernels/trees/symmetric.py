"""Symmetric trees: all splits of one level are the same, so that a leaf's number is their answers.

A full tree of d levels has 2^d leaves; the answer of the level next to the leaves is the lowest
bit of a leaf's number. A block of rows answers one level of one tree in a vector comparison,
without nodes to walk.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.values import Value

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

LANES = 256  # rows of a block


class Levels(Value, frozen=True):
    """Symmetric trees.

    Attributes
    ----------
    depths : int64, shape (n_trees,)
    features : int64, shape (n_levels,)
        The feature of each level, tree by tree, the level next to the leaves first.
    thresholds : float32, shape (n_levels,)
        Above it is 1.
    """

    depths: Indices
    features: Indices
    thresholds: Floats


@cache
def split_flags(depth: int) -> npt.NDArray[np.bool_]:
    """Which nodes of a full tree are splits, in preorder."""
    if depth == 0:
        return np.array([False])
    below = split_flags(depth - 1)
    return np.concatenate([[True], below, below])


@cache
def split_levels(depth: int) -> Indices:
    """The level of each split of a full tree, in preorder; the root's is 0."""
    if depth == 0:
        return np.zeros(0, dtype=np.int64)
    below = split_levels(depth - 1) + 1
    return np.concatenate([[0], below, below])


def levels_of(trees: PooledTrees) -> Levels | None:
    """The levels of pooled trees; None where one is not full, or not symmetric."""
    leaves = (trees.sizes.astype(np.int64) + 1) // 2
    depths = np.round(np.log2(leaves)).astype(np.int64)
    splits = np.split(trees.split, np.cumsum(trees.sizes)[:-1])
    if not all(
        np.array_equal(split_flags(d), s) for d, s in zip(depths.tolist(), splits, strict=True)
    ):
        return None
    ends = np.cumsum(trees.sizes // 2)[:-1]
    features, thresholds = [], []
    parts = zip(
        depths.tolist(),
        np.split(trees.feature, ends),
        np.split(np.asarray(trees.threshold, dtype=np.float32), ends),
        strict=True,
    )
    for depth, feature, threshold in parts:
        # The first splits in preorder are those on the far left: one of each level.
        level = split_levels(depth)
        if (feature[:depth][level] != feature).any() or (
            threshold[:depth][level] != threshold
        ).any():
            return None
        features.append(feature[:depth][::-1])
        thresholds.append(threshold[:depth][::-1])
    return Levels(depths, np.concatenate(features).astype(np.int64), np.concatenate(thresholds))


def missing_sides(trees: PooledTrees, n_features: int) -> Floats | None:
    """The infinity that stands for NaN in each feature; None where its splits differ."""
    left = trees.missing_left()
    sides = np.full(n_features, -np.inf, dtype=np.float32)
    sides[trees.feature[~left]] = np.inf
    return sides if ((sides[trees.feature] < 0) == left).all() else None


@kernel
def sum_levels(
    rows: Array,
    missing: Floats,
    depths: Indices,
    features: Indices,
    thresholds: Floats,
    values: Doubles,
    width: int,
    first: int,
    last: int,
    block: Floats,
    totals: Doubles,
    out: Doubles,
) -> None:
    """Add to `out` what rows `first` to `last` reach, tree by tree in order.

    Parameters
    ----------
    rows : float64 or float32, shape (n, n_columns)
        Compared as float32.
    missing : float32, shape (n_columns,)
        What stands for NaN.
    depths, features, thresholds
        See `Levels`.
    values : float64, shape (n_leaves * width,)
        Of each leaf, tree by tree.
    block : float32, shape (n_columns, LANES)
        Scratch.
    totals : float64, shape (width, LANES)
        Scratch.
    out : float64, shape (n, width)
    """
    with np.errstate(over="ignore"):
        x = rows[first:last].astype(np.float32)
    x = np.where(np.isnan(x), missing, x)
    at = base = 0
    for depth in depths.tolist():
        above = x[:, features[at : at + depth]] > thresholds[at : at + depth]
        leaf = base + (above << np.arange(depth)).sum(axis=1)
        out[first:last] += values.reshape(-1, width)[leaf]
        at, base = at + depth, base + (1 << depth)
