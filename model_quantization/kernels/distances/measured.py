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
def fill_ranked(
    rows: Array,
    known: Array,
    measure: int,
    found: Array,
    candidates: Array,
    relative: float,
    count: int,
    slack: Array,
    places: Array,
    distances: Array,
    room: Array,
) -> None:
    """Fill `places` and `distances` with the nearest candidates, the nearest first.

    These are the `count` nearest and the one that follows, and whatever else rounding could make
    the last of the nearest; of equal ones the first comes first.

    Parameters
    ----------
    rows : float64 array of shape (n, n_features)
    known : float64 array of shape (n_known, n_features)
    measure : int
    found : int64 array of shape (n,)
        How many candidates each row has.
    candidates : int64 array of shape (n, most)
        Places of known rows.
    relative : float
        What `slack` grows by: a part of the distance of the last of the nearest.
    count : int
    slack : float64 array of shape (n,)
        How far rounding may have moved two distances apart.
    places : int64 array of shape (n, n_places)
        More than `count`. Where nothing follows any more: 0, at an infinite distance.
    distances : float64 array of shape (n, n_places)
    room : float64 array of shape (most,)
        To work in.
    """
    for i, row in enumerate(rows):
        chosen = candidates[i, : found[i]]
        slack[i] = rank(
            row, known, measure, chosen, relative, count, slack[i], places[i], distances[i]
        )


def rank(
    row: Array,
    known: Array,
    measure: int,
    candidates: Array,
    relative: float,
    count: int,
    slack: float,
    places: Array,
    distances: Array,
) -> float:
    """Fill `places` and `distances` of one row, and return its slack."""
    own = np.zeros(len(candidates))
    for difference in np.abs(row - known[candidates]).T:
        own = _added(own, difference, measure)
    order = np.argsort(own, kind="stable")
    in_order = np.append(own[order], [np.inf] * (count + 1))
    slack += relative * float(in_order[count - 1])
    limit = max(in_order[count - 1] + slack, in_order[count])
    kept = order[own[order] <= limit][: len(places)]
    places[...], distances[...] = 0, np.inf
    places[: len(kept)], distances[: len(kept)] = candidates[kept], own[kept]
    return slack


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
