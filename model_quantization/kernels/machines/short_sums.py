"""Sums of Gaussian similarities to known rows in single precision, and how far they may be off.

A similarity is `exp(-gamma * squared distance)`. Rows are moved to the middle of the known ones and
scaled, so that the exponent is a product of two rows and half of the square of either.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import aligned, squared_lengths
from model_quantization.kernels.compiled import kernel
from model_quantization.values import Value

TILE: Final = 32
MOST_COLUMNS: Final = 16
_UNIT: Final = 2.0**-24
_LEAST: Final = -87.0
_FAR: Final = 2.0**20
_DOUBTFUL: Final = 0.01


class ShortSums(Value, frozen=True):
    """Known rows as `fill_short_sums` takes them.

    Attributes
    ----------
    middle : float64 array of shape (n_features,)
    scale, reach : float
        What rows are multiplied with; how far the farthest known row is, scaled.
    tiles, heights, coefficients, starts : ndarray
        As the kernel takes them.
    rest : float
        By how much sums of exact similarities may be off, as a share.
    """

    middle: Array
    scale: float
    reach: float
    tiles: Array
    heights: Array
    coefficients: Array
    starts: Array
    rest: float

    @classmethod
    def of(
        cls, known: Array, coefficients: Array, counts: Sequence[int], gamma: float
    ) -> ShortSums | None:
        """Lay out known rows; None where their numbers do not suit single precision.

        Parameters
        ----------
        known : ndarray of shape (n_known, n_features)
        coefficients : ndarray of shape (n_columns, n_known)
        counts : sequence of int
            How many rows each part has, in order.
        gamma : float
        """
        rows = np.asarray(known, dtype=np.float64)
        middle, scale = rows.mean(axis=0), float(np.sqrt(2.0 * gamma))
        rows = (rows - middle) * scale
        squares = squared_lengths(rows)
        reach = float(np.sqrt(squares.max(initial=0.0)))
        largest = float(np.abs(coefficients).max(initial=0.0))
        if not (reach < _FAR and 0.0 < largest < _FAR) or len(coefficients) > MOST_COLUMNS:
            return None
        places, starts, at = [], [0], 0
        for count in counts:
            places.append(np.arange(at, at + count))
            at += -(-count // TILE) * TILE
            starts.append(at)
        places_of = np.concatenate(places)
        wide, heights = np.zeros((at, rows.shape[1])), np.zeros(at)
        weights = np.zeros((len(coefficients), at))
        wide[places_of], heights[places_of] = rows, -0.5 * squares
        weights[:, places_of] = coefficients
        tiles = wide.reshape(-1, TILE, rows.shape[1]).transpose(0, 2, 1).reshape(-1, TILE)
        return cls(
            middle,
            scale,
            reach,
            aligned(tiles.astype(np.float32)),
            aligned(heights.astype(np.float32)),
            aligned(weights.astype(np.float32)),
            np.array(starts, dtype=np.int64),
            # Lanes are four numbers at least.
            (max(np.diff(starts)) / 4 + 64) * _UNIT,
        )

    def sums(self, rows: Array) -> tuple[Array, Array]:
        """Return the sums, (n, n_parts * n_columns), and how far they may be off, (n,).

        The latter is a share of the coefficients' magnitudes, added up; infinite where nothing is
        known. With products of `n_features` terms, each similarity is off by the rounding of its
        exponent (Higham, section 3.1) and a few units; a sum by one unit for each number in a lane.
        """
        n, width = rows.shape
        moved, heights = np.empty((n, width), dtype=np.float32), np.empty(n, dtype=np.float32)
        off = np.empty(n)
        fill_short_rows(
            np.ascontiguousarray(rows, dtype=np.float64), self.middle, self.scale, self.reach,
            (width + 8) * _UNIT, self.rest, moved, heights, off,
        )  # fmt: skip
        sums = np.empty((n, (len(self.starts) - 1) * len(self.coefficients)))
        fill_short_sums(
            moved, heights, self.tiles, self.heights, self.coefficients, self.starts, sums
        )
        return sums, off


@kernel
def fill_short_rows(
    rows: Array,
    middle: Array,
    scale: float,
    reach: float,
    share: float,
    rest: float,
    moved: Array,
    heights: Array,
    off: Array,
) -> None:
    """Fill what `fill_short_sums` takes of rows, and how far their sums may be off.

    Parameters
    ----------
    rows : float64, shape (n, n_features)
    middle : float64, shape (n_features,)
        Subtracted from the rows, before they are multiplied with `scale`.
    scale, reach : float
        How far the farthest known row is, scaled.
    share, rest : float
        Of the square of both lengths together, and of any row.
    moved : float32, shape (n, n_features)
    heights : float32, shape (n,)
        Half of the square of each length, below zero.
    off : float64, shape (n,)
        Infinite where nothing is known.
    """
    with np.errstate(all="ignore"):
        values = (rows - middle) * scale
        moved[...] = values
        squares = np.zeros(len(rows))
        for column in values.T:
            squares += column * column
        far = np.sqrt(squares) + reach
        doubts = share * (far * far)
        near = doubts < _DOUBTFUL
        heights[...] = np.where(near, -0.5 * squares, 0.0)
        off[...] = np.where(near, 1.02 * doubts + rest, np.inf)


@kernel
def fill_short_sums(
    rows: Array,
    heights: Array,
    tiles: Array,
    tile_heights: Array,
    coefficients: Array,
    starts: Array,
    sums: Array,
) -> None:
    """Fill `sums` with `exp(height + tile_height + row @ known)` times coefficients, part by part.

    Parameters
    ----------
    rows : float32, shape (n, n_features)
    heights : float32, shape (n,)
    tiles : float32, shape (n_known / 32 * n_features, 32)
        The known rows, 32 beside each other, feature by feature.
    tile_heights : float32, shape (n_known,)
    coefficients : float32, shape (n_columns, n_known)
    starts : int64, shape (n_parts + 1,)
        Where each part of the known rows begins, multiples of 32; at last n_known.
    sums : float64, shape (n, n_parts * n_columns)
    """
    n_features, n_columns = rows.shape[1], len(coefficients)
    known = tiles.reshape(-1, n_features, TILE).transpose(1, 0, 2).reshape(n_features, -1)
    with np.errstate(all="ignore"):
        exponents = rows.astype(np.float64) @ known + heights[:, np.newaxis] + tile_heights
        similar = np.exp(np.maximum(exponents, _LEAST))
    for part, (start, end) in enumerate(pairwise(starts.tolist())):
        columns = slice(part * n_columns, (part + 1) * n_columns)
        sums[:, columns] = similar[:, start:end] @ coefficients[:, start:end].T
