"""A forest ready to answer: nodes laid out for the traversal, masks where trees are small."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.quantization.kernels import quickscorer, traversal
from ml.quantization.kernels.binning import code_rows
from ml.quantization.kernels.compile import compiled
from ml.quantization.kernels.topology import count_leaves, tree_starts

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.float32]

BLOCK_BYTES = 128 << 10  # of rows: they stay in the second-level cache while a tree passes by
SMALLEST_BLOCK = 64
LARGEST_BLOCK = 1024
# Measured on Zen 4: a masked split costs 0.19 ns a row (0.38 ns with 64-bit masks), a visited
# node 1.9 ns. Below one block of rows the masks have nothing to amortise them.
MASK_NS = {np.dtype(np.uint32): 0.19, np.dtype(np.uint64): 0.38}
VISIT_NS = 1.9
FEWEST_MASKED_ROWS = 48
ROWS_PER_THREAD = 256
PART_ROWS = 64  # parts of rows start at whole groups and whole blocks of masks


@dataclass(frozen=True, slots=True)
class Shape:
    """The pooled trees of a forest as arrays; see `topology` for the first four.

    Attributes
    ----------
    split, sizes, right, depth
        Flags in preorder, nodes of each tree, right children, depths.
    feature : int32, shape (n_splits,)
    threshold : float32, shape (n_splits,)
    missing_left : bool, shape (n_splits,)
    """

    split: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    depth: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    missing_left: npt.NDArray[np.bool_]

    def leaves(self) -> npt.NDArray[np.int32]:
        """Leaves below each node."""
        counts = np.empty(self.split.size, dtype=np.int32)
        count_leaves(self.split, self.sizes, self.right, counts)
        return counts


@dataclass(frozen=True, slots=True)
class Nodes:
    """The trees as the traversal reads them: see `traversal`."""

    words: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.uint64]
    banks: npt.NDArray[np.uint64]
    shift: int


@dataclass(frozen=True, slots=True)
class Masks:
    """The trees as the bit-mask kernel reads them."""

    features: npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.float32]
    masks: npt.NDArray[Any]
    splits: npt.NDArray[np.int64]
    leaves: npt.NDArray[np.int64]
    payload: npt.NDArray[np.uint32]


def lay_out(shape: Shape, payload: Array, n_columns: int) -> Nodes | None:
    """The nodes of a forest with `payload` at its leaves; None where a link does not fit."""
    shift = traversal.LINK_BITS - 3 - max(n_columns - 1, 0).bit_length()
    if int(shape.sizes.max(initial=1)) + 3 > 1 << shift:
        return None
    words = np.zeros(shape.split.size + shape.sizes.size + 2, dtype=np.uint64)
    starts = np.empty(shape.sizes.size, dtype=np.uint64)
    banks = np.empty(shape.sizes.size, dtype=np.uint64)
    traversal.lay_out(
        shape.split,
        shape.sizes,
        shape.right,
        shape.leaves(),
        shape.feature.astype(np.uint32),
        shape.missing_left.astype(np.uint8),
        np.array(shape.threshold, dtype=np.float32).view(np.uint32),
        np.array(payload, dtype=np.uint32),
        shift,
        words,
        starts,
        banks,
    )
    return Nodes(words, starts, banks, shift)


def mask_out(shape: Shape, payload: Array) -> Masks | None:
    """The masks of a forest of small trees; None where a tree is large or masks would be slower."""
    leaves = shape.leaves()
    starts = tree_starts(shape.sizes)
    per_tree = leaves[starts[:-1]].astype(np.int64)
    most = int(per_tree.max(initial=0))
    if most > quickscorer.MOST_LEAVES:
        return None
    dtype = np.dtype(np.uint32 if most <= 32 else np.uint64)
    is_leaf = shape.split == 0
    # Equally likely leaves: what a row is expected to visit.
    visits = float((shape.depth[is_leaf] / np.repeat(per_tree, per_tree)).sum())
    if shape.feature.size * MASK_NS[dtype] > visits * VISIT_NS:
        return None
    masks = np.empty(shape.feature.size, dtype=dtype)
    quickscorer.clear_masks(shape.split, shape.sizes, shape.right, leaves, masks)
    return Masks(
        shape.feature,
        shape.threshold,
        masks,
        tree_starts(per_tree - 1),
        tree_starts(per_tree),
        np.array(payload, dtype=np.uint32),
    )


@dataclass(frozen=True, slots=True)
class TreeSum:
    """Sums of leaf rows over trees, added in tree order in float64, as scikit-learn does.

    Attributes
    ----------
    nodes, masks
        The trees; `masks` is used on blocks of rows without NaN.
    table : float64, shape (n_payloads * width,)
        What a leaf adds.
    width, cycle : int
        Tree t adds `width` values to the columns `(t % cycle) * width` and on.
    """

    nodes: Nodes
    masks: Masks | None
    table: npt.NDArray[np.float64]
    width: int
    cycle: int

    def add(self, rows: Rows, n: int, out: Array, *, missing: bool, threads: int = 1) -> None:
        """Add to `out`, float64 of shape (n, cycle * width).

        Parameters
        ----------
        rows : float32, shape (n_groups, n_columns, 8)
            n rows as `grouped` arranges them.
        missing : bool
            Whether any value is NaN.
        """
        columns = rows.shape[1]
        flat, flat_out = rows.reshape(-1), out.reshape(-1)
        nodes, masks = self.nodes, self.masks
        if masks is not None and not missing and n >= FEWEST_MASKED_ROWS:

            def work(first: int, last: int) -> None:
                quickscorer.sum_masked(
                    masks.features,
                    masks.thresholds,
                    masks.masks,
                    masks.splits,
                    masks.leaves,
                    flat,
                    columns,
                    first,
                    last,
                    masks.payload,
                    self.table,
                    self.width,
                    self.cycle,
                    flat_out,
                )
        else:
            block = block_rows(columns)

            def work(first: int, last: int) -> None:
                traversal.sum_block(
                    nodes.words,
                    nodes.starts,
                    nodes.banks,
                    flat,
                    columns,
                    first,
                    last,
                    block,
                    nodes.shift,
                    missing,
                    self.table,
                    self.width,
                    self.cycle,
                    flat_out,
                )

        over_rows(work, n, threads)


def grouped(rows: Array) -> tuple[Rows, bool, bool]:
    """Rows in groups of eight as float32, and whether any is NaN, any infinite.

    Parameters
    ----------
    rows : float32 or float64, shape (n, n_columns)
        Any strides. Values beyond float32 become infinite.
    """
    n, columns = rows.shape
    source = np.array(rows, dtype=rows.dtype if rows.dtype == np.float32 else np.float64, order="C")
    groups = np.empty((-(-n // traversal.GROUP), columns, traversal.GROUP), dtype=np.float32)
    found = traversal.group_rows(source, groups.reshape(-1))
    return groups, bool(found & 1), bool(found & 2)


def payloads(nodes: Nodes, rows: Rows, n: int, *, missing: bool, threads: int = 1) -> Array:
    """What each of n grouped rows reaches in each tree: int64, shape (n, n_trees)."""
    columns = rows.shape[1]
    out = np.empty((n, nodes.starts.size), dtype=np.int64)
    flat, flat_out, block = rows.reshape(-1), out.reshape(-1), block_rows(columns)

    def work(first: int, last: int) -> None:
        traversal.payload_block(
            nodes.words,
            nodes.starts,
            nodes.banks,
            flat,
            columns,
            first,
            last,
            block,
            nodes.shift,
            missing,
            flat_out,
        )

    over_rows(work, n, threads)
    return out


def block_rows(columns: int) -> int:
    """Rows that are walked together: a multiple of eight."""
    fitting = BLOCK_BYTES // (4 * max(columns, 1)) // 8 * 8
    return min(max(fitting, SMALLEST_BLOCK), LARGEST_BLOCK)


def over_rows(work: Callable[[int, int], object], n: int, threads: int) -> None:
    """Call `work(first, last)` over all rows, in as many threads as pay; parts start at groups."""
    parts = max(1, min(threads, n // ROWS_PER_THREAD))
    if parts == 1:
        work(0, n)
        return
    edges = [n * part // parts // PART_ROWS * PART_ROWS for part in range(parts)] + [n]
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))


@compiled
def answer_one(
    words: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.uint64],
    banks: npt.NDArray[np.uint64],
    row: Array,
    shift: int,
    nan_allowed: bool,
    table: npt.NDArray[np.float64],
    width: int,
    cycle: int,
    divisor: float,
    out: npt.NDArray[np.float64],
) -> bool:
    """Add one row's leaves to `out` and divide; False (nothing done) for inf or a refused NaN.

    Parameters
    ----------
    row : float64, shape (n_columns,)
        Compared as float32.
    """
    group = np.empty(row.size * traversal.GROUP, dtype=np.float32)
    missing = False
    for column in range(row.size):
        x = np.float32(row[column])
        if x - x != np.float32(0.0):
            if x == x or not nan_allowed:
                return False
            missing = True
        group[column * traversal.GROUP] = x
    traversal.sum_one(words, starts, banks, group, shift, missing, table, width, cycle, out)
    for column in range(out.size):
        out[column] /= divisor
    return True


@compiled
def answer_one_coded(
    words: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.uint64],
    banks: npt.NDArray[np.uint64],
    row: npt.NDArray[np.float64],
    columns: npt.NDArray[np.int64],
    edges: npt.NDArray[np.float64],
    edge_starts: npt.NDArray[np.int64],
    shift: int,
    table: npt.NDArray[np.float64],
    width: int,
    cycle: int,
    out: npt.NDArray[np.float64],
) -> None:
    """Add one row's leaves to `out`; the row is float64, flat, and coded first (see `binning`)."""
    group = np.empty(max(columns.size, 1) * traversal.GROUP, dtype=np.float32)
    group[0] = np.float32(0.0)
    missing = code_rows(
        row, row.size, columns, edges, edge_starts, 0, 1, group, max(columns.size, 1)
    )
    traversal.sum_one(words, starts, banks, group, shift, missing, table, width, cycle, out)
