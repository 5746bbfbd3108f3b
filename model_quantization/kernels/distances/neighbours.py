"""The nearest of known rows: found by a scan in single precision, ranked in double.

The scan gives every known row a score that is off by rounding alone, by a bound that is known
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Whatever is within twice the
bound of the last of the nearest is measured again, feature by feature. scikit-learn works the same
distances out in another order (by products of matrices, or a tree); where two of them are closer
together than rounding can move them, it may rank them the other way round, which is noted.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import squared_lengths
from model_quantization.kernels.distances.candidates import fill_candidates
from model_quantization.kernels.distances.measured import fill_nearness, fill_sorted_distances
from model_quantization.kernels.distances.queries import fill_queries
from model_quantization.values import Value

MEASURES: Final = {"chebyshev": 0, "manhattan": 1, "euclidean": 2, "cosine": 2}

_ROOM = 32  # candidates beyond the neighbours
_SCORES = 1 << 17  # at a time: half a megabyte of them
_FEWEST_ROWS = 32  # fewer make a product slow
_SHARE = 8.0  # of a bound, for both ways of two distances
_SINGLE = float(np.finfo(np.float32).eps)
_DOUBLE = float(np.finfo(np.float64).eps)


class Found(Value, frozen=True):
    """The nearest known rows of some rows.

    Attributes
    ----------
    places : int64 array of shape (n, count)
        The nearest first.
    distances : float64 array of shape (n, count)
        Sums of squares (or of other powers), without the root.
    next_place, next_distance : ndarray of shape (n, more)
        Those that follow; places beyond the last known row have an infinite distance.
    slack : float64 array of shape (n,)
        How far rounding can have moved two distances of a row apart.
    """

    places: Array
    distances: Array
    next_place: Array
    next_distance: Array
    slack: Array

    def open_rows(self) -> Array:
        """Rows of which rounding may have chosen the neighbours."""
        return np.flatnonzero(~(self.next_distance[:, 0] - self.distances[:, -1] > self.slack))

    def in_clear_order(self) -> bool:
        """Whether rounding can have changed the order of no row's neighbours."""
        steps = np.diff(self.distances, axis=1)
        return bool((steps > self.slack[:, np.newaxis]).all())

    def could_be_last(self, rows: Array) -> tuple[Array, Array]:
        """Places, and which of them rounding may or may not make neighbours of these rows.

        Returns
        -------
        places, may_be : ndarray of shape (n_rows, count + more)
        """
        last, slack = self.distances[rows, -1:], self.slack[rows, np.newaxis]
        may_be = np.hstack(
            (self.distances[rows] >= last - slack, self.next_distance[rows] <= last + slack)
        )
        return np.hstack((self.places[rows], self.next_place[rows])), may_be


