"""The order of rows by two models' scores: AUC, reciprocal ranks, rank correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.mean_bounds import Differences

PAIRINGS = 8  # ways to pair positive with negative rows


def placements(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each row, the share of the other class's rows that it is ordered correctly against.

    Parameters
    ----------
    scores : ndarray (n,)
    positive : ndarray of bool (n,)

    Returns
    -------
    positives, negatives : ndarray
        For each positive row the share of negatives below it, for each negative row the share of
        positives above it; ties count half. The mean of either is the area under the ROC curve.
    """
    high, low = scores[positive], scores[~positive]
    return _share_below(high, low), 1 - _share_below(low, high)


def _share_below(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + upto) / (2 * len(ordered)))


def area(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """The area under the ROC curve, ties counting half (Mann and Whitney, 1947)."""
    return float(placements(scores, positive)[0].mean())


def area_differences(
    before: NDArray[np.float64], after: NDArray[np.float64], positive: NDArray[np.bool_], seed: int
) -> Differences:
    """Independent differences whose mean is the loss of AUC, for an exact bound.

    The loss is the mean of h(i, j) over pairs of a positive row i and a negative row j, where h is
    the difference of "i is ordered above j" between the models. Pairs that share a row are not
    independent. So the rows of the larger class are dealt out at random to those of the smaller
    one, and h is averaged over each hand: m independent values for m rows in the smaller class.
    Several deals are averaged as the bound allows.
    """
    wins, loses = np.flatnonzero(positive), np.flatnonzero(~positive)
    sign = 1.0
    if len(wins) > len(loses):
        wins, loses, sign = loses, wins, -1.0
    size = len(loses) // len(wins)
    generator = np.random.default_rng(seed)
    found = np.empty((PAIRINGS, len(wins)))
    for row in found:
        hands = generator.permutation(loses)[: size * len(wins)].reshape(len(wins), size)
        old = np.sign(sign * (before[wins, np.newaxis] - before[hands]))
        new = np.sign(sign * (after[wins, np.newaxis] - after[hands]))
        row[:] = (old - new).mean(axis=1) / 2
    return Differences.of(found, 1.0)


def reciprocal_ranks(
    scores: NDArray[np.float64], true_column: NDArray[np.integer]
) -> NDArray[np.float64]:
    """1 / rank of each row's true class among its scores; the mean rank of those that tie.

    Parameters
    ----------
    scores : ndarray (n, classes)
    true_column : ndarray of int (n,)
        Column of the true class; -1 where it has none, which gives 0.
    """
    own = np.take_along_axis(scores, np.maximum(true_column, 0)[:, np.newaxis], axis=1)
    above = np.count_nonzero(scores > own, axis=1)
    level = np.count_nonzero(scores == own, axis=1)
    return np.where(true_column < 0, 0.0, 1.0 / (above + (level + 1) / 2))


def rank_correlation(before: NDArray[np.float64], after: NDArray[np.float64]) -> float | None:
    """Spearman's correlation of two columns (n,); None where the first does not vary.

    A second column that does not vary keeps no order: 0.
    """
    from scipy.stats import rankdata

    first, second = rankdata(before), rankdata(after)
    first -= first.mean()
    second -= second.mean()
    if not first.any():
        return None
    if not second.any():
        return 0.0
    return float(np.dot(first, second) / np.sqrt(np.dot(first, first) * np.dot(second, second)))
