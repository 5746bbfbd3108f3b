"""Joint log-likelihoods of naive Bayes models, operation for operation as scikit-learn has them.

The formulas are those of its user guide, section 1.9; the same order of operations on the same
numbers gives the same bits.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array


def gaussian_likelihood(rows: Array, prior: Array, mean: Array, variance: Array) -> Array:
    """Joint log-likelihood of independent Gaussian features.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
    prior : ndarray of shape (n_classes,)
    mean, variance : ndarray of shape (n_classes, n_features)

    Returns
    -------
    ndarray of shape (n, n_classes)
    """
    joint = []
    for index in range(len(prior)):
        value = -0.5 * np.sum(np.log(2.0 * np.pi * variance[index, :]))
        distance = (rows - mean[index, :]) ** 2 / variance[index, :]
        joint.append(np.log(prior[index]) + (value - 0.5 * np.sum(distance, axis=1)))
    return np.stack(joint).T


def bernoulli_terms(log_probability: Array, log_prior: Array) -> tuple[Array, Array]:
    """Weights (n_classes, n_features) and bias (n_classes,) of a model of yes-or-no features."""
    negative = np.log(1 - np.exp(log_probability))
    return log_probability - negative, log_prior + negative.sum(axis=1)


def log_normalized(joint: Array) -> Array:
    """Log-probabilities that sum to one per row, from joint log-likelihoods.

    The largest value of a row is taken out of the sum of exponentials, and counted apart, so that
    the sum stays accurate.
    """
    top = joint.max(axis=1, keepdims=True)
    at_top = joint == top
    rest = joint.copy()
    rest[at_top] = -np.inf
    count = np.sum(at_top.astype(joint.dtype), axis=1, keepdims=True, dtype=joint.dtype)
    shift = np.where(np.isfinite(top), top, 0)
    total = np.sum(np.exp(rest - shift), axis=1, keepdims=True, dtype=joint.dtype)
    total = np.where(total == 0, total, total / count)
    result: Array = joint - (np.log1p(total) + np.log(count) + top)
    return result
