"""The exponential by a table that CatBoost uses: 2^11 powers of two, and a cubic between them.

After MITSUNARI Shigeo's fmath (`expd`). It differs from the C library's in the last bit, so that
answers which are to be CatBoost's own need it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compile import compiled

Doubles = npt.NDArray[np.float64]

_BITS = 11
_STEPS = 1 << _BITS
_MANTISSA = (1 << 52) - 1
# The fractions of the powers of two, without their exponents.
TABLE: npt.NDArray[np.uint64] = np.array(
    [math.pow(2.0, step / _STEPS) for step in range(_STEPS)]
).view(np.uint64) & np.uint64(_MANTISSA)

_PER_STEP = _STEPS / math.log(2.0)
_STEP = 1.0 / _PER_STEP
_ROUNDER = float(3 << 51)  # added and taken away it leaves the nearest whole number
_ADJUST = np.uint64((1 << (_BITS + 10)) - (1 << _BITS))
_SHIFT = np.uint64(_BITS)
_MASK = np.uint64(_STEPS - 1)
_EXPONENT = np.uint64(52)
_THREE, _SIXTH = 3.0000000027955394, 0.16666666685227835064
LOWEST, HIGHEST = -708.39641853226408, 709.78271289338397


@compiled
def table_exponential(values: Doubles, table: npt.NDArray[np.uint64]) -> None:
    """Replace each of the flat values x by exp(x); `table` is `TABLE`."""
    scratch = np.empty(1)
    bits = scratch.view(np.uint64)
    for at in range(values.size):
        x = values[at]
        if x <= LOWEST:
            values[at] = 0.0
        elif x >= HIGHEST:
            values[at] = np.inf
        else:
            scratch[0] = x * _PER_STEP + _ROUNDER
            steps = bits[0]
            t = (scratch[0] - _ROUNDER) * _STEP - x
            y = (_THREE - t) * (t * t) * _SIXTH - t + 1.0
            bits[0] = (((steps + _ADJUST) >> _SHIFT) << _EXPONENT) | table[steps & _MASK]
            values[at] = y * scratch[0]


@compiled
def table_shares(sums: npt.NDArray[Any], table: npt.NDArray[np.uint64]) -> None:
    """Replace each row of sums by exponentials over their sum, the largest taken out first."""
    for row in range(sums.shape[0]):
        largest = sums[row, 0]
        for column in range(1, sums.shape[1]):
            largest = max(sums[row, column], largest)
        for column in range(sums.shape[1]):
            sums[row, column] -= largest
        table_exponential(sums[row], table)
        total = 0.0
        for column in range(sums.shape[1]):
            total += sums[row, column]
        for column in range(sums.shape[1]):
            sums[row, column] /= total


def table_exponential_reference(values: Doubles) -> Doubles:
    """`table_exponential` by definition, for values within its bounds."""
    rounded = values * _PER_STEP + _ROUNDER
    steps = rounded.view(np.uint64)
    t = (rounded - _ROUNDER) * _STEP - values
    y = (_THREE - t) * (t * t) * _SIXTH - t + 1.0
    power = (((steps + _ADJUST) >> _SHIFT) << _EXPONENT) | TABLE[(steps & _MASK).astype(np.int64)]
    return np.asarray(y * power.view(np.float64))
