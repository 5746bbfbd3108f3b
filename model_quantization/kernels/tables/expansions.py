"""Columns that are made of others: products of columns, and splines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from model_quantization.arrays import Array


@dataclass(frozen=True, slots=True)
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


def spline_values(knots: Array, degree: int, values: Array) -> Array:
    """The basis splines of each value, (n, n_knots - degree - 1).

    De Boor's recursion in the order of operations of `scipy.interpolate.BSpline`; beyond the knots
    the first and the last polynomial go on.

    Parameters
    ----------
    knots : float64 array of shape (n_knots,)
        Ascending.
    degree : int
    values : float64 array of shape (n,)
    """
    count = len(knots) - degree - 1
    spans = np.searchsorted(knots, values, side="right") - 1
    spans = np.clip(spans, degree, count - 1)
    basis = np.zeros((len(values), degree + 1))
    basis[:, 0] = 1.0
    for order in range(1, degree + 1):
        before = basis[:, :order].copy()
        basis[:, 0] = 0.0
        for place in range(1, order + 1):
            right, left = knots[spans + place], knots[spans + place - order]
            wide = right != left
            share = np.zeros(len(values))
            np.divide(before[:, place - 1], right - left, out=share, where=wide)
            basis[:, place - 1] += share * (right - values)
            basis[:, place] = share * (values - left)
    found = np.zeros((len(values), count))
    found[np.arange(len(values))[:, np.newaxis], spans[:, np.newaxis] + np.arange(-degree, 1)] = basis
    return found


@dataclass(frozen=True, slots=True)
class Splines:
    """Each column as the values of basis splines.

    Attributes
    ----------
    knots : sequence of float64 array
        Of each column.
    degree : int
    constant : bool
        Whether values beyond the knots count as the outermost ones; else the polynomials go on.
    kept : int64 array
        The columns that are kept.
    order : {"C", "F"}
    """

    knots: Sequence[Array]
    degree: int
    constant: bool
    kept: Array | None
    order: str

    @property
    def n_columns(self) -> int:
        """Columns of the result."""
        if self.kept is not None:
            return len(self.kept)
        return sum(len(each) - self.degree - 1 for each in self.knots)

    def transform(self, rows: Array) -> Array:
        """The values of all splines, in the type of the rows."""
        degree = self.degree
        width = len(self.knots[0]) - degree - 1
        every = np.zeros((len(rows), width * len(self.knots)), dtype=rows.dtype, order=self.order)  # type: ignore[call-overload]
        for column, knots in enumerate(self.knots):
            values = rows[:, column].astype(np.float64)
            if self.constant:
                values = np.clip(values, knots[degree], knots[-degree - 1])
            every[:, column * width : (column + 1) * width] = spline_values(knots, degree, values)
        return np.asarray(every if self.kept is None else every[:, self.kept])


def binned(edges: Sequence[Array]) -> Callable[[Array], Array]:
    """A function of rows that gives the number of the bin of each value, in the type of the rows.

    Parameters
    ----------
    edges : sequence of float64 array
        The inner edges of each column; a value on an edge is above it.
    """

    def transform(rows: Array) -> Array:
        found = rows.copy(order="K")
        for column, inner in enumerate(edges):
            found[:, column] = np.searchsorted(inner, found[:, column], side="right")
        return found

    return transform
