"""Distances to every known row, in double precision, and by how much rounding moves them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import squared_lengths

_NUMBERS = 1 << 17  # at a time: a megabyte of them
_SHARE = 8.0  # of the bound, for both ways of two distances
_EPS = float(np.finfo(np.float64).eps)


class AllDistances:
    """Known rows, prepared for distances to all of them.

    Parameters
    ----------
    known : float64 array of shape (n_known, n_features)
        Finite.
    measure : int
        1: the sum of absolute differences; 2: of their squares; 0: the largest difference.
    """

    __slots__ = ("_centred", "_middle", "_reach", "_squares", "known", "measure")

    def __init__(self, known: Array, measure: int) -> None:
        self.known, self.measure = known, measure
        self._middle = known.mean(axis=0)
        self._centred = np.ascontiguousarray((known - self._middle).T)
        self._squares = np.einsum("ij,ij->j", self._centred, self._centred)
        raw = squared_lengths(known).max()
        self._reach = float(np.sqrt(max(raw, self._squares.max())))

    def blocks(self, rows: Array) -> Iterator[tuple[slice, Array, Array]]:
        """Yield the slice of each block of rows, its distances (squared for 2) and its slack.

        The slack, of shape (n, 1), bounds the rounding of any distance of a row.
        """
        size = max(1, _NUMBERS // len(self.known))
        unit = _SHARE * (rows.shape[1] + 4) * _EPS
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            some = rows[part] - self._middle
            raw = squared_lengths(rows[part])[:, np.newaxis]
            far = np.sqrt(raw) + self._reach
            if self.measure == 2:
                yield part, self._of_squares(some), unit * far * far
            else:
                yield part, self._of_differences(some), unit * far * np.sqrt(rows.shape[1])

    def _of_squares(self, rows: Array) -> Array:
        found = rows @ self._centred
        found *= -2.0
        found += self._squares
        found += squared_lengths(rows)[:, np.newaxis]
        return np.asarray(np.maximum(found, 0.0, out=found))

    def _of_differences(self, rows: Array) -> Array:
        found = np.zeros((len(rows), self._centred.shape[1]))
        add = np.add if self.measure else np.maximum
        for values, known in zip(rows.T, self._centred, strict=True):
            add(found, np.abs(values[:, np.newaxis] - known), out=found)
        return found
