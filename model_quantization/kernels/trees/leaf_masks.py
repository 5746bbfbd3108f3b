"""Which leaves of a small tree stay when a split's test fails, as bits: see `quickscorer`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel


@kernel
def clear_masks(
    split: npt.NDArray[np.uint8],
    sizes: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    masks: Array,
) -> None:
    """Fill `masks`, one per split in preorder, with the leaves that stay when its test fails.

    Parameters
    ----------
    split, sizes, right
        The shape, as `topology.shape` gives it.
    masks : uint32 or uint64, shape (n_splits,)
        Of as many bits as the largest tree has leaves, or more.
    """
    every = (1 << masks.dtype.itemsize * 8) - 1
    start = rank = 0
    for size in sizes.tolist():
        first = 0  # leaves of this tree before the current node
        for node in range(start, start + size):
            if split[node]:
                # Leaves of the left subtree, which has 2 n - 1 nodes: first to first + n.
                n = (start + int(right[node]) - node) // 2
                masks[rank] = every ^ ((1 << n) - 1 << first & every)
                rank += 1
            else:
                first += 1
        start += size
