"""What a machine for each pair of classes decides: its scores, votes and probabilities.

As libsvm decides: pairs are (0, 1), (0, 2) ... (1, 2) ..., a score above 0 is a vote for the first
of a pair, and of classes with equal votes the first wins.
"""

from __future__ import annotations

from itertools import combinations
from typing import Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

_LEAST: Final = 1e-7
_ROUNDS: Final = 100


@kernel
def fill_pair_decisions(sums: Array, intercepts: Array, n_classes: int, decisions: Array) -> None:
    """Fill `decisions`, float64 of shape (n, n_pairs).

    Parameters
    ----------
    sums : float64, shape (n, n_classes * (n_classes - 1))
        For each class, the sums of its vectors against each of the other classes, in order.
    intercepts : float64, shape (n_pairs,)
    n_classes : int
    decisions : float64, shape (n, n_pairs)
    """
    width = n_classes - 1
    for pair, (i, j) in enumerate(combinations(range(n_classes), 2)):
        both = sums[:, i * width + j - 1] + sums[:, j * width + i]
        decisions[:, pair] = both + intercepts[pair]


@kernel
def fill_pair_winners(
    decisions: Array,
    magnitudes: Array,
    doubts: Array,
    n_classes: int,
    votes: Array,
    winners: Array,
) -> bool:
    """Fill `winners`, int64 of shape (n,); return whether no decision is within its doubt of 0.

    Parameters
    ----------
    decisions : float64, shape (n, n_pairs)
    magnitudes : float64, shape (n,) or (1,)
        What the doubts of each row are multiplied with.
    doubts : float64, shape (n_pairs,)
    n_classes : int
    votes : int64, shape (n_classes,)
        Room to work in.
    winners : int64, shape (n,)
    """
    counts = np.zeros((len(decisions), n_classes), dtype=np.int64)
    for pair, (i, j) in enumerate(combinations(range(n_classes), 2)):
        first = decisions[:, pair] > 0
        counts[:, i] += first
        counts[:, j] += ~first
    winners[...] = counts.argmax(axis=1)
    with np.errstate(invalid="ignore"):
        within = ~(np.abs(decisions) > doubts * magnitudes.reshape(-1, 1))
    return not within.any()


@kernel
def fill_pair_probabilities(
    decisions: Array, slopes: Array, offsets: Array, n_classes: int, room: Array, out: Array
) -> None:
    """Fill `out`, float64 of shape (n, n_classes), with the probabilities that fit the pairs best.

    The method of Wu, Lin and Weng (Probability estimates for multi-class classification by pairwise
    coupling, 2004, algorithm 2), with the rounds and the end that libsvm has.

    Parameters
    ----------
    decisions : float64, shape (n, n_pairs)
    slopes, offsets : float64, shape (n_pairs,)
        Of the logistic curve of each pair.
    n_classes : int
    room : float64, at least n_classes * (n_classes + 1) numbers
    out : float64, shape (n, n_classes)
    """
    for at, row in enumerate(decisions):
        out[at] = _coupled(_products(row, slopes, offsets, n_classes), n_classes)


def _products(row: Array, slopes: Array, offsets: Array, n: int) -> Array:
    scores = row * slopes + offsets
    with np.errstate(over="ignore"):
        likely = np.where(
            scores >= 0, np.exp(-scores) / (1.0 + np.exp(-scores)), 1.0 / (1.0 + np.exp(scores))
        )
    likely = np.clip(np.where(np.isnan(likely), 1.0 - _LEAST, likely), _LEAST, 1.0 - _LEAST)
    products = np.zeros((n, n))
    for (i, j), first in zip(combinations(range(n), 2), likely.tolist(), strict=True):
        second = 1.0 - first
        products[i, i] += second * second
        products[j, j] += first * first
        products[i, j] = products[j, i] = -first * second
    return products


def _coupled(products: Array, n: int) -> Array:
    p = np.full(n, 1.0 / n)
    for _ in range(max(_ROUNDS, n)):
        gains = products @ p
        whole = float(p @ gains)
        if np.abs(gains - whole).max() < 0.005 / n:
            break
        for t in range(n):
            step = (whole - gains[t]) / products[t, t]
            p[t] += step
            grown = 1.0 + step
            whole = (whole + step * (step * products[t, t] + 2.0 * gains[t])) / grown / grown
            gains = (gains + step * products[t]) / grown
            p = p / grown
    return p
