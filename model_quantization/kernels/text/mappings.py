"""Mappings, such as records of a log, as the rows of a sparse matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.locks import cached_property

_NUMBERS = frozenset({int, float, bool, np.float64, np.int64, np.float32, np.int32, np.bool_})


@dataclass(frozen=True)
class Mappings:
    """What a vocabulary of entries makes of mappings.

    Attributes
    ----------
    places : mapping of str to int
        The column of each entry: of a name whose value is a number, or of name, separator, text.
    separator : str
    """

    places: Mapping[str, int]
    separator: str

    @cached_property
    def _texts(self) -> dict[tuple[str, str], int]:
        """The column of each name and text: of each way to part an entry at the separator."""
        found: dict[tuple[str, str], int] = {}
        if not self.separator:
            return found
        for entry, place in self.places.items():
            at = entry.find(self.separator)
            while at >= 0:
                found[entry[:at], entry[at + len(self.separator) :]] = place
                at = entry.find(self.separator, at + 1)
        return found

    def entries(self, mappings: Sequence[Mapping[str, Any]]) -> tuple[Array, Array, Array] | None:
        """Ascending int32 columns, float64 values and int64 row boundaries.

        None for values that are neither text nor finite numbers, or names that are no text.
        """
        if not self.separator:
            return None  # any split of an entry may be meant
        of_number, of_text = self.places.get, self._texts.get
        indices: list[int] = []
        values: list[float] = []
        ends = [0]
        for mapping in mappings:
            for name, value in mapping.items():
                kind = type(value)
                if type(name) is not str:
                    return None
                if kind is str:
                    place = of_text((name, value))
                    if place is not None:
                        indices.append(place)
                        values.append(1.0)
                elif kind in _NUMBERS:
                    place = of_number(name)
                    if place is not None:
                        indices.append(place)
                        values.append(value)
                else:
                    return None
            ends.append(len(indices))
        columns, numbers = np.array(indices, dtype=np.int32), np.array(values, dtype=np.float64)
        return _sorted(columns, numbers, np.array(ends, dtype=np.int64))


def _sorted(columns: Array, numbers: Array, ends: Array) -> tuple[Array, Array, Array] | None:
    """The rows with ascending columns; None for a column twice in a row, or what is not finite."""
    if not np.isfinite(numbers).all():
        return None
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    order = np.lexsort((columns, rows))
    columns, numbers = columns[order], numbers[order]
    if ((columns[1:] == columns[:-1]) & (rows[1:] == rows[:-1])).any():
        return None
    return columns, numbers, ends
