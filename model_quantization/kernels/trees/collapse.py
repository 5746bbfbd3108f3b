"""Replaces small subtrees by single leaves: what a tree learned from few rows is mostly noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import count_leaves, node_depths, shape, tree_starts


def collapse_small(trees: PooledTrees, most_leaves: int) -> PooledTrees:
    """Return the trees in which every subtree of at most so many leaves is one leaf, their mean.

    Parameters
    ----------
    trees : PooledTrees
        Numbered in preorder, without categorical splits. Not changed.
    most_leaves : int
        1 changes nothing.
    """
    leaves = _leaves_below(trees)
    return _collapsed(trees, leaves, leaves <= most_leaves)


def collapse_twins(trees: PooledTrees, share: float) -> PooledTrees:
    """Return the trees without a share of the splits that have two leaves: one leaf, their mean.

    Those that matter least go first: a split that is `d` deep sees about 2 ** -d of the rows, and
    moves each by the distance of its leaves.

    Parameters
    ----------
    trees : PooledTrees
        As in `collapse_small`.
    share : float
        From 0 to 1.
    """
    leaves = _leaves_below(trees)
    twins = np.flatnonzero(leaves == 2)
    if not twins.size:
        return trees
    rows = trees.rows[trees.ids]
    first = (np.cumsum(trees.split == 0) - (trees.split == 0))[twins]
    moved = np.square(rows[first] - rows[first + 1]).sum(axis=1)
    depth = node_depths(trees.split, trees.sizes, trees.right)[twins]
    order = np.argsort(moved * 0.5**depth, kind="stable")
    small = leaves == 1
    small[twins[order[: round(share * twins.size)]]] = True
    return _collapsed(trees, leaves, small)


def _leaves_below(trees: PooledTrees) -> npt.NDArray[np.int32]:
    leaves = np.empty(trees.split.size, dtype=np.int32)
    count_leaves(trees.split, trees.sizes, trees.right, leaves)
    return leaves


def _collapsed(
    trees: PooledTrees, leaves: npt.NDArray[np.int32], small: npt.NDArray[np.bool_]
) -> PooledTrees:
    """The trees with one leaf in the place of each small subtree.

    Parameters
    ----------
    leaves : int32, shape (n_nodes,)
        Below each node.
    small : bool, shape (n_nodes,)
        True for every node of the subtrees that are replaced, and for all other leaves.
    """
    owner = np.repeat(np.arange(len(trees.sizes)), trees.sizes)
    base = tree_starts(trees.sizes)[:-1]
    inner = np.flatnonzero(trees.split)
    inside = np.zeros(trees.split.size, dtype=np.bool_)  # below a small subtree's root
    children = np.concatenate([inner + 1, base[owner[inner]] + trees.right[inner]])
    # Every node below a small root is small: it is inside where its parent is small.
    inside[children] = small[np.concatenate([inner, inner])]
    roots = small & ~inside
    kept = ~inside
    split = np.where(roots, 0, trees.split)[kept].astype(np.uint8)
    formed = shape(split, len(trees.sizes))
    assert formed is not None, "trees stay whole: a leaf replaces each subtree"
    # Leaves of a subtree stand next to each other, in preorder.
    first = np.cumsum(trees.split == 0) - (trees.split == 0)
    starts = first[roots]
    counts = leaves[roots]
    rows = trees.rows[trees.ids]
    total = np.add.reduceat(rows, starts, axis=0) if starts.size else rows[:0]
    means = np.where((counts == 1)[:, None], rows[starts], total / counts[:, None])
    stays = kept[inner] & ~small[inner]
    missing = trees.missing_left
    return replace(
        trees,
        split=split,
        sizes=formed[0],
        right=formed[1],
        feature=trees.feature[stays],
        threshold=trees.threshold[stays],
        missing_left=lambda: missing()[stays],
        rows=means,
        ids=np.arange(len(means), dtype=np.uint32),
    )
