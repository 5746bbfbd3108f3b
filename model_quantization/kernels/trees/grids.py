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


class Grid(Value, frozen=True):
    """The grid of one column, whose numbers are of the type of its thresholds.

    Attributes
    ----------
    low, scale
        A value x is in cell `(x - low) * scale`, cut off at the first and the last.
    before : int64, shape (CELLS,)
        Thresholds in the cells before each.
    span : int
        A power of two above half the number of thresholds of any cell; 0 where there are none.
        The thresholds of a cell are counted in steps of `span`, half of it, and so on to one,
        which needs `2 * span` infinities behind them.
    """

    low: Any
    scale: Any
    before: npt.NDArray[np.int64]
    span: int


def grid_of(edges: npt.NDArray[Any]) -> Grid:
    """The grid of sorted thresholds, float32 or float64, infinities among them."""
    finite = edges[np.isfinite(edges)]
    low = finite[0] if len(finite) else edges.dtype.type(0)
    with np.errstate(all="ignore"):
        # Of any width, none and an infinite one too: whatever comes of it keeps the order.
        scale = edges.dtype.type(CELLS - 1) / (finite[-1] - low) if len(finite) else low
        at = (edges - low) * scale
    cell = np.where(at > 0, np.minimum(at, CELLS - 1), 0).astype(np.int64)
    counts = np.bincount(cell, minlength=CELLS)
    return Grid(low, scale, np.cumsum(counts) - counts, (1 << int(counts.max()).bit_length()) // 2)
