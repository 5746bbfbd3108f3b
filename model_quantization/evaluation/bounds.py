"""Exact one-sided confidence bounds for counts of rows, and the rows that a proof needs.

Notation: of n held-out rows, b are answered rightly by the original only and c by the quantized
model only; the loss is p_b - p_c, estimated by (b - c) / n, and psi = p_b + p_c is the
discordance. All bounds are exact for every n: none uses a normal approximation.
"""

from __future__ import annotations

import math
import sys
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

POWER = 0.8  # power of the proof that `rows_needed_*` plans
_SHARE = 0.02  # share of alpha for the interval of the discordance
_GRID = 33
_STEPS = 40
_RESOLUTION = 1e-6
_STEP = 1.05  # factor from one number of rows to the next that is tried
_MOST_TIMES = 64.0


def flip_bound(flips: int, rows: int, alpha: float = 0.05) -> float:
    """Upper confidence bound on a rate, after `flips` of `rows`: Clopper and Pearson (1934).

    The rate at which so few flips would be seen with probability `alpha`. Zero flips in 300 rows
    bound the rate at 1 - 0.05 ** (1 / 300), that is 1 %.
    """
    if flips >= rows:
        return 1.0
    if flips == 0:
        return float(-np.expm1(math.log(alpha) / rows))
    from scipy.special import betaincinv

    return float(betaincinv(flips + 1, rows - flips, 1 - alpha))


def loss_bound(b: int, c: int, rows: int, alpha: float = 0.05) -> float:
    """Upper confidence bound on the loss p_b - p_c: the largest loss `loss_p_value` admits.

    Covers the true loss with probability at least 1 - alpha, whatever the discordance. Where no row
    changed, the bound on flips bounds the loss too, and is sharper, as it spends no `gamma`.
    """
    if b == c == 0:
        return flip_bound(0, rows, alpha)
    low = (b - c) / rows
    high = flip_bound(b + c, rows, alpha * _SHARE / 2)  # the discordance bounds the loss
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if loss_p_value(b, c, rows, middle, alpha) > alpha else (low, middle)
        )
        if high - low < _RESOLUTION:
            break
    return high


def loss_p_value(b: int, c: int, rows: int, loss: float, alpha: float = 0.05) -> float:
    """Exact p-value of "the loss is at least `loss`" against "it is smaller".

    The unconditional exact test of a paired difference. Pairs (B, C) are ordered by the score
    statistic Z = (B - C - n loss) / sqrt(V(m)), where m = B + C and
    V(m) = n (q - loss^2), q = (m/n + sqrt((m/n)^2 + 4 loss^2)) / 2: the variance under the
    hypothesis, with the discordance q estimated from m alone (Tango, Statistics in Medicine 17,
    1998, 891-908, simplified so that the tail has a closed form for each m). The probability of
    a Z as small as the one seen is summed exactly, m ~ Bin(n, psi) and
    B | m ~ Bin(m, (1 + loss / psi) / 2), and maximised over the unknown psi, on a
    grid in its Clopper-Pearson interval of level 1 - gamma, with gamma added to the result
    (Berger and Boos, JASA 89, 1994, 1012-1016), gamma = alpha / 50. Any
    ordering gives a valid test; this one is nearly as sharp as the normal approximation at
    large n, and for b = c = 0 it is Clopper-Pearson's bound.
    """
    gamma = alpha * _SHARE
    discordant = b + c
    lowest = 1 - flip_bound(rows - discordant, rows, gamma / 2)
    highest = flip_bound(discordant, rows, gamma / 2)
    if highest <= abs(loss):
        # The discordance bounds the loss: |p_b - p_c| <= p_b + p_c.
        return gamma if loss > 0 else 1.0
    psi = np.linspace(max(lowest, abs(loss)), highest, _GRID)[:, np.newaxis]
    psi = psi[psi[:, 0] > 0]
    spread = 6 * np.sqrt(rows * highest) + 20
    first = max(0, int(rows * psi[0, 0] - spread))
    last = min(rows, int(rows * highest + spread))
    m = np.arange(first, last + 1)
    z = (b - c - rows * loss) / _deviation(np.array(float(discordant)), rows, loss)
    # Largest B with Z(B, m - B) <= z; the slack keeps the observed pair inside its own tail.
    largest = np.floor((m + rows * loss + z * _deviation(m, rows, loss)) / 2 + 1e-9)
    tail = _binomial_cdf(largest, m, (1 + loss / psi) / 2)
    return float(min(1.0, (_binomial_pmf(m, rows, psi) * tail).sum(axis=1).max() + gamma))


