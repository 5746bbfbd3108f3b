"""A forest ready to answer: nodes laid out for the traversal, masks where trees are small."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.quantization.kernels import quickscorer, traversal
from ml.quantization.kernels.binning import code_rows
from ml.quantization.kernels.compile import compiled
from ml.quantization.kernels.topology import count_leaves, tree_starts

Array = npt.NDArray[Any]
Groups = npt.NDArray[np.float32]

# A forest that fits in the second-level cache is walked by blocks of rows that fit in the first;
# a larger one streams past blocks that fill the second, so that it streams seldom.
CACHED_FOREST_BYTES = 768 << 10
SMALL_BLOCK_BYTES = 16 << 10
LARGE_BLOCK_BYTES = 1 << 20
SMALLEST_BLOCK = 64
LARGEST_BLOCK = 16384
# Measured on Zen 4, per row: a masked split, with 32- or 64-bit masks, and a visited node. Below
# one block of rows the masks have nothing to amortise them.
MASK_NS = {np.dtype(np.uint32): 0.08, np.dtype(np.uint64): 0.16}
VISIT_NS = 1.5
FEWEST_MASKED_ROWS = 48
ROWS_PER_THREAD = 256
PART_ROWS = 256  # parts of rows start at whole groups and whole blocks of masks

ANSWERED, REFUSED, MISSING = 0, 1, 2


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
    """The trees as the traversal reads them: see `traversal`. `doubled`: made for missing values."""

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


@dataclass(frozen=True, slots=True)
class LeafTable:
    """What a leaf adds: for payload p, `values[e]` at `places[e]`, e from `ends[p]` on.

    Zeros are left out where adding them changes nothing.
    """

    ends: npt.NDArray[np.uint32]
    places: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float64]
    width: int


def lay_out(shape: Shape, payload: Array, n_columns: int, *, doubled: bool) -> Nodes | None:
    """The nodes of a forest with `payload` at its leaves; None where one does not fit its word."""
    columns = shape.feature.astype(np.uint32)
    if doubled:
        columns += np.where(shape.missing_left, n_columns, 0).astype(np.uint32)
        n_columns *= 2
    shift = traversal.LINK_BITS - 3 - max(n_columns - 1, 0).bit_length()
    thresholds = _finite(shape.threshold)
    if shift < 2 or int(shape.sizes.max(initial=1)) + 1 > 1 << shift or thresholds is None:
        return None
    n_trees = shape.sizes.size
    words = np.zeros(shape.split.size + n_trees, dtype=np.uint64)
    starts, banks = np.empty(n_trees, dtype=np.uint64), np.empty(n_trees, dtype=np.uint64)
    bases = np.empty(n_trees, dtype=np.uint32)
    fits = traversal.lay_out(
        shape.split,
        shape.sizes,
        shape.right,
        shape.leaves(),
        columns,
        thresholds.view(np.uint32),
        np.array(payload, dtype=np.uint32),
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
    values = np.array(threshold, dtype=np.float32)
    values[np.isposinf(values)] = np.finfo(np.float32).max
    return values if np.isfinite(values).all() else None


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


def leaf_table(rows: npt.NDArray[np.float64]) -> LeafTable:
    """The table of leaf rows (n, width).

    0.0 added to a sum that starts at 0.0 changes nothing unless the sum can be -0.0, which takes
    a negative value.
    """
    keep = rows != 0.0
    if rows.shape[1] == 1 or not (rows >= 0.0).all() or np.signbit(rows).any():
        keep = np.ones(rows.shape, dtype=bool)
    ends = np.concatenate([[0], np.cumsum(keep.sum(axis=1))]).astype(np.uint32)
    places = np.nonzero(keep)[1].astype(np.uint32)
    return LeafTable(ends, places, np.array(rows[keep], dtype=np.float64), rows.shape[1])


class TreeSum:
    """Sums of leaf rows over trees, added in tree order in float64, as scikit-learn does.

    Parameters
    ----------
    shape : Shape
    payload : int array, shape (n_leaves,)
        The row of each leaf.
    rows : float64, shape (n_rows, width)
        What it adds: finite or not, -0.0 or not, added as it is.
    cycle : int
        Tree t adds to the columns `(t % cycle) * width` and on.
    n_columns : int
        Of the rows that are asked about.
    """

    def __init__(
        self, shape: Shape, payload: Array, rows: Array, cycle: int, n_columns: int
    ) -> None:
        self.shape = shape
        self.payload = payload
        self.table = leaf_table(rows)
        self.cycle = cycle
        self.n_columns = n_columns

    @cached_property
    def nodes(self) -> Nodes | None:
        """The trees for rows without missing values."""
        return lay_out(self.shape, self.payload, self.n_columns, doubled=False)

    @cached_property
    def gap_nodes(self) -> Nodes | None:
        """The trees for rows with missing values."""
        return lay_out(self.shape, self.payload, self.n_columns, doubled=True)

    @cached_property
    def masks(self) -> Masks | None:
        """The trees as masks, where that is faster."""
        return mask_out(self.shape, self.payload)

    def add(self, groups: Groups, n: int, out: Array, *, doubled: bool, threads: int = 1) -> bool:
        """Add to `out`, float64 of shape (n, cycle * width); False where the trees do not fit.

        Parameters
        ----------
        groups : float32, shape (n_groups, n_columns, 8)
            n rows as `grouped` arranges them.
        doubled : bool
            Whether they have every column twice.
        """
        flat, flat_out = groups.reshape(-1), out.reshape(-1)
        if not doubled and n >= FEWEST_MASKED_ROWS and self.masks is not None:
            over_rows(self._masked(self.masks, flat, flat_out), n, threads)
            return True
        nodes = self.gap_nodes if doubled else self.nodes
        if nodes is None:
            return False
        table, columns = self.table, groups.shape[1]
        block = block_rows(columns, nodes.words.nbytes)

        def work(first: int, last: int) -> None:
            traversal.sum_block(
                nodes.words,
                nodes.starts,
                nodes.banks,
                nodes.bases,
                flat,
                columns,
                first,
                last,
                block,
                nodes.shift,
                table.ends,
                table.places,
                table.values,
                table.width,
                self.cycle,
                flat_out,
            )

        over_rows(work, n, threads)
        return True

    def _masked(self, masks: Masks, flat: Array, out: Array) -> Callable[[int, int], object]:
        table = self.table
        leaf_values = table.values[masks.payload] if table.width == 1 else table.values

        def work(first: int, last: int) -> None:
            quickscorer.sum_masked(
                masks.features,
                masks.thresholds,
                masks.masks,
                masks.splits,
                masks.leaves,
                flat,
                self.n_columns,
                first,
                last,
                masks.payload,
                leaf_values,
                table.ends,
                table.places,
                table.values,
                table.width,
                self.cycle,
                out,
            )

        return work


def grouped(rows: Array, *, doubled: bool = False) -> tuple[Groups, bool, bool]:
    """Rows in groups of eight as float32, and whether any is NaN, any infinite.

    Parameters
    ----------
    rows : float32 or float64, shape (n, n_columns)
        Any strides. Values beyond float32 become infinite.
    """
    n, columns = rows.shape
    columns *= 2 if doubled else 1
    source = np.array(rows, dtype=rows.dtype if rows.dtype == np.float32 else np.float64, order="C")
    groups = np.empty((-(-n // traversal.GROUP), columns, traversal.GROUP), dtype=np.float32)
    found = traversal.group_rows(source, groups.reshape(-1), doubled)
    return groups, bool(found & 1), bool(found & 2)


def payloads(nodes: Nodes, groups: Groups, n: int, threads: int = 1) -> Array:
    """What each of n grouped rows reaches in each tree: int64, shape (n, n_trees)."""
    columns = groups.shape[1]
    out = np.empty((n, nodes.starts.size), dtype=np.int64)
    flat, flat_out = groups.reshape(-1), out.reshape(-1)
    block = block_rows(columns, nodes.words.nbytes)

    def work(first: int, last: int) -> None:
        traversal.payload_block(
            nodes.words,
            nodes.starts,
            nodes.banks,
            nodes.bases,
            flat,
            columns,
            first,
            last,
            block,
            nodes.shift,
            flat_out,
        )

    over_rows(work, n, threads)
    return out


def block_rows(columns: int, forest_bytes: int) -> int:
    """Rows that are walked together: a multiple of eight."""
    room = SMALL_BLOCK_BYTES if forest_bytes <= CACHED_FOREST_BYTES else LARGE_BLOCK_BYTES
    fitting = room // (4 * max(columns, 1)) // 8 * 8
    return min(max(fitting, SMALLEST_BLOCK), LARGEST_BLOCK)


def over_rows(work: Callable[[int, int], object], n: int, threads: int) -> None:
    """Call `work(first, last)` over all rows, in as many threads as pay."""
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
    bases: npt.NDArray[np.uint32],
    row: Array,
    shift: int,
    ends: npt.NDArray[np.uint32],
    places: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float64],
    width: int,
    cycle: int,
    divisor: float,
    out: npt.NDArray[np.float64],
) -> int:
    """Add one row's leaves to `out` and divide; nothing is done but for `ANSWERED`.

    Parameters
    ----------
    row : float64, shape (n_columns,)
        Compared as float32.

    Returns
    -------
    int
        `ANSWERED`, `REFUSED` (an infinity), or `MISSING` (a NaN).
    """
    group = np.empty(row.size * traversal.GROUP, dtype=np.float32)
    state = ANSWERED
    for column in range(row.size):
        x = np.float32(row[column])
        if x - x != np.float32(0.0):
            if x == x:
                return REFUSED
            state = MISSING
        group[column * traversal.GROUP] = x
    if state != ANSWERED:
        return state
    traversal.sum_one(
        words, starts, banks, bases, group, shift, ends, places, values, width, cycle, out
    )
    for column in range(out.size):
        out[column] /= divisor
    return ANSWERED


@compiled
def answer_one_coded(
    words: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.uint64],
    banks: npt.NDArray[np.uint64],
    bases: npt.NDArray[np.uint32],
    row: npt.NDArray[np.float64],
    columns: npt.NDArray[np.int64],
    edges: npt.NDArray[np.float64],
    edge_starts: npt.NDArray[np.int64],
    pivots: npt.NDArray[np.float64],
    n_columns: int,
    doubled: bool,
    shift: int,
    ends: npt.NDArray[np.uint32],
    places: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float64],
    width: int,
    cycle: int,
    out: npt.NDArray[np.float64],
) -> int:
    """Add one row's leaves to `out`; the row is float64, flat, and coded first (see `binning`).

    Returns
    -------
    int
        `ANSWERED`, or `MISSING`: a NaN, and the nodes are not those for it; nothing is done.
    """
    group = np.empty(n_columns * (2 if doubled else 1) * traversal.GROUP, dtype=np.float32)
    group[0] = np.float32(0.0)
    missing = code_rows(
        row, row.size, columns, edges, edge_starts, pivots, 0, 1, group, n_columns, doubled
    )
    if missing and not doubled:
        return MISSING
    traversal.sum_one(
        words, starts, banks, bases, group, shift, ends, places, values, width, cycle, out
    )
    return ANSWERED
