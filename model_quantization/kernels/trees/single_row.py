"""One row, start to finish in one call: for an answer of a few microseconds calls count."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compile import compiled
from model_quantization.kernels.trees.binning import code_rows
from model_quantization.kernels.trees.leaf_sums import sum_one
from model_quantization.kernels.trees.traversal import GROUP

ANSWERED, REFUSED, MISSING = 0, 1, 2


@compiled
def answer_one(
    words: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.uint64],
    banks: npt.NDArray[np.uint64],
    bases: npt.NDArray[np.uint32],
    row: npt.NDArray[np.float64],
    shift: int,
    ends: npt.NDArray[np.uint32],
    places: npt.NDArray[np.uint32],
    values: npt.NDArray[Any],
    width: int,
    cycle: int,
    divisor: float,
    out: npt.NDArray[Any],
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
    group = np.empty(row.size * GROUP, dtype=np.float32)
    state = ANSWERED
    for column in range(row.size):
        x = np.float32(row[column])
        if x - x != np.float32(0.0):
            if x == x:
                return REFUSED
            state = MISSING
        group[column * GROUP] = x
    if state != ANSWERED:
        return state
    sum_one(words, starts, banks, bases, group, shift, ends, places, values, width, cycle, out)
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
    group = np.empty(n_columns * (2 if doubled else 1) * GROUP, dtype=np.float32)
    group[0] = np.float32(0.0)
    missing = code_rows(
        row, row.size, columns, edges, edge_starts, pivots, 0, 1, group, n_columns, doubled
    )
    if missing and not doubled:
        return MISSING
    sum_one(words, starts, banks, bases, group, shift, ends, places, values, width, cycle, out)
    return ANSWERED
