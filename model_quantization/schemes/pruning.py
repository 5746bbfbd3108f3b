"""Sets small weights to zero, and stores arrays of mostly zeros without their zeros."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from model_quantization.arrays import Array
from model_quantization.codecs.gaps import gaps_from_positions
from model_quantization.codecs.stream import encode_stream
from model_quantization.errors import SchemeError
from model_quantization.schemes.scheme import Role, Slot
from model_quantization.values import Value

ZEROS_TO_TRY = 0.5
MAY_COST = 1.02


# The part of a score's spread that all its pruned weights together may move it by.
SMALL_SHARE = 0.01


class Spread(Value, frozen=True):
    """How far the inputs and the outputs of a layer of weights vary.

    Attributes
    ----------
    features : ndarray, shape (d,)
        Standard deviation of each input.
    scores : ndarray, shape (k,)
        Standard deviation of each output.
    """

    features: Array
    scores: Array


def prune(
    array: Array, threshold: float, slot: Slot, where: str = "", spread: Spread | None = None
) -> Array:
    """A copy in which weights of magnitude below `threshold` are 0.0; NaN stays.

    A weight stays all the same where it moves the scores: see `prunable`.

    Parameters
    ----------
    array : ndarray
        Weights; `slot.channel_axis` has an index per score.
    threshold : float
        0: nothing is pruned.
    slot : Slot
    where : str
        Path of the array in the model, for messages.
    spread : Spread, optional
        Measured on rows. Default: all inputs vary equally and independently.

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
    pruned = prunable(array, threshold, slot, spread)
    return np.where(pruned, array.dtype.type(0), array)


def prunable(
    array: Array, threshold: float, slot: Slot, spread: Spread | None = None
) -> NDArray[np.bool_]:
    """Chooses the weights to prune: small ones that together hardly move any score.

    A weight moves scores by its magnitude times the spread of its feature. The smallest are pruned,
    as long as the root of the sum of their squares is at most `SMALL_SHARE` of the score's spread.

    Returns
    -------
    ndarray of bool, of `array`'s shape
    """
    small: NDArray[np.bool_] = np.abs(array) < threshold
    weights, candidates = _by_score(array, slot), _by_score(small, slot)
    scores, features = weights.shape
    if spread is not None and (len(spread.features), len(spread.scores)) == (features, scores):
        moved = np.square(weights * spread.features)
        allowed = np.square(SMALL_SHARE * spread.scores)
    else:
        moved = np.square(weights)
        allowed = SMALL_SHARE**2 * np.nansum(moved, axis=1)
    chosen = candidates.copy()
    total = np.sum(moved, axis=1, where=candidates)
    for score in np.flatnonzero(~(total <= allowed)):
        order = np.flatnonzero(candidates[score])
        order = order[np.argsort(moved[score, order], kind="stable")]
        chosen[score, order[np.cumsum(moved[score, order]) > allowed[score]]] = False
    if array.ndim != 2:
        return chosen.reshape(array.shape)
    return chosen.T if slot.channel_axis in (1, -1) else chosen


def count_kept(array: Array, threshold: float, slot: Slot, spread: Spread | None = None) -> int:
    """How many weights below the threshold stay, as they move the scores."""
    if threshold == 0:
        return 0
    below = np.count_nonzero(np.abs(array[array != 0]) < threshold)
    pruned = np.count_nonzero(prunable(array, threshold, slot, spread) & (array != 0))
    return int(below - pruned)


def _by_score(array: Array, slot: Slot) -> Array:
    """The array as (scores, features), in float64 unless it is boolean."""
    if array.dtype != np.bool_:
        array = array.astype(np.float64)
    if array.ndim != 2:
        return array.reshape(1, -1)
    return array.T if slot.channel_axis in (1, -1) else array


def sparse_parts(name: str, dense: Array, nonzero: Array) -> dict[str, Array] | None:
    """Gaps and the elements at `nonzero`; None if these take clearly more than `dense`.

    Arrays of which at least half is zero are encoded in both forms with `effort="fast"`, which
    samples long arrays. The sparse form may take up to 2 % more bytes, because elements that are
    not stored need neither decoding nor multiplying.

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
