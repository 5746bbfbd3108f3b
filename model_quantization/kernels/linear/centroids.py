"""Scores of class centres, operation for operation as scikit-learn has them."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import squared_lengths


def centroid_scores(rows: Array, centres: Array, spread: Array, prior: Array) -> Array:
    """Return -squared distance + 2 log prior, (n, n_classes), formula (18.2) of Hastie et al.

    Parameters
    ----------
    rows : float64 array of shape (n, n_features)
    centres : float64 array of shape (n_classes, n_features)
    spread : float64 array of shape (n_features,)
        Deviations within the classes; features of none are not divided.
    prior : float64 array of shape (n_classes,)
    """
    rows, centres = within_spread(rows, spread), within_spread(centres, spread)
    squares = squared_lengths(rows)[:, np.newaxis]
    scores = np.empty((len(rows), len(centres)))
    for index, share in enumerate(prior):
        centre = centres[[index]]
        distances = -2 * (rows @ centre.T)
        distances += squares
        distances += squared_lengths(centre)[np.newaxis, :]
        np.maximum(distances, 0, out=distances)
        flat = np.sqrt(distances).ravel()
        flat **= 2
        scores[:, index] = -flat + 2.0 * np.log(share)
    return scores


def within_spread(rows: Array, spread: Array) -> Array:
    """Return the rows divided by the deviations that are not zero, as a new array."""
    divided = rows.copy(order="K")
    mask = spread != 0
    divided[:, mask] /= spread[mask]
    return divided
