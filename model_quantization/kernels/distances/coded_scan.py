"""The nearest of known rows, found by products of bytes and ranked in double precision.

A known row is a middle, a code of 8 bits times a step for each feature, and what is left over. A
row that is asked about is rounded to 8 bits with the steps multiplied in. The product of the two is
then a whole number. What either rounding took away is measured, and by Cauchy and Schwarz bounds
by how much a score is off; what could be among the nearest is measured again.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.distances.measured import rank

GROUP = 64
WORD = 4
MOST_FEATURES = 1 << 15
_LOWEST = np.float32(-(2.0**127))
_SMALLEST = 2.0**-100
_Query: TypeAlias = tuple[Array, int, float, float, float]


@kernel
def fill_nearest_by_codes(
    rows: Array,
    middle: Array,
    steps: Array,
    zeros: Array,
    facts: Array,
    groups: Array,
    heights: Array,
    lengths: Array,
    known: Array,
    relative: float,
    count: int,
    most: int,
    slack: Array,
    places: Array,
    distances: Array,
    room: Array,
) -> int:
    """Fill `slack`, `places` and `distances` as `fill_ranked` does, without being told candidates.

    The score of a known row is `scale * (start + codes @ query) - height`, in single precision; it
    may be off by `doubt * length`, and by half of the margin. What is within that of the last of
    the best is a candidate.

    Parameters
    ----------
    rows : float64 array of shape (n, n_features)
    middle : float64 array of shape (n_features,)
        Subtracted from the rows.
    steps : float64 array of shape (n_features,)
        What a code of a known row counts.
    zeros : int32 array of shape (n_features,)
        The code of the middle.
    facts : float64 array of shape (5,)
        How far the farthest known row is from the middle, and from zero; the length of the longest
        rest that its codes leave; rounding of a product, relative to squares of lengths, in single
        and double precision.
    groups : uint8 array of shape (n_groups, width * GROUP)
        Codes of `GROUP` known rows each: `WORD` features of one, then those of the next.
    heights : float32 array of shape (n_groups * GROUP,)
        Half of each square of a length; infinite where there is no row.
    lengths : float32 array of shape (n_groups * GROUP,)
        Of the codes, from the middle's.
    known : float64 array of shape (n_known, n_features)
    relative, count
        As in `fill_ranked`.
    most : int
        Candidates of a row.
    slack : float64 array of shape (n,)
    places : int64 array of shape (n, n_places)
        -1 in a row that is too far away, is no numbers, or has more candidates than there is room
        for.
    distances : float64 array of shape (n, n_places)
        Infinite in such a row.
    room : int64 array
        To work in; see `room_for`.

    Returns
    -------
    int
        How many such rows there are.
    """
    width = groups.shape[1] // GROUP
    codes = groups.reshape(-1, width // WORD, GROUP, WORD).transpose(0, 2, 1, 3)
    codes = codes.reshape(-1, width)[:, : rows.shape[1]].astype(np.int64)
    places[...], distances[...] = -1, np.inf
    failed = 0
    for i, row in enumerate(rows):
        query, slack[i] = _query_of(row, middle, steps, zeros, *map(float, facts))
        candidates = None if query is None else _candidates(query, codes, heights, lengths, count)
        if candidates is None or not count <= len(candidates) <= most:
            failed += 1
            continue
        slack[i] = rank(
            row, known, 2, candidates, relative, count, slack[i], places[i], distances[i]
        )
    return failed


def _query_of(
    row: Array,
    middle: Array,
    steps: Array,
    zeros: Array,
    reach: float,
    raw_reach: float,
    residual: float,
    single: float,
    twofold: float,
) -> tuple[_Query | None, float]:
    """The codes of a row, their start, scale, doubt and margin; and the slack of its distances."""
    raw = away = most = doubt = 0.0
    for value, low, step in zip(row.tolist(), middle.tolist(), steps.tolist(), strict=True):
        raw += value * value
        away += (value - low) * (value - low)
        most = max(most, abs((value - low) * step))
    far, raw_far = float(np.sqrt(away)) + reach, float(np.sqrt(raw)) + raw_reach
    slack = twofold * (raw_far * raw_far)
    if not (far < 2.0**50 and slack < 2.0**100 and most < 2.0**100):
        return None, 0.0
    scale = float(np.float32(most / 127.0))
    left = (row - middle) * steps
    codes = np.zeros(len(row))
    if scale > _SMALLEST:
        codes = np.rint(left / scale)
        left -= scale * codes
    else:
        scale = 0.0
    for each in left.tolist():
        doubt += each * each
    query = codes.astype(np.int64)
    margin = float(np.sqrt(away)) * residual + single * (far * far) + slack
    start = -int(zeros.astype(np.int64) @ query)
    return (query, start, scale, float(np.sqrt(doubt)) * 1.00001, 2.00001 * margin), slack


def _candidates(query: _Query, codes: Array, heights: Array, lengths: Array, count: int) -> Array:
    scale, doubt, margin = map(np.float32, query[2:])
    products = scale * (codes @ query[0] + query[1]).astype(np.float32)
    doubts = doubt * lengths
    upper, lower = products - (heights - doubts), products - (heights + doubts)
    limit = max(np.partition(lower, -count)[-count] - margin, _LOWEST)
    return np.flatnonzero(upper >= limit)


def room_for(n: int, features: int, count: int, most: int) -> int:
    """The size of `room` for so many rows and candidates."""
    each = (features + 7) // 8 + 4 + most + (most + 1) // 2 + (count + 1) // 2
    return min(n, 96) * each + most
