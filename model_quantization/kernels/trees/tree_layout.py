"""A forest laid out in memory as nodes, which `traversal` reads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.traversal import LINK_BITS, PAYLOAD_MASK, QUIET_NAN
from model_quantization.values import Value

Places = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]


class Shape(Value, frozen=True):
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


class Nodes(Value, frozen=True):
    """The trees as `traversal` reads them. `doubled`: made for rows with missing values."""

    words: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.uint64]
    banks: npt.NDArray[np.uint64]
    bases: npt.NDArray[np.uint32]
    shift: int
    doubled: bool


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
        np.empty(2 * (int(shape.sizes.max(initial=0)) + 2), dtype=np.uint64),
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


def looked_at(
    shape: Shape, n_columns: int, *, doubled: bool
) -> tuple[Numbers, npt.NDArray[np.float32]] | None:
    """The column and the threshold of each split; None where missing values cannot be told.

    `doubled`: of rows that have every column twice, for missing values.
    """
    columns = np.asarray(shape.feature, dtype=np.uint32)
    if not doubled:
        return columns, np.asarray(shape.threshold, dtype=np.float32)
    thresholds = _finite(shape.threshold)
    if thresholds is None:
        return None
    return columns + np.where(shape.missing_left(), n_columns, 0).astype(np.uint32), thresholds


@kernel
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
    scratch: Places,
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
    scratch : uint64
        Room for two entries per node of the largest tree, and four more.
    """
    first = bank = base = rank = leaf = 0
    for tree, size in enumerate(sizes.tolist()):
        own = payload[leaf : leaf + (size + 1) // 2]
        least = int(own.min())
        if int(own.max()) - least > int(PAYLOAD_MASK):
            return False
        if base + size + 1 > 1 << shift:
            bank, base = bank + base, 0
        starts[tree], banks[tree], bases[tree] = base, bank, least
        slot, visit, end = [0] * size, [0] * size, [size] * size
        for node, is_split in enumerate(split[first : first + size].tolist()):
            at = bank + base + slot[node]
            if not is_split:
                value = int(payload[leaf]) - least
                words[at] = (base + slot[node]) << 32 | int(QUIET_NAN) | value
                leaf += 1
                continue
            low, high = node + 1, int(right[first + node])
            # A subtree of m nodes has (m - 1) / 2 splits. The heavier side is written first.
            low_splits, high_splits = (high - low) // 2, (end[node] - high) // 2
            pair = 2 + 2 * visit[node]  # where the children go
            slot[low], slot[high] = pair, pair + 1
            end[low], end[high] = high, end[node]
            low_first = low_splits >= high_splits
            visit[low] = visit[node] + 1 + (0 if low_first else high_splits)
            visit[high] = visit[node] + 1 + (low_splits if low_first else 0)
            link = int(columns[rank]) << (shift + 3) | (base + pair)
            words[at] = link << 32 | int(thresholds[rank])
            rank += 1
        first += size
        base += size + 1
    return True
