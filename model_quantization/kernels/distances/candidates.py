"""Which known rows could be among the nearest, by scores that are larger the nearer a row is."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

MOST_NEIGHBOURS = 256


@kernel
def fill_candidates(scores: Array, count: int, slack: Array, places: Array, found: Array) -> int:
    """Fill `places` with what could be among the `count` largest scores of each row, in order.

    Where scores are many, there may be a few more: what is at least as large as the last of the
    `count` largest among those that are each the largest of a part of the row.

    Parameters
    ----------
    scores : float32 array of shape (n, n_known)
    count : int
        At most `MOST_NEIGHBOURS`, and `n_known`.
    slack : float32 array of shape (n,)
        How far below the last of the largest a score still counts.
    places : int64 array of shape (n, room)
        `room` is `count` at least.
    found : int64 array of shape (n,)
        How many there are; -1 where there is no room for all.

    Returns
    -------
    int
        Rows with no room, or with scores that are not numbers.
    """
    room = places.shape[1]
    for i, row in enumerate(scores):
        usable = np.where(np.isnan(row), np.float32(-np.inf), row)
        for values in (_largest_of_lanes(usable, count), usable):
            if len(values) < count:
                continue
            limit = np.partition(values, len(values) - count)[len(values) - count] - slack[i]
            chosen = np.flatnonzero(row >= limit)
            found[i] = len(chosen) if len(chosen) <= room else -1
            # As far as there is room they are there, also where it is too little.
            places[i, : min(len(chosen), room)] = chosen[:room]
            if found[i] >= count:
                break
    return int(np.count_nonzero(found < count))


def _largest_of_lanes(row: Array, count: int) -> Array:
    """The largest of every 16th or 64th score; none where scores are few."""
    lanes = 16 if count <= 8 and len(row) >= 128 else 64
    if lanes == 64 and (count > 32 or len(row) < 512):
        return row[:0]
    padded = np.full(-(-len(row) // lanes) * lanes, -np.inf, dtype=row.dtype)
    padded[: len(row)] = row
    return np.asarray(padded.reshape(-1, lanes).max(axis=0))
