"""All trees of a forest as a handful of arrays, in preorder, one tree after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.kernels.trees.topology import node_depths, tree_starts
from model_quantization.values import Value


class PooledTrees(Value, frozen=True):
    """A forest, exactly; what a packed forest decodes to.

    Attributes
    ----------
    split : uint8, shape (n_nodes,)
        1 for a split, 0 for a leaf.
    sizes, right : int32
        The shape: see `topology.shape`.
    feature : uint32, shape (n_splits,)
    threshold : float32 or float64, shape (n_splits,)
        `x <= threshold` goes left. Of no meaning at categorical splits.
    missing_left : callable
        Gives bool of shape (n_splits,): whether NaN goes left. Most are never asked, and
        decoding it takes a third of the time that all the rest takes.
    rows : float64, shape (n_rows, width)
        Distinct leaf rows, or one per leaf.
    ids : uint32, shape (n_leaves,)
        The row of each leaf.
    order : int32, shape (n_nodes,), or None
        The number that each node has in the fitted tree; None: its place in preorder.
    categorical : bool, shape (n_splits,), or None
        Splits that look a category up.
    bitsets : uint32, shape (n_categorical, 8)
        The categories that go left, a row for each categorical split.
    """

    split: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    feature: npt.NDArray[np.uint32]
    threshold: Array
    missing_left: Callable[[], npt.NDArray[np.bool_]]
    rows: npt.NDArray[np.float64]
    ids: npt.NDArray[np.uint32]
    order: npt.NDArray[np.int32] | None = None
    categorical: npt.NDArray[np.bool_] | None = None
    bitsets: npt.NDArray[np.uint32] | None = None

    @property
    def depth(self) -> npt.NDArray[np.int32]:
        """The number of splits above each node, worked out anew."""
        return node_depths(self.split, self.sizes, self.right)

    @property
    def leaf_numbers(self) -> npt.NDArray[np.int64]:
        """Each leaf's number within its tree, as the fitted tree counts its nodes."""
        if self.order is not None:
            return np.asarray(self.order[self.split == 0], dtype=np.int64)
        starts = np.cumsum(self.sizes, dtype=np.int64) - self.sizes
        numbers = np.flatnonzero(self.split == 0).astype(np.int64)
        numbers -= np.repeat(starts, (self.sizes + 1) // 2)
        return numbers


def first_trees(trees: PooledTrees, count: int) -> PooledTrees:
    """The first trees of a forest."""
    if count >= len(trees.sizes):
        return trees
    nodes = int(trees.sizes[:count].sum())
    splits, leaves = (nodes - count) // 2, (nodes + count) // 2
    categorical, bitsets = trees.categorical, trees.bitsets
    if categorical is not None and bitsets is not None:
        categorical = categorical[:splits]
        bitsets = bitsets[: int(categorical.sum())]
    return replace(
        trees,
        split=trees.split[:nodes],
        sizes=trees.sizes[:count],
        right=trees.right[:nodes],
        feature=trees.feature[:splits],
        threshold=trees.threshold[:splits],
        missing_left=lambda: trees.missing_left()[:splits],
        ids=trees.ids[:leaves],
        order=None if trees.order is None else trees.order[:nodes],
        categorical=categorical,
        bitsets=bitsets,
    )


def level_order(trees: PooledTrees) -> Array:
    """The number of each node where trees are numbered level by level, from left to right."""
    tree = np.repeat(np.arange(len(trees.sizes)), trees.sizes)
    by_level = np.lexsort((trees.depth, tree))
    order = np.empty(by_level.size, dtype=np.int32)
    order[by_level] = np.arange(by_level.size) - np.repeat(
        tree_starts(trees.sizes)[:-1], trees.sizes
    )
    return order
