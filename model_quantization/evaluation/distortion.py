"""Distance of a coarser model's answers from the original's: one number per comparison.

True labels are not needed: a coarser model should answer as the original. The number ranks
candidates; only the gate decides what is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.answers import Answers
from model_quantization.records import Record

_SMOOTHING: Final = 1e-3  # votes of neighbours and of trees are often 0, where KL has no value
WORST: Final = 1e6
"""The distortion of answers that cannot be compared."""


@dataclass(frozen=True, slots=True)
class Distortion(Record):
    """The changes by a coarser model.

    Attributes
    ----------
    value : float
        Mean Kullback-Leibler divergence of the probabilities in nats; of other numbers the mean
        squared error in units of their variance; of labels alone the share that changed.
    changed : float
        Share of rows with another label; 0 for models without labels.
    """

    value: float
    changed: float = 0.0


def distortion(original: Answers, coarser: Answers) -> Distortion:
    """Return how far `coarser` is from `original`, by the most informative method.

    Parameters
    ----------
    original, coarser : Answers
        To the same rows, by the same methods.

    Notes
    -----
    Probabilities are smoothed towards the uniform distribution by 0.001.
    """
    changed = _labels_changed(original, coarser)
    for method in ("predict_proba", "decision_function", "score_samples", "predict", "transform"):
        if method not in original.methods:
            continue
        value = _of_method(method, original, coarser)
        if value is not None:
            return Distortion(min(value, WORST), changed)
    return Distortion(changed, changed)


def _of_method(method: str, original: Answers, coarser: Answers) -> float | None:
    """The mean over outputs; None for answers that are no numbers."""
    before, after = original.outputs(method), coarser.outputs(method)
    found = []
    for key, output in before.items():
        old, new = _dense(output), _dense(after.get(key))
        if old is None or old.dtype.kind not in "f":
            return None
        if new is None or new.shape != old.shape:
            return WORST
        found.append(
            _divergence(old, new) if method == "predict_proba" else _squared_error(old, new)
        )
    return float(np.mean(found)) if found else None


def _dense(output: Any) -> NDArray[Any] | None:
    if output is None:
        return None
    return np.asarray(output.toarray() if hasattr(output, "toarray") else output)


def _divergence(old: NDArray[Any], new: NDArray[Any]) -> float:
    if old.ndim != 2 or not old.size:
        return _squared_error(old, new)
    share = _SMOOTHING / old.shape[1]
    p, q = ((1 - _SMOOTHING) * np.clip(each, 0, 1) + share for each in (old, new))
    found = float(np.mean(np.sum(p * np.log(p / q), axis=1)))
    return max(found, 0.0) if np.isfinite(found) else WORST


def _squared_error(old: NDArray[Any], new: NDArray[Any]) -> float:
    old, new = (each.reshape(len(each), -1).astype(np.float64) for each in (old, new))
    usable = np.isfinite(old)
    if not np.isfinite(new[usable]).all():
        return WORST
    variance = np.var(old, axis=0, where=usable)
    error = np.mean(np.square(np.where(usable, new - old, 0.0)), axis=0)
    # A column that never varies is compared in units of its own size.
    unit = np.where(variance > 0, variance, np.maximum(np.mean(np.square(old), axis=0), 1e-300))
    return float(np.mean(error / unit)) if error.size else 0.0


def _labels_changed(original: Answers, coarser: Answers) -> float:
    before, after = original.outputs("predict"), coarser.outputs("predict")
    shares = []
    for key, old in before.items():
        new = after.get(key)
        if hasattr(old, "toarray") or old.dtype.kind == "f":
            continue
        if new is None or new.shape != old.shape:
            return 1.0
        shares.append(np.mean((old != new).reshape(len(old), -1).any(axis=1)) if len(old) else 0.0)
    return float(max(shares, default=0.0))