def _deviation(
    m: NDArray[np.floating] | NDArray[np.integer], rows: int, loss: float
) -> NDArray[np.float64]:
    share = m / rows
    discordance = (share + np.sqrt(share**2 + 4 * loss**2)) / 2
    return np.sqrt(np.maximum(rows * (discordance - loss**2), 1e-12))


def _binomial_pmf(k: NDArray[np.integer], n: int, p: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import gammaln, xlog1py, xlogy

    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(np.exp(choose + xlogy(k, p) + xlog1py(n - k, -p)))


def _binomial_cdf(
    k: NDArray[np.float64], n: NDArray[np.integer], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(Bin(n, p) <= k) for whole k, also for k below 0 and from n on."""
    from scipy.special import betainc

    inside = (k >= 0) & (k < n)
    inner = np.where(inside, k, 0)
    values = betainc(np.where(inside, n - inner, 1), inner + 1, 1 - p)
    return np.where(inside, values, (k >= n).astype(np.float64))


def rows_needed_counts(b: int, c: int, rows: int, allowed: float, alpha: float) -> int | None:
    """Rows with which a loss within `allowed` would be proven with probability `POWER`.

    n = ((z_alpha + z_power) / (allowed - loss))^2 psi, the usual sample size of a paired
    comparison, at the discordance and (positive) loss seen: 4,950 rows at 2 % discordance for
    0.5 points. Where that asks for no more rows than there are and they prove nothing, the exact
    bound decides, with the same shares lost and won. None when the loss seen leaves no room.
    """
    room = allowed - max(b - c, 0) / rows
    if room <= 0:
        return None
    without_flips = math.log(alpha) / math.log1p(-min(allowed, 1 - 1e-12))
    z = _z(alpha) + _z(1 - POWER)
    needed = math.ceil(max((z / room) ** 2 * (b + c) / rows, without_flips))
    times = 1.0
    while needed <= rows * times and times < _MOST_TIMES:
        lost, won, more = round(b * times), round(c * times), math.ceil(rows * times)
        if loss_bound(lost, won, more, alpha) <= allowed:
            return max(needed, more) if times > 1 else needed
        times *= _STEP
    return needed if needed > rows * times else None


@lru_cache(maxsize=256)
def rows_needed_with_one_lost(allowed: float, alpha: float) -> int:
    """The rows with which one lost row still leaves the loss within `allowed`: 95 for 5 points.

    With fewer, one changed row would end the proof.
    """
    if allowed >= 1:
        return 1
    if allowed <= 0:
        return sys.maxsize
    low, high = 1, 4
    while loss_bound(1, 0, high, alpha) > allowed:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if loss_bound(1, 0, middle, alpha) <= allowed:
            high = middle
        else:
            low = middle + 1
    return low


def rows_needed_interval(
    loss: float, bound: float, rows: int, allowed: float, alpha: float
) -> int | None:
    """The same from an interval, whose width above the loss shrinks with the root of the rows."""
    room = allowed - max(loss, 0.0)
    if room <= 0 or rows < 2:
        return None
    width = (bound - loss) * (1 + _z(1 - POWER) / _z(alpha))
    return math.ceil(rows * (width / room) ** 2)


def _z(tail: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(1 - tail)
