"""Small weights to zero, and arrays of mostly zeros without them."""

from __future__ import annotations

import math

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.gaps import gaps_from_positions
from model_quantization.codecs.stream import encode_stream
from model_quantization.errors import SchemeError
from model_quantization.schemes.scheme import Role, Slot

ZEROS_TO_TRY = 0.5
MAY_COST = 1.02


def prune(array: Array, threshold: float, slot: Slot, where: str = "") -> Array:
    """A copy with every weight of magnitude below `threshold` replaced by 0.0; NaN stays.

    Raises
    ------
    SchemeError
        Not a weight, not floating point, or a threshold that is negative or not finite.
    """
    if not math.isfinite(threshold) or threshold < 0:
        raise SchemeError(
            "the pruning threshold cannot be used",
            where=where,
            expected="a finite number of at least 0",
            got=str(threshold),
        )
    if threshold == 0:
        return array
    if slot.role is not Role.WEIGHT:
        raise SchemeError(
            "something else than weights cannot be pruned",
            where=where,
            got=f"role {slot.role}",
            do="leave the threshold at 0 here",
        )
    if array.dtype.kind != "f":
        raise SchemeError(
            "numbers that are not floating point cannot be pruned",
            where=where,
            got=str(array.dtype),
        )
    return np.where(np.abs(array) < threshold, array.dtype.type(0), array)


def sparse_parts(name: str, dense: Array, nonzero: Array) -> dict[str, Array] | None:
    """Gaps and the elements at `nonzero`, if those take no more than `dense`; else None.

    Tried where at least half is zero, and settled by encoding both with `effort="fast"`, which
    samples long arrays. Up to 2 % more are taken for it, as what is not stored need not be decoded
    or multiplied: coders compress zeros so well that the two forms rarely differ by more.

    Parameters
    ----------
    name : str
        What the part is called: `codes` or `values`.
    dense : ndarray, shape (n,)
        All elements.
    nonzero : ndarray of bool, shape (n,)
        Those that do not decode to 0.0.
    """
    count = int(np.count_nonzero(nonzero))
    if not dense.size or count > (1.0 - ZEROS_TO_TRY) * dense.size:
        return None
    parts = {"gaps": gaps_from_positions(np.flatnonzero(nonzero)), name: dense[nonzero]}
    taken = sum(len(encode_stream(part, effort="fast").data) for part in parts.values())
    allowed = MAY_COST * len(encode_stream(dense, effort="fast").data)
    return parts if taken <= allowed else None
