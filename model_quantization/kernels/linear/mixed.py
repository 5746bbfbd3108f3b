"""Scores of Gaussian mixtures in one call: a product, squares, and the largest of what is left."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.linear.clear_winners import clear_by_formula


@kernel
def fill_mixed(
    rows: Array,
    weights: Array,
    bias: Array,
    constants: Array,
    steepest: float,
    farthest: float,
    unit: float,
    least: float,
    along: Array,
    scores: Array,
    winners: Array,
) -> int:
    """Fill `scores` with `constants - |rows @ weights.T + bias|**2 / 2`, and `winners`.

    Parameters
    ----------
    rows : float32 or float64 array of shape (n, n_features)
    weights : float64 array of shape (n_components * n_directions, n_features)
    bias : float64 array of shape (n_components * n_directions,)
    constants : float64 array of shape (n_components,)
    steepest, farthest, unit, least : float
        Two scores of a row are as good as equal within
        `unit * ((|row| * steepest + farthest) ** 2 + least)`.
    along : float64 array of shape (any, n_components * n_directions)
        Room to work in: as many rows as are worked on at a time.
    scores : float64 array of shape (n, n_components)
    winners : int64 array of shape (n,)

    Returns
    -------
    int
        How many rows have a score that is not finite, or two largest that are as good as equal.
    """
    wide = rows.astype(np.float64, copy=False)
    parts = (wide @ weights.T + bias).reshape(len(rows), len(constants), -1)
    scores[...] = constants - 0.5 * np.square(parts).sum(axis=2)
    far = np.sqrt(np.square(wide).sum(axis=1)) * steepest + farthest
    return clear_by_formula(scores, unit * (far * far + least), winners)
