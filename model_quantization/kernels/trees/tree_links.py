"""Whether the links of a tree's nodes make one that native code can follow blindly.

A leaf has no children (-1). A split has two, which come after it, so that no walk goes in a circle;
no node has two parents. A split looks at a column that there is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel

Links = npt.NDArray[np.int64]

NO_CHILD = -1
SOUND, ONE_CHILD, OUT_OF_RANGE, TWO_PARENTS, BAD_FEATURE = range(5)


_FAULT_BITS = 3


def first_fault(left: Links, right: Links, feature: Links, n_features: int) -> tuple[int, int]:
    """(what is wrong, at which node) of the first node that breaks a rule; (`SOUND`, 0) if none.

    Parameters
    ----------
    left, right, feature : int64, shape (n_nodes,)
        With any strides: they may be fields of a table of nodes.
    n_features : int
        Columns that a split may look at.
    """
    found = find_fault(left, right, feature, n_features, np.empty(left.size, dtype=np.uint8))
    return found & ((1 << _FAULT_BITS) - 1), found >> _FAULT_BITS


@kernel
def find_fault(
    left: Links, right: Links, feature: Links, n_features: int, linked: npt.NDArray[np.uint8]
) -> int:
    """`first_fault` in one number: the node times eight, plus what is wrong there.

    `linked`, of one entry per node, is scratch.
    """
    position = np.arange(left.size)
    split = (left != NO_CHILD) | (right != NO_CHILD)
    pairs = np.stack([left, right], axis=1)
    children = np.where(split[:, None], pairs, NO_CHILD).ravel()
    # The first node that names a node is its parent; a second one is an error.
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
    return node << _FAULT_BITS | fault
