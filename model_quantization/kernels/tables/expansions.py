"""Columns that are made of others: products of columns, and splines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from model_quantization.arrays import Array
from model_quantization.locks import cached_property

_FEW_ROWS = 16  # up to here one look-up of all factors is quicker than one product per feature
_MANY_EDGES = 64  # from here on a search is quicker than a comparison with each edge


@dataclass(frozen=True)
class Products:
    """All products of columns up to a degree, in scikit-learn's order.

    Attributes
    ----------
    n_features : int
    least, most : int
        The lowest degree that is kept, and the highest.
    without_powers : bool
        Whether a column may be in a product once only.
    with_one : bool
        Whether a column of ones comes first.
    n_all, n_columns : int
        Columns of every degree up to `most`, and those that are kept.
    order : {"C", "F"}
    """

    n_features: int
    least: int
    most: int
    without_powers: bool
    with_one: bool
    n_all: int
    n_columns: int
    order: str

    def count(self) -> int:
        """How many products there are up to the highest degree."""
        width, most = self.n_features, self.most
        if self.without_powers:
            found = sum(comb(width, degree) for degree in range(min(width, most) + 1))
        else:
            found = comb(width + most, most)
        return found - (not self.with_one)

    def transform(self, rows: Array) -> Array:
        """The products of each row, (n, n_columns), in the type of the rows.

        A product of degree d is one of degree d - 1 times a column.
        """
        every = np.empty((len(rows), self.n_all), dtype=rows.dtype, order=self.order)  # type: ignore[call-overload]
        at = 0
        if self.with_one:
            every[:, 0] = 1
            at = 1
        if self.most == 0:
            return np.asarray(every)
        width = self.n_features
        every[:, at : at + width] = rows
        places = list(range(at, at + width + 1))
        at += width
        if len(rows) <= _FEW_ROWS:
            for start, stop, left, right in self._factors:
                np.multiply(every[:, left], rows[:, right], out=every[:, start:stop])
            return self._kept(every)
        for _ in range(2, self.most + 1):
            end, further = places[-1], []
            for feature in range(width):
                start = places[feature]
                further.append(at)
                if self.without_powers:
                    start += places[feature + 1] - places[feature]
                stop = at + end - start
                if stop <= at:
                    break
                column = rows[:, feature : feature + 1]
                np.multiply(every[:, start:end], column, out=every[:, at:stop], casting="no")
                at = stop
            further.append(at)
            places = further
        return self._kept(every)

    @cached_property
    def _factors(self) -> list[tuple[int, int, Array, Array]]:
        """The columns of each degree from two on: the column and the feature that each is of."""
        found = []
        width, first = self.n_features, int(self.with_one)
        places = list(range(first, first + width + 1))
        at = first + width
        for _ in range(2, self.most + 1):
            end, further, begin = places[-1], [], at
            left: list[int] = []
            right: list[int] = []
            for feature in range(width):
                start = places[feature]
                further.append(at)
                if self.without_powers:
                    start += places[feature + 1] - places[feature]
                if end <= start:
                    break
                left += range(start, end)
                right += [feature] * (end - start)
                at += end - start
            further.append(at)
            places = further
            found.append(
                (begin, at, np.array(left, dtype=np.int64), np.array(right, dtype=np.int64))
            )
        return found

    def _kept(self, every: Array) -> Array:
        if self.least <= 1:
            return every
        ones = int(self.with_one)
        kept = every[:, self.n_all - self.n_columns + ones :]
        if not self.with_one:
            return kept.copy(order="K")
        found = np.empty((len(every), self.n_columns), dtype=every.dtype, order=self.order)  # type: ignore[call-overload]
        found[:, 0] = 1
        found[:, 1:] = kept
        return np.asarray(found)


@dataclass(frozen=True)
class Splines:
    """Each column as the values of basis splines.

    Attributes
    ----------
    knots : float64 array of shape (n_features, n_knots)
        Ascending in each row.
    degree : int
    constant : bool
        Whether values beyond the knots count as the outermost ones; else the polynomials go on.
    kept : int64 array or None
        The columns that are kept; None: all.
    order : {"C", "F"}
    """

    knots: Array
    degree: int
    constant: bool
    kept: Array | None
    order: str

    @property
    def count(self) -> int:
        """Splines of a column."""
        return int(self.knots.shape[1]) - self.degree - 1

    @property
    def n_columns(self) -> int:
        """Columns of the result."""
        return len(self.kept) if self.kept is not None else self.count * len(self.knots)

    def transform(self, rows: Array) -> Array:
        """The values of all splines, in the type of the rows.

        De Boor's recursion in the order of operations of `scipy.interpolate.BSpline`.
        """
        degree, knots, count = self.degree, self.knots, self.count
        values = rows.astype(np.float64, order="C")
        if self.constant:
            values = np.clip(values, knots[:, degree], knots[:, -degree - 1])
        spans = np.full(values.shape, degree)
        for inner in knots[:, degree + 1 : count].T:
            spans += values >= inner
        flat = knots.reshape(-1)
        at = spans + np.arange(len(knots)) * knots.shape[1]
        basis = [np.ones(values.shape)]
        for order in range(1, degree + 1):
            before, basis = basis, [np.zeros(values.shape)]
            for place in range(1, order + 1):
                right, left = flat.take(at + place), flat.take(at + (place - order))
                wide = right - left
                share = np.divide(
                    before[place - 1], wide, out=np.zeros(values.shape), where=wide != 0
                )
                basis[place - 1] += share * (right - values)
                basis.append(share * (values - left))
        shape = (len(rows), len(knots) * count)
        every = np.zeros(shape, dtype=rows.dtype, order=self.order)  # type: ignore[call-overload]
        first = spans + np.arange(len(knots)) * count - degree
        each = np.arange(len(rows))[:, np.newaxis]
        for place, column in enumerate(basis):
            every[each, first + place] = column
        return np.asarray(every if self.kept is None else every[:, self.kept])


def binned(edges: Sequence[Array]) -> Callable[[Array], Array]:
    """A function of rows that gives the number of the bin of each value, in the type of the rows.

    Parameters
    ----------
    edges : sequence of float64 array
        The inner edges of each column; a value on an edge is above it.
    """
    most = max((len(inner) for inner in edges), default=0)
    if most <= _MANY_EDGES:
        levels = np.full((most, len(edges)), np.inf)
        for column, inner in enumerate(edges):
            levels[: len(inner), column] = inner

        def compared(rows: Array) -> Array:
            found = np.zeros_like(rows, order="K")
            for level in levels:
                found += rows >= level
            return found

        return compared

    def transform(rows: Array) -> Array:
        found = rows.copy(order="K")
        for column, inner in enumerate(edges):
            found[:, column] = np.searchsorted(inner, found[:, column], side="right")
        return found

    return transform
