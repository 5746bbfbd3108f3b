"""Trees that scikit-learn 1.0 to 1.2 wrote, loadable today.

Since 1.3 a node says where missing values go, and `Tree.__setstate__` refuses nodes that do not.
The loading child puts `rescuing_tree()` in the place of `sklearn.tree._tree:Tree` while it
unpickles. Imports scikit-learn.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ml.quantization.graph import Array

MISSING = "missing_go_to_left"


def upgrade_nodes(nodes: Array) -> Array:
    """The nodes of a tree in the present format: missing values, which were refused, go right.

    Nodes of another unknown format are returned as they are, for scikit-learn to refuse.
    """
    from sklearn.tree._tree import NODE_DTYPE

    names = tuple(name for name in NODE_DTYPE.names or () if name != MISSING)
    if nodes.dtype.names != names:
        return nodes
    upgraded = np.zeros(nodes.shape, dtype=NODE_DTYPE)
    for name in names:
        upgraded[name] = nodes[name]
    return upgraded


@cache
def rescuing_tree() -> type:
    """A class that unpickles as `Tree` does, and takes the old format too.

    It carries the name of `Tree`, and its instances reduce to it, so that whatever reads them
    takes them for what they are.
    """
    from sklearn.tree._tree import Tree

    def set_state(self: Any, state: dict[str, Any]) -> None:
        nodes = state.get("nodes")
        if isinstance(nodes, np.ndarray):
            state = {**state, "nodes": upgrade_nodes(nodes)}
        Tree.__setstate__(self, state)

    def reduce(self: Any) -> tuple[Any, ...]:
        _, args, state = Tree.__reduce__(self)
        return type(self), args, state

    return type(
        "Tree",
        (Tree,),
        {
            "__module__": Tree.__module__,
            "__qualname__": Tree.__qualname__,
            "__doc__": Tree.__doc__,
            "__setstate__": set_state,
            "__reduce__": reduce,
        },
    )
