"""Ascending positions as the number of items skipped before each."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError

GAP_DTYPES = ("|u1", "<u2", "<u4", "<u8")


def smallest_unsigned(largest: int) -> np.dtype[np.unsignedinteger]:
    """The narrowest unsigned dtype that holds `largest`."""
    return np.dtype(
        next(name for name in GAP_DTYPES if largest <= int(np.iinfo(np.dtype(name)).max))
    )


def gaps_from_positions(positions: Array) -> Array:
    """The number of items between each position and the one before, in the narrowest dtype.

    Parameters
    ----------
    positions : ndarray of int, shape (n,)
        Strictly ascending.
    """
    gaps = np.diff(positions, prepend=-1) - 1
    return gaps.astype(smallest_unsigned(int(gaps.max(initial=0))))


def check_gaps(gaps: Array, size: int) -> None:
    """Pass gaps whose positions are all below `size`, without making the positions.

    Raises
    ------
    SemanticError
        The last position is not below `size`.
    """
    last = int(gaps.sum(dtype=np.uint64)) + gaps.size - 1
    if gaps.dtype.itemsize == 8:  # a sum of those may have wrapped back into range: in float, too
        last = max(last, int(gaps.sum(dtype=np.float64)))
    if last >= size:
        raise SemanticError(
            "a sparse position beyond the end", expected=f"less than {size}", got=str(last)
        )


def positions_from_gaps(gaps: Array, size: int) -> Array:
    """The positions (int64) that the gaps stand for, all below `size`.

    Raises
    ------
    SemanticError
        The last position is not below `size`.
    """
    check_gaps(gaps, size)
    return np.cumsum(gaps.astype(np.int64) + 1) - 1
