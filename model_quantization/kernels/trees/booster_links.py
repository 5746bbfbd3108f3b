"""Formulas of other libraries' boosters for their sums, with the C library's `exp`.

numpy's own exponentials differ from the C library's in the last bit. LightGBM and XGBoost call the
C library, and so do Python's `math` and the compiled kernels. In float32 the references work out
every term in float64 and round it: a kernel may differ from them in the last bit or two.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel


@kernel
def exponential(sums: Array) -> None:
    """Replace each of the float64 sums x by exp(x)."""
    _replace(sums, _exp)


@kernel
def exponential32(sums: Array) -> None:
    """Replace each of the float32 sums x by exp(x)."""
    _replace(sums, _exp)


@kernel
def log_one_plus_exp(sums: Array) -> None:
    """Replace each of the float64 sums x by log(1 + exp(x))."""
    _replace(sums, lambda x: math.log1p(_exp(x)))


@kernel
def logistic(sums: Array, slope: float) -> None:
    """Replace each of the float64 sums x by 1 / (1 + exp(-slope x))."""
    _replace(sums, lambda x: 1.0 / (1.0 + _exp(-slope * x)))


@kernel
def normalized_exponentials(sums: Array) -> None:
    """Replace each row of sums by exponentials over their sum, the largest taken out first.

    Parameters
    ----------
    sums : float64, shape (n, n_columns)
    """
    for row in range(len(sums)):
        largest = sums[row].max()
        powers = np.array([_exp(x - largest) for x in sums[row].tolist()])
        sums[row] = powers / np.cumsum(powers)[-1]  # added in their order


_LARGEST = np.float32(88.7)  # what XGBoost takes the exponential of at most


@kernel
def logistic32(sums: Array) -> None:
    """Replace each of the float32 sums x by 1 / (exp(-x) + 1)."""
    sums[...] = 1.0 / (np.exp(np.minimum(-sums, _LARGEST).astype(np.float64)) + 1.0)


@kernel
def normalized_exponentials32(sums: Array) -> None:
    """`normalized_exponentials` in float32, but for the total, which is added up in float64."""
    powers = np.exp((sums - sums.max(axis=1, keepdims=True)).astype(np.float64))
    sums[:] = powers.astype(np.float32)
    sums /= sums.sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)


@kernel
def log_odds32(shares: Array) -> None:
    """Replace each of the float32 shares x by -log(1 / x - 1)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares[...] = -np.log((np.float32(1.0) / shares - np.float32(1.0)).astype(np.float64))


@kernel
def logarithm32(values: Array) -> None:
    """Replace each of the float32 values by its logarithm."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values[...] = np.log(values.astype(np.float64))


def _exp(x: float) -> float:
    """The C library's exponential, which is infinite where Python's raises."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _replace(values: Array, function: Callable[[float], float]) -> None:
    """Replace each value x by `function(x)`; values beyond float32 become infinite there."""
    with np.errstate(over="ignore"):
        values[...] = np.array([function(x) for x in values.ravel().tolist()]).reshape(values.shape)
