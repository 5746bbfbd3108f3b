"""Winners among scores, where no rounding can have chosen them.

Two ways to add up the same sum differ by rounding. A label that is chosen by a larger margin than
that is the label of either way; where the margin is smaller, another way has to decide.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel


def clear_winners(scores: Array, slack: Array) -> Array | None:
    """The index of the largest score of each row; None where one is not the largest by its slack.

    Parameters
    ----------
    scores : float64 array of shape (n, n_choices), C-contiguous
    slack : float64 array of shape (n,)
        How far rounding can have moved two scores of a row apart.
    """
    winners = np.empty(len(scores), dtype=np.int64)
    return None if fill_clear_winners(scores, slack, winners) else winners


@kernel
def fill_clear_winners(scores: Array, slack: Array, winners: Array) -> int:
    """Fill `winners`; how many of them are within the slack of another, or not finite.

    Of equal scores the first wins; a lone score is clear; a row that is not finite has 0.
    """
    return clear_by_formula(scores, slack, winners)


def clear_by_formula(scores: Array, slack: Array, winners: Array) -> int:
    """The same, for references of kernels that end with it."""
    winners[...] = scores.argmax(axis=1)
    usable = np.isfinite(scores).all(axis=1)
    winners[~usable] = 0
    rest = scores.copy()
    np.put_along_axis(rest, winners[:, np.newaxis], -np.inf, axis=1)
    with np.errstate(invalid="ignore"):
        clear = usable & (scores.max(axis=1) - rest.max(axis=1) > slack)
    return int(len(scores) - np.count_nonzero(clear))
