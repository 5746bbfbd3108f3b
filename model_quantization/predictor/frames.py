"""The columns of a frame as one array of numbers, converted as scikit-learn converts them.

scikit-learn's `check_array` decides by the types of the columns: numbers and booleans of numpy are
joined to their common type; a frame with nullable, Arrow or object columns becomes float64. pandas
is not imported for this: a column's type says enough.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.lowered import Integers, Takes
from model_quantization.kernels.tables.pandas_columns import numbers_of, stored_values

_NUMBERS = "fiub"


def numbers_of_frame(frame: Any, takes: Takes, integers: Integers) -> Array | None:
    """The values of a frame, or None for columns that the estimator must convert itself.

    Parameters
    ----------
    frame : DataFrame
    takes : {"numbers", "plain", "floats", "arrays"}
        As `Lowered.takes`.
    integers : {"float64", "float32", "kept", "each"}
        As `Lowered.integers`.

    Returns
    -------
    ndarray of shape (n, n_columns) or None
        Of the type and memory order that scikit-learn's conversion gives.
    """
    blocks = getattr(getattr(frame, "_mgr", None), "blocks", None)
    # `frame.dtypes` makes a Series, which takes as long as a whole answer to one row.
    distinct = {block.dtype for block in blocks} if blocks is not None else set(frame.dtypes)
    if all(isinstance(dtype, np.dtype) and dtype.kind in _NUMBERS for dtype in distinct):
        if any(dtype.kind == "b" for dtype in distinct):
            if len(distinct) > 1:
                # pandas joins booleans and numbers to objects; scikit-learn casts them first.
                joined: Array = frame.to_numpy(dtype=np.result_type(*distinct))
                return joined
            if integers in ("kept", "each") and len(frame) > 1:
                # A cast of booleans to booleans, which before pandas 3 lays the values out anew.
                cast = frame.astype(bool)
                moved = _is_by_rows(cast) != _is_by_rows(frame)
                if moved and integers == "each":
                    return None  # some of its models cast so, and others straight to floats
                frame = cast
        values: Array = frame.to_numpy()
        return values
    if takes != "numbers":
        return None
    if blocks is None:
        columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
        blocks = [_Column(stored_values(one), place) for place, one in enumerate(columns)]
    return _as_doubles(blocks, frame.shape)


def _is_by_rows(frame: Any) -> bool:
    return bool(frame.to_numpy().flags.c_contiguous)


class _Column:
    """One column, in the form of a block of pandas."""

    def __init__(self, values: Any, place: int) -> None:
        self.values = values if type(values) is not np.ndarray else values[np.newaxis]
        self.mgr_locs = np.array([place])


def _as_doubles(blocks: Any, shape: tuple[int, int]) -> Array | None:
    """All columns as float64, in pandas' memory order; None if one cannot be converted."""
    if len(blocks) == 1 and type(blocks[0].values) is np.ndarray:
        block = blocks[0].values
        order: Literal["F", "C"] = "F" if block.flags.f_contiguous else "C"
        found = numbers_of(block.ravel(order=order))
        return None if found is None else found.reshape(block.shape, order=order).T
    columns = np.empty(shape[::-1])
    for block in blocks:
        values = block.values
        for within, place in enumerate(getattr(block.mgr_locs, "as_array", block.mgr_locs)):
            one = numbers_of(values[within] if values.ndim == 2 else values)
            if one is None:
                return None
            columns[place] = one
    return columns.T
