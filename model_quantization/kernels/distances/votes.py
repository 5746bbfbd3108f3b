"""Votes of the nearest known rows, all of which count alike."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel


@kernel
def fill_votes(
    places: Array, distances: Array, slack: Array, labels: Array, count: int, votes: Array
) -> int:
    """Fill `votes` with how many of the `count` nearest have each label.

    Parameters
    ----------
    places, distances : int64 and float64 arrays of shape (n, n_places)
        As `fill_ranked` leaves them; more than `count`.
    slack : float64 array of shape (n,)
        How far rounding may have moved two distances apart.
    labels : int64 array of shape (n_known,)
        From 0 to the number of classes.
    count : int
    votes : float64 array of shape (n, n_classes)

    Returns
    -------
    int
        Rows of which rounding may have chosen the last neighbour, among several labels.
    """
    own = labels[places]
    votes[...] = (own[:, :count, np.newaxis] == np.arange(votes.shape[1])).sum(axis=1)
    last = distances[:, count - 1 : count]
    near = slack[:, np.newaxis]
    is_open = ~(distances[:, count] - last[:, 0] > slack)
    may_be = distances <= last + near
    may_be[:, :count] = distances[:, :count] >= last - near
    other = (own != own[:, count - 1 : count]) & may_be
    # Where the last of all could be a neighbour, there may be more than are known.
    return int(np.count_nonzero(is_open & (other.any(axis=1) | may_be[:, -1])))
