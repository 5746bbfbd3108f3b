"""Columns of a pandas frame as arrays, for one look-up per column.

pandas makes a Series of a column before it gives its values, which takes longer than answering one
row. The blocks that a frame holds have the same values. They are no public interface: where
they are not as expected, the public one is asked. pandas is not imported for this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from model_quantization.arrays import Array

# Which columns a step of numbers takes: see `families.lowered.Lowered.takes`.
Takes: TypeAlias = Literal["numbers", "plain", "floats", "arrays"]
_PLAIN = "dfbBhHiIlLqQ"
LARGEST = 1 << 53  # integers above are rounded by the first conversion
_NUMBER_TYPES = frozenset({bool, float, int, np.bool_, np.float32, np.float64, np.int32, np.int64})
_MASKED = frozenset({"IntegerArray", "FloatingArray", "BooleanArray"})
_ARROW = "ArrowExtensionArray"
_FLOATS = ("floats", "arrays")
_STRINGS = frozenset({"ArrowStringArray", "StringArray", "ArrowStringArrayNumpySemantics"})


def names_of(frame: Any) -> list[Any]:
    """The names of a frame's columns."""
    index = frame.columns
    packed = getattr(getattr(index, "_values", None), "_pa_array", None)
    if packed is not None and not packed.null_count:
        return list(packed.to_pylist())
    return list(index)


def stored_values(column: Any) -> Any:
    """The values of a Series: an ndarray, or an array of pandas."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


class FrameColumns:
    """The columns of one frame, by name.

    Parameters
    ----------
    frame : DataFrame
        Each name once.
    """

    __slots__ = ("_blocks", "_inside", "_numbers", "frame", "names", "places")

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self.names = names_of(frame)
        self.places = {name: place for place, name in enumerate(self.names)}
        manager = getattr(frame, "_mgr", None)
        blocks = getattr(manager, "blocks", None)
        self._numbers: Any = getattr(manager, "blknos", None)
        self._inside: Any = getattr(manager, "blklocs", None)
        known = self._numbers is not None and self._inside is not None
        known = known and isinstance(blocks, tuple)
        self._blocks: Any = blocks if known else None

    def __len__(self) -> int:
        return len(self.frame)

    def stored(self, name: Any) -> Any:
        """The values of a column as pandas holds them: an ndarray or an array of its own."""
        place = self.places.get(name)
        if place is None:
            return None
        if self._blocks is None:
            return stored_values(self.frame.iloc[:, place])
        values = self._blocks[self._numbers[place]].values
        if values.ndim == 2:
            return values[self._inside[place]]
        return values

    def values(self, name: Any) -> Array | None:
        """A column of categories as scikit-learn sees it; None for types that it converts."""
        stored = self.stored(name)
        if stored is None or type(stored) is np.ndarray:
            return stored
        if len(stored) == 1 and (one := _single(stored)) is not None:
            return one
        column = self.frame.iloc[:, self.places[name]]
        plain = isinstance(column.dtype, np.dtype)
        if not (plain or column.dtype.name in ("str", "category")):
            return None
        found: Array = column.to_numpy()
        return found if plain or found.dtype == object else None

    def numbers(self, names: Sequence[Any], takes: Takes) -> Array | None:
        """Some of the columns as rows, of the type and memory order that scikit-learn's have.

        None where one is no number, or of a type that the step does not take.
        """
        if len(self) > 1:
            return self._of_many(names, takes)
        # A single row has both orders, and is the case that must be quick.
        stored = [self.stored(name) for name in names]
        if all(type(column) is np.ndarray and column.dtype.char in _PLAIN for column in stored):
            if takes in _FLOATS and any(column.dtype.kind != "f" for column in stored):
                return None
            return np.stack(stored, axis=1)
        return _doubles(stored) if takes == "numbers" else None

    def _of_many(self, names: Sequence[Any], takes: Takes) -> Array | None:
        if not all(name in self.places for name in names):
            return None
        asked = self.frame.loc[:, list(names)]
        dtypes = list(asked.dtypes)
        if not all(isinstance(each, np.dtype) and each.char in _PLAIN for each in dtypes):
            return _doubles([self.stored(name) for name in names]) if takes == "numbers" else None
        if takes in _FLOATS and any(each.kind != "f" for each in dtypes):
            return None
        if len(set(dtypes)) > 1 and any(each.kind == "b" for each in dtypes):
            # pandas joins booleans and numbers to objects; scikit-learn casts them first.
            joined: Array = asked.to_numpy(dtype=np.result_type(*dtypes))
            return joined
        values: Array = asked.to_numpy()
        return values


def _doubles(stored: Sequence[Any]) -> Array | None:
    """Columns of any kind of number as rows of float64, one column after the other in memory."""
    found = []
    for column in stored:
        double = None if column is None else numbers_of(column)
        if double is None:
            return None
        found.append(double)
    return np.stack(found).T


def _single(stored: Any) -> Array | None:
    """The one value of an array of text or of categories of text; None for others."""
    kind = type(stored).__name__
    value: Any
    if kind == "Categorical":
        names = _texts(getattr(stored.categories, "_values", None))
        code = int(stored.codes[0])
        if names is None:
            return None
        value = names[code] if code >= 0 else np.nan
    else:
        # The type that is named "str" has NaN for what is missing, the one named "string" has not.
        is_str = kind in _STRINGS and isinstance(stored.dtype.na_value, float)
        texts = _texts(stored) if is_str else None
        if texts is None:
            return None
        value = texts[0]
    found = np.empty(1, dtype=object)
    found[0] = value
    return found


def _texts(stored: Any) -> list[Any] | None:
    """The values of an array of text, NaN for what is missing."""
    if type(stored) is np.ndarray:
        return stored.tolist() if stored.dtype == object else None
    packed = getattr(stored, "_pa_array", None)
    if packed is None or type(stored).__name__ not in _STRINGS:
        return None
    found: list[Any] = packed.to_pylist()
    return found if not packed.null_count else [np.nan if v is None else v for v in found]


def numbers_of(stored: Any) -> Array | None:
    """A column's numbers as float64, converted as scikit-learn does it.

    None where something is missing, is no number, or is an integer that float64 does not have.
    """
    if type(stored) is np.ndarray:
        if stored.dtype != object:
            return _as_double(stored)
        values = stored.tolist()
        kinds = set(map(type, values))
        if not kinds <= _NUMBER_TYPES:
            return None
        try:
            doubles = np.array(values, dtype=np.float64)
        except OverflowError:
            return None
        is_large = int in kinds and bool((np.abs(doubles) >= LARGEST).any())
        return None if is_large else doubles
    kind = type(stored).__name__
    if kind in _MASKED:
        data, mask = getattr(stored, "_data", None), getattr(stored, "_mask", None)
        if data is None or mask is None or mask.any():
            return None
        return _as_double(data)
    packed = getattr(stored, "_pa_array", None)
    if kind != _ARROW or packed is None or packed.null_count or stored.dtype.kind not in "fiub":
        return None
    return _as_double(packed.to_numpy())


def _as_double(values: Array) -> Array | None:
    if values.dtype.kind not in "fiub" or values.dtype.char in "eg":
        return None  # floats of other lengths keep theirs in scikit-learn
    may_be_large = values.dtype.kind in "iu" and values.dtype.itemsize > 4 and values.size
    if may_be_large and (int(values.max()) > LARGEST or int(values.min()) < -LARGEST):
        return None
    return values.astype(np.float64, copy=False)
