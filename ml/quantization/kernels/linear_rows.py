"""Linear models answered in one compiled call, for a single row as for a batch.

General matrix products are slow where a linear model lives: one row is all call overhead, and with
about ten columns a BLAS product spends its time packing. Here four rows and five columns are
multiplied at once, twenty sums in registers, and what follows the scores is done in the same call.

`linear.linear_scores`, `softmax`, `one_vs_rest` and `label_indices` are the references. Scores
differ from theirs by rounding only, since sums are taken in another order: at most
`n_features * eps * |row| . |weight|` (Higham, Accuracy and Stability of Numerical Algorithms,
section 3.1).

A NaN or infinity in a row reaches every score of the row, also through a zero weight. Each
function then marks its whole answer as not usable (see `linear.is_usable`).
"""

from __future__ import annotations

import numpy as np

from ml.quantization.graph import Array
from ml.quantization.kernels.compile import compiled_sums


@compiled_sums
def row_scores(rows: Array, weights: Array, bias: Array) -> Array:
    """Return `rows @ weights.T + bias`.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features), float32 or float64, C-contiguous, n >= 1
    weights : ndarray of shape (n_columns, n_features), float64, C-contiguous
    bias : ndarray of shape (n_columns,), float64

    Returns
    -------
    ndarray of shape (n, n_columns), float64; NaN in the first place marks it as not usable.
    """
    out = np.empty((rows.shape[0], weights.shape[0]))
    _products(rows, weights, bias, out)
    if not _all_finite(out):
        out[0, 0] = np.nan
    return out


@compiled_sums
def row_softmax(rows: Array, weights: Array, bias: Array) -> Array:
    """Return softmax of the scores, shape (n, n_columns); see `row_scores` for the rest."""
    out = row_scores(rows, weights, bias)
    if np.isnan(out[0, 0]):
        return out
    for i in range(out.shape[0]):
        row = out[i]
        largest = row[0]
        for c in range(1, row.size):
            largest = max(largest, row[c])
        total = 0.0
        for c in range(row.size):
            row[c] = np.exp(row[c] - largest)
            total += row[c]
        for c in range(row.size):
            row[c] /= total
    return out


@compiled_sums
def row_one_vs_rest(rows: Array, weights: Array, bias: Array) -> Array:
    """Return logistic probabilities normalised per row, (1 - p, p) for a single column.

    Shape (n, 2) or (n, n_columns); see `row_scores` for the rest.
    """
    scores = row_scores(rows, weights, bias)
    if np.isnan(scores[0, 0]):
        return scores
    if scores.shape[1] == 1:
        pair = np.empty((scores.shape[0], 2))
        for i in range(scores.shape[0]):
            pair[i, 1] = 1.0 / (1.0 + np.exp(-scores[i, 0]))
            pair[i, 0] = 1.0 - pair[i, 1]
        return pair
    for i in range(scores.shape[0]):
        row = scores[i]
        total = 0.0
        for c in range(row.size):
            row[c] = 1.0 / (1.0 + np.exp(-row[c]))
            total += row[c]
        for c in range(row.size):
            row[c] = row[c] / total if total > 0.0 else 1.0 / row.size
    return scores


@compiled_sums
def row_winners(rows: Array, weights: Array, bias: Array) -> Array:
    """Return the index of the winning class per row, shape (n,): -1 first marks it not usable.

    A single column wins for class 1 where it is above zero; among equals the first wins.
    """
    scores = row_scores(rows, weights, bias)
    winners = np.empty(scores.shape[0], dtype=np.int64)
    for i in range(scores.shape[0]):
        row = scores[i]
        best = 0
        for c in range(1, row.size):
            if row[c] > row[best]:
                best = c
        winners[i] = best if row.size > 1 else row[0] > 0.0
    if np.isnan(scores[0, 0]):
        winners[0] = -1
    return winners


@compiled_sums
def _all_finite(scores: Array) -> bool:
    for value in scores.flat:  # noqa: SIM110  numba compiles no generator
        if not np.isfinite(value):
            return False
    return True


@compiled_sums
def _products(rows: Array, weights: Array, bias: Array, out: Array) -> None:
    n_rows, width = rows.shape
    n_columns = weights.shape[0]
    fours, fives = n_rows - n_rows % 4, n_columns - n_columns % 5
    for i in range(0, fours, 4):
        x0, x1, x2, x3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for c in range(0, fives, 5):
            w0, w1, w2, w3 = weights[c], weights[c + 1], weights[c + 2], weights[c + 3]
            w4 = weights[c + 4]
            s00 = s10 = s20 = s30 = bias[c]
            s01 = s11 = s21 = s31 = bias[c + 1]
            s02 = s12 = s22 = s32 = bias[c + 2]
            s03 = s13 = s23 = s33 = bias[c + 3]
            s04 = s14 = s24 = s34 = bias[c + 4]
            for j in range(width):
                a0, a1, a2, a3 = x0[j], x1[j], x2[j], x3[j]
                v = w0[j]
                s00 += a0 * v
                s10 += a1 * v
                s20 += a2 * v
                s30 += a3 * v
                v = w1[j]
                s01 += a0 * v
                s11 += a1 * v
                s21 += a2 * v
                s31 += a3 * v
                v = w2[j]
                s02 += a0 * v
                s12 += a1 * v
                s22 += a2 * v
                s32 += a3 * v
                v = w3[j]
                s03 += a0 * v
                s13 += a1 * v
                s23 += a2 * v
                s33 += a3 * v
                v = w4[j]
                s04 += a0 * v
                s14 += a1 * v
                s24 += a2 * v
                s34 += a3 * v
            top, bottom = out[i : i + 2, c : c + 5], out[i + 2 : i + 4, c : c + 5]
            top[0, 0], top[0, 1], top[0, 2], top[0, 3], top[0, 4] = s00, s01, s02, s03, s04
            top[1, 0], top[1, 1], top[1, 2], top[1, 3], top[1, 4] = s10, s11, s12, s13, s14
            bottom[0, 0], bottom[0, 1], bottom[0, 2] = s20, s21, s22
            bottom[0, 3], bottom[0, 4] = s23, s24
            bottom[1, 0], bottom[1, 1], bottom[1, 2] = s30, s31, s32
            bottom[1, 3], bottom[1, 4] = s33, s34
        for c in range(fives, n_columns):
            weight = weights[c]
            t0 = t1 = t2 = t3 = bias[c]
            for j in range(width):
                v = weight[j]
                t0 += x0[j] * v
                t1 += x1[j] * v
                t2 += x2[j] * v
                t3 += x3[j] * v
            out[i, c], out[i + 1, c], out[i + 2, c], out[i + 3, c] = t0, t1, t2, t3
    for i in range(fours, n_rows):
        row = rows[i]
        for c in range(n_columns):
            weight = weights[c]
            total = bias[c]
            for j in range(width):
                total += row[j] * weight[j]
            out[i, c] = total
