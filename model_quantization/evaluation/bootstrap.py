"""Upper confidence bound on the loss of any score, by resampling rows in pairs."""

from __future__ import annotations

import sys

import numpy as np

from model_quantization.evaluation.metrics import WeightedScore

_CELLS = 500_000  # numbers of the weight matrix in memory at once: 4 MB, near the cache's size


def bootstrap_loss_bound(
    before: WeightedScore, after: WeightedScore, rows: int, *, repeats: int, seed: int, alpha: float
) -> float:
    """The one-sided upper bound on score(before) - score(after), from one set of resamples.

    Both scores use the same resampled rows, so that the variation that both models share cancels.
    The percentile is expanded for small n as in Hesterberg, "What Teachers Should Know About the
    Bootstrap", The American Statistician 69, 2015, 371-386: the plain one is too narrow by sqrt((n
    - 1) / n) and uses normal where it should use Student quantiles.
    """
    from scipy.special import ndtr, stdtrit

    if rows < 2:
        return sys.float_info.max  # one row bounds nothing
    level = float(ndtr(np.sqrt(rows / (rows - 1)) * stdtrit(rows - 1, 1 - alpha)))
    generator = np.random.default_rng(seed)
    losses = []
    step = max(1, _CELLS // rows)
    for start in range(0, repeats, step):
        count = min(step, repeats - start)
        drawn = generator.integers(0, rows, size=(count, rows))
        drawn += np.arange(count)[:, np.newaxis] * rows
        counts = np.bincount(drawn.ravel(), minlength=count * rows)
        weights = counts.reshape(count, rows).astype(np.float64)
        losses.append(before(weights) - after(weights))
    # Resamples in which the score is not defined (one class only) do not count.
    bound = np.nanquantile(np.concatenate(losses), level, method="higher")
    return float(bound)
