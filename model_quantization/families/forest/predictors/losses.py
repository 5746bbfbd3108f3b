"""The answers from the sum of boosted trees: links of the losses, as scikit-learn computes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.linear.linear import logistic

_MODULE = "sklearn._loss.loss:"
LINKS: dict[str, str] = {
    f"{_MODULE}HalfSquaredError": "identity",
    f"{_MODULE}AbsoluteError": "identity",
    f"{_MODULE}PinballLoss": "identity",
    f"{_MODULE}HuberLoss": "identity",
    f"{_MODULE}HalfTweedieLossIdentity": "identity",
    f"{_MODULE}HalfPoissonLoss": "log",
    f"{_MODULE}HalfGammaLoss": "log",
    f"{_MODULE}HalfTweedieLoss": "log",
    f"{_MODULE}HalfBinomialLoss": "logit",
    f"{_MODULE}ExponentialLoss": "half_logit",
    f"{_MODULE}HalfMultinomialLoss": "multinomial",
}


def link_of(loss: Any) -> str | None:
    """The link of a loss component; None for an unknown one."""
    return LINKS.get(getattr(loss, "type", ""))


def inverse_link(link: str) -> Callable[[Array], Array]:
    """Raw sums to means, for the links of regression."""
    return np.exp if link == "log" else np.positive


def probabilities(link: str, raw: Array) -> Array:
    """Raw sums to class probabilities: (n,) or (n, 1) for two classes, else (n, n_classes)."""
    if link == "multinomial":
        return softmax(raw)
    if raw.ndim == 2:
        raw = raw.squeeze(1)
    both = np.empty((raw.shape[0], 2), dtype=raw.dtype)
    both[:, 1] = logistic(2 * raw if link == "half_logit" else raw)
    both[:, 0] = 1 - both[:, 1]
    return both


def softmax(raw: Array) -> Array:
    """Exponentials over their sum along each row, in the memory order of `raw`."""
    scores = raw.copy(order="K")
    scores -= scores.max(axis=1).reshape(-1, 1)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1).reshape(-1, 1)
    return scores


def raw_prior(link: str, prior: Array) -> Array:
    """Class frequencies in the space of raw sums: (1, k)."""
    eps = np.finfo(np.float64).eps
    if link == "multinomial":
        shares = np.clip(prior.reshape(1, -1), eps, 1 - eps, dtype=np.float64)
        mean = np.exp(np.mean(np.log(shares), axis=1))
        return np.asarray(np.log(shares / mean[:, np.newaxis]))
    share = float(np.clip(prior.reshape(-1)[1:2], eps, 1 - eps, dtype=np.float64)[0])
    raw = _logit(share)
    return np.asarray(0.5 * raw if link == "half_logit" else raw).reshape(1, 1)


def _logit(share: float) -> float:
    """Return log(share / (1 - share)), with the bits of `scipy.special.logit`.

    Near one half scipy takes log(1 + s) - log(1 - s) for s = 2 share - 1, which loses no digits.
    """
    if 0.3 <= share <= 0.65:
        s = 2.0 * (share - 0.5)
        return math.log1p(s) - math.log1p(-s)
    return math.log(share / (1.0 - share))
