"""Probabilities of scores that are known within a bound, where that is near enough."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel


@kernel
def fill_likelihoods(scores: Array, slack: Array, tolerance: float, doubtful: Array) -> int:
    """Replace scores by their softmax; how many rows may be farther off than they should.

    Odds change by a factor of `exp(slack)` at most, and so a probability p by no more than
    `p (1 - p) slack exp(2 slack)`.

    Parameters
    ----------
    scores : float64, shape (n, n_classes)
        Replaced by probabilities, also of rows in doubt.
    slack : float64, shape (n,)
        By how much the difference of two scores can be off.
    tolerance : float
        How far a probability may be off, as a share of the largest one of its row.
    doubtful : uint8, shape (n,)
        1 for rows in doubt.
    """
    with np.errstate(all="ignore"):
        best = scores.argmax(axis=1)
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        others = scores.copy()
        np.put_along_axis(others, best[:, np.newaxis], 0.0, axis=1)
        rest = others.sum(axis=1)
        scores /= (1.0 + rest)[:, np.newaxis]
        off = rest * slack * np.exp(2.0 * slack)  # times what the largest one is
        doubtful[...] = ~((off <= tolerance) & (slack <= 1.0))
    return int(np.count_nonzero(doubtful))
