"""How far to clip each channel's range so that the output of the layer changes least."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.errors import SchemeError
from model_quantization.schemes import affine

RATIOS = tuple(np.linspace(1.0, 0.3, 36).tolist())


def search_ranges(
    weights: Array,
    gram: Array,
    bits: int,
    *,
    symmetric: bool = True,
    ratios: tuple[float, ...] = RATIOS,
) -> npt.NDArray[np.float64]:
    """The factor for each channel's range that loses least on the calibration inputs.

    For inputs X and a channel's weights w the squared error of the output is
    `||X (w - q(w))||**2 = e' G e` with `e = w - q(w)` and `G = X' X`; every ratio is tried for
    every channel. Of equal errors the wider range wins.

    Parameters
    ----------
    weights : ndarray of float, shape (channels, d)
        Finite.
    gram : ndarray, shape (d, d) or (d,)
        `X' X`, or only its diagonal (columns taken as uncorrelated).
    bits : {8, 16}
        Width of the codes.
    symmetric : bool
        As in the scheme.
    ratios : tuple of float
        Factors to try, the widest first, each in (0, 1].

    Returns
    -------
    ndarray of float64, shape (channels,)
        Times `channel_ranges(weights, 0)` they are the `ranges` for `quantize_array`.

    Raises
    ------
    SchemeError
        Shapes that do not fit, or values that are not finite.
    """
    wide, inner = np.asarray(weights, np.float64), np.asarray(gram, np.float64)
    width = wide.shape[1] if wide.ndim == 2 else -1
    if inner.shape not in ((width,), (width, width)):
        raise SchemeError(
            "the second moments do not fit the weights",
            expected="weights (channels, d) and second moments (d, d) or (d,)",
            got=f"{np.shape(weights)} and {np.shape(gram)}",
        )
    if not (np.isfinite(wide).all() and np.isfinite(inner).all()):
        raise SchemeError(
            "weights or inputs of the calibration are not finite",
            do="remove rows with missing values from the calibration data",
        )
    # Errors are compared within a channel only, so each may be seen in units of its own range.
    unit = np.abs(wide).max(axis=1, initial=0.0)
    wide = wide / np.where(unit > 0, unit, 1.0)[:, None]
    ranges = affine.channel_ranges(wide, 0)
    best = np.full(len(wide), np.inf)
    factors = np.ones(len(wide))
    for ratio in ratios:
        grid = affine.fit_grid(ranges * ratio, bits, symmetric=symmetric)
        codes = affine.to_codes(wide, grid, 0)
        error = wide - affine.to_values(codes, grid, 0, wide.dtype)
        loss = error**2 @ inner if inner.ndim == 1 else ((error @ inner) * error).sum(axis=1)
        better = loss < best
        best, factors = np.where(better, loss, best), np.where(better, ratio, factors)
    return factors
