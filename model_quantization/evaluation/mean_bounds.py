"""Upper confidence bounds on the mean of differences that never exceed a known value.

The bound holds for every number of rows and every distribution, skewed and heavy-tailed ones
included: nothing is asymptotic. It is the betting bound of Waudby-Smith and Ramdas, "Estimating
means of bounded random variables by betting", JRSS B 86, 2024, 1-27, with fixed bets.

If the mean of x is at least m and x never exceeds L, then each bet f in (0, 1) has
E[prod_i (1 + f (m - x_i) / (L - m))] <= 1. By Markov's inequality this product, and any average of
such products, exceeds 1 / alpha with probability at most alpha. The mean m is ruled out then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The largest bet proves most when nothing changed: n zeros bound the mean at about 3.7 L / n,
# where L is the largest value. The smaller bets suit many small differences of either sign.
_BETS = np.array([1 - 1e-7, 0.6, 0.35, 0.2, 0.1, 0.05, 0.02])
_WEIGHTS = np.array([0.5, *[0.5 / 6] * 6])
_GRID = 4096  # steps from 0 to the largest value, to which large samples are rounded up
_STEPS = 40
_TOLERANCE = 1e-4  # as a share of the largest value


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences between two models, worse is positive, capped at `largest`.

    Attributes
    ----------
    values : ndarray (k,)
        Distinct differences, as shares of `largest`: at most 1.
    counts : ndarray (repeats, k)
        How often each occurs. Several repeats are several ways to pair the same rows; the average
        of their products decides.
    largest : float
        What a difference of 1 in `values` stands for, above 0.
    """

    values: NDArray[np.float64]
    counts: NDArray[np.float64]
    largest: float

    @classmethod
    def of(cls, differences: NDArray[np.float64], largest: float) -> Differences:
        """The differences (n,) or (repeats, n), capped at `largest` and at -`largest`.

        More than 4,096 are rounded up to multiples of `largest` / 4096, which can only raise the
        bound, and saves most of the work.
        """
        repeats = np.atleast_2d(np.asarray(differences, dtype=np.float64))
        shares = np.clip(repeats / largest, -1.0, 1.0)
        if shares.shape[1] <= _GRID:
            values, codes = np.unique(shares, return_inverse=True)
            codes = codes.reshape(shares.shape)
        else:
            # A rounding error of the ratio must not add a whole step.
            codes = np.ceil(shares * _GRID - 1e-9).astype(np.int64) + _GRID
            values = np.arange(-_GRID, _GRID + 1) / _GRID
        counts = np.stack([np.bincount(row, minlength=len(values)) for row in codes])
        return cls(values, counts.astype(np.float64), largest)

    @property
    def mean(self) -> float:
        """The mean of the capped differences."""
        return float((self.counts @ self.values / self.counts.sum(axis=1)).mean() * self.largest)


def mean_p_value(differences: Differences, mean: float) -> float:
    """The p-value of "the mean is at least `mean`" against "it is smaller"; exact for every n."""
    share = mean / differences.largest
    if share >= 1:
        return 0.0  # no difference exceeds the largest, so no mean does
    ratio = (share - differences.values) / (1 - share)
    with np.errstate(divide="ignore"):
        logs = np.log1p(np.maximum(_BETS[:, np.newaxis] * ratio, -1.0))
    logs = np.maximum(logs, -1e6)  # a lost bet loses all; an infinity times a count of 0 is NaN
    wealth = logs @ differences.counts.T + np.log(_WEIGHTS)[:, np.newaxis]
    top = float(wealth.max())
    if top <= 0.0:
        return 1.0
    total = top + float(np.log(np.exp(wealth - top).sum(axis=0).mean()))
    return float(np.exp(-max(total, 0.0)))


def mean_bound(differences: Differences, alpha: float) -> float:
    """The one-sided upper confidence bound on the mean, at level 1 - `alpha`."""
    low, high = differences.mean / differences.largest, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if mean_p_value(differences, middle * differences.largest) > alpha:
            low = middle
        else:
            high = middle
        if high - low < _TOLERANCE * max(abs(high), 1e-3):
            break
    return high * differences.largest


def times_the_rows(differences: Differences, mean: float, alpha: float) -> float | None:
    """The factor by which the rows must grow to rule `mean` out, with the same differences.

    None where no number is enough, because the differences' mean is not below it.
    """
    if differences.mean >= mean:
        return None

    def proves(times: float) -> bool:
        more = Differences(differences.values, differences.counts * times, differences.largest)
        return mean_p_value(more, mean) <= alpha

    high = 1.0
    while not proves(high):
        high *= 2
        if high > 2**40:
            return None
    low = high / 2
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high
