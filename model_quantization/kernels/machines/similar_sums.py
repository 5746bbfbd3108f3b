"""Similarities of rows to known rows, and their weighted sums, in one pass over the known rows.

A similarity is a program: squared distances or products first, then a few steps (`STEPS`), as a
calculator with a stack takes them. Each is computed to a few units of the last place: distances
are sums of squared differences, so that nothing cancels.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

TILE: Final = 32
ALIGNED: Final = 8
DEPTH: Final = 8
LARGEST_POWER: Final = 64

STEPS: Final = (
    "distances",  # of the rows times a block's scales, to the block's rows
    "products",
    "constant",  # a
    "scale",  # a x + b
    "exponential",  # exp(a x)
    "tangent",  # tanh(x)
    "root",
    "matern 3",  # (1 + x) exp(-x)
    "matern 5",  # (1 + x + x^2 / 3) exp(-x)
    "power",  # a whole number
    "sine squared",
    "logarithm",  # of a + x
    "add",
    "multiply",
)
_LOWEST, _HIGHEST = -708.0, 709.0


@kernel
def fill_similar_sums(
    rows: Array,
    scales: Array,
    tiles: Array,
    program: Array,
    constants: Array,
    coefficients: Array,
    starts: Array,
    sums: Array,
) -> None:
    """Fill `sums` with the similarities of each row times coefficients, added up part by part.

    Parameters
    ----------
    rows : float64, shape (n, n_features)
    scales : float64, shape (n_blocks, n_features)
        What a row is multiplied with before it is compared with the known rows of a block.
    tiles : float64, shape (n_blocks * n_known / 32 * n_features, 32)
        The known rows of each block, 32 beside each other, feature by feature.
    program : int64, shape (n_steps, 2)
        Number of the step in `STEPS`; its block, or the power.
    constants : float64, shape (n_steps, 2)
        What `STEPS` calls a and b.
    coefficients : float64, shape (n_columns, n_known)
    starts : int64, shape (n_parts + 1,)
        Where each part of the known rows begins, multiples of 8; at last n_known.
    sums : float64, shape (n, n_parts * n_columns)
    """
    similar = _similarities(
        rows, scales, tiles, program, constants, np.empty((len(rows), coefficients.shape[1]))
    )
    for part, (start, end) in enumerate(pairwise(starts.tolist())):
        columns = slice(part * len(coefficients), (part + 1) * len(coefficients))
        sums[:, columns] = similar[:, start:end] @ coefficients[:, start:end].T


@kernel
def fill_similarities(
    rows: Array, scales: Array, tiles: Array, program: Array, constants: Array, similar: Array
) -> None:
    """Fill `similar`, float64 of shape (n, n_known); the others as in `fill_similar_sums`."""
    _similarities(rows, scales, tiles, program, constants, similar)


def _similarities(
    rows: Array, scales: Array, tiles: Array, program: Array, constants: Array, similar: Array
) -> Array:
    n_features = rows.shape[1]
    blocks = tiles.reshape(len(scales), -1, n_features, TILE)
    stack: list[Array] = []
    with np.errstate(all="ignore"):
        for (step, which), (a, b) in zip(program.tolist(), constants.tolist(), strict=True):
            name = STEPS[step]
            if name in ("distances", "products"):
                known = blocks[which].transpose(1, 0, 2).reshape(n_features, -1)
                stack.append(_compared(rows * scales[which], known, name == "distances"))
            elif name == "constant":
                stack.append(np.full(similar.shape, a))
            elif name in ("add", "multiply"):
                last = stack.pop()
                stack[-1] = stack[-1] + last if name == "add" else stack[-1] * last
            else:
                stack[-1] = _changed(stack[-1], name, which, a, b)
    similar[...] = stack.pop()
    return similar


def _compared(rows: Array, known: Array, squared: bool) -> Array:
    """Squared distances or products, one row at a time to spare memory."""
    found = np.empty((len(rows), known.shape[1]))
    for at, row in enumerate(rows):
        column = row[:, np.newaxis]
        parts = (column - known) ** 2 if squared else column * known
        found[at] = parts.sum(axis=0)
    return found


def _changed(x: Array, name: str, power: int, a: float, b: float) -> Array:
    """What a step that takes one number makes of each."""
    match name:
        case "scale":
            return x * a + b
        case "exponential":
            return _exp(x * a)
        case "tangent":
            return np.asarray(np.tanh(x))
        case "root":
            return np.asarray(np.sqrt(x))
        case "matern 3":
            return (1.0 + x) * _exp(-x)
        case "matern 5":
            return (1.0 + x + x * x / 3.0) * _exp(-x)
        case "power":
            return np.asarray(x**power)
        case "sine squared":
            return np.asarray(np.sin(x) ** 2)
    return np.asarray(np.log(a + x))


def _exp(x: Array) -> Array:
    return np.asarray(np.exp(np.clip(x, _LOWEST, _HIGHEST)))
