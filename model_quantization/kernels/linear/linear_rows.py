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

from model_quantization.arrays import Array
from model_quantization.kernels.compile import compiled_sums
from model_quantization.kernels.linear.prefetch import prefetch

CHUNK = 112  # columns at a time: short enough that memory is asked for little by little
AHEAD = 8  # rows; four are being multiplied
LINE = 8  # numbers in a cache line


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
    for i in range(n_rows):
        for c in range(n_columns):
            out[i, c] = bias[c]
    for i in range(0, fours, 4):
        for start in range(0, width, CHUNK):
            stop = min(width, start + CHUNK)
            _four_rows(rows, weights, out, i, start, stop)
            for c in range(fives, n_columns):
                for k in range(4):
                    out[i + k, c] += _dot(rows[i + k, start:stop], weights[c, start:stop])
    for i in range(fours, n_rows):
        for c in range(n_columns):
            out[i, c] += _dot(rows[i], weights[c])


@compiled_sums
def _dot(row: Array, weight: Array) -> float:
    total = 0.0
    for j in range(row.size):
        total += row[j] * weight[j]
    return total


@compiled_sums
def _four_rows(rows: Array, weights: Array, out: Array, i: int, start: int, stop: int) -> None:
    """Add the products of rows i to i + 3 with each five columns, over columns start to stop.

    Meanwhile the same columns of the next four rows are asked for, a share with each five: memory
    then arrives while the processor multiplies. All of them at once would only make it wait.
    """
    fives = weights.shape[0] - weights.shape[0] % 5
    x0, x1 = rows[i, start:stop], rows[i + 1, start:stop]
    x2, x3 = rows[i + 2, start:stop], rows[i + 3, start:stop]
    ahead = min(i + AHEAD, rows.shape[0] - 4)
    width = stop - start
    for c in range(0, fives, 5):
        for j in range(start + width * c // fives, start + width * (c + 5) // fives, LINE):
            prefetch(rows, ahead, j)
            prefetch(rows, ahead + 1, j)
            prefetch(rows, ahead + 2, j)
            prefetch(rows, ahead + 3, j)
        w0, w1, w2 = weights[c, start:stop], weights[c + 1, start:stop], weights[c + 2, start:stop]
        w3, w4 = weights[c + 3, start:stop], weights[c + 4, start:stop]
        s00 = s10 = s20 = s30 = 0.0
        s01 = s11 = s21 = s31 = 0.0
        s02 = s12 = s22 = s32 = 0.0
        s03 = s13 = s23 = s33 = 0.0
        s04 = s14 = s24 = s34 = 0.0
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
        o0, o1, o2, o3 = out[i], out[i + 1], out[i + 2], out[i + 3]
        o0[c] += s00
        o0[c + 1] += s01
        o0[c + 2] += s02
        o0[c + 3] += s03
        o0[c + 4] += s04
        o1[c] += s10
        o1[c + 1] += s11
        o1[c + 2] += s12
        o1[c + 3] += s13
        o1[c + 4] += s14
        o2[c] += s20
        o2[c + 1] += s21
        o2[c + 2] += s22
        o2[c + 3] += s23
        o2[c + 4] += s24
        o3[c] += s30
        o3[c + 1] += s31
        o3[c + 2] += s32
        o3[c + 3] += s33
        o3[c + 4] += s34
