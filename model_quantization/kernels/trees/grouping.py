"""Rows in groups of eight as float32, which is how the traversals read them: see `traversal`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

Floats = npt.NDArray[np.float32]

GROUP = 8


@kernel
def group_rows(rows: Array, groups: Floats, doubled: bool) -> int:
    """Copy rows (n, n_columns) into groups of eight as float32; what was met, in two bits.

    Bit 0: a NaN; bit 1: an infinity, or a value beyond float32. The last group is filled up with
    zeros. `doubled`: every column twice, with plus and minus infinity for NaN.

    Parameters
    ----------
    rows : float32 or float64, shape (n, n_columns)
    groups : float32, shape (n_groups, n_columns, 8), of twice the columns where `doubled`
    """
    n, n_columns = rows.shape
    n_groups = -(-n // GROUP)
    whole = np.zeros((n_groups * GROUP, n_columns), dtype=np.float32)
    with np.errstate(over="ignore"):
        whole[:n] = rows
    absent = np.isnan(whole)
    found = int(absent.any()) | int(np.isinf(whole).any()) << 1
    if doubled:
        infinity = np.float32(np.inf)
        whole = np.hstack([np.where(absent, infinity, whole), np.where(absent, -infinity, whole)])
    parts = whole.reshape(n_groups, GROUP, whole.shape[1]).transpose(0, 2, 1)
    groups.reshape(parts.shape)[...] = parts
    return found


def ungrouped(groups: Floats, n_columns: int, first: int, last: int) -> Floats:
    """Rows `first` to `last` of groups, side by side: shape (last - first, n_columns)."""
    if not n_columns:
        return np.zeros((last - first, 1), dtype=np.float32)  # nothing looks at them
    parts = groups.reshape(-1, n_columns, GROUP).transpose(0, 2, 1)
    return np.ascontiguousarray(parts).reshape(-1, n_columns)[first:last]
