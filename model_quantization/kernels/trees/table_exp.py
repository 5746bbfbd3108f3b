"""The exponential by a table that CatBoost uses: 2^11 powers of two, and a cubic between them.

After MITSUNARI Shigeo's fmath (`expd`). It differs from the C library's in the last bit, so that
equal answers to CatBoost's need it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel

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


@kernel
def table_exponential(values: Doubles, table: npt.NDArray[np.uint64]) -> None:
    """Replace each of the values x by exp(x); `table` is `TABLE`."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = values * _PER_STEP + _ROUNDER
        steps = rounded.view(np.uint64)
        t = (rounded - _ROUNDER) * _STEP - values
        y = (_THREE - t) * (t * t) * _SIXTH - t + 1.0
        fraction = table[(steps & _MASK).astype(np.int64)]
        power = (((steps + _ADJUST) >> _SHIFT) << _EXPONENT) | fraction
        found = y * power.view(np.float64)
    beyond = (values <= LOWEST) | (values >= HIGHEST)
    values[...] = np.where(beyond, np.where(values > 0, np.inf, 0.0), found)


@kernel
def table_shares(sums: npt.NDArray[Any], table: npt.NDArray[np.uint64]) -> None:
    """Replace each row of sums by exponentials over their sum, the largest taken out first.

    Parameters
    ----------
    sums : float64, shape (n, n_columns)
    table
        `TABLE`.
    """
    powers = sums - sums.max(axis=1, keepdims=True)
    table_exponential(powers, table)
    sums[:] = powers / np.cumsum(powers, axis=1)[:, -1:]  # added in their order
