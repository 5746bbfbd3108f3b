"""What boosters of other libraries make of their sums: their formulas, with the C library's `exp`.

numpy's own exponentials differ from the C library's in the last bit. LightGBM and XGBoost call the
C library, and so does compiled code here: the type of the sums is the type they are worked out in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.quantization.kernels.compile import compiled

Array = npt.NDArray[Any]


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


def exponential_reference(sums: Array) -> Array:
    """`exponential` by definition."""
    return np.array([math.exp(x) for x in sums.tolist()])


def log_one_plus_exp_reference(sums: Array) -> Array:
    """`log_one_plus_exp` by definition."""
    return np.array([math.log1p(math.exp(x)) for x in sums.tolist()])


def logistic_reference(sums: Array, slope: float) -> Array:
    """`logistic` by definition."""
    return np.array([1.0 / (1.0 + math.exp(-slope * x)) for x in sums.tolist()])


def normalized_exponentials_reference(sums: Array) -> Array:
    """`normalized_exponentials` by definition."""
    found = []
    for row in sums.tolist():
        powers = [math.exp(x - max(row)) for x in row]
        found.append([power / sum(powers) for power in powers])
    return np.array(found)
