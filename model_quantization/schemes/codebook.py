"""One-dimensional k-means: the few values that stand for many with the least squared error.

Up to `EXACT_UP_TO` distinct values it is exact, by dynamic programming over the sorted values
(Wang and Song, "Ckmeans.1d.dp", The R Journal 3/2, 2011). Beyond, the values are first gathered
into that many groups, spread as the cube root of the density, which is the optimum for many entries
(Panter and Dite, Proc. IRE 39, 1951); the best entries for the groups are then improved on the
values themselves by Lloyd's iteration. Nothing is random.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array

Floats = npt.NDArray[np.float64]
EXACT_UP_TO = 512
ITERATIONS = 100
FLOAT32_ENTRIES = (1e-30, 1e30)


def fit_codebook(
    values: Array, size: int, *, importance: Array | None = None, keep_zero: bool = False
) -> Array:
    """The table of at most `size` values, ascending.

    In the dtype of `values` when there are no more distinct values than that (then it holds them
    all, bit by bit but for the sign of zero), otherwise in float32 where that can hold it: entries
    are means, which gain nothing from the digits of a float64.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        Finite.
    size : int
        At least 2.
    importance : ndarray of float, shape (n,), optional
        Non-negative weight of each squared error.
    keep_zero : bool
        Exact zeros keep their value: 0.0 is in the table if it is among the values.
    """
    distinct, inverse = np.unique(values.astype(np.float64), return_inverse=True)
    if distinct.size <= size:
        return (distinct + 0.0).astype(values.dtype)
    weights = np.bincount(inverse, None if importance is None else importance.astype(np.float64))
    fixed = np.zeros(0)
    if keep_zero and (distinct == 0).any():
        weights, distinct = weights[distinct != 0], distinct[distinct != 0]
        fixed, size = np.zeros(1), size - 1
    largest = np.abs(distinct).max()
    table = _kmeans(distinct / largest, _positive(weights), size) * largest
    table = np.concatenate([table, fixed])
    dtype = _table_dtype(table, values.dtype)
    return np.unique(table.astype(dtype) + dtype.type(0))


def _table_dtype(table: Floats, dtype: np.dtype[Any]) -> np.dtype[Any]:
    magnitudes = np.abs(table[table != 0])
    low, high = FLOAT32_ENTRIES
    if (
        dtype.itemsize > 4
        and magnitudes.size
        and magnitudes.min() > low
        and magnitudes.max() < high
    ):
        return np.dtype("<f4")
    return dtype


def nearest_codes(values: Array, table: Array) -> npt.NDArray[np.uint8]:
    """The index of the entry nearest to each value; of two equally near ones the lower."""
    wide = table.astype(np.float64)
    low, high = wide[:-1], wide[1:]
    with np.errstate(over="ignore"):
        width = high - low
    # Of two entries 1e308 apart the difference overflows, of subnormal ones the halves underflow.
    middle = np.where(np.isfinite(width), low + width / 2, low / 2 + high / 2)
    # An entry is always nearest to itself, though a border may round up to it.
    borders = np.minimum(middle, np.nextafter(high, -np.inf))
    return np.searchsorted(borders, values.astype(np.float64)).astype(np.uint8)


def look_up(codes: Array, table: Array, dtype: np.dtype[Any]) -> Array:
    """The table's values at `codes`."""
    return table.astype(dtype, copy=False)[codes]


def _positive(weights: Array) -> Floats:
    """The weights over their sum, none quite 0: an unimportant value still prefers a near one."""
    total = weights.sum()
    if not total > 0:
        return np.full(weights.size, 1.0 / weights.size)
    return np.asarray(weights / total + 1e-12 / weights.size, np.float64)


def _kmeans(points: Floats, weights: Floats, size: int) -> Floats:
    if points.size <= size:
        return points
    if points.size <= EXACT_UP_TO:
        return _exact(points, weights, size)
    return _lloyd(points, weights, size)


def _exact(points: Floats, weights: Floats, size: int) -> Floats:
    count = points.size
    mass, first, second = (
        np.concatenate(([0.0], np.cumsum(weights * points**power))) for power in (0, 1, 2)
    )
    # error[i, j]: squared error of one entry for points i..j-1.
    start, end = np.ogrid[: count + 1, : count + 1]
    inside = start < end
    mass_inside = np.where(inside, mass[end] - mass[start], 1.0)
    error = second[end] - second[start] - (first[end] - first[start]) ** 2 / mass_inside
    error = np.where(inside, np.maximum(error, 0.0), np.inf)
    best = error[0].copy()
    splits = []
    for _ in range(size - 1):
        total = best[:, None] + error
        split = total.argmin(axis=0)
        splits.append(split)
        best = total[split, np.arange(count + 1)]
    borders = [count]
    for split in reversed(splits):
        borders.append(int(split[borders[-1]]))
    borders.append(0)
    edges = np.array(borders[::-1])
    low, high = edges[:-1], edges[1:]
    means: Floats = (first[high] - first[low]) / (mass[high] - mass[low])
    return means


def _lloyd(points: Floats, weights: Floats, size: int) -> Floats:
    mass = np.concatenate(([0.0], np.cumsum(weights)))
    first = np.concatenate(([0.0], np.cumsum(weights * points)))
    groups = _groups(points, weights)
    masses = np.bincount(groups, weights).astype(np.float64)
    sums = np.bincount(groups, weights * points)
    means, masses = sums[masses > 0] / masses[masses > 0], masses[masses > 0]
    centers = _exact(means, masses, size) if means.size > size else means
    edges = np.zeros(0, np.intp)
    for _ in range(ITERATIONS):
        cuts = np.searchsorted(points, (centers[:-1] + centers[1:]) / 2)
        moved = np.concatenate(([0], cuts, [points.size]))
        if np.array_equal(moved, edges):
            break
        edges = moved
        masses = mass[edges[1:]] - mass[edges[:-1]]
        sums = first[edges[1:]] - first[edges[:-1]]
        # An entry that nothing is nearest to stays where it is.
        centers = np.where(masses > 0, sums / np.where(masses > 0, masses, 1.0), centers)
    return centers[np.diff(edges) > 0]


def _groups(points: Floats, weights: Floats) -> npt.NDArray[np.intp]:
    """For each point the number of the group of neighbours it is in, below `EXACT_UP_TO`."""
    # density ** (1/3) * room, with density = weight / room
    spread = np.cumsum(np.cbrt(weights) * np.cbrt(np.gradient(points)) ** 2)
    # Half of the groups go by rank, so that a few outliers do not take all of them.
    rank = np.arange(1, points.size + 1) / points.size
    place = (spread / spread[-1] + rank) / 2
    return np.asarray(place * (EXACT_UP_TO - 1), np.intp)
