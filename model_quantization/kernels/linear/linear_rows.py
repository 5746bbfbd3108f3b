"""Linear models answered in one call, for a single row as for a batch.

General matrix products are slow for small linear models: one row is mostly call overhead, and with
about ten columns a BLAS product spends its time packing. Here four rows and five columns are
multiplied at once, twenty sums in registers, and the same call makes answers of the scores.

Scores differ from their references by rounding only, since sums are taken in another order: at
most `n_features * eps * |row| . |weight|` (Higham, Accuracy and Stability of Numerical Algorithms,
section 3.1).

A NaN or infinity in a row reaches every score of the row, also through a zero weight. Each
function then marks its whole answer as not usable (see `linear.is_usable`).

In all of them, `rows` are float32 or float64 of shape (n, n_features) with n >= 1, `weights`
float64 of shape (n_columns, n_features), `bias` float64 of shape (n_columns,), all C-contiguous.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

_NOT_USABLE = np.nan
_NO_PAIRS = np.empty((0, 0))


def row_scores(rows: Array, weights: Array, bias: Array) -> Array:
    """Return `rows @ weights.T + bias`, float64 of shape (n, n_columns)."""
    out = np.empty((len(rows), len(weights)))
    if not fill_row_scores(rows, weights, bias, out):
        out[0, 0] = _NOT_USABLE
    return out


def row_softmax(rows: Array, weights: Array, bias: Array) -> Array:
    """Return softmax of the scores, shape (n, n_columns)."""
    out = np.empty((len(rows), len(weights)))
    if not fill_row_softmax(rows, weights, bias, out):
        out[0, 0] = _NOT_USABLE
    return out


def row_one_vs_rest(rows: Array, weights: Array, bias: Array) -> Array:
    """Return logistic probabilities normalised per row, (1 - p, p) for a single column.

    Shape (n, 2) or (n, n_columns).
    """
    scores = np.empty((len(rows), len(weights)))
    pairs = np.empty((len(rows), 2)) if len(weights) == 1 else _NO_PAIRS
    found = fill_row_one_vs_rest(rows, weights, bias, scores, pairs)
    out = pairs if len(weights) == 1 else scores
    if not found:
        out[0, 0] = _NOT_USABLE
    return out


def row_winners(rows: Array, weights: Array, bias: Array) -> Array:
    """Return the index of the winning class per row, shape (n,): -1 first marks it not usable.

    A single column wins for class 1 where it is above zero; among equals the first wins.
    """
    scores, winners = np.empty((len(rows), len(weights))), np.empty(len(rows), dtype=np.int64)
    if not fill_row_winners(rows, weights, bias, scores, winners):
        winners[0] = -1
    return winners


@kernel
def fill_row_scores(rows: Array, weights: Array, bias: Array, out: Array) -> bool:
    """Fill `out` with the scores; whether all are finite."""
    with np.errstate(all="ignore"):
        np.matmul(rows.astype(np.float64, copy=False), weights.T, out=out)
        out += bias
    return bool(np.isfinite(out).all())


@kernel
def fill_row_softmax(rows: Array, weights: Array, bias: Array, out: Array) -> bool:
    """Fill `out` with softmax of the scores; False, and no answer, where one is not finite."""
    if not _scores(rows, weights, bias, out):
        return False
    np.exp(out - out.max(axis=1, keepdims=True), out=out)
    out /= out.sum(axis=1, keepdims=True)
    return True


@kernel
def fill_row_one_vs_rest(
    rows: Array, weights: Array, bias: Array, scores: Array, pairs: Array
) -> bool:
    """Fill `scores`, and `pairs` for a single column, with probabilities; False: no answer."""
    if not _scores(rows, weights, bias, scores):
        return False
    with np.errstate(over="ignore"):
        scores[...] = 1.0 / (1.0 + np.exp(-scores))
    if scores.shape[1] == 1:
        pairs[:, :1], pairs[:, 1:] = 1.0 - scores, scores
        return True
    total = scores.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        scores[...] = np.where(total > 0.0, scores / total, 1.0 / scores.shape[1])
    return True


@kernel
def fill_row_winners(
    rows: Array, weights: Array, bias: Array, scores: Array, winners: Array
) -> bool:
    """Fill `winners` with the winning class per row; False, and no answer, as above."""
    if not _scores(rows, weights, bias, scores):
        return False
    winners[:] = scores.argmax(axis=1) if scores.shape[1] > 1 else scores[:, 0] > 0.0
    return True


def _scores(rows: Array, weights: Array, bias: Array, out: Array) -> bool:
    with np.errstate(all="ignore"):
        out[...] = rows.astype(np.float64, copy=False) @ weights.T + bias
    return bool(np.isfinite(out).all())
