"""Affine codes: `value = scale * (code - zero)`, arithmetic in float64.

For every finite x inside its channel's range, with m the largest magnitude of that range:

    |x - decoded| <= scale / 2 * (1 + 2**-20) + 2 * eps(dtype) * m

the last term being the rounding of the result to the array's own dtype. Scales are stored as
float32, rounded up so that the range stays covered (codes are computed with the stored scale, so
nothing is lost by it), or as float64 where one of them leaves [1e-30, 1e30].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.values import Value

Floats = npt.NDArray[np.float64]
SMALLEST = 5e-324
FLOAT32_SCALES = (1e-30, 1e30)


class Grid(Value, frozen=True):
    """The values that codes stand for.

    Attributes
    ----------
    bits : int
        Width of a code; symmetric codes are signed, others unsigned.
    scale : ndarray of float32 or float64, shape (channels,)
        Positive and finite.
    zero : ndarray of float64, shape (channels,), or None
        None: symmetric. An integer wherever the range has 0 in it, so that 0.0 is on the grid;
        where it does not, any number.
    """

    bits: int
    scale: Array
    zero: Floats | None


def code_dtype(bits: int, *, symmetric: bool) -> np.dtype[Any]:
    """int8, int16, uint8 or uint16: fewer than 8 bits take a byte."""
    return np.dtype(f"{'i' if symmetric else 'u'}{-(-bits // 8)}").newbyteorder("<")


def largest_code(bits: int, *, symmetric: bool) -> int:
    """The outermost code: 127 of 8 symmetric bits, 15 of 4 others."""
    return (1 << (bits - 1)) - 1 if symmetric else (1 << bits) - 1


def channel_ranges(array: Array, channel_axis: int | None) -> Floats:
    """Lowest and highest value of each channel.

    Returns
    -------
    ndarray of float64, shape (channels, 2)
        One channel when `channel_axis` is None; (0, 0) for channels without elements.
    """
    rows = _rows(array, channel_axis)
    if not rows.shape[1]:
        return np.zeros((rows.shape[0], 2))
    return np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1).astype(np.float64)


def fit_grid(ranges: Floats, bits: int, *, symmetric: bool) -> Grid:
    """The grid with the smallest steps that covers each channel's range.

    Parameters
    ----------
    ranges : ndarray of float64, shape (channels, 2)
        Finite, the first not above the second.
    """
    low, high = ranges[:, 0], ranges[:, 1]
    if symmetric:
        top = float(largest_code(bits, symmetric=True))
        widest = np.maximum(np.abs(low), np.abs(high))
        return Grid(bits, _stored(widest / top), None)
    top = float(largest_code(bits, symmetric=False))
    crosses = (low < 0) & (high > 0)
    # Rounding the zero to an integer shifts the range by up to half a step: keep one step spare.
    steps = np.where(crosses, top - 1, top)
    # Divide before subtracting: high - low overflows for ranges of 1e308.
    width = np.where(low == high, np.abs(low), high / steps - low / steps)
    scale = _stored(width)
    zero = -low / scale.astype(np.float64)
    zero = np.where((low <= 0) & (high >= 0), np.rint(zero), zero)
    return Grid(bits, scale, zero + 0.0)


def to_codes(array: Array, grid: Grid, channel_axis: int | None) -> Array:
    """The nearest code of each element; elements beyond the range get the outermost code.

    Returns
    -------
    ndarray
        Of `array`'s shape, int8/16 (symmetric) or uint8/16.
    """
    dtype = code_dtype(grid.bits, symmetric=grid.zero is None)
    top = largest_code(grid.bits, symmetric=grid.zero is None)
    scale = _along(grid.scale.astype(np.float64), array.ndim, channel_axis)
    with np.errstate(over="ignore"):
        if grid.zero is None:
            codes = np.rint(array / scale)
            return np.clip(codes, -top, top).astype(dtype)
        zero = _along(grid.zero, array.ndim, channel_axis)
        whole = np.rint(zero)
        # Subtracting the fraction's value first keeps digits of ranges far away from 0.
        codes = np.where(
            zero == whole, np.rint(array / scale) + whole, np.rint((array + scale * zero) / scale)
        )
    return np.clip(codes, 0, top).astype(dtype)


def to_values(codes: Array, grid: Grid, channel_axis: int | None, dtype: np.dtype[Any]) -> Array:
    """The values of the codes, rounded to `dtype` and never beyond its finite range."""
    scale = _along(grid.scale.astype(np.float64), codes.ndim, channel_axis)
    steps = codes.astype(np.float64)
    if grid.zero is not None:
        steps -= _along(grid.zero, codes.ndim, channel_axis)
    return _finite(steps, scale, dtype)


def to_values_at(codes: Array, grid: Grid, channels: Array | None, dtype: np.dtype[Any]) -> Array:
    """`to_values` of single elements, whose channels are given one by one (None: one channel)."""
    chosen = np.zeros(codes.size, np.intp) if channels is None else channels
    steps = codes.astype(np.float64)
    if grid.zero is not None:
        steps -= grid.zero[chosen]
    return _finite(steps, grid.scale.astype(np.float64)[chosen], dtype)


def _finite(steps: Floats, scale: Floats, dtype: np.dtype[Any]) -> Array:
    # The outermost step may round past the largest float; the element it stands for did not.
    largest = float(np.finfo(dtype).max)
    with np.errstate(over="ignore"):
        steps *= scale
    return np.clip(steps, -largest, largest, out=steps).astype(dtype)


def _stored(scale: Floats) -> Array:
    scale = np.where(scale > 0, np.maximum(scale, SMALLEST), 1.0)
    low, high = FLOAT32_SCALES
    if not scale.size or scale.min() < low or scale.max() > high:
        return scale
    short = scale.astype(np.float32)
    return np.where(short < scale, np.nextafter(short, np.float32(np.inf)), short)


def _rows(array: Array, channel_axis: int | None) -> Array:
    if channel_axis is None:
        return array.reshape(1, -1)
    channels = array.shape[channel_axis]
    return np.moveaxis(array, channel_axis, 0).reshape(channels, array.size // max(channels, 1))


def _along(values: Array, ndim: int, channel_axis: int | None) -> Array:
    if channel_axis is None:
        return values.reshape((1,) * ndim)
    shape = [1] * ndim
    shape[channel_axis] = -1
    return values.reshape(shape)
