"""Gaps in rows, filled from the nearest known rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import squared_lengths
from model_quantization.locks import cached_property

_MOST_BYTES = 1 << 29  # of distances at once; scikit-learn takes more rows in parts


@dataclass(frozen=True)
class NearestRows:
    """Known rows, with gaps of their own.

    Distances leave out what is missing in either row (Dixon, 1979), and every operation is that of
    scikit-learn's `nan_euclidean_distances` and `KNNImputer`, in its order.

    Attributes
    ----------
    known : float64 array of shape (n_known, n_features)
    gaps : bool array of that shape
    present : bool array of shape (n_features,)
        Columns that have a value in some known row.
    count : int
        Neighbours that are asked.
    by_distance : bool
        Whether near neighbours count for more.
    """

    known: Array
    gaps: Array
    present: Array
    count: int
    by_distance: bool

    @cached_property
    def _zeroed(self) -> Array:
        rows = self.known.copy(order="K")
        rows[self.gaps] = 0
        return rows

    @cached_property
    def _lengths(self) -> Array:
        return squared_lengths(self._zeroed)[np.newaxis, :]

    def filled(self, rows: Array) -> Array | None:
        """The rows without gaps, (n, n_present); None for more than are treated at once."""
        gaps = np.isnan(rows)
        places = np.flatnonzero(gaps[:, self.present].any(axis=1))
        if not len(places):
            return np.asarray(rows[:, self.present])
        if len(places) * len(self.known) * 8 > _MOST_BYTES:
            return None
        found = rows.copy(order="K")
        distances = self._distances(rows[places, :])
        for column in np.flatnonzero(self.present):
            asked = np.flatnonzero(gaps[places, column])
            if len(asked):
                self._fill(found, places[asked], distances[asked], int(column))
        return np.asarray(found[:, self.present])

    def _fill(self, found: Array, places: Array, distances: Array, column: int) -> None:
        (givers,) = np.nonzero(~self.gaps[:, column])
        near = distances[:, givers]
        alone = np.isnan(near).all(axis=1)
        if alone.any():
            values: Any = np.ma.array(self.known[:, column], mask=self.gaps[:, column])
            found[places[alone], column] = values.mean()
            if alone.all():
                return
            places, near = places[~alone], distances[~alone][:, givers]
        found[places, column] = self._mean(near, self.known[givers, column])

    def _mean(self, near: Array, values: Array) -> Array:
        count = min(self.count, len(values))
        chosen = np.argpartition(near, count - 1, axis=1)[:, :count]
        apart = near[np.arange(len(chosen))[:, np.newaxis], chosen]
        if self.by_distance:
            with np.errstate(divide="ignore"):
                weights = 1.0 / apart
            endless = np.isinf(weights)
            at_once = endless.any(axis=1)
            weights[at_once] = endless[at_once]
            weights[np.isnan(weights)] = 0.0
        else:
            weights = np.ones_like(apart)
            weights[np.isnan(apart)] = 0.0
        given: Any = np.ma.array(values.take(chosen), mask=np.zeros(chosen.shape, dtype=bool))
        mean: Any = np.ma.average(given, axis=1, weights=weights)
        return np.asarray(mean.data)

    def _distances(self, rows: Array) -> Array:
        missing = np.isnan(rows)
        rows = rows.copy(order="K")
        rows[missing] = 0
        known, gaps = self._zeroed, self.gaps
        found = -2 * (rows @ known.T)
        found += squared_lengths(rows)[:, np.newaxis]
        found += self._lengths
        np.maximum(found, 0, out=found)
        found -= np.dot(rows * rows, gaps.T)
        found -= np.dot(missing, (known * known).T)
        np.clip(found, 0, None, out=found)
        shared = np.dot(1 - missing, (~gaps).T)
        found[shared == 0] = np.nan
        np.maximum(1, shared, out=shared)
        found /= shared
        found *= rows.shape[1]
        return np.asarray(np.sqrt(found, out=found))