class KnownRows:
    """Known rows, prepared for a search of the nearest.

    Parameters
    ----------
    rows : float64 array of shape (n_known, n_features)
        Finite.
    metric : str
        One of `MEASURES`, or `minkowski`.
    power : int
        Of `minkowski`: 3 or 4.
    by_products : bool
        Whether scikit-learn computes distances by products of matrices, whose rounding grows
        with the distance of the rows from zero.
    """

    __slots__ = (
        "_columns",
        "_middle",
        "_reach",
        "_table",
        "_turned",
        "by_products",
        "measure",
        "rows",
    )

    def __init__(self, rows: Array, metric: str, power: int, *, by_products: bool) -> None:
        self._turned = metric == "cosine"
        self.measure = MEASURES.get(metric, power)
        self.by_products = by_products
        self.rows = np.ascontiguousarray(directions(rows) if self._turned else rows)
        self._middle = self.rows.mean(axis=0)
        centred = self.rows - self._middle
        lengths = squared_lengths(centred)
        self._reach = (
            float(np.sqrt(squared_lengths(self.rows).max(initial=0.0))),
            float(np.sqrt(lengths.max(initial=0.0))),
            float(np.abs(centred).max(initial=0.0)),
        )
        self._table = self._columns = None
        if self.measure == 2:
            table = np.empty((rows.shape[1] + 1, len(rows)), dtype=np.float32)
            table[:-1] = centred.T
            table[-1] = -0.5 * lengths
            self._table = table
        else:
            self._columns = np.ascontiguousarray(centred.T, dtype=np.float32)

    def nearest(self, rows: Array, count: int) -> Found | None:
        """The nearest `count` of each row, with some that follow; None where they are too many.

        Parameters
        ----------
        rows : float64 array of shape (n, n_features)
            Finite.
        count : int
            At most `MOST_NEIGHBOURS`, and the known rows.
        """
        if self._turned:
            lengths = squared_lengths(rows)
            if not (lengths > 0).all():
                return None
            rows = directions(rows)
        elif not rows.flags.c_contiguous:
            rows = np.ascontiguousarray(rows)
        known = len(self.rows)
        room = min(count + _ROOM, known)
        # One place more than there are neighbours, so that one always follows the last.
        places = np.empty((len(rows), room + 1), dtype=np.int64)
        distances = np.empty((len(rows), room + 1))
        found = np.empty(len(rows), dtype=np.int64)
        queries, margins, slack = self._queries(rows)
        size = min(len(rows), max(_FEWEST_ROWS, _SCORES // known))
        room_for_scores = np.empty((size, known), dtype=np.float32)
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            scores = room_for_scores[: len(queries[part])]
            self._fill_scores(queries[part], scores)
            if fill_candidates(scores, count, margins[part], places[part], found[part]):
                return None
        fill_sorted_distances(rows, self.rows, self.measure, found, places, distances)
        if self.measure != 2 or not self.by_products:
            slack = slack + (_SHARE * (rows.shape[1] + 4) * _DOUBLE) * distances[:, count - 1]
        return Found(
            places[:, :count], distances[:, :count], places[:, count:], distances[:, count:], slack
        )

    def _queries(self, rows: Array) -> tuple[Array, Array, Array]:
        """Rows as the scan takes them, by how much its scores may be off, and distances."""
        width = rows.shape[1]
        raw, reach, largest = self._reach
        if self._columns is not None:
            centred = rows - self._middle
            far = np.abs(centred).max(axis=1) + largest
            total = far if self.measure == 0 else width * far**self.measure
            margins = (4 * (width + 8) * _SINGLE) * total
            return centred.astype(np.float32), margins.astype(np.float32), np.zeros(len(rows))
        queries = np.empty((len(rows), width + 1), dtype=np.float32)
        margins, slack = np.empty(len(rows), dtype=np.float32), np.empty(len(rows))
        twofold = _SHARE * (width + 4) * _DOUBLE if self.by_products else 0.0
        single = (width + 8) * _SINGLE
        fill_queries(rows, self._middle, reach, raw, single, twofold, queries, margins, slack)
        return queries, margins, slack

    def _fill_scores(self, queries: Array, scores: Array) -> None:
        if self._table is not None:
            np.matmul(queries, self._table, out=scores)
        else:
            assert self._columns is not None, "one or the other"
            fill_nearness(queries, self._columns, self.measure, scores)


def directions(rows: Array) -> Array:
    """The rows, each divided by its length; rows of zeros stay zeros."""
    lengths = np.sqrt(squared_lengths(rows))[:, np.newaxis]
    divided: Array = np.divide(rows, lengths, out=np.zeros(rows.shape), where=lengths > 0)
    return divided


def root_of(distances: Array, measure: int, *, cosine: bool = False) -> Array:
    """Distances from what `Found` has: sums of powers."""
    if cosine:
        return np.asarray(0.5 * distances)
    if measure == 2:
        return np.asarray(np.sqrt(distances))
    return np.asarray(distances if measure < 2 else distances ** (1.0 / measure))
