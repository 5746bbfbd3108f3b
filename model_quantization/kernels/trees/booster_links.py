"""What boosters of other libraries make of their sums: their formulas, with the C library's `exp`.

numpy's own exponentials differ from the C library's in the last bit. LightGBM and XGBoost call the
C library, and so does compiled code here: the type of the sums is the type they are worked out in.
"""

from __future__ import annotations

import math

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compile import compiled


@compiled
def exponential(sums: Array) -> None:
    """Replace each of the flat sums x by exp(x)."""
    for at in range(sums.size):
        sums[at] = math.exp(sums[at])


@compiled
def log_one_plus_exp(sums: Array) -> None:
    """Replace each of the flat sums x by log(1 + exp(x))."""
    for at in range(sums.size):
        sums[at] = math.log1p(math.exp(sums[at]))


@compiled
def logistic(sums: Array, slope: float) -> None:
    """Replace each of the flat sums x by 1 / (1 + exp(-slope x))."""
    for at in range(sums.size):
        sums[at] = 1.0 / (1.0 + math.exp(-slope * sums[at]))


@compiled
def normalized_exponentials(sums: Array) -> None:
    """Replace each row of sums by exponentials over their sum, the largest taken out first."""
    for row in range(sums.shape[0]):
        largest = sums[row, 0]
        for column in range(1, sums.shape[1]):
            largest = max(sums[row, column], largest)
        total = 0.0
        for column in range(sums.shape[1]):
            sums[row, column] = math.exp(sums[row, column] - largest)
            total += sums[row, column]
        for column in range(sums.shape[1]):
            sums[row, column] /= total


_ONE = np.float32(1.0)
_LARGEST = np.float32(88.7)  # what XGBoost takes the exponential of at most


@compiled
def logistic32(sums: Array) -> None:
    """Replace each of the flat float32 sums x by 1 / (exp(-x) + 1)."""
    for at in range(sums.size):
        sums[at] = _ONE / (math.exp(min(-sums[at], _LARGEST)) + _ONE)


@compiled
def normalized_exponentials32(sums: Array) -> None:
    """`normalized_exponentials` in float32, but for the total, which is added up in float64."""
    for row in range(sums.shape[0]):
        largest = sums[row, 0]
        for column in range(1, sums.shape[1]):
            largest = max(sums[row, column], largest)
        total = 0.0
        for column in range(sums.shape[1]):
            sums[row, column] = math.exp(sums[row, column] - largest)
            total += sums[row, column]
        for column in range(sums.shape[1]):
            sums[row, column] /= np.float32(total)


@compiled
def log_odds32(shares: Array) -> None:
    """Replace each of the flat float32 shares x by -log(1 / x - 1)."""
    for at in range(shares.size):
        shares[at] = -math.log(_ONE / shares[at] - _ONE)


@compiled
def logarithm32(values: Array) -> None:
    """Replace each of the flat float32 values by its logarithm."""
    for at in range(values.size):
        values[at] = math.log(values[at])


def exponential_reference(sums: Array) -> Array:
    """`exponential` by definition."""
    return np.array([math.exp(x) for x in sums.tolist()])


def log_one_plus_exp_reference(sums: Array) -> Array:
    """`log_one_plus_exp` by definition."""
    return np.array([math.log1p(math.exp(x)) for x in sums.tolist()])


def logistic_reference(sums: Array, slope: float) -> Array:
    """`logistic` by definition."""
    return np.array([1.0 / (1.0 + math.exp(-slope * x)) for x in sums.tolist()])


def logistic32_reference(sums: Array) -> Array:
    """`logistic32` by definition, to the last bit or two: in float64 until the end."""
    return (1.0 / (1.0 + np.exp(-sums.astype(np.float64)))).astype(np.float32)


def normalized_exponentials_reference(sums: Array) -> Array:
    """`normalized_exponentials` by definition; that in float32 to the last bit or two."""
    found = []
    for row in sums.tolist():
        powers = [math.exp(x - max(row)) for x in row]
        found.append([power / sum(powers) for power in powers])
    return np.array(found)
