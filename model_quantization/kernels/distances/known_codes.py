"""Known rows as codes of a byte: a quarter of what their scan reads in single precision."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import aligned, squared_lengths
from model_quantization.kernels.distances.coded_scan import (
    GROUP,
    MOST_FEATURES,
    WORD,
    fill_nearest_by_codes,
    room_for,
)
from model_quantization.values import Value

_ROOM = 160  # candidates beyond the neighbours
_TOPS = (254.0, 255.0)  # largest codes of rows that were rounded to 8 bits
_LOOKED_AT = 256  # rows that show which of them it is
_BLOCK = 256  # rows that stay in the cache
_TRIED = 32  # known rows that are searched for, to see how many candidates there are
_FARTHEST = 2.0**50
_SHARE = 8.0  # of a bound, for both ways of two distances
_SINGLE = 16.0 * float(np.finfo(np.float32).eps)
_DOUBLE = float(np.finfo(np.float64).eps)


class KnownCodes(Value, frozen=True):
    """Known rows, prepared for `fill_nearest_by_codes`, which takes all of these.

    Attributes
    ----------
    middle, steps, zeros, facts, groups, heights, lengths : ndarray
    """

    middle: Array
    steps: Array
    zeros: Array
    facts: Array
    groups: Array
    heights: Array
    lengths: Array

    @classmethod
    def of(cls, rows: Array, raw_reach: float, *, by_products: bool) -> KnownCodes | None:
        """Return the codes of known rows; None where too little of the rows is left in codes.

        Parameters
        ----------
        rows : float64 array of shape (n_known, n_features)
            Finite.
        raw_reach : float
            The length of the longest.
        by_products : bool
            Whether their distances are computed by products of matrices elsewhere.
        """
        n, width = rows.shape
        low = rows.min(axis=0)
        spread = rows.max(axis=0) - low
        if not width <= MOST_FEATURES or not float(spread.max(initial=0.0)) < _FARTHEST:
            return None
        steps = _steps(rows, low, spread)
        zeros = np.rint((rows.mean(axis=0) - low) / steps)
        middle = low + steps * zeros
        codes = np.empty(rows.shape, dtype=np.uint8)
        lengths, squares, rests = np.empty((3, n))
        for start in range(0, n, _BLOCK):
            part = slice(start, start + _BLOCK)
            centred = rows[part] - middle
            rounded = np.rint(centred / steps)
            codes[part] = rounded + zeros
            lengths[part] = np.sqrt(squared_lengths(rounded))
            squares[part] = squared_lengths(centred)
            rounded *= steps
            centred -= rounded
            rests[part] = squared_lengths(centred)
        rest = np.sqrt(rests.max())
        twofold = _SHARE * (width + 4) * _DOUBLE if by_products else 0.0
        reach = float(np.sqrt(squares.max()))
        groups = _grouped(codes)
        made = cls(
            middle,
            steps,
            zeros.astype(np.int32),
            np.array([reach, raw_reach, 1.00001 * rest, _SINGLE, twofold]),
            groups,
            _filled_up(0.5 * squares, np.inf),
            _filled_up(1.00001 * lengths, 0.0),
        )
        return made if made._are_fine(rows) else None

    def fill_nearest(
        self,
        rows: Array,
        known: Array,
        relative: float,
        count: int,
        slack: Array,
        places: Array,
        distances: Array,
    ) -> int:
        """Fill the last three as `fill_ranked` does; return how many rows it cannot tell.

        Their places are -1.
        """
        most = count + _ROOM
        room = np.empty(room_for(len(rows), rows.shape[1], count, most), dtype=np.int64)
        return fill_nearest_by_codes(
            rows, self.middle, self.steps, self.zeros, self.facts, self.groups, self.heights,
            self.lengths, known, relative, count, most, slack, places, distances, room,
        )  # fmt: skip

    def _are_fine(self, rows: Array) -> bool:
        """Whether few candidates are found of known rows themselves."""
        some = np.ascontiguousarray(rows[:: max(1, len(rows) // _TRIED)][:_TRIED])
        count = min(5, len(rows))
        places, distances = (
            np.empty((len(some), count + 1), dtype=np.int64),
            np.empty((len(some), count + 1)),
        )
        failed = self.fill_nearest(some, rows, 0.0, count, np.empty(len(some)), places, distances)
        return failed * 4 <= len(some)


def _steps(rows: Array, low: Array, spread: Array) -> Array:
    """The step of each feature: the one that the rows were rounded to, or a close one."""
    some = rows[:_LOOKED_AT] - low
    found = []
    for top in _TOPS:
        steps = np.where(spread > 0, spread / top, 1.0)
        rest = some / steps
        rest -= np.rint(rest)
        found.append((steps, np.einsum("ij,ij->j", rest, rest)))
    (fewer, rest_of_fewer), (more, rest_of_more) = found
    return np.asarray(np.where(rest_of_fewer < rest_of_more, fewer, more))


def _grouped(codes: Array) -> Array:
    n, width = codes.shape
    words, groups = -(-width // WORD), -(-n // GROUP)
    padded = np.zeros((groups * GROUP, words * WORD), dtype=np.uint8)
    padded[:n, :width] = codes
    by_word = padded.reshape(groups, GROUP, words, WORD).transpose(0, 2, 1, 3)
    return aligned(by_word).reshape(groups, -1)


def _filled_up(values: Array, beyond: float) -> Array:
    filled = np.full(-(-len(values) // GROUP) * GROUP, beyond, dtype=np.float32)
    filled[: len(values)] = values
    return aligned(filled)
