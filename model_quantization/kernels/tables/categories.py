"""Encoders of categories: one table lookup per value.

The result for a value depends on its category alone. So the treatment of rare, dropped, missing and
unknown categories is one table per column, with an entry for each category and one for all unknown
values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.values import Value

Columns: TypeAlias = Sequence[Array]
Entries: TypeAlias = tuple[Array, Array, Array]  # indices, values, rows (CSR)

NOTHING = -1  # a value that sets no column to 1
REFUSED = -2  # a value that is an error or a warning, which the real encoder gives
_PLAIN = frozenset({str, float, int, bool, type(None)})


class Lookup(Protocol):
    """The categories of one column."""

    @property
    def size(self) -> int:
        """How many there are."""

    def places(self, column: Array) -> Array | None:
        """The place of each value, `size` for unknown ones; None for values of another kind."""

    def place(self, column: Array) -> int | None:
        """The place of the only value of a column."""


class Names(Value, frozen=True):
    """Categories that are compared as Python compares them: text, None, mixed values.

    Attributes
    ----------
    known : mapping of object to int
        The place of each category.
    missing : int
        The place of NaN; the number of categories if it is not among them.
    size : int
    """

    known: Mapping[object, int]
    missing: int
    size: int

    def places(self, column: Array) -> Array | None:
        """See `Lookup`."""
        if column.dtype.kind not in "OU":
            return None
        values = column.tolist()
        if not all(type(value) in _PLAIN for value in values):
            return None
        get, missing, unknown = self.known.get, self.missing, self.size
        # NaN alone is not equal to itself.
        found = [get(value, unknown) if value == value else missing for value in values]
        return np.array(found, dtype=np.int64)

    def place(self, column: Array) -> int | None:
        """See `Lookup`."""
        value = column[0].item() if column.dtype.kind == "U" else column[0]
        if column.dtype.kind not in "OU" or type(value) not in _PLAIN:
            return None
        return self.known.get(value, self.size) if value == value else self.missing


class Numbers(Value, frozen=True):
    """Categories that are numbers, ascending, NaN last."""

    values: Array

    @property
    def size(self) -> int:
        """See `Lookup`."""
        return len(self.values)

    def places(self, column: Array) -> Array | None:
        """See `Lookup`."""
        kinds = column.dtype.kind + self.values.dtype.kind
        if kinds not in ("ii", "uu", "ff", "if", "fi", "bb"):
            return None
        if column.dtype.kind == "f" and np.isinf(column).any():
            return None
        places = np.searchsorted(self.values, column)
        near = self.values[np.minimum(places, self.size - 1)]
        same = near == column
        if kinds == "ff":
            same |= np.isnan(near) & np.isnan(column)
        return np.where(same, places, self.size)

    def place(self, column: Array) -> int | None:
        """See `Lookup`."""
        found = self.places(column)
        return None if found is None else int(found[0])


def lookup_of(categories: Array) -> Lookup | None:
    """The lookup of a column's categories; None for kinds that are not treated."""
    kind = categories.dtype.kind
    if categories.ndim != 1 or not categories.size:
        return None
    if kind in "iufb":
        return Numbers(categories)
    if kind not in "OU":
        return None
    values = categories.tolist()
    if not all(type(value) in _PLAIN for value in values):
        return None
    nan = [place for place, value in enumerate(values) if value != value]
    known = {value: place for place, value in enumerate(values) if place not in nan}
    return Names(known, nan[0] if nan else len(values), len(values))


class Encoder(Protocol):
    """A step from columns of values to columns of numbers."""

    @property
    def n_columns(self) -> int:
        """Columns of numbers."""

    def block(self, columns: Columns) -> Array | None:
        """All numbers, (n, n_columns), C order; None for what the real encoder must treat."""

    def entries(self, columns: Columns) -> Entries | None:
        """The same as the rows of a sparse matrix."""


