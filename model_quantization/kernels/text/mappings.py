"""Mappings, such as records of a log, as the rows of a sparse matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from model_quantization.arrays import Array

_NUMBERS = frozenset({int, float, bool, np.float64, np.int64, np.float32, np.int32, np.bool_})


@dataclass(frozen=True, slots=True)
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

    def entries(self, mappings: Sequence[Mapping[str, Any]]) -> tuple[Array, Array, Array] | None:
        """Ascending int32 columns, float64 values and int64 row boundaries.

        None for values that are neither text nor finite numbers, or names that are no text.
        """
        get, separator = self.places.get, self.separator
        indices: list[int] = []
        values: list[float] = []
        ends = [0]
        for mapping in mappings:
            row: list[tuple[int, float]] = []
            for name, value in mapping.items():
                kind = type(value)
                if type(name) is not str:
                    return None
                if kind is str:
                    place, number = get(f"{name}{separator}{value}"), 1.0
                elif kind in _NUMBERS and isfinite(value):
                    place, number = get(name), float(value)
                else:
                    return None
                if place is not None:
                    row.append((place, number))
            row.sort()
            if len(row) > 1 and any(a[0] == b[0] for a, b in zip(row, row[1:], strict=False)):
                return None  # one column twice: the sum has an order of its own
            indices += [place for place, _ in row]
            values += [number for _, number in row]
            ends.append(len(indices))
        return (
            np.array(indices, dtype=np.int32),
            np.array(values, dtype=np.float64),
            np.array(ends, dtype=np.int64),
        )
