"""A forest ready to answer many rows: the fastest kernel, in as many threads as asked.

Trees of at most 256 leaves are planes of bits (`bit_planes`). Larger ones are walked (`traversal`);
where they fill more than the caches, rows pass their tops as planes first (`tree_tops`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.kernels.trees import bit_planes, traversal
from model_quantization.kernels.trees.first_row import answer_first
from model_quantization.kernels.trees.grouping import GROUP, group_rows
from model_quantization.kernels.trees.leaf_sums import (
    LeafAddends,
    LeafTable,
    leaf_addends,
    leaf_table,
    sum_block,
    vote_room,
)
from model_quantization.kernels.trees.plane_layout import Planes, asked_of, plane_out, plane_room
from model_quantization.kernels.trees.tree_layout import Nodes, Shape, lay_out
from model_quantization.kernels.trees.tree_tops import Tops, number_tops, top_room, tops_of
from model_quantization.locks import cached_property
from model_quantization.values import Value

Groups = npt.NDArray[np.float32]

# A forest that fits in the second-level cache is walked by blocks of rows that fit in the first;
# a larger one streams past blocks that are larger than the second, so that it streams seldom.
CACHED_FOREST_BYTES = 768 << 10
SMALL_BLOCK_BYTES = 16 << 10
LARGE_BLOCK_BYTES = 3 << 19
SMALLEST_BLOCK = 64
LARGEST_BLOCK = 16384
# A block of planes costs as much for fewer rows; below this, walking them is faster.
FEWEST_PLANE_ROWS = 64
# A large forest's tops are planes for so many rows.
FEWEST_TOPPED_ROWS = 512
NO_SLOTS, NO_ROOTS = np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
ROWS_PER_THREAD = 256
PART_ROWS = 256  # parts of rows start at whole groups and whole blocks of planes


class Leaves(Value, frozen=True):
    """A decoded forest with the addends of its leaves.

    Attributes
    ----------
    shape : Shape
    payload : int array, shape (n_leaves,)
        The row of each leaf.
    rows : float64 or float32, shape (n_rows, width)
        What it adds, in its own type: finite or not, -0.0 or not, added as it is.
    """

    shape: Shape
    payload: Array
    rows: Array


class TreeSum:
    """Sums of leaf rows over trees, added in tree order in the type of the rows.

    Only what the kernels read is kept; each form is made when it is first needed, from `source`.

    Parameters
    ----------
    source : callable
        Gives the `Leaves`, decoded anew if need be.
    cycle : int
        Tree t adds to the columns `(t % cycle) * width` and on.
    n_columns : int
        Of the rows that are asked about.
    most_leaves : int
        Of any tree.
    """

    def __init__(
        self, source: Callable[[], Leaves], cycle: int, n_columns: int, most_leaves: int
    ) -> None:
        self.source = source
        self.cycle = cycle
        self.n_columns = n_columns
        self.most_leaves = most_leaves
        self._asked = False
        self._decoded: Leaves | None = None

    def first(self, row: Array, divisor: float, out: Array) -> int | None:
        """The answer to the first row of all, as `first_row.answer_first`; None for any other."""
        if self._asked:
            return None
        self._asked = True
        self._decoded = leaves = self.source()
        shape = leaves.shape
        return int(
            answer_first(
                shape.split,
                shape.sizes,
                shape.right,
                shape.feature,
                shape.threshold,
                np.asarray(leaves.payload, dtype=np.uint32),
                row,
                np.asarray(leaves.rows, dtype=np.float64),
                self.cycle,
                divisor,
                out,
            )
        )

    @cached_property
    def _made(self) -> tuple[Nodes | None, LeafTable]:
        self._asked = True
        leaves, self._decoded = self._decoded or self.source(), None
        nodes = lay_out(leaves.shape, leaves.payload, self.n_columns, doubled=False)
        return nodes, leaf_table(leaves.rows)

    @property
    def nodes(self) -> Nodes | None:
        """The trees for rows without missing values."""
        return self._made[0]

    @property
    def table(self) -> LeafTable:
        """What each payload adds."""
        return self._made[1]

    @cached_property
    def gap_nodes(self) -> Nodes | None:
        """The trees for rows with missing values."""
        leaves = self.source()
        return lay_out(leaves.shape, leaves.payload, self.n_columns, doubled=True)

    @cached_property
    def planes(self) -> tuple[Planes, LeafAddends] | None:
        """The trees as planes for rows without missing values, where they are small enough."""
        return self._planes(doubled=False)

    @cached_property
    def gap_planes(self) -> tuple[Planes, LeafAddends] | None:
        """The same for rows with missing values."""
        return self._planes(doubled=True)

    def _planes(self, *, doubled: bool) -> tuple[Planes, LeafAddends] | None:
        if self.most_leaves > bit_planes.MOST_LEAVES:
            return None
        leaves = self.source()
        planes = plane_out(leaves.shape, self.n_columns, doubled=doubled)
        if planes is None:
            return None
        return planes, leaf_addends(self.table, leaves.payload, self.cycle)

    @cached_property
    def tops(self) -> Tops | None:
        """The tops of large trees, for rows without missing values."""
        return None if self.nodes is None else tops_of(self.nodes, self.n_columns)

    @cached_property
    def gap_tops(self) -> Tops | None:
        """The same for rows with missing values."""
        return None if self.gap_nodes is None else tops_of(self.gap_nodes, 2 * self.n_columns)

    def add(self, groups: Groups, n: int, out: Array, *, doubled: bool, threads: int = 1) -> bool:
        """Add to `out`, of shape (n, cycle * width); False where the trees do not fit.

        Parameters
        ----------
        groups : float32, shape (n_groups, n_columns, 8)
            n rows as `grouped` arranges them.
        doubled : bool
            Whether they have every column twice.
        """
        if n >= FEWEST_PLANE_ROWS:
            planes = self.gap_planes if doubled else self.planes
            if planes is not None:
                over_rows(self._over_planes(*planes, groups, out), n, threads)
                return True
        nodes = self.gap_nodes if doubled else self.nodes
        if nodes is None:
            return False
        table, columns = self.table, groups.shape[1]
        block = block_rows(columns, nodes.words.nbytes)
        tops = None
        if n >= FEWEST_TOPPED_ROWS and nodes.words.nbytes > CACHED_FOREST_BYTES:
            tops = self.gap_tops if doubled else self.tops

        def work(first: int, last: int) -> None:
            found = np.empty(block, dtype=np.uint32)
            votes = vote_room(table, self.cycle, block)
            room = top_room(tops, min(block, last - first))
            tests = np.empty(0, dtype=np.uint64) if tops is None else plane_room(tops.planes)
            for start in range(first, last, block):
                end = min(start + block, last)
                if tops is not None:
                    asked = asked_of(tops.planes)
                    number_tops(*asked, groups, columns, start, end, tests, room)
                sum_block(
                    nodes.words,
                    nodes.starts,
                    nodes.banks,
                    nodes.bases,
                    groups,
                    columns,
                    start,
                    end,
                    nodes.shift,
                    room,
                    NO_SLOTS if tops is None else tops.slots,
                    NO_ROOTS if tops is None else tops.roots,
                    table.ends,
                    table.places,
                    table.values,
                    table.width,
                    self.cycle,
                    found,
                    votes,
                    out,
                )

        over_rows(work, n, threads)
        return True

    def _over_planes(
        self, planes: Planes, addends: LeafAddends, groups: Groups, out: Array
    ) -> Callable[[int, int], object]:
        table, cycle = self.table, self.cycle

        def work(first: int, last: int) -> None:
            bit_planes.sum_planes(
                *asked_of(planes),
                groups,
                groups.shape[1],
                first,
                last,
                addends.payload,
                addends.values,
                addends.places,
                table.ends,
                table.places,
                table.values,
                table.width,
                cycle,
                plane_room(planes),
                np.empty(cycle * bit_planes.LANES, dtype=out.dtype),
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
    source = as_rows(rows, np.float32 if rows.dtype == np.float32 else np.float64)
    groups = np.empty((-(-n // GROUP), columns, GROUP), dtype=np.float32)
    found = group_rows(source, groups, doubled)
    return groups, bool(found & 1), bool(found & 2)


def as_rows(rows: Array, dtype: type) -> Array:
    """The rows as kernels read them: themselves where they can, which spares a copy."""
    flags = rows.flags
    fits = type(rows) is np.ndarray and rows.dtype == dtype and flags.c_contiguous and flags.aligned
    return rows if fits else np.array(rows, dtype=dtype, order="C")


def payloads(nodes: Nodes, groups: Groups, n: int, threads: int = 1) -> Array:
    """What each of n grouped rows reaches in each tree: int64, shape (n, n_trees)."""
    columns = groups.shape[1]
    out = np.empty((n, nodes.starts.size), dtype=np.int64)
    block = block_rows(columns, nodes.words.nbytes)

    def work(first: int, last: int) -> None:
        traversal.payload_block(
            nodes.words,
            nodes.starts,
            nodes.banks,
            nodes.bases,
            groups,
            columns,
            first,
            last,
            nodes.shift,
            np.empty(block, dtype=np.uint32),
            out,
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
