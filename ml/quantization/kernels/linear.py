"""Scores of linear models, and what turns scores into answers.

Each function does what scikit-learn's own does, operation for operation, so that a result on the
same weights has the same bits; the formulas are those of its user guide, section 1.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ml.quantization.graph import Array

# Where `skinny` beats a BLAS product (measured): enough rows, and so many columns.
SKINNY_ROWS = 64
SKINNY_COLUMNS = range(4, 33)


def linear_scores(rows: Array, weights: Array, bias: Array | float) -> Array:
    """Return `rows @ weights + bias`.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
    weights : ndarray of shape (n_features,) or (n_features, n_outputs)
    bias : ndarray of shape (n_outputs,) or float

    Returns
    -------
    ndarray of shape (n,) or (n, n_outputs), float64 (or float32 when both operands are).
    """
    scores: Array = rows @ weights
    scores += bias
    return scores


def linear_scorer(weights: Array, bias: Array | float, *, exact: bool) -> Callable[[Array], Array]:
    """Return the function of `rows` that gives `linear_scores`, the quickest for each shape.

    Parameters
    ----------
    weights, bias
        As in `linear_scores`.
    exact : bool
        Only the product that scikit-learn itself uses. Otherwise batches of a shape that suits
        `skinny.skinny_scores` go there; its scores differ by rounding only.
    """
    if exact or weights.ndim == 1 or weights.shape[1] not in SKINNY_COLUMNS:
        return lambda rows: linear_scores(rows, weights, bias)
    prepared: list[tuple[Array, Array]] = []
    n_columns = weights.shape[1]

    def scores(rows: Array) -> Array:
        if len(rows) < SKINNY_ROWS or not rows.flags.c_contiguous:
            return linear_scores(rows, weights, bias)
        # Imported at the first batch: compiled code takes a third of a second to come in.
        from ml.quantization.kernels.skinny import padded_weights, skinny_scores

        if not prepared:
            prepared.append(padded_weights(weights.T, np.broadcast_to(bias, n_columns)))
        return skinny_scores(rows, *prepared[0])[:, :n_columns]

    return scores


def flat_scores(scores: Array) -> Array:
    """Return a single column of scores as one dimension, as binary classifiers answer it."""
    return scores.reshape(-1) if scores.ndim == 2 and scores.shape[1] == 1 else scores


def logistic(scores: Array) -> Array:
    """Return `1 / (1 + exp(-scores))`, the standard logistic function, in place where possible."""
    from scipy.special import expit

    out: Array = expit(scores)
    return out


def softmax(scores: Array) -> Array:
    """Return exp(s) / sum(exp(s)) per row, in place; the row's maximum is subtracted first."""
    # The reductions as ufunc methods: for one row their wrappers would be half of the time.
    scores -= np.maximum.reduce(scores, axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= np.add.reduce(scores, axis=1, keepdims=True)
    return scores


def one_vs_rest(scores: Array) -> Array:
    """Return class probabilities from independent logistic scores, normalised to one per row.

    Parameters
    ----------
    scores : ndarray of shape (n,) or (n, n_classes)
        One column: the binary case, answered as (1 - p, p).
    """
    probability = logistic(scores)
    if probability.ndim == 1:
        return np.stack([1 - probability, probability], axis=1)
    total = probability.sum(axis=1)
    empty = total == 0
    if empty.any():
        probability[empty, :] = 1
        total[empty] = probability.shape[1]
    probability /= total.reshape(-1, 1)
    return probability


def label_indices(scores: Array) -> Array:
    """Return the index of the winning class per row: the sign of one column, or the largest."""
    if scores.ndim == 1:
        return (scores > 0).astype(np.intp)
    winner: Array = scores.argmax(axis=1)
    return winner


def fold_affine(weights: Array, bias: Any, scale: Array, shift: Array) -> tuple[Array, Any]:
    """Return weights and bias of `(rows * scale + shift) @ weights + bias` as one linear map.

    Parameters
    ----------
    weights : ndarray of shape (n_features,) or (n_features, n_outputs)
    scale, shift : ndarray of shape (n_features,)
    """
    folded = weights * (scale if weights.ndim == 1 else scale[:, None])
    return folded, shift @ weights + bias
