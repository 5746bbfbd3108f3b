"""Rows as a scan of known rows takes them, and bounds of the rounding of its scores."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel


@kernel
def fill_queries(
    rows: Array,
    middle: Array,
    reach: float,
    raw_reach: float,
    single: float,
    twofold: float,
    queries: Array,
    margins: Array,
    slack: Array,
) -> None:
    """Fill `queries` with rows beside a column of ones, and bounds of their rounding.

    Parameters
    ----------
    rows : float64 array of shape (n, n_features)
    middle : float64 array of shape (n_features,)
        Subtracted from the rows.
    reach, raw_reach : float
        How far the farthest known row is from the middle, and from zero.
    single, twofold : float
        Rounding of a product, relative to squares of lengths, in single and double precision.
    queries : float32 array of shape (n, n_features + 1)
    margins : float32 array of shape (n,)
        `single` times the square of the row's length from the middle and the reach together, and
        the slack, so that what rounding may make a neighbour is found.
    slack : float64 array of shape (n,)
        `twofold` times the square of its length from zero and the raw reach together.
    """
    centred = rows - middle
    queries[:, :-1] = centred
    queries[:, -1] = 1.0
    # Feature by feature, as the kernel adds them up.
    own, raw = np.zeros(len(rows)), np.zeros(len(rows))
    for away, value in zip(centred.T, rows.T, strict=True):
        own += away * away
        raw += value * value
    far, raw_far = np.sqrt(own) + reach, np.sqrt(raw) + raw_reach
    slack[...] = twofold * (raw_far * raw_far)
    margins[...] = single * (far * far) + slack
