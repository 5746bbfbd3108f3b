"""The shape of binary trees: one flag per node in preorder <-> where the children are.

A forest is one flag array, its trees one after another: 1 for a split, 0 for a leaf, parents
before children, left before right. Any flag array that closes exactly `n_trees` trees is a valid
forest, so trees are acyclic and in range by construction. The left child of a split is always the
next node.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel

Bits = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]


@kernel
def expand(split: Bits, sizes: Ints, right: Ints, open_splits: Ints) -> int:
    """Fill in the shape of each tree; the number of trees closed, or -1 when the flags do not fit.

    Parameters
    ----------
    split : uint8, shape (n_nodes,)
        1 for a split, 0 for a leaf.
    sizes : int32, shape (n_trees,)
        Receives the nodes of each tree.
    right : int32, shape (n_nodes,)
        Receives the right child of a split as an index within its tree; -1 at leaves.
    open_splits : int32, shape (n_nodes + 2,)
        Scratch.
    """
    right[:] = -1
    waiting: list[int] = []  # splits whose right child is still to come
    start = tree = 0
    for node, is_split in enumerate(split.tolist()):
        if tree == sizes.size:
            return -1
        if is_split:
            waiting.append(node)
        elif waiting:
            right[waiting.pop()] = node + 1 - start
        else:
            sizes[tree] = node + 1 - start
            tree, start = tree + 1, node + 1
    return tree if start == split.size else -1


@kernel
def count_splits_above(split: Bits, sizes: Ints, right: Ints, depth: Ints) -> None:
    """Fill `depth` with the number of splits above each node."""
    start = 0
    for size in sizes.tolist():
        depth[start] = 0
        for node in (start + np.flatnonzero(split[start : start + size])).tolist():
            depth[node + 1] = depth[start + right[node]] = depth[node] + 1
        start += size


def node_depths(split: Bits, sizes: Ints, right: Ints) -> Ints:
    """The number of splits above each node."""
    depth = np.empty(split.size, dtype=np.int32)
    count_splits_above(split, sizes, right, depth)
    return depth


def shape(split: Bits, n_trees: int) -> tuple[Ints, Ints] | None:
    """`(sizes, right)` of a forest; None when the flags do not close `n_trees` trees."""
    sizes = np.zeros(n_trees, dtype=np.int32)
    right = np.empty(split.size, dtype=np.int32)
    room = np.empty(split.size + 2, dtype=np.int32)
    return (sizes, right) if expand(split, sizes, right, room) == n_trees else None


@kernel
def count_leaves(split: Bits, sizes: Ints, right: Ints, leaves: Ints) -> None:
    """Fill `leaves` with the number of leaves below each node (1 at a leaf)."""
    leaves[:] = 1
    end = split.size
    for size in sizes[::-1].tolist():
        start = end - size
        for node in (start + np.flatnonzero(split[start:end])[::-1]).tolist():
            leaves[node] = leaves[node + 1] + leaves[start + right[node]]
        end = start


@kernel
def preorder(left: Ints, right: Ints, order: Ints, stack: Ints) -> int:
    """Fill `order` with the nodes of one tree in preorder; how many there are, or -1.

    Parameters
    ----------
    left, right : int32, shape (n,)
        Children of each node; negative at leaves.
    order, stack : int32, shape (n,)
        Output, and room for the nodes still to visit.

    Returns
    -------
    int
        -1 when a child is out of range or more than n nodes are reached (a cycle, a shared
        child). The caller compares the count with n: fewer means unreachable nodes.
    """
    waiting = [0]
    for count in range(left.size):
        node = waiting.pop()
        if node >= left.size:
            return -1
        order[count] = node
        if left[node] >= 0:
            if right[node] < 0:
                return -1
            waiting += [int(right[node]), int(left[node])]
        if not waiting:
            return count + 1
    return -1


def tree_starts(sizes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Position of the first node of each tree, and the end: shape (n_trees + 1,)."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
