"""A tall matrix times a few columns, where general matrix products are slow.

With about ten columns a BLAS product spends its time packing. Here four rows and five columns are
multiplied at once: twenty sums in registers, each input read once. `linear_scores` with
`rows @ weights` is the reference; the two differ by rounding only (sums are taken in another
order), at most `n_features * eps * |row| . |weight|` (Higham, Accuracy and Stability, 3.1).
"""

from __future__ import annotations

import numpy as np

from ml.quantization.graph import Array
from ml.quantization.kernels.compile import compiled_sums

_WIDTH = 5


def skinny_scores(rows: Array, weights: Array, bias: Array) -> Array:
    """Return `rows @ weights.T + bias`.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features), float32 or float64
        C-contiguous.
    weights : ndarray of shape (n_columns, n_features), float64
        From `padded_weights`.
    bias : ndarray of shape (n_columns,), float64

    Returns
    -------
    ndarray of shape (n, n_columns), float64
    """
    scores = np.empty((len(rows), len(weights)))
    _products(rows, weights, bias, scores)
    return scores


def padded_weights(weights: Array, bias: Array) -> tuple[Array, Array]:
    """Return weights (n_columns, n_features) and bias with zero rows up to a multiple of five."""
    missing = -len(weights) % _WIDTH
    wide = np.concatenate([weights, np.zeros((missing, weights.shape[1]))])
    return np.ascontiguousarray(wide, dtype=np.float64), np.append(bias, np.zeros(missing))


@compiled_sums
def _products(rows: Array, weights: Array, bias: Array, out: Array) -> None:
    n_rows, width = rows.shape
    whole = n_rows - n_rows % 4
    for c in range(0, len(weights), 5):
        for i in range(whole, n_rows):
            row = rows[i]
            for k in range(5):
                weight = weights[c + k]
                total = bias[c + k]
                for j in range(width):
                    total += row[j] * weight[j]
                out[i, c + k] = total
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for c in range(0, len(weights), 5):
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
