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
from model_quantization.kernels.distances.known_codes import KnownCodes
from model_quantization.kernels.distances.measured import fill_nearness, fill_ranked
from model_quantization.kernels.distances.queries import fill_queries
from model_quantization.kernels.distances.votes import fill_votes
from model_quantization.locks import cached_property
from model_quantization.values import Value

MEASURES: Final = {"chebyshev": 0, "manhattan": 1, "euclidean": 2, "cosine": 2}

_ROOM = 32  # rows that follow the neighbours
_ROWS = 1024  # at a time
_FEWEST_NUMBERS = 1 << 10  # for which codes are scanned sooner
_SCORES = 1 << 17  # at a time: half a megabyte of them
_FEWEST_ROWS = 32  # fewer make a product slow
_SHARE = 8.0  # of a bound, for both ways of two distances
_SINGLE = float(np.finfo(np.float32).eps)
_DOUBLE = float(np.finfo(np.float64).eps)


class Found(Value, frozen=True):
    """The nearest known rows of some rows, and some that follow.

    Attributes
    ----------
    count : int
        Neighbours of a row.
    all_places : int64 array of shape (n, count + more)
        The nearest first.
    all_distances : float64 array of shape (n, count + more)
        Sums of squares (or of other powers), without the root. Places beyond the last that is
        known have an infinite distance.
    slack : float64 array of shape (n,)
        How far rounding can have moved two distances of a row apart.
    """

    count: int
    all_places: Array
    all_distances: Array
    slack: Array

    @property
    def places(self) -> Array:
        """The neighbours alone, (n, count)."""
        return self.all_places[:, : self.count]

    @property
    def distances(self) -> Array:
        """Those of the neighbours alone, (n, count)."""
        return self.all_distances[:, : self.count]

    def open_rows(self) -> Array:
        """Rows of which rounding may have chosen the neighbours."""
        last, following = self.all_distances[:, self.count - 1], self.all_distances[:, self.count]
        return np.flatnonzero(~(following - last > self.slack))

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
        distances, slack = self.all_distances[rows], self.slack[rows, np.newaxis]
        last = distances[:, self.count - 1 : self.count]
        may_be = distances <= last + slack
        may_be[:, : self.count] = distances[:, : self.count] >= last - slack
        return self.all_places[rows], may_be

    def votes(self, labels: Array, n_classes: int) -> Array | None:
        """Return how many neighbours have each label, (n, n_classes).

        None where rounding may have chosen the label of the last neighbour.

        Parameters
        ----------
        labels : int64 array of shape (n_known,)
        n_classes : int
        """
        votes = np.empty((len(self.slack), n_classes))
        undecided = fill_votes(
            self.all_places, self.all_distances, self.slack, labels, self.count, votes
        )
        return None if undecided else votes


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

    def __init__(self, rows: Array, metric: str, power: int, *, by_products: bool) -> None:
        self._turned = metric == "cosine"
        self.measure = MEASURES.get(metric, power)
        self.by_products = by_products
        self.rows = np.ascontiguousarray(directions(rows) if self._turned else rows)
        self._raw_reach = float(np.sqrt(squared_lengths(self.rows).max(initial=0.0)))
        self._codes: KnownCodes | None = None
        if self.measure == 2 and self.rows.size >= _FEWEST_NUMBERS:
            self._codes = KnownCodes.of(self.rows, self._raw_reach, by_products=by_products)
        if self._codes is None:
            _ = self._singles  # when a model is loaded, not when it is first asked

    @property
    def looks_at_rows(self) -> bool:
        """Whether it sees by itself that a row is not finite."""
        return self._codes is not None

    @cached_property
    def _singles(self) -> _Singles:
        return _Singles(self.rows, self.measure, self._raw_reach, by_products=self.by_products)

    def nearest(self, rows: Array, count: int) -> Found | None:
        """The nearest `count` of each row, with some that follow; None where they are too many.

        Parameters
        ----------
        rows : float64 array of shape (n, n_features)
            Finite, unless it `looks_at_rows`.
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
        n, known = len(rows), len(self.rows)
        # One place more than there are neighbours, so that one always follows the last.
        columns = min(count + _ROOM, known) + 1
        places, distances = np.empty((n, columns), dtype=np.int64), np.empty((n, columns))
        slack = np.empty(n)
        # A sum of squares that scikit-learn takes from products is off by another amount.
        by_products = self.measure == 2 and self.by_products
        relative = 0.0 if by_products else _SHARE * (rows.shape[1] + 4) * _DOUBLE
        if self._codes is None:
            if not self._fill_by_singles(rows, relative, count, slack, places, distances):
                return None
        elif self._codes.fill_nearest(rows, self.rows, relative, count, slack, places, distances):
            left = np.flatnonzero(places[:, 0] < 0)
            some = rows[left]
            if not np.isfinite(some).all():
                return None
            found = slack[left], places[left], distances[left]
            if not self._fill_by_singles(some, relative, count, *found):
                return None
            slack[left], places[left], distances[left] = found
        return Found(count, places, distances, slack)

    def _fill_by_singles(
        self,
        rows: Array,
        relative: float,
        count: int,
        slack: Array,
        places: Array,
        distances: Array,
    ) -> bool:
        """Whether there was room for all candidates, so that the last three are filled."""
        for start in range(0, len(rows), _ROWS):
            part = slice(start, start + _ROWS)
            found = self._singles.candidates(rows[part], count)
            if found is None:
                return False
            candidates, sizes, slack[part] = found
            fill_ranked(
                rows[part], self.rows, self.measure, sizes, candidates, relative, count,
                slack[part], places[part], distances[part], np.empty(candidates.shape[1]),
            )  # fmt: skip
        return True


class _Singles:
    """Known rows in single precision.

    Parameters
    ----------
    rows : float64 array of shape (n_known, n_features)
    measure : int
    raw_reach : float
        The length of the longest row.
    by_products : bool
    """

    __slots__ = ("_by_products", "_columns", "_measure", "_middle", "_reach", "_table")

    def __init__(self, rows: Array, measure: int, raw_reach: float, *, by_products: bool) -> None:
        self._measure, self._by_products = measure, by_products
        self._middle = rows.mean(axis=0)
        centred = rows - self._middle
        lengths = squared_lengths(centred)
        self._reach = (
            raw_reach,
            float(np.sqrt(lengths.max(initial=0.0))),
            float(np.abs(centred).max(initial=0.0)),
        )
        self._table = self._columns = None
        if measure == 2:
            table = np.empty((rows.shape[1] + 1, len(rows)), dtype=np.float32)
            table[:-1] = centred.T
            table[-1] = -0.5 * lengths
            self._table = table
        else:
            self._columns = np.ascontiguousarray(centred.T, dtype=np.float32)

    def candidates(self, rows: Array, count: int) -> tuple[Array, Array, Array] | None:
        """Candidates of each row, how many there are, and the slack; None: there are too many."""
        n, known = len(rows), self._n_known
        places = np.empty((n, min(count + _ROOM, known)), dtype=np.int64)
        found = np.empty(n, dtype=np.int64)
        queries, margins, slack = self._queries(rows)
        size = min(n, max(_FEWEST_ROWS, _SCORES // known))
        room_for_scores = np.empty((size, known), dtype=np.float32)
        for start in range(0, n, size):
            part = slice(start, start + size)
            scores = room_for_scores[: len(queries[part])]
            self._fill_scores(queries[part], scores)
            if fill_candidates(scores, count, margins[part], places[part], found[part]):
                return None
        return places, found, slack

    @property
    def _n_known(self) -> int:
        columns = self._table if self._table is not None else self._columns
        assert columns is not None, "one or the other"
        return int(columns.shape[1])

    def _queries(self, rows: Array) -> tuple[Array, Array, Array]:
        """Rows as the scan takes them, by how much its scores may be off, and distances."""
        width = rows.shape[1]
        raw, reach, largest = self._reach
        if self._columns is not None:
            centred = rows - self._middle
            far = np.abs(centred).max(axis=1) + largest
            total = far if self._measure == 0 else width * far**self._measure
            margins = (4 * (width + 8) * _SINGLE) * total
            return centred.astype(np.float32), margins.astype(np.float32), np.zeros(len(rows))
        queries = np.empty((len(rows), width + 1), dtype=np.float32)
        margins, slack = np.empty(len(rows), dtype=np.float32), np.empty(len(rows))
        twofold = _SHARE * (width + 4) * _DOUBLE if self._by_products else 0.0
        single = (width + 8) * _SINGLE
        fill_queries(rows, self._middle, reach, raw, single, twofold, queries, margins, slack)
        return queries, margins, slack

    def _fill_scores(self, queries: Array, scores: Array) -> None:
        if self._table is not None:
            np.matmul(queries, self._table, out=scores)
        else:
            assert self._columns is not None, "one or the other"
            fill_nearness(queries, self._columns, self._measure, scores)


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
