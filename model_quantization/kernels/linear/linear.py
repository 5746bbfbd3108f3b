"""Scores of linear models, and what turns scores into answers.

Each function does what scikit-learn's own does, operation for operation, so that a result on the
same weights has the same bits; the formulas are those of its user guide, section 1.1.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from model_quantization.arrays import Array

KERNEL_COLUMNS = 32
KERNEL_ROWS = 8


def linear_scores(rows: Array, weights: Array, bias: Array | float) -> Array:
    """Return `rows @ weights + bias`.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
    weights : ndarray of shape (n_features,) or (n_features, n_outputs)
    bias : ndarray of shape (n_outputs,) or float

    Returns
    -------
    ndarray of shape (n,) or (n, n_outputs), float64 (or float32 when all operands are).
    """
    scores: Array = rows @ weights
    # A float64 bias makes float32 scores float64, so that only these can be added to in place.
    total: Array = np.add(scores, bias, out=scores if scores.dtype.char == "d" else None)
    return total


def linear_rows() -> ModuleType:
    """Return the module of kernels, imported when a model first needs it."""
    from model_quantization.kernels.linear import linear_rows as module

    return module


def kernel_operands(weights: Array, bias: Array | float) -> tuple[Array, Array]:
    """Return weights (n_outputs, n_features) and bias (n_outputs,) as `linear_rows` takes them.

    The weights keep their dtype: the kernels are for float64 only (see `suits_kernel`).
    """
    rows = np.ascontiguousarray(np.atleast_2d(weights.T))
    return rows, np.broadcast_to(np.asarray(bias, dtype=np.float64), len(rows)).copy()


def suits_kernel(rows: Array, weights: Array) -> bool:
    """Return whether `linear_rows` is the quicker way for this product (measured).

    Many rows times many columns is what BLAS is best at. Weights in float32 are left to numpy,
    whose answers are then float32 as well.
    """
    few = weights.shape[0] <= KERNEL_COLUMNS or rows.shape[0] <= KERNEL_ROWS
    return few and rows.flags.c_contiguous and weights.dtype.char == "d"


def is_usable(answer: Array) -> bool:
    """Return whether an answer of `linear_rows` may be given: every score in it was finite."""
    first = answer.item(0)
    return bool(first == first and first != -1)  # NaN marks numbers, -1 labels


def flat_scores(scores: Array) -> Array:
    """Return a single column of scores as one dimension, as binary classifiers answer it."""
    return scores.reshape(-1) if scores.ndim == 2 and scores.shape[1] == 1 else scores


def logistic(scores: Array) -> Array:
    """Return `1 / (1 + exp(-scores))`, the standard logistic function, as a new array.

    The bits are those of `scipy.special.expit`, which works the same formula out with the C
    library's exponential in the type of the scores (float64 or float32).
    """
    from model_quantization.kernels.trees import booster_links

    out = scores.copy(order="K")
    flat = out.ravel(order="K")
    if flat.dtype.char == "d":
        booster_links.logistic(flat, 1.0)
    else:
        np.negative(flat, out=flat)
        booster_links.exponential32(flat)
        flat += np.float32(1.0)
        np.divide(np.float32(1.0), flat, out=flat)
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
    return _shared_out(probability)


def _shared_out(probability: Array) -> Array:
    """The rows over their sums, in place; a row of zeros becomes equal shares."""
    total = probability.sum(axis=1)
    empty = total == 0
    if empty.any():
        probability[empty, :] = 1
        total[empty] = probability.shape[1]
    probability /= total.reshape(-1, 1)
    return probability


def modified_huber(scores: Array) -> Array:
    """Return class probabilities from scores trained with the modified Huber loss.

    Scores are clipped to [-1, 1], moved to [0, 1] and normalised to one per row (Zhang, Statistical
    behavior and consistency of classification methods, 2004).

    Parameters
    ----------
    scores : ndarray of shape (n,) or (n, n_classes)
        One column: the binary case, answered as (1 - p, p).
    """
    probability = np.clip(scores, -1, 1)
    probability += 1.0
    probability /= 2.0
    if probability.ndim == 1:
        return np.stack([1.0 - probability, probability], axis=1)
    return _shared_out(probability)


def log_nonzero(probability: Array) -> Array:
    """Return the logarithm, of the smallest normal number where a probability is zero."""
    probability[probability == 0.0] += np.finfo(probability.dtype).smallest_normal
    out: Array = np.log(probability)
    return out


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
