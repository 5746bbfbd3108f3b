"""A forest laid out in memory: as nodes for the traversal, as masks for small trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.kernels.compile import compiled
from model_quantization.kernels.trees import quickscorer
from model_quantization.kernels.trees.topology import node_depths, tree_starts
from model_quantization.kernels.trees.traversal import HALF, LINK_BITS, PAYLOAD_MASK, QUIET_NAN

Places = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]

# Measured on Zen 4, per row: a masked split, with 32- or 64-bit masks, and a visited node.
MASK_NS = {np.dtype(np.uint32): 0.08, np.dtype(np.uint64): 0.16}
VISIT_NS = 1.5


@dataclass(frozen=True, slots=True)
class Shape:
    """The pooled trees of a forest as arrays; see `topology` for the first three.

    Attributes
    ----------
    split, sizes, right
        Flags in preorder, nodes of each tree, right children.
    feature : uint32, shape (n_splits,)
    threshold : float32, shape (n_splits,)
    missing_left : callable
        Gives bool of shape (n_splits,): whether NaN goes left. Asked for where NaN is met.
    """

    split: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    feature: npt.NDArray[np.uint32]
    threshold: npt.NDArray[np.float32]
    missing_left: Callable[[], npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Nodes:
    """The trees as `traversal` reads them. `doubled`: made for rows with missing values."""

    words: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.uint64]
    banks: npt.NDArray[np.uint64]
    bases: npt.NDArray[np.uint32]
    shift: int
    doubled: bool


@dataclass(frozen=True, slots=True)
class Masks:
    """The trees as the bit-mask kernel reads them: see `quickscorer.sum_masked`."""

    features: npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.float32]
    masks: npt.NDArray[Any]
    splits: npt.NDArray[np.int64]
    leaves: npt.NDArray[np.int64]
    payload: npt.NDArray[np.uint32]


def lay_out(shape: Shape, payload: Array, n_columns: int, *, doubled: bool) -> Nodes | None:
    """The nodes of a forest with `payload` at its leaves; None where one does not fit its word."""
    columns = np.asarray(shape.feature, dtype=np.uint32)
    if doubled:
        columns = columns + np.where(shape.missing_left(), n_columns, 0).astype(np.uint32)
        n_columns *= 2
    shift = LINK_BITS - 3 - max(n_columns - 1, 0).bit_length()
    thresholds = _finite(shape.threshold)
    if shift < 2 or int(shape.sizes.max(initial=1)) + 1 > 1 << shift or thresholds is None:
        return None
    n_trees = shape.sizes.size
    words = np.zeros(shape.split.size + n_trees, dtype=np.uint64)
    starts, banks = np.empty(n_trees, dtype=np.uint64), np.empty(n_trees, dtype=np.uint64)
    bases = np.empty(n_trees, dtype=np.uint32)
    fits = write_nodes(
        shape.split,
        shape.sizes,
        shape.right,
        columns,
        thresholds.view(np.uint32),
        np.asarray(payload, dtype=np.uint32),
        shift,
        words,
        starts,
        banks,
        bases,
    )
    return Nodes(words, starts, banks, bases, shift, doubled) if fits else None


def _finite(threshold: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """Thresholds that finite values cannot tell from these, all finite; None with minus infinity.

    A split at plus infinity divides what is there from what is missing.
    """
    values = np.asarray(threshold, dtype=np.float32)
    if np.isfinite(values).all():
        return values
    values = values.copy()
    values[np.isposinf(values)] = np.finfo(np.float32).max
    return values if np.isfinite(values).all() else None


def mask_out(shape: Shape, payload: Array) -> Masks | None:
    """The masks of a forest of small trees; None where a tree is large or masks would be slower."""
    per_tree = (shape.sizes.astype(np.int64) + 1) // 2
    most = int(per_tree.max(initial=0))
    if most > quickscorer.MOST_LEAVES:
        return None
    dtype = np.dtype(np.uint32 if most <= 32 else np.uint64)
    is_leaf = shape.split == 0
    # Equally likely leaves: what a row is expected to visit.
    depth = node_depths(shape.split, shape.sizes, shape.right)
    visits = float((depth[is_leaf] / np.repeat(per_tree, per_tree)).sum())
    if shape.feature.size * MASK_NS[dtype] > visits * VISIT_NS:
        return None
    masks = np.empty(shape.feature.size, dtype=dtype)
    quickscorer.clear_masks(shape.split, shape.sizes, shape.right, masks)
    return Masks(
        shape.feature.astype(np.int32),
        shape.threshold,
        masks,
        tree_starts(per_tree - 1),
        tree_starts(per_tree),
        np.asarray(payload, dtype=np.uint32),
    )


@compiled
def write_nodes(
    split: npt.NDArray[np.uint8],
    sizes: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    columns: npt.NDArray[np.uint32],
    thresholds: Numbers,
    payload: Numbers,
    shift: int,
    words: Places,
    starts: Places,
    banks: Places,
    bases: Numbers,
) -> bool:
    """Write the nodes of a forest; False where the payloads of one tree span too far.

    The children of the heavier side follow their parent at once, so that the likely path stays
    in few cache lines.

    Parameters
    ----------
    split, sizes, right
        The shape, as `topology.shape` gives it.
    columns : uint32, shape (n_splits,)
        What each split looks at, in preorder.
    thresholds : uint32, shape (n_splits,)
        The bits of the float32; no NaN and no infinity.
    payload : uint32, shape (n_leaves,)
    words : uint64, shape (n_nodes + n_trees,)
        Written.
    starts, banks : uint64, shape (n_trees,)
        Receive where each tree starts within its bank, and where the bank starts.
    bases : uint32, shape (n_trees,)
        Receive the least payload of each tree.
    """
    one, two = np.uint64(1), np.uint64(2)
    room, column_bit = one << np.uint64(shift), np.uint64(shift + 3)
    last_split, last_leaf = np.uint64(max(columns.size - 1, 0)), np.uint64(payload.size - 1)
    most_nodes = 0
    for tree in range(sizes.size):
        most_nodes = max(most_nodes, sizes[tree])
    # Right children still to come: their slot, the splits written before them, their end.
    slots = np.zeros(most_nodes + 2, dtype=np.uint64)
    visits = np.zeros(most_nodes + 2, dtype=np.uint64)
    ends = np.zeros(most_nodes + 2, dtype=np.uint64)
    first = bank = base = rank = leaf = np.uint64(0)
    for tree in range(sizes.size):
        size = np.uint64(sizes[tree])
        least = most = payload[leaf]
        for at in range(leaf, leaf + (size + one) // two):
            least = min(least, payload[at])
            most = max(most, payload[at])
        if most - least > PAYLOAD_MASK:
            return False
        if base + size + one > room:
            bank += base
            base = np.uint64(0)
        starts[tree] = base
        banks[tree] = bank
        bases[tree] = least
        slot = visit = np.uint64(0)
        end, top = size, one
        # What a node is cannot be foreseen, so that nothing branches on it: both words are made.
        for node in range(size):
            is_split = np.uint64(split[first + node])
            inner = np.uint64(0) - is_split
            high = np.uint64(right[first + node])
            # A subtree of m nodes has (m - 1) / 2 splits. The heavier side is written first.
            low_splits, high_splits = (high - node - one) >> one, (end - high) >> one
            low_first = np.uint64(0) - np.uint64(low_splits >= high_splits)
            pair = two + two * visit  # where the children go
            slots[top] = pair + one
            visits[top] = visit + one + (low_splits & low_first)
            ends[top] = end
            column = np.uint64(columns[min(rank, last_split)])
            link = (column << column_bit) | (base + pair)
            as_split = (link << HALF) | np.uint64(thresholds[min(rank, last_split)])
            value = np.uint64(payload[min(leaf, last_leaf)] - least)
            as_leaf = ((base + slot) << HALF) | QUIET_NAN | value
            words[bank + base + slot] = as_leaf ^ ((as_leaf ^ as_split) & inner)
            below = top - one
            slot = slots[below] ^ ((slots[below] ^ pair) & inner)
            low_visit = visit + one + (high_splits & ~low_first)
            visit = visits[below] ^ ((visits[below] ^ low_visit) & inner)
            end = ends[below] ^ ((ends[below] ^ high) & inner)
            top = below + (is_split << one)
            rank += is_split
            leaf += one - is_split
        first += size
        base += size + one
    return True
