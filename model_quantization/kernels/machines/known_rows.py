"""Known rows laid out for `similar_sums`, and the similarity to them as a program of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import aligned
from model_quantization.kernels.machines.similar_sums import (
    ALIGNED,
    DEPTH,
    LARGEST_POWER,
    STEPS,
    TILE,
    fill_similar_sums,
    fill_similarities,
)

_BINARY: Final = ("add", "multiply")
_STARTS: Final = ("distances", "products", "constant")


class Step(NamedTuple):
    """One step of a program; `similar_sums.STEPS` says what it does with a and b."""

    name: str
    a: float = 0.0
    b: float = 0.0
    power: int = 0
    scale: Array | None = None  # of `distances` and `products`, per feature; None: 1


def is_possible(steps: Sequence[Step]) -> bool:
    """Whether a program needs no more room, and no higher power, than the kernel has."""
    depth = 0
    for step in steps:
        depth += 1 if step.name in _STARTS else -1 if step.name in _BINARY else 0
        if depth > DEPTH or not 0 <= step.power <= LARGEST_POWER:
            return False
    return depth == 1


class KnownRows:
    """Known rows as the compiled pass takes them.

    Parameters
    ----------
    steps : sequence of Step
        A program that `is_possible`.
    known : ndarray of shape (n_known, n_features)
    counts : sequence of int, optional
        How many rows each part has, in order; by default they are one part.
    """

    def __init__(
        self, steps: Sequence[Step], known: Array, counts: Sequence[int] | None = None
    ) -> None:
        scales: list[Array] = []
        which = [_block(step, known.shape[1], scales) for step in steps]
        self._places, self.starts = _layout([len(known)] if counts is None else counts)
        count = int(self.starts[-1])
        self._scales = np.array(scales).reshape(-1, known.shape[1])
        self._tiles = aligned(
            np.concatenate(
                [_tiled(known, scale, self._places, count) for scale in self._scales]
                or [np.empty((0, TILE))]
            )
        )
        self._program = np.array(
            [(STEPS.index(step.name), at) for step, at in zip(steps, which, strict=True)],
            dtype=np.int64,
        )
        self._constants = np.array([(step.a, step.b) for step in steps])

    def laid_out(self, coefficients: Array) -> Array:
        """Coefficients, (n_columns, n_known), in the places of their rows."""
        found = np.zeros((len(coefficients), int(self.starts[-1])))
        found[:, self._places] = coefficients
        return aligned(found)

    def sums(self, rows: Array, coefficients: Array) -> Array:
        """Return the sums of each part, (n, n_parts * n_columns), of coefficients laid out."""
        found = np.empty((len(rows), (len(self.starts) - 1) * len(coefficients)))
        fill_similar_sums(
            np.ascontiguousarray(rows, dtype=np.float64),
            self._scales,
            self._tiles,
            self._program,
            self._constants,
            coefficients,
            self.starts,
            found,
        )
        return found

    def similarities(self, rows: Array) -> Array:
        """Return the similarity of each row to each known row, (n, n_known)."""
        found = np.empty((len(rows), int(self.starts[-1])))
        fill_similarities(
            np.ascontiguousarray(rows, dtype=np.float64),
            self._scales,
            self._tiles,
            self._program,
            self._constants,
            found,
        )
        return found[:, self._places]


def _block(step: Step, n_features: int, scales: list[Array]) -> int:
    """The number of the block that a step compares with, or its power."""
    if step.name not in ("distances", "products"):
        return step.power
    scale = np.broadcast_to(np.asarray(1.0 if step.scale is None else step.scale), n_features)
    for at, known in enumerate(scales):
        if np.array_equal(known, scale):
            return at
    scales.append(scale.astype(np.float64))
    return len(scales) - 1


def _layout(counts: Sequence[int]) -> tuple[Array, Array]:
    """The place of each known row, and where each part begins: at whole vectors."""
    places, starts, at = [], [0], 0
    for count in counts:
        places.append(np.arange(at, at + count))
        at += -(-count // ALIGNED) * ALIGNED
        starts.append(at)
    starts[-1] = -(-at // TILE) * TILE
    return np.concatenate(places), np.array(starts, dtype=np.int64)


def _tiled(known: Array, scale: Array, places: Array, count: int) -> Array:
    wide = np.zeros((count, known.shape[1]))
    wide[places] = known * scale
    tiles = wide.reshape(-1, TILE, known.shape[1]).transpose(0, 2, 1)
    return np.ascontiguousarray(tiles).reshape(-1, TILE)
