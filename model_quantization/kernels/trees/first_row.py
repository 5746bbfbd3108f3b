"""The first row that a forest answers: from the decoded trees, before they are laid out.

Laying out a large forest for the traversal takes half as long as decoding it, which one row does
not repay: a process that has just started answers sooner without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.single_row import ANSWERED, MISSING, REFUSED

Numbers = npt.NDArray[np.uint32]


@kernel
def answer_first(
    split: npt.NDArray[np.uint8],
    sizes: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    feature: Numbers,
    threshold: npt.NDArray[np.float32],
    payload: Numbers,
    row: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    cycle: int,
    divisor: float,
    out: npt.NDArray[Any],
) -> int:
    """Add one row's leaves to `out` and divide; `out` is changed for `ANSWERED` only.

    Parameters
    ----------
    split, sizes, right, feature, threshold
        The trees: see `tree_layout.Shape`.
    payload : uint32, shape (n_leaves,)
        The row of `values` of each leaf.
    row : float64, shape (n_columns,)
        Compared as float32.
    values : float64, shape (n_rows, width)
        What the leaves add.
    out : float64 or float32
        Each sum is rounded to its type.
    cycle : int
        Tree t adds to the places `(t % cycle) * width` and on of `out`.

    Returns
    -------
    int
        `ANSWERED`, `REFUSED` (an infinity), or `MISSING` (a NaN).
    """
    with np.errstate(over="ignore"):
        x = row.reshape(-1).astype(np.float32)
    if np.isinf(x).any():
        return REFUSED
    if np.isnan(x).any():
        return MISSING
    sums = out.reshape(cycle, -1)
    first = splits = leaves = 0  # of the tree: its first node, the splits and leaves before it
    for tree, size in enumerate(sizes.tolist()):
        node = rank = 0
        while split[first + node]:
            high = int(right[first + node])
            if x[feature[splits + rank]] <= threshold[splits + rank]:
                node, rank = node + 1, rank + 1
            else:
                # A left side of m nodes has (m - 1) / 2 splits.
                node, rank = high, rank + 1 + (high - node - 2) // 2
        sums[tree % cycle] += values[payload[leaves + node - rank]]
        first += size
        splits += size // 2
        leaves += (size + 1) // 2
    np.divide(out, divisor, out=out, dtype=np.float64, casting="same_kind")
    return ANSWERED
