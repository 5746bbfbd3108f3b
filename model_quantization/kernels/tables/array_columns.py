"""Columns of an array, by number, as the parts of a table are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.tables.pandas_columns import Takes, numbers_of


class ArrayColumns:
    """The columns of one array of two dimensions.

    Parameters
    ----------
    cells : ndarray of shape (n, n_features)
        Of any type.
    """

    __slots__ = ("cells", "names", "places")

    def __init__(self, cells: Array) -> None:
        self.cells = cells
        self.names = range(cells.shape[1])
        self.places = self.names

    def __len__(self) -> int:
        return len(self.cells)

    def values(self, name: int) -> Array | None:
        """A column of categories or texts."""
        return self.cells[:, name]

    def numbers(self, names: Sequence[int], takes: Takes) -> Array | None:
        """Some of the columns as rows; None where one is no number, or of a type not taken."""
        found = self.cells[:, list(names)]
        if found.dtype.char in "dfbBhHiIlLqQ":
            return None if takes in ("floats", "arrays") and found.dtype.kind != "f" else found
        if found.dtype != object or takes != "numbers":
            return None
        flat = numbers_of(found.ravel(order="K"))
        return None if flat is None else found.astype(np.float64)
