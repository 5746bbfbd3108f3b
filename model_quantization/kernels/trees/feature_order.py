"""Values of splits ordered by feature, as they are stored, and in preorder, as they are used."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import narrowed
from model_quantization.kernels.compiled import kernel

Indices = npt.NDArray[np.int64]


def by_feature(feature: Array) -> Indices:
    """The order of splits by feature, preorder within one."""
    return np.argsort(narrowed(feature), kind="stable")


def from_feature_order(values: Array, feature: npt.NDArray[np.uint32]) -> Array:
    """Values that are ordered as `by_feature` orders splits, in preorder again."""
    bits = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    placed = np.empty_like(bits)
    undo_order(bits, feature, np.empty(int(feature.max(initial=0)) + 2, dtype=np.int64), placed)
    return placed.view(values.dtype)


@kernel
def undo_order(
    values: Array, feature: npt.NDArray[np.uint32], room: Indices, placed: Array
) -> None:
    """Fill `placed`, in preorder, with values that are ordered as `by_feature` orders splits.

    Parameters
    ----------
    values, placed : unsigned integers of one type, shape (n,)
    feature : uint32, shape (n,)
        In preorder.
    room : int64, shape (n_features + 1,)
        Scratch.
    """
    placed[by_feature(feature)] = values
