"""The columns of a frame as one array of numbers, converted as scikit-learn converts them.

scikit-learn's `check_array` decides by the types of the columns: numbers and booleans of numpy are
joined to their common type; a frame with nullable, Arrow or object columns becomes float64. pandas
is not imported for this: a column's type says enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.lowered import Takes

_NUMBERS = "fiub"
# Types of columns that scikit-learn converts where nothing is missing, by the class of the type.
# Others have a meaning of their own: categories to a booster, sparse columns to a warning.
_CONVERTED = frozenset(
    {
        "ArrowDtype",
        "BooleanDtype",
        "Float32Dtype",
        "Float64Dtype",
        *(f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    }
)
_NUMBER_TYPES = frozenset({bool, float, int, np.bool_, np.float32, np.float64, np.int32, np.int64})
_LARGEST = 1 << 53  # integers above are rounded by the first conversion


def numbers_of_frame(frame: Any, takes: Takes) -> Array | None:
    """The values of a frame, or None for columns that the estimator must convert itself.

    Parameters
    ----------
    frame : DataFrame
    takes : {"numbers", "plain", "floats"}
        As `Lowered.takes`.

    Returns
    -------
    ndarray of shape (n, n_columns) or None
        Of the type and memory order that scikit-learn's conversion gives.
    """
    dtypes = list(frame.dtypes)
    distinct = set(dtypes)
    if all(isinstance(dtype, np.dtype) and dtype.kind in _NUMBERS for dtype in distinct):
        if len(distinct) > 1 and any(dtype.kind == "b" for dtype in distinct):
            # pandas joins booleans and numbers to objects; scikit-learn casts them first.
            joined: Array = frame.to_numpy(dtype=np.result_type(*distinct))
            return joined
        values: Array = frame.to_numpy()
        return values
    if takes != "numbers" or not all(map(_is_converted, distinct)):
        return None
    odd = [place for place, dtype in enumerate(dtypes) if not isinstance(dtype, np.dtype)]
    objects = [place for place, dtype in enumerate(dtypes) if dtype == np.dtype(object)]
    if odd and bool(frame.iloc[:, odd].isna().to_numpy().any()):
        return None
    if not all(_holds_numbers(frame.iloc[:, place]) for place in objects):
        return None
    if any(_is_large(frame.iloc[:, place]) for place in odd):
        return None
    found: Array = frame.to_numpy(dtype=np.float64)
    return found


def _is_converted(dtype: Any) -> bool:
    if isinstance(dtype, np.dtype):
        return dtype.kind in _NUMBERS or dtype.kind == "O"
    return type(dtype).__name__ in _CONVERTED and dtype.kind in _NUMBERS


def _holds_numbers(column: Any) -> bool:
    """Whether every object of a column is a number; None, text and others are not."""
    values = column.tolist()
    if not all(type(value) in _NUMBER_TYPES for value in values):
        return False
    return not any(type(value) is int and abs(value) > _LARGEST for value in values)


def _is_large(column: Any) -> bool:
    if column.dtype.kind not in "iu" or not len(column):
        return False
    return bool(column.max() > _LARGEST or column.min() < -_LARGEST)
