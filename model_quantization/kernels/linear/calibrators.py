"""Curves from scores to probabilities, operation for operation as scikit-learn has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.linear.linear import logistic, softmax

SLIGHTLY_ABOVE = 1.0 + 1e-5
_NOTHING = 1e-12

Calibrate = Callable[[Array], Array]


def platt(slope: Any, intercept: Any) -> Calibrate | None:
    """Return `1 / (1 + exp(slope * score + intercept))`; None unless both are numbers.

    Platt, Probabilistic outputs for support vector machines, 1999.
    """
    if not _is_number(slope) or not _is_number(intercept):
        return None
    return lambda scores: logistic(-(slope * scores + intercept))


def stairs(at: Any, heights: Any, lowest: Any, highest: Any) -> Calibrate | None:
    """Return the line through the points of an isotonic regression, level beyond its ends.

    Parameters
    ----------
    at, heights : ndarray of shape (n_points,), float64
        None is returned for anything else.
    lowest, highest : float
        Where the line begins and ends.
    """
    arrays = (at, heights)
    if not all(isinstance(a, np.ndarray) and a.ndim == 1 and a.dtype.char == "d" for a in arrays):
        return None
    if not 0 < len(at) == len(heights) or not _is_number(lowest) or not _is_number(highest):
        return None

    def calibrate(scores: Array) -> Array:
        inside = np.clip(scores.astype(np.float64), lowest, highest)
        if len(at) == 1:
            return np.repeat(heights, len(inside))
        return np.asarray(np.interp(inside, at, heights))

    return calibrate


def scaled(factor: Any) -> Calibrate | None:
    """Return the softmax of logits times a factor, the inverse temperature."""
    return (lambda logits: softmax(factor * logits)) if _is_number(factor) else None


def logits_of(scores: Array) -> Array:
    """Return logits: pairs for one column, logarithms where all rows are probabilities.

    Parameters
    ----------
    scores : ndarray of shape (n, 1) or (n, n_classes)
    """
    if scores.shape[1] == 1:
        return np.concatenate([-scores, scores], axis=1)
    inside = ((scores >= 0) & (scores <= 1)).all()
    if inside and np.isclose(scores.sum(axis=1), 1.0).all():
        logits: Array = np.log(scores + _NOTHING)
        return logits
    return scores


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray):  # scikit-learn keeps an inverse temperature without axes
        return value.ndim == 0 and value.dtype.char in "df"
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool)
