"""Distances of rows to known rows, one by one, and in single precision to all of them.

A measure is 1 (the sum of absolute differences), 2 (of their squares), 3 or 4 (of their powers), or
0 (the largest difference). Each sum is taken in the order of the features, as scikit-learn's trees
take it.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

LARGEST = 0


@kernel
def fill_sorted_distances(
    rows: Array, known: Array, measure: int, found: Array, places: Array, distances: Array
) -> None:
    """Fill `distances` to the known rows at `places`, the nearest first, and sort the places.

    Parameters
    ----------
    rows : float64 array of shape (n, n_features)
    known : float64 array of shape (n_known, n_features)
    measure : int
    found : int64 array of shape (n,)
        How many places of each row count.
    places : int64 array of shape (n, room)
        Where no more count: 0 afterwards, at an infinite distance.
    distances : float64 array of shape (n, room)
    """
    for i, row in enumerate(rows):
        count = int(found[i])
        some = np.abs(row - known[places[i, :count]])
        own = np.zeros(count)
        for difference in some.T:
            own = _added(own, difference, measure)
        order = np.argsort(own, kind="stable")
        places[i, :count] = places[i, :count][order]
        distances[i, :count] = own[order]
        places[i, count:] = 0
        distances[i, count:] = np.inf


@kernel
def fill_nearness(rows: Array, columns: Array, measure: int, scores: Array) -> None:
    """Fill `scores` with distances below zero.

    Parameters
    ----------
    rows : float32 array of shape (n, n_features)
    columns : float32 array of shape (n_features, n_known)
    measure : int
    scores : float32 array of shape (n, n_known)
    """
    for row, out in zip(rows, scores, strict=True):
        totals = np.zeros(columns.shape[1], dtype=np.float32)
        for value, known in zip(row, columns, strict=True):
            totals = _added(totals, np.abs(value - known), measure)
        out[...] = -totals


def _added(totals: Array, difference: Array, measure: int) -> Array:
    if measure == LARGEST:
        return np.asarray(np.where(difference > totals, difference, totals))
    part = difference
    if measure == 2:
        part = difference * difference
    elif measure == 3:
        part = difference * difference * difference
    elif measure == 4:
        part = (difference * difference) * (difference * difference)
    return np.asarray(totals + part)
