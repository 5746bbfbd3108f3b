"""From the answers of binary classifiers to one of several classes, as scikit-learn does it."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array

TIE = 1e-9


def pairwise_votes(labels: Array, confidences: Array, n_classes: int) -> Array:
    """Return votes for each class, and between equal ones how confident the voters were.

    Parameters
    ----------
    labels : ndarray of shape (n, n_pairs)
        0 or 1: which class of the pair each classifier chose; pairs in the order (0, 1), (0, 2)...
    confidences : ndarray of shape (n, n_pairs)
        Positive for the second class.

    Returns
    -------
    ndarray of shape (n, n_classes), float64
        Votes plus `c / (3 (|c| + 1))` of the summed confidence c, which is less than a third.
    """
    votes = np.zeros((len(labels), n_classes))
    total = np.zeros((len(labels), n_classes))
    pair = 0
    for first in range(n_classes):
        for second in range(first + 1, n_classes):
            total[:, first] -= confidences[:, pair]
            total[:, second] += confidences[:, pair]
            votes[labels[:, pair] == 0, first] += 1
            votes[labels[:, pair] == 1, second] += 1
            pair += 1
    votes += total / (3 * (np.abs(total) + 1))
    return votes


def nearest_codes(scores: Array, codes: Array) -> Array | None:
    """Return the row of `codes` nearest to each row of `scores`; None when one is undecided.

    Undecided: two distances differ by less than `TIE` of their size, so that the order of sums
    would decide.

    Parameters
    ----------
    scores : ndarray of shape (n, n_bits)
    codes : ndarray of shape (n_classes, n_bits)
    """
    distances = ((scores[:, None, :] - codes[None, :, :]) ** 2).sum(axis=2)
    if distances.shape[1] > 1:
        two = np.partition(distances, 1, axis=1)
        if not (two[:, 1] - two[:, 0] > TIE * (1.0 + two[:, 1])).all():
            return None
    nearest: Array = distances.argmin(axis=1)
    return nearest
