"""Fewer thresholds and shorter leaf codes, chosen by how many rows they concern."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array

LLOYD_STEPS = 12
DROPPED_BITS = 13  # of the 23 of a float32's fraction


def coarsen_thresholds(
    feature: Array, threshold: Array, weight: Array, n_features: int, levels: int
) -> tuple[Array, float]:
    """Thresholds of which no feature has more than `levels`, and the share of splits moved.

    A row between a threshold and the level that replaces it takes another way. The levels are
    thresholds of the feature, chosen to make the expected number of such rows small: weighted
    medians of cells (Lloyd's iteration), from cells of equal mass in the square root of the
    weight density, which is optimal for absolute error as cells become many.

    Parameters
    ----------
    feature, threshold : shape (n_splits,)
    weight : float64, shape (n_splits,)
        Rows that pass the split.
    """
    moved = threshold.copy()
    order = np.argsort(feature, kind="stable")
    edges = np.searchsorted(feature[order], np.arange(n_features + 1))
    for start, end in pairwise(edges):
        at = order[start:end]
        values, place = np.unique(threshold[at], return_inverse=True)
        if len(values) > levels:
            mass = np.bincount(place, weights=weight[at], minlength=len(values))
            moved[at] = values[choose_levels(mass, levels)][place]
    return moved, float(np.mean(moved != threshold)) if threshold.size else 0.0


def choose_levels(mass: Array, levels: int) -> Array:
    """For each of n sorted values the one that replaces it: indices, at most `levels` different.

    Values are taken as evenly spaced: thresholds lie as dense as rows do.

    Parameters
    ----------
    mass : float64, shape (n,)
        What moving a value by one place costs.
    """
    mass = np.maximum(mass, 1e-12)
    spread = np.cumsum(np.sqrt(mass))
    cuts = np.searchsorted(spread, spread[-1] * np.arange(1, levels) / levels)
    total = np.concatenate([[0.0], np.cumsum(mass)])
    best: tuple[float, Array] | None = None
    for _ in range(LLOYD_STEPS):
        bounds = np.unique(np.concatenate([[0], cuts, [len(mass)]]))
        middle = (total[bounds[:-1]] + total[bounds[1:]]) / 2
        centre = np.clip(np.searchsorted(total, middle) - 1, bounds[:-1], bounds[1:] - 1)
        chosen = np.repeat(centre, np.diff(bounds))
        cost = float(mass @ np.abs(np.arange(len(mass)) - chosen))
        if best is not None and cost >= best[0]:
            break
        best = (cost, chosen)
        cuts = (centre[:-1] + centre[1:] + 1) // 2
    assert best is not None
    return best[1]


def coarsen_leaves(
    rows: npt.NDArray[np.float64], tree: Array, n_trees: int, bits: int, *, centred: bool
) -> tuple[Array, npt.NDArray[np.float32], npt.NDArray[np.float64]] | None:
    """Leaf rows as codes with one scale per tree; None where a number is not finite.

    Parameters
    ----------
    rows : float64, shape (n_leaves, width)
    tree : int, shape (n_leaves,)
        The tree of each leaf, ascending.
    bits : {4, 5, 6, 7, 8, 16}
        Fewer than 8 take a byte: codes around the middle of it.
    centred : bool
        Codes count from zero, not from the middle of all values: boosted trees correct both ways.

    Returns
    -------
    codes : uint8 or uint16, shape (n_leaves, width)
    scales : float32, shape (n_trees, width)
    centre : float64, shape (width,)
        A row is `decode_leaves` of these.
    """
    if not rows.size or not np.isfinite(rows).all():
        return None
    centre = np.zeros(rows.shape[1])
    if not centred:
        centre = rows.min(axis=0) / 2 + rows.max(axis=0) / 2
    half = float((1 << (bits - 1)) - 1)
    away = np.abs(rows - centre)
    starts = np.searchsorted(tree, np.arange(n_trees))
    reach = np.maximum.reduceat(away, starts, axis=0)
    with np.errstate(over="ignore"):
        scales = _round_up(np.nextafter((reach / half).astype(np.float32), np.float32(np.inf)))
    if not np.isfinite(scales).all():
        return None
    steps = np.rint((rows - centre) / scales.astype(np.float64)[tree])
    dtype = np.uint8 if bits <= 8 else np.uint16
    codes = np.clip(steps, -half, half) + (np.iinfo(dtype).max // 2)
    return codes.astype(dtype), scales, centre


def _round_up(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Positive float32 rounded up to 11 significant bits: what a scale needs, in half the bytes."""
    dropped = np.uint32((1 << DROPPED_BITS) - 1)
    bits = values.view(np.uint32)
    return ((bits + dropped) & ~dropped).view(np.float32)


def decode_leaves(
    codes: Array, scales: npt.NDArray[np.float32], centre: Array, tree: Array
) -> npt.NDArray[np.float64]:
    """The rows of leaf codes: `centre + scale * (code - half)`."""
    half = float((1 << (8 * codes.dtype.itemsize - 1)) - 1)
    steps = codes.astype(np.float64) - half
    return np.asarray(centre + scales.astype(np.float64)[tree] * steps)
