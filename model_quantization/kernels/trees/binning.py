"""Rows of float64 as columns of float32 that split the same way.

A comparison with one of a feature's thresholds depends only on how many of them lie below x. That
count is exact in float32, so one traversal serves trees that compare float64. A categorical split
becomes a column of its own: 0 where the row goes left, 1 where it goes right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compile import compiled

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

GROUP = 8
MOST_CODES = 1 << 24  # integers up to here are exact in float32


FANOUT = 16


def pad_table(table: Doubles, sizes: Indices) -> tuple[Doubles, Indices, Doubles]:
    """`(table, starts, pivots)` as `code_rows` searches them.

    Where no column has more than 255 thresholds, each is filled up to 256 with infinities, and
    every 16th is a pivot: counting the pivots below x and then the thresholds of one run of 16
    takes two vector comparisons. Otherwise there are no pivots, and the search is binary.
    """
    if not sizes.size or int(sizes.max()) >= FANOUT * FANOUT:
        return (
            table,
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.empty((0, FANOUT)),
        )
    padded = np.full((sizes.size, FANOUT * FANOUT), np.inf)
    padded[np.arange(FANOUT * FANOUT) < sizes[:, None]] = table
    starts = np.arange(sizes.size + 1, dtype=np.int64) * FANOUT * FANOUT
    pivots = np.ascontiguousarray(padded[:, FANOUT - 1 :: FANOUT])
    return padded.reshape(-1), starts, pivots


@compiled
def _count_below(table: Doubles, low: np.uint64, pivots: Doubles, x: float) -> np.uint64:
    run = np.uint64(0)
    for k in range(FANOUT):
        run += np.uint64(pivots[k] < x)
    if run == np.uint64(FANOUT):  # above the last padding: x is infinite
        return run * np.uint64(FANOUT)
    run *= np.uint64(FANOUT)
    within = np.uint64(0)
    for k in range(FANOUT):
        within += np.uint64(table[low + run + np.uint64(k)] < x)
    return run + within


@compiled
def _search(table: Doubles, low: np.uint64, size: np.uint64, x: float) -> np.uint64:
    one = np.uint64(1)
    at = low
    while size > one:
        half = size >> one
        at += half * np.uint64(table[at + half - one] < x)
        size -= half
    return at - low + np.uint64(size == one and table[at] < x)


@compiled
def code_rows(
    rows: Doubles,
    n_features: int,
    columns: Indices,
    table: Doubles,
    starts: Indices,
    pivots: Doubles,
    first: int,
    last: int,
    out: Floats,
    width: int,
    doubled: bool,
) -> bool:
    """Fill the first columns of `out`; whether a NaN was met.

    Parameters
    ----------
    rows : float64, shape (n * n_features,)
        All rows, flat.
    columns : int64, shape (k,)
        Feature of each output column.
    table, starts, pivots
        As `pad_table` gives them: the sorted thresholds of each column.
    first : int
        A multiple of eight.
    out : float32
        Rows in groups of eight (see `traversal`): column j of a row receives the number of
        thresholds below its value, or NaN.
    width : int
        Columns of a row; there are as many again where they are `doubled`.
    """
    missing = False
    stride = width * (2 if doubled else 1) * GROUP
    infinity = np.float32(np.inf)
    for row in range(first, last):
        at = row // GROUP * stride + row % GROUP
        for j in range(columns.size):
            x = rows[row * n_features + columns[j]]
            low = np.uint64(starts[j])
            if pivots.shape[0]:
                code = np.float32(_count_below(table, low, pivots[j], x))
            else:
                code = np.float32(_search(table, low, np.uint64(starts[j + 1]) - low, x))
            absent = x != x
            missing |= absent
            out[at] = (infinity if doubled else np.float32(np.nan)) if absent else code
            if doubled:
                out[at + width * GROUP] = -infinity if absent else code
            at += GROUP
    return missing


def code_rows_reference(rows: Doubles, tables: list[Doubles], columns: list[int]) -> Floats:
    """The same by definition: shape (n, k)."""
    out = np.empty((len(rows), len(columns)), dtype=np.float32)
    for j, feature in enumerate(columns):
        x = rows[:, feature]
        below = (tables[j][None, :] < x[:, None]).sum(axis=1)
        out[:, j] = np.where(np.isnan(x), np.nan, below)
    return out


@compiled
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
    for row in range(first, last):
        at = row // GROUP * stride + offset * GROUP + row % GROUP
        for j in range(columns.size):
            x = rows[row * n_features + columns[j]]
            goes_left = missing_left[j] != 0
            if x >= 256.0:
                return False
            if x >= 0.0:
                category = np.int64(x)
                if left[j, category]:
                    goes_left = True
                elif known[j, category]:
                    goes_left = False
            out[at + j * GROUP] = np.float32(0.0 if goes_left else 1.0)
    return True


def code_categories_reference(
    rows: Doubles,
    columns: list[int],
    left: npt.NDArray[np.uint8],
    known: npt.NDArray[np.uint8],
    missing_left: npt.NDArray[np.uint8],
) -> Floats:
    """The same by definition, for values below 256: shape (n, k)."""
    out = np.empty((len(rows), len(columns)), dtype=np.float32)
    for row, values in enumerate(rows):
        for j, feature in enumerate(columns):
            x = values[feature]
            seen = x >= 0 and (left[j, int(x)] or known[j, int(x)])
            out[row, j] = 1 - (left[j, int(x)] if seen else missing_left[j])
    return out
