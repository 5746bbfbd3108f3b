"""Whether the links of a tree's nodes make one that native code can follow blindly.

A leaf has no children (-1). A split has two, which come after it, so that no walk goes in a circle;
no node has two parents. A split looks at a column that there is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compile import compiled

Links = npt.NDArray[np.int64]

NO_CHILD = -1
SOUND, ONE_CHILD, OUT_OF_RANGE, TWO_PARENTS, BAD_FEATURE = range(5)


@compiled
def first_fault(left: Links, right: Links, feature: Links, n_features: int) -> tuple[int, int]:
    """(what is wrong, at which node) of the first node that breaks a rule; (`SOUND`, 0) if none.

    Parameters
    ----------
    left, right, feature : int64, shape (n_nodes,)
        With any strides: fields of a table of nodes are read where they lie.
    n_features : int
        Columns that a split may look at.
    """
    n_nodes = left.size
    linked = np.zeros(n_nodes, dtype=np.uint8)
    for node in range(n_nodes):
        one, other = left[node], right[node]
        if one == NO_CHILD and other == NO_CHILD:
            continue
        if (one == NO_CHILD) != (other == NO_CHILD):
            return ONE_CHILD, node
        if min(one, other) <= node or max(one, other) >= n_nodes:
            return OUT_OF_RANGE, node
        if one == other or linked[one] | linked[other]:
            return TWO_PARENTS, node
        linked[one] = linked[other] = 1
        if feature[node] < 0 or feature[node] >= n_features:
            return BAD_FEATURE, node
    return SOUND, 0


def first_fault_reference(
    left: npt.NDArray[Any], right: npt.NDArray[Any], feature: npt.NDArray[Any], n_features: int
) -> tuple[int, int]:
    """As `first_fault`, by numpy."""
    position = np.arange(left.size)
    split = (left != NO_CHILD) | (right != NO_CHILD)
    pairs = np.stack([left, right], axis=1)
    children = np.where(split[:, None], pairs, NO_CHILD).ravel()
    # The first to name a node is its parent; whoever names it again is at fault.
    again = children != NO_CHILD
    again[np.unique(children, return_index=True)[1]] = False
    faults = {
        ONE_CHILD: split & ((left == NO_CHILD) | (right == NO_CHILD)),
        OUT_OF_RANGE: split & ((pairs.min(axis=1) <= position) | (pairs.max(axis=1) >= left.size)),
        TWO_PARENTS: again.reshape(pairs.shape).any(axis=1),
        BAD_FEATURE: split & ((feature < 0) | (feature >= n_features)),
    }
    found = [(int(at.argmax()), fault) for fault, at in faults.items() if at.any()]
    node, fault = min(found, default=(0, SOUND))
    return fault, node
