"""Rows of float64 as columns of float32 that split the same way.

A comparison with one of a feature's thresholds depends only on how many of them lie below x. That
count is exact in float32, so one traversal serves trees that compare float64. A categorical split
becomes a column of its own: 0 where the row goes left, 1 where it goes right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.grids import CELLS, grids_of
from model_quantization.kernels.trees.grouping import GROUP

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
GridTables = tuple[Doubles, Doubles, Codes, Indices]

MOST_CODES = 1 << 24  # integers up to here are exact in float32


FANOUT = 16
MOST_SPAN = 8
ROOM = FANOUT * FANOUT + 2 * MOST_SPAN  # places of a column: a grid reads so far behind its edges


def is_padded(sizes: Indices) -> bool:
    """Whether columns of so many thresholds are filled up to equal sizes."""
    return bool(sizes.size) and int(sizes.max()) < FANOUT * FANOUT


def pad_table(table: Doubles, sizes: Indices) -> tuple[Doubles, Indices, Doubles]:
    """`(table, starts, pivots)` as `code_rows` searches them.

    Where no column has more than 255 thresholds, each is filled up with infinities, and of
    256 every 16th is a pivot: counting the pivots below x and then the thresholds of one run of 16
    takes two vector comparisons. Otherwise there are no pivots, and the search is binary.
    """
    if not is_padded(sizes):
        return (
            table,
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.empty((0, FANOUT)),
        )
    padded = np.full((sizes.size, ROOM), np.inf)
    padded[np.arange(ROOM) < sizes[:, None]] = table
    starts = np.arange(sizes.size + 1, dtype=np.int64) * ROOM
    pivots = np.ascontiguousarray(padded[:, FANOUT - 1 : FANOUT * FANOUT : FANOUT])
    return padded.reshape(-1), starts, pivots


def grid_tables(table: Doubles, sizes: Indices, starts: Indices) -> GridTables:
    """`(lows, scales, cells, spans)` for `code_rows`: the grid of each column, see `grids.Grids`.

    A span of 0 means that the grid is of no use: its thresholds crowd in few cells. All are empty
    where the search is binary.
    """
    if not is_padded(sizes):
        return np.empty(0), np.empty(0), np.empty((0, CELLS), dtype=np.uint8), np.empty(0, np.int64)
    grids = grids_of(table[table_places(sizes, starts)], sizes)
    return (
        grids.lows,
        grids.scales,
        grids.before.astype(np.uint8),
        grids.spans * (grids.spans <= MOST_SPAN),
    )


def table_places(sizes: Indices, starts: Indices) -> Indices:
    """Where the thresholds of each column are in its table, without those that fill it up."""
    return np.arange(int(sizes.sum())) + np.repeat(starts[:-1] - np.cumsum(sizes) + sizes, sizes)


@kernel
def code_rows(
    rows: Doubles,
    n_features: int,
    columns: Indices,
    table: Doubles,
    starts: Indices,
    pivots: Doubles,
    lows: Doubles,
    scales: Doubles,
    cells: Codes,
    spans: Indices,
    first: int,
    last: int,
    out: Floats,
    width: int,
    doubled: bool,
) -> bool:
    """Fill the first columns of `out`; whether a NaN was met.

    Parameters
    ----------
    rows : float64, shape (n, n_features), or flat
        All rows.
    columns : int64, shape (k,)
        Feature of each output column.
    table, starts, pivots
        As `pad_table` gives them: the sorted thresholds of each column.
    lows, scales, cells, spans
        As `grid_tables` gives them, one of each a column; or all empty.
    first : int
        A multiple of eight.
    out : float32
        Rows in groups of eight (see `traversal`): column j of a row receives the number of
        thresholds below its value, or NaN.
    width : int
        Columns of a row; there are as many again where they are `doubled`.
    """
    codes, absent = codes_of_rows(rows.reshape(-1, n_features)[first:last], columns, table, starts)
    infinity = np.float32(np.inf)
    at = _places(first, last, width * (2 if doubled else 1)) + np.arange(columns.size) * GROUP
    flat = out.reshape(-1)
    flat[at] = np.where(absent, infinity if doubled else np.float32(np.nan), codes)
    if doubled:
        flat[at + width * GROUP] = np.where(absent, -infinity, codes)
    return bool(absent.any())


def codes_of_rows(
    rows: Doubles, columns: Indices, table: Doubles, starts: Indices
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """How many thresholds are below each value, and where that is NaN: both of shape (n, k)."""
    given = rows[:, columns]
    codes = np.empty(given.shape, dtype=np.float32)
    for j in range(columns.size):
        codes[:, j] = np.searchsorted(table[starts[j] : starts[j + 1]], given[:, j], side="left")
    return codes, np.isnan(given)


def _places(first: int, last: int, width: int) -> Indices:
    """Where rows in groups of eight have their first of `width` values: shape (n, 1)."""
    row = np.arange(first, last)[:, None]
    return row // GROUP * (width * GROUP) + row % GROUP


@kernel
def code_categories(
    rows: Doubles,
    n_features: int,
    columns: Indices,
    left: npt.NDArray[np.uint8],
    known: npt.NDArray[np.uint8],
    missing_left: npt.NDArray[np.uint8],
    first: int,
    last: int,
    out: Floats,
    stride: int,
    offset: int,
) -> bool:
    """Fill columns `offset` and on: 0 for left, 1 for right; False for a value of 256 or more.

    Parameters
    ----------
    columns : int64, shape (k,)
        Feature that each categorical split looks at.
    left, known : uint8, shape (k, 256)
        Whether a category goes left, and whether it was seen in training.
    missing_left : uint8, shape (k,)
        Where NaN, negative and unseen values go.
    """
    x = rows.reshape(-1, n_features)[first:last][:, columns]
    if (x >= 256.0).any():
        return False
    category = np.where(x >= 0.0, x, 0.0).astype(np.int64)
    split = np.arange(columns.size)
    seen = (x >= 0.0) & ((left | known)[split, category] != 0)
    goes_left = np.where(seen, left[split, category] != 0, missing_left != 0)
    at = _places(first, last, stride // GROUP) + (offset + split) * GROUP
    out.reshape(-1)[at] = np.where(goes_left, np.float32(0.0), np.float32(1.0))
    return True
