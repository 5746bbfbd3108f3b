"""The shape of binary trees: one flag a node in preorder <-> where the children are.

A forest is one flag array, its trees one after another: 1 for a split, 0 for a leaf, parents
before children, left before right. Any flag array that closes exactly `n_trees` trees is a valid
forest, so trees are acyclic and in range by construction. The left child of a split is always the
next node.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compile import compiled

Bits = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]


@compiled
def expand(split: Bits, sizes: Ints, right: Ints) -> int:
    """Fill in the shape of each tree; the number of trees closed, or -1 when the flags do not fit.

    Parameters
    ----------
    split : uint8, shape (n_nodes,)
        1 for a split, 0 for a leaf.
    sizes : int32, shape (n_trees,)
        Receives the nodes of each tree.
    right : int32, shape (n_nodes,)
        Receives the right child of a split as an index within its tree; -1 at leaves.
    """
    n, one = np.uint64(split.size), np.uint64(1)
    open_splits = np.empty(split.size + 2, dtype=np.int32)  # whose right child is still to come
    open_splits[0] = 0  # read, but not used
    right[:] = -1
    tree = 0
    start = np.uint64(0)
    top = one
    # Which of two a node is cannot be foreseen, so that nothing branches on it.
    for node in range(n):
        if tree == sizes.size:
            return -1
        is_split = np.uint64(split[node])
        open_splits[top] = node
        parent = np.uint64(open_splits[top - one])
        # The leaf that ends a left side gives its parent the next node as right child. A split,
        # and the last leaf of a tree, write -1 to their own place.
        own = np.uint64(0) - (is_split | np.uint64(top == one))
        at = parent ^ ((parent ^ node) & own)
        right[at] = np.int32((node + one - start) | own)
        top = top - one + (is_split << one)
        if top == np.uint64(0):
            sizes[tree] = node + one - start
            tree += 1
            start = node + one
            top = one
    return tree if top == one and start == n else -1


@compiled
def count_splits_above(split: Bits, sizes: Ints, right: Ints, depth: Ints) -> None:
    """Fill `depth` with the number of splits above each node."""
    start = 0
    for tree in range(sizes.size):
        depth[start] = 0
        for node in range(start, start + sizes[tree]):
            if split[node]:
                depth[node + 1] = depth[node] + 1
                depth[start + right[node]] = depth[node] + 1
        start += sizes[tree]


def node_depths(split: Bits, sizes: Ints, right: Ints) -> Ints:
    """The number of splits above each node."""
    depth = np.empty(split.size, dtype=np.int32)
    count_splits_above(split, sizes, right, depth)
    return depth


def expand_reference(split: Bits, n_trees: int) -> tuple[Ints, Ints, Ints] | None:
    """`(sizes, right, depth)` by recursion over the definition; None when the flags do not fit."""
    sizes: list[int] = []
    right = np.full(split.size, -1, dtype=np.int32)
    depth = np.zeros(split.size, dtype=np.int32)
    position = 0
    for _ in range(n_trees):
        start = position
        stack: list[tuple[int, int]] = [(-1, 0)]
        while stack:
            parent, level = stack.pop()
            if position >= split.size:
                return None
            if parent >= 0:
                right[parent] = position - start
            depth[position] = level
            if split[position]:
                stack.append((position, level + 1))
                stack.append((-1, level + 1))
            position += 1
        sizes.append(position - start)
    return (np.array(sizes, np.int32), right, depth) if position == split.size else None


def shape(split: Bits, n_trees: int) -> tuple[Ints, Ints] | None:
    """`(sizes, right)` of a forest; None when the flags do not close `n_trees` trees."""
    sizes = np.zeros(n_trees, dtype=np.int32)
    right = np.empty(split.size, dtype=np.int32)
    return (sizes, right) if expand(split, sizes, right) == n_trees else None


@compiled
def count_leaves(split: Bits, sizes: Ints, right: Ints, leaves: Ints) -> None:
    """Fill `leaves` with the number of leaves below each node (1 at a leaf)."""
    end = split.size
    for tree in range(sizes.size - 1, -1, -1):
        start = end - sizes[tree]
        for node in range(end - 1, start - 1, -1):
            if split[node]:
                leaves[node] = leaves[node + 1] + leaves[start + right[node]]
            else:
                leaves[node] = 1
        end = start


@compiled
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
    count = 0
    top = 0
    node = 0
    while True:
        if node >= left.size or count == left.size:
            return -1
        order[count] = node
        count += 1
        if left[node] >= 0:
            if right[node] < 0 or top == left.size:
                return -1
            stack[top] = right[node]
            top += 1
            node = left[node]
        elif top == 0:
            return count
        else:
            top -= 1
            node = stack[top]


def preorder_reference(left: Ints, right: Ints) -> list[int]:
    """The nodes of one well-formed tree in preorder."""
    found: list[int] = []
    stack = [0]
    while stack:
        node = stack.pop()
        found.append(node)
        if left[node] >= 0:
            stack.extend((int(right[node]), int(left[node])))
    return found


def tree_starts(sizes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Position of the first node of each tree, and the end: shape (n_trees + 1,)."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