class Indicators(Value, frozen=True):
    """One column per category, of which one is 1. Implements `Encoder`.

    Attributes
    ----------
    lookups : tuple of Lookup
    targets : tuple of int64 array, (n_categories + 1,)
        The column that each category sets to 1, `NOTHING` or `REFUSED`; last: unknown values.
    n_columns : int
    dtype : {"d", "f"}
    """

    lookups: tuple[Lookup, ...]
    targets: tuple[Array, ...]
    n_columns: int
    dtype: str

    def _ones(self, columns: Columns) -> Array | None:
        """The column of each value that becomes one, (n, n_features), or `NOTHING`."""
        found = []
        for lookup, target, column in zip(self.lookups, self.targets, columns, strict=True):
            places = lookup.places(column)
            if places is None:
                return None
            found.append(target[places])
        ones = np.stack(found, axis=1)
        return None if (ones == REFUSED).any() else ones

    def _entries_of_one(self, columns: Columns) -> Entries | None:
        """The entries of a single row, without an array for each step."""
        places: list[int] = []
        for lookup, target, column in zip(self.lookups, self.targets, columns, strict=True):
            place = lookup.place(column)
            found = REFUSED if place is None else int(target[place])
            if found == REFUSED:
                return None
            if found != NOTHING:
                places.append(found)
        return (
            np.array(places, dtype=np.int32),
            np.ones(len(places)),
            np.array((0, len(places)), dtype=np.int64),
        )

    def block(self, columns: Columns) -> Array | None:
        """See `Encoder`."""
        if len(columns[0]) == 1:
            one = self._entries_of_one(columns)
            if one is None:
                return None
            row = np.zeros((1, self.n_columns), dtype=self.dtype)
            row[0, one[0]] = 1
            return row
        ones = self._ones(columns)
        if ones is None:
            return None
        block = np.zeros((len(ones), self.n_columns), dtype=self.dtype)
        rows, features = np.nonzero(ones != NOTHING)
        block[rows, ones[rows, features]] = 1
        return block

    def entries(self, columns: Columns) -> Entries | None:
        """See `Encoder`."""
        if len(columns[0]) == 1:
            return self._entries_of_one(columns)
        ones = self._ones(columns)
        if ones is None:
            return None
        present = ones != NOTHING
        rows = np.zeros(len(ones) + 1, dtype=np.int64)
        np.cumsum(present.sum(axis=1), out=rows[1:])
        indices = ones[present].astype(np.int32)
        return indices, np.ones(len(indices)), rows


class Codes(Value, frozen=True):
    """One number per value. Implements `Encoder`.

    Attributes
    ----------
    lookups : tuple of Lookup
    targets : tuple of float array, (n_categories + 1,)
        The number of each category; last: of unknown values.
    known_only : bool
        Whether unknown values are left to the real encoder.
    dtype : {"d", "f"}
    """

    lookups: tuple[Lookup, ...]
    targets: tuple[Array, ...]
    known_only: bool
    dtype: str

    @property
    def n_columns(self) -> int:
        """See `Encoder`."""
        return len(self.lookups)

    def block(self, columns: Columns) -> Array | None:
        """See `Encoder`."""
        block = np.empty((len(columns[0]), self.n_columns), dtype=self.dtype)
        for position, (lookup, target) in enumerate(zip(self.lookups, self.targets, strict=True)):
            places = lookup.places(columns[position])
            if places is None or (self.known_only and (places == lookup.size).any()):
                return None
            block[:, position] = target[places]
        return block

    def entries(self, columns: Columns) -> Entries | None:
        """See `Encoder`."""
        block = self.block(columns)
        return None if block is None else entries_of(block)


def entries_of(block: Array) -> Entries | None:
    """All numbers of a block as the rows of a sparse matrix; None when some are not finite."""
    if not np.isfinite(block).all():
        return None
    n, width = block.shape
    if n == 1:
        ends = np.array((0, width), dtype=np.int64)
        row = np.ascontiguousarray(block[0], dtype=np.float64)
        return np.arange(width, dtype=np.int32), row, ends
    indices = np.tile(np.arange(width, dtype=np.int32), n)
    values = np.ascontiguousarray(block, dtype=np.float64).reshape(-1)
    return indices, values, np.arange(n + 1, dtype=np.int64) * width


class Filler(Value, frozen=True):
    """Columns of objects in which NaN is replaced by one value per column.

    Attributes
    ----------
    values : tuple of object
    names : tuple of str or None
        The columns of a table that it was fitted on.
    """

    values: tuple[object, ...]
    names: tuple[str, ...] | None = None

    def fill(self, columns: Columns) -> Columns | None:
        """The filled columns; None when one is of another kind."""
        filled = []
        for column, value in zip(columns, self.values, strict=True):
            if column.dtype != object or not all(type(each) in _PLAIN for each in column.tolist()):
                return None
            missing = column != column
            filled.append(np.where(missing, np.array(value, dtype=object), column))
        return filled


class Cells(Value, frozen=True):
    """An encoder, and its filler, for an array of which each column is encoded."""

    encoder: Encoder
    filler: Filler | None

    def _columns(self, cells: Array) -> Columns | None:
        columns = list(cells.T)
        return columns if self.filler is None else self.filler.fill(columns)

    def block(self, cells: Array) -> Array | None:
        """See `Encoder.block`."""
        columns = self._columns(cells)
        return None if columns is None else self.encoder.block(columns)

    def entries(self, cells: Array) -> Entries | None:
        """See `Encoder.entries`."""
        columns = self._columns(cells)
        return None if columns is None else self.encoder.entries(columns)
