"""Weights of one layer rounded together: the others compensate what one rounding loses."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

DAMPING: Final = 0.01
_MOST_SWEEPS: Final = 20
_TIE = 1e-9
_last_factor: dict[bytes, Matrix] = {}  # at most one: a model's plans ask for the same again


def round_together(weights: Matrix, rows: Matrix, scale: Matrix, top: int) -> Matrix:
    """Return the code of each weight, whole numbers from -top to top.

    The error of each weight is spread over those still to come, unless rounding each by itself is
    as good (with few rows). Then codes are moved one at a time, as long as the error falls: see
    `spread_errors` and `descend`.

    Parameters
    ----------
    weights : shape (d, k)
        Inputs by outputs.
    rows : shape (n, d)
        What the layer is given.
    scale : shape (k,)
        What a code of 1 is, for each output.
    top : int
        The largest code.
    """
    gram = second_moments(rows)
    start = np.array(weights, dtype=np.float64)
    nearest = np.clip(np.rint(start / scale), -top, top)
    spread = spread_errors(start, gram, scale, top)
    better = errors(spread, start, gram, scale) < errors(nearest, start, gram, scale)
    return descend(np.where(better, spread, nearest), start, gram, scale, top)


def second_moments(rows: Matrix) -> Matrix:
    """Return `X' X` of the rows, what lies beside its diagonal shrunk as far as rows are few.

    Of `n` rows with `d` inputs the part `d / (n + d)` is taken away: correlations of so few rows
    are partly chance, and weights that rely on them answer other rows worse than if each had been
    rounded by itself. It also has an inverse.
    """
    count, inputs = rows.shape
    gram = rows.T @ rows
    diagonal = np.diagonal(gram).copy()
    gram *= count / (count + inputs)
    gram[np.diag_indices_from(gram)] = diagonal + DAMPING * diagonal.mean() + 1e-12
    return gram


def errors(codes: Matrix, weights: Matrix, gram: Matrix, scale: Matrix) -> Matrix:
    """Return the squared error of each output with these codes: what rounding together lessens."""
    lost = weights - codes * scale
    return np.asarray((lost * (gram @ lost)).sum(axis=0))


def spread_errors(weights: Matrix, gram: Matrix, scale: Matrix, top: int) -> Matrix:
    """Return codes that are chosen input by input.

    The weights of later inputs compensate the change that rounding one makes in the outputs, as far
    as the rows allow: the update of the optimal brain surgeon with the inverse of the rows' second
    moments (Hassibi and Stork, NIPS 1992; Frantar et al., arXiv 2210.17323).
    """
    upper = _factor_of_inverse(gram)
    left = np.array(weights)
    codes = np.empty_like(left)
    for at in range(len(left)):
        codes[at] = np.clip(np.rint(left[at] / scale), -top, top)
        error = (left[at] - codes[at] * scale) / upper[at, at]
        left[at + 1 :] -= np.outer(upper[at, at + 1 :], error)
    return codes


def _factor_of_inverse(gram: Matrix) -> Matrix:
    """Return the upper factor of the inverse; that of the last moments is kept."""
    key = hashlib.blake2b(np.ascontiguousarray(gram).tobytes(), digest_size=16).digest()
    if key not in _last_factor:
        _last_factor.clear()
        _last_factor[key] = np.linalg.cholesky(np.linalg.inv(gram)).T
    return _last_factor[key]


def descend(codes: Matrix, weights: Matrix, gram: Matrix, scale: Matrix, top: int) -> Matrix:
    """Return codes whose errors are no larger: each in turn is the best one beside the others.

    Coordinate descent over whole numbers. A code moves only where the squared error of its output
    falls, so that the error never rises; it ends where no single code helps any more.
    """
    found = np.array(codes)
    slope = gram @ (weights - found * scale)
    for _ in range(_MOST_SWEEPS):
        moved = False
        for at in range(len(found)):
            ideal = slope[at] / (gram[at, at] * scale)
            step = np.clip(np.rint(found[at] + ideal), -top, top) - found[at]
            step[np.abs(ideal - step) > np.abs(ideal) - _TIE] = 0.0  # no nearer to the ideal
            outputs = np.flatnonzero(step)
            if len(outputs):
                moved = True
                found[at, outputs] += step[outputs]
                slope[:, outputs] -= np.outer(gram[:, at], step[outputs] * scale[outputs])
        if not moved:
            break
    return found
