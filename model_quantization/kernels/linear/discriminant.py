"""Quadratic discriminant analysis, operation for operation as scikit-learn has it.

The formula is (4.12) of Hastie, Tibshirani and Friedman, The Elements of Statistical Learning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_quantization.arrays import Array


def log_posterior(
    rows: Array, means: Array, directions: Sequence[Array], spreads: Array, log_prior: Array
) -> Array:
    """Return the log posterior of each class, up to a constant, shape (n, n_classes).

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
    means : ndarray of shape (n_classes, n_features)
    directions : sequence of ndarray of shape (n_features, n_directions)
        The axes of each class, divided by the deviations along them.
    spreads : ndarray of shape (n_classes,)
        Sum of the logarithms of the variances.
    log_prior : ndarray of shape (n_classes,)
    """
    distances = []
    for mean, axes in zip(means, directions, strict=True):
        along = np.dot(rows - mean, axes)
        distances.append(np.sum(along**2, axis=1))
    return np.asarray(-0.5 * (np.array(distances).T + spreads) + log_prior)


def log_softmax(scores: Array) -> Array:
    """Return log-probabilities: the scores, shifted so that a row sums to one."""
    below = scores - scores.max(axis=1)[:, np.newaxis]
    result: Array = below - np.log(np.exp(below).sum(axis=1)[:, np.newaxis])
    return result
