"""How far the scores of a network can be from those of the same network in exact arithmetic.

An activation function changes by no more than its argument does (the logistic one by a quarter),
so that an error grows from layer to layer by the layer's largest stretch at most, which is its
largest singular value. What each layer adds is known: its inputs are rounded to a step, or its
sums to so many digits (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.values import Value

SINGLE: Final = 2.0**-24
DOUBLE: Final = 2.0**-53

# How steep an activation is at most, and by how many units of the last place numpy may be off.
STEEPNESS: Final = {"identity": 1.0, "relu": 1.0, "tanh": 1.0, "logistic": 0.25}
_UNITS: Final = {"identity": 0.0, "relu": 0.0, "tanh": 8.0, "logistic": 8.0}
_WIDEST: Final = 1024  # a layer whose singular values are worth their time
_SQUARINGS: Final = 3
_MOST_PAIRS: Final = 256  # outputs that are compared one by one
_BEYOND: Final = 1.0 + 1e-6  # for what the bounds themselves are rounded by


class LayerNorms(Value, frozen=True):
    """What the bounds know of a layer.

    Attributes
    ----------
    inputs : int
    stretch : float
        No vector becomes longer than this many times its length; of the last layer, no output or
        difference of two outputs becomes larger.
    size : float
        The length of all weights together; of the last layer, twice that of the longest output's.
    bias : float
        The length of the biases; of the last layer, twice the largest.
    """

    inputs: int
    stretch: float
    size: float
    bias: float


def norms_of(weights: Sequence[Array], biases: Sequence[Array]) -> tuple[LayerNorms, ...]:
    """The norms of a network's layers, of which the last is looked at output by output."""
    last = len(weights) - 1
    return tuple(
        (_of_outputs if at == last else _of_layer)(weight, bias)
        for at, (weight, bias) in enumerate(zip(weights, biases, strict=True))
    )


def bounds_of_codes(
    norms: Sequence[LayerNorms], hidden: str, limits: Sequence[int], unit: float, given: float
) -> Array:
    """How far scores can be off where the inputs of each layer are whole numbers of a step.

    Parameters
    ----------
    norms : sequence of LayerNorms
    hidden : str
        Activation of the hidden layers.
    limits : sequence of int
        The largest whole number in each layer.
    unit : float
        Half a unit of the last place of the numbers that sums become.
    given : float
        That of the arithmetic in which the original scales rows.

    Returns
    -------
    ndarray of shape (n_layers + 2,)
        In any case; for each unit of the largest scaled input; for each unit of a layer's step.
    """
    found = np.zeros(len(norms) + 2)
    found[1] = sqrt(norms[0].inputs) * (4.0 * given + unit)
    for at, (layer, limit) in enumerate(zip(norms, limits, strict=True)):
        found *= layer.stretch
        length = sqrt(layer.inputs)
        exact = (layer.inputs + 8) * 2.0 * DOUBLE  # the original's own sums
        found[2 + at] += length * 0.51 * layer.stretch
        found[2 + at] += length * limit * (6.0 * unit * layer.size + exact * layer.size)
        found[0] += (6.0 * unit + exact) * layer.bias + 1e-30
        if at + 1 < len(norms):
            found *= STEEPNESS[hidden]
    return np.asarray(found * _BEYOND)


def bounds_of_floats(
    norms: Sequence[LayerNorms], hidden: str, unit: float, given: float
) -> tuple[float, float]:
    """How far floating-point scores can be off: in any case, and for each unit of a row's length.

    Parameters
    ----------
    norms, hidden, given
        As in `bounds_of_codes`; the length is that of all that is added up for a scaled row.
    unit : float
        Half a unit of the last place of the numbers that all is computed in.
    """
    fixed, growing = 0.0, 4.0 * given + 2.0 * unit
    length_fixed, length_growing = 0.0, 1.0  # of the layer's input
    for at, layer in enumerate(norms):
        share = (layer.inputs + 8) * (unit + DOUBLE) * 1.01
        fixed = layer.stretch * fixed + share * (layer.size * length_fixed + layer.bias) + 1e-30
        growing = layer.stretch * growing + share * layer.size * length_growing
        length_fixed = layer.stretch * length_fixed + layer.bias
        length_growing *= layer.stretch
        if at + 1 < len(norms):
            steep, units = STEEPNESS[hidden], _UNITS[hidden]
            fixed, growing = fixed * steep, growing * steep
            if units:  # its values are at most 1
                outputs = sqrt(norms[at + 1].inputs)
                fixed += units * (unit + DOUBLE) * outputs
                length_fixed, length_growing = outputs, 0.0
    return fixed * _BEYOND, growing * _BEYOND


def _of_layer(weight: Array, bias: Array) -> LayerNorms:
    size = float(np.linalg.norm(weight))
    return LayerNorms(len(weight), largest_stretch(weight), size, float(np.linalg.norm(bias)))


def _of_outputs(weight: Array, bias: Array) -> LayerNorms:
    lengths = np.sqrt(np.square(weight).sum(axis=0))
    longest = float(lengths.max())
    stretch = 2.0 * longest
    if 1 < weight.shape[1] <= _MOST_PAIRS:
        gaps = (weight[:, :, np.newaxis] - weight[:, np.newaxis, :]) if weight.size < 4096 else None
        if gaps is not None:
            apart = float(np.sqrt(np.square(gaps).sum(axis=0)).max())
        else:
            products = weight.T @ weight
            squares = lengths**2
            between = squares[:, np.newaxis] + squares - 2.0 * products
            # What cancels is small beside the lengths, and so is what it is off by.
            apart = sqrt(max(float(between.max()), 0.0) + 1e-12 * longest**2)
        stretch = max(longest, apart)
    elif weight.shape[1] == 1:
        stretch = longest
    return LayerNorms(len(weight), stretch, 2.0 * longest, 2.0 * float(np.abs(bias).max()))


def largest_stretch(weight: Array) -> float:
    """A bound of the largest singular value, and seldom a tenth above it.

    The length of a symmetric matrix with all its entries is at least its largest eigenvalue, and
    squaring the matrix some times squares the largest one beyond the others.
    """
    whole = float(np.linalg.norm(weight))
    if min(weight.shape) > _WIDEST or not 0.0 < whole < np.inf:
        return whole
    scaled = weight / whole
    square = scaled @ scaled.T if len(weight) < weight.shape[1] else scaled.T @ scaled
    found = 1.0
    power = 0.5
    for _ in range(_SQUARINGS):
        length = float(np.linalg.norm(square))
        found *= length**power
        square = square / length
        square = square @ square
        power /= 2.0
    return float(whole * found * float(np.linalg.norm(square)) ** power * _BEYOND)
