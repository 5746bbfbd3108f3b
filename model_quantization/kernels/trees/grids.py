"""A column's thresholds under a grid of equal cells, so that few need be compared with a value.

A cell says how many thresholds lie in the cells before it. Subtraction and multiplication round
without changing the order of values, so that a threshold in an earlier cell is below a value and
one in a later cell is not: with the thresholds of the value's own cell compared, the count is
exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.values import Value

CELLS = 1024


class Grids(Value, frozen=True):
    """The grids of some columns, whose numbers are of the type of their thresholds.

    Attributes
    ----------
    lows, scales : shape (k,)
        A value x is in cell `(x - low) * scale`, cut off at the first and the last.
    before : int64, shape (k, CELLS)
        Thresholds in the cells before each.
    spans : int64, shape (k,)
        A power of two above half the number of thresholds of any cell; 0 where there are none.
        The thresholds of a cell are counted in steps of `span`, half of it, and so on to one,
        which needs `2 * span` infinities behind those of the column.
    """

    lows: npt.NDArray[Any]
    scales: npt.NDArray[Any]
    before: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int64]


def grids_of(edges: npt.NDArray[Any], sizes: npt.NDArray[np.int64]) -> Grids:
    """The grids of columns with so many sorted thresholds each, infinities among them."""
    column = np.repeat(np.arange(sizes.size), sizes)
    finite = np.isfinite(edges)
    lows = np.full(sizes.size, np.inf, dtype=edges.dtype)
    highs = -lows
    np.minimum.at(lows, column[finite], edges[finite])
    np.maximum.at(highs, column[finite], edges[finite])
    lows[highs < lows] = highs[highs < lows] = 0  # none is finite
    with np.errstate(all="ignore"):
        # Of any width, none and an infinite one too: whatever comes of it keeps the order.
        scales = edges.dtype.type(CELLS - 1) / (highs - lows)
        at = (edges - lows[column]) * scales[column]
    cell = np.where(at > 0, np.minimum(at, CELLS - 1), 0).astype(np.int64)
    counts = np.bincount(column * CELLS + cell, minlength=sizes.size * CELLS)
    counts = counts.reshape(sizes.size, CELLS)
    digits = np.frexp(counts.max(axis=1, initial=0).astype(np.float64))[1].astype(np.int64)
    return Grids(lows, scales, counts.cumsum(axis=1) - counts, (1 << digits) // 2)
