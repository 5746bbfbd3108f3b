"""Curves that columns of numbers are laid along: powers and quantiles.

The references are scipy's and numpy's own functions, called as scikit-learn calls them, or their
operations on all columns at once: an operation on one number has the same bits wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_quantization.arrays import Array

_EDGE = 1e-7  # how near an edge a value counts as beyond it


def yeo_johnson(lambdas: Array) -> Callable[[Array], Array]:
    """The Yeo-Johnson transform of float64 rows, as `scipy.stats.yeojohnson` of each column.

    For values from zero on it is `((x + 1) ** k - 1) / k`, for those below
    `-((1 - x) ** (2 - k) - 1) / (2 - k)`, with logarithms where the exponent is zero
    (Yeo and Johnson, 2000).
    """
    eps = np.finfo(lambdas.dtype).eps
    above, below = lambdas, 2 - lambdas
    plain_above, plain_below = np.abs(above) < eps, np.abs(lambdas - 2) <= eps
    has_plain = bool(plain_above.any() or plain_below.any())

    def transform(rows: Array) -> Array:
        is_above = rows >= 0
        logs = np.log1p(np.where(is_above, rows, -rows))
        power = np.where(is_above, above, below)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.expm1(power * logs)
            found /= power
        if has_plain:
            plain = np.where(is_above, plain_above, plain_below)
            found[plain] = logs[plain]
        return np.asarray(np.negative(found, out=found, where=~is_above))

    return transform


def undo_yeo_johnson(lambdas: Array) -> Callable[[Array], Array | None]:
    """The way back, column by column; None where a power of a negative number is asked for."""
    spacing = np.spacing(1.0)

    def inverse(rows: Array) -> Array | None:
        found = np.zeros_like(rows, order="K")
        for column, power in enumerate(lambdas):
            values = rows[:, column]
            up = values >= 0
            down = ~up
            back = np.zeros_like(values)
            with np.errstate(invalid="ignore"):
                if abs(power) < spacing:
                    back[up] = np.exp(values[up]) - 1
                else:
                    back[up] = np.power(values[up] * power + 1, 1 / power) - 1
                if abs(power - 2) > spacing:
                    base = -(2 - power) * values[down] + 1
                    back[down] = 1 - np.power(base, 1 / (2 - power))
                else:
                    back[down] = 1 - np.exp(-values[down])
            if np.isnan(back).any():
                return None
            found[:, column] = back
        return found

    return inverse


def box_cox(lambdas: Array) -> Callable[[Array], Array | None]:
    """The Box-Cox transform of rows above zero; None for others."""

    def transform(rows: Array) -> Array | None:
        from scipy.special import boxcox

        if not (rows > 0).all():
            return None
        found: Array = boxcox(rows, lambdas)
        return found

    return transform


def to_quantiles(quantiles: Array, references: Array, *, normal: bool) -> Callable[[Array], Array]:
    """Where each value of a column stands among the quantiles of its column, from 0 to 1.

    Parameters
    ----------
    quantiles : float64 array of shape (n_quantiles, n_features)
    references : float64 array of shape (n_quantiles,)
    normal : bool
        Whether that is then made the value of a normal distribution.
    """
    columns = np.ascontiguousarray(quantiles.T)
    opposite = np.ascontiguousarray(-quantiles[::-1].T)
    back = -references[::-1]

    first, last = columns[:, 0].copy(), columns[:, -1].copy()

    def transform(rows: Array) -> Array:
        if normal:
            low, high = rows - _EDGE < first, rows + _EDGE > last
        else:
            low, high = rows == first, rows == last
        missing = np.isnan(rows)
        upward, downward = np.empty_like(rows, order="K"), np.empty_like(rows, order="K")
        opposed = -rows
        for column, (known, mirrored) in enumerate(zip(columns, opposite, strict=True)):
            upward[:, column] = np.interp(rows[:, column], known, references)
            downward[:, column] = np.interp(opposed[:, column], mirrored, back)
        upward -= downward
        upward *= 0.5
        upward[high] = 1
        upward[low] = 0
        upward[missing] = np.nan
        return _normal(upward) if normal else upward

    return transform


def _normal(found: Array) -> Array:
    from scipy.special import ndtri

    missing = np.isnan(found)
    found = ndtri(found)
    found[missing] = np.nan
    least, most = ndtri(_EDGE - np.spacing(1)), ndtri(1 - (_EDGE - np.spacing(1)))
    return np.asarray(np.clip(found, least, most))


def from_quantiles(quantiles: Array, references: Array) -> Callable[[Array], Array]:
    """The way back from places among uniform quantiles."""
    columns = np.ascontiguousarray(quantiles.T)

    def inverse(rows: Array) -> Array:
        found = rows.copy(order="K")
        for column, known in enumerate(columns):
            values = found[:, column]
            low, high = values == 0, values == 1
            present = ~np.isnan(values)
            values[present] = np.interp(values[present], references, known)
            values[high] = known[-1]
            values[low] = known[0]
        return found

    return inverse
