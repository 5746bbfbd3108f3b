"""One row from input to answer in one call: several calls would take most of the time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.binning import codes_of_rows
from model_quantization.kernels.trees.leaf_sums import add_leaves
from model_quantization.kernels.trees.traversal import payloads_of_rows

ANSWERED, REFUSED, MISSING = 0, 1, 2
MOST_COLUMNS = 2048  # what a kernel has room for


@kernel
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
    """Add one row's leaves to `out` and divide; `out` is changed for `ANSWERED` only.

    Parameters
    ----------
    words, starts, banks, bases, shift
        The trees: see `tree_layout.Nodes`.
    row : float64, n_columns numbers
        Compared as float32.
    ends, places, values, width, cycle
        See `leaf_sums.sum_block`.
    out : cycle * width numbers
        Of the type of `values`.

    Returns
    -------
    int
        `ANSWERED`, `REFUSED` (an infinity, or too many columns), or `MISSING` (a NaN).
    """
    if row.size > MOST_COLUMNS:
        return REFUSED
    with np.errstate(over="ignore"):
        x = row.reshape(1, -1).astype(np.float32)
    if np.isinf(x).any():
        return REFUSED
    if np.isnan(x).any():
        return MISSING
    _add_trees(words, starts, banks, bases, x, shift, ends, places, values, width, cycle, out)
    np.divide(out, divisor, out=out, dtype=np.float64, casting="same_kind")
    return ANSWERED


def _add_trees(
    words: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.uint64],
    banks: npt.NDArray[np.uint64],
    bases: npt.NDArray[np.uint32],
    x: npt.NDArray[np.float32],
    shift: int,
    ends: npt.NDArray[np.uint32],
    places: npt.NDArray[np.uint32],
    values: npt.NDArray[Any],
    width: int,
    cycle: int,
    out: npt.NDArray[Any],
) -> None:
    """Add what the one row of x reaches, tree by tree in order."""
    if not x.shape[1]:
        x = np.zeros((1, 1), dtype=np.float32)  # nothing looks at it
    sums = out.reshape(1, -1)
    for tree in range(starts.size):
        nodes = words[int(banks[tree]) :]
        found = payloads_of_rows(nodes, starts[tree], bases[tree], x, shift)
        add_leaves(found, ends, places, values, sums[:, tree % cycle * width :])


@kernel
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
    values: npt.NDArray[Any],
    width: int,
    cycle: int,
    out: npt.NDArray[Any],
) -> int:
    """Add one row's leaves to `out`; the row is float64 and is coded first: see `binning`.

    Returns
    -------
    int
        `ANSWERED`, `REFUSED` (too many columns), or `MISSING`: a NaN, and the nodes are not those
        for it; nothing is done but for the first.
    """
    if n_columns * (2 if doubled else 1) > MOST_COLUMNS:
        return REFUSED
    codes, absent = codes_of_rows(row.reshape(1, -1), columns, edges, edge_starts)
    if absent.any() and not doubled:
        return MISSING
    x = np.zeros((1, n_columns * (2 if doubled else 1)), dtype=np.float32)
    infinity = np.float32(np.inf)
    x[:, : columns.size] = np.where(absent, infinity, codes)
    if doubled:
        x[:, n_columns : n_columns + columns.size] = np.where(absent, -infinity, codes)
    _add_trees(words, starts, banks, bases, x, shift, ends, places, values, width, cycle, out)
    return ANSWERED
