"""A forest laid out in memory: as nodes for the traversal, as masks for small trees."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.quantization.kernels import quickscorer
from ml.quantization.kernels.compile import compiled
from ml.quantization.kernels.topology import node_depths, tree_starts
from ml.quantization.kernels.traversal import HALF, LINK_BITS, ONE, PAYLOAD_MASK, QUIET_NAN

Array = npt.NDArray[Any]
Places = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]

# Measured on Zen 4, per row: a masked split, with 32- or 64-bit masks, and a visited node.
MASK_NS = {np.dtype(np.uint32): 0.08, np.dtype(np.uint64): 0.16}
VISIT_NS = 1.5
WORTH_A_THREAD = 1 << 17  # nodes: about a millisecond of writing


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
    bits, leaves = thresholds.view(np.uint32), np.asarray(payload, dtype=np.uint32)

    def write(trees: slice, nodes: int, splits: int, base: int) -> bool:
        return write_nodes(
            shape.split[nodes:],
            shape.sizes[trees],
            shape.right[nodes:],
            columns[splits:],
            bits[splits:],
            leaves[nodes - splits :],
            shift,
            base,
            words,
            starts[trees],
            banks[trees],
            bases[trees],
        )

    if words.size < WORTH_A_THREAD or words.size > 1 << shift or n_trees < 2:
        fits = write(slice(None), 0, 0, 0)
    else:
        # One bank: where the second half of the trees begins is known before the first is written.
        half = n_trees // 2
        nodes = int(shape.sizes[:half].sum(dtype=np.int64))
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(write, slice(half, None), nodes, (nodes - half) // 2, nodes + half)
            fits = write(slice(half), 0, 0, 0) and later.result()
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
    base: int,
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
    base : int
        Where in `words` the first tree goes.
    words : uint64, shape (n_nodes + n_trees,)
        Written.
    starts, banks : uint64, shape (n_trees,)
        Receive where each tree starts within its bank, and where the bank starts.
    bases : uint32, shape (n_trees,)
        Receive the least payload of each tree.
    """
    largest = 0
    for tree in range(sizes.size):
        largest = max(largest, sizes[tree])
    # Still to write: the node, the end of its subtree, the splits before it, its slot.
    nodes = np.empty(largest, dtype=np.int64)
    ends = np.empty(largest, dtype=np.int64)
    ranks = np.empty(largest, dtype=np.int64)
    slots = np.empty(largest, dtype=np.uint64)
    room = 1 << shift
    first = bank = splits = leaves = 0
    for tree in range(sizes.size):
        n_leaves = (sizes[tree] + 1) // 2
        least = most = payload[leaves]
        for leaf in range(leaves, leaves + n_leaves):
            least = min(least, payload[leaf])
            most = max(most, payload[leaf])
        if most - least > PAYLOAD_MASK:
            return False
        if base + sizes[tree] + 1 > room:
            bank += base
            base = 0
        starts[tree] = base
        banks[tree] = bank
        bases[tree] = least
        free = np.uint64(base + 2)
        top = node = rank = 0
        end = int(sizes[tree])
        slot = np.uint64(base)
        while True:
            at = bank + np.int64(slot)
            if split[first + node]:
                link = (np.uint64(columns[splits + rank]) << np.uint64(shift + 3)) | free
                words[at] = (link << HALF) | np.uint64(thresholds[splits + rank])
                low, high = node + 1, int(right[first + node])
                # A subtree of m nodes has (m - 1) / 2 splits.
                low_rank, high_rank = rank + 1, rank + 1 + (high - low - 1) // 2
                if high - low >= end - high:
                    nodes[top], ends[top], ranks[top] = high, end, high_rank
                    slots[top] = free + ONE
                    node, end, rank, slot = low, high, low_rank, free
                else:
                    nodes[top], ends[top], ranks[top] = low, high, low_rank
                    slots[top] = free
                    node, rank, slot = high, high_rank, free + ONE
                top += 1
                free += np.uint64(2)
                continue
            value = payload[leaves + node - rank] - least
            words[at] = (slot << HALF) | QUIET_NAN | np.uint64(value)
            if top == 0:
                break
            top -= 1
            node, end, rank, slot = nodes[top], ends[top], ranks[top], slots[top]
        first += sizes[tree]
        splits += sizes[tree] // 2
        leaves += n_leaves
        base += sizes[tree] + 1
    return True
