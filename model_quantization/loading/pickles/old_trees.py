"""Trees that an older scikit-learn wrote, loaded and put right.

Since 1.3 a node says where missing values go, and `Tree.__setstate__` refuses nodes that do not.
Later the leaves of classifiers became fractions of classes where they had been counts, and today's
`predict_proba` gives counts out as if they were probabilities. The loading child, and a loader that
serves an original, put both right. Imports scikit-learn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.trees.tree_pack import divide_counts

MISSING = "missing_go_to_left"
FRACTION_TOLERANCE = 1e-6

_ATOMS = (type(None), bool, int, float, complex, str, bytes, bytearray, np.dtype, np.generic)
_NOT_DATA = (*_ATOMS, type, ModuleType, FunctionType, BuiltinFunctionType)
# Parameters by the names that they had before scikit-learn 1.2.
_RENAMED = {"base_estimator": "estimator", "base_estimator_": "estimator_"}
_GAPLESS = "{} trees saved by scikit-learn 1.2 or older: missing values go right"
_COUNTED = "leaves of {} trees held class counts, as older scikit-learn saved them: made fractions"


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

    `put_right` leaves none of its instances behind. They carry the name of `Tree` and reduce to
    their own class, so that whatever reads them takes them for what they are.
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


def put_right(model: Any) -> list[str]:
    """Bring the trees of a model that was just unpickled to today's format; say what was done.

    Returns
    -------
    list of str
        A note for each kind of repair; empty where there was nothing to do.
    """
    from sklearn.tree._tree import Tree

    done: Counter[str] = Counter()
    for owner in _tree_owners(model):
        tree = owner.tree_
        if type(tree) is rescuing_tree():
            _, args, state = Tree.__reduce__(tree)
            owner.tree_ = tree = Tree(*args)
            tree.__setstate__(state)
            done[_GAPLESS] += 1
        if _holds_counts(owner):
            tree.value[...] = divide_counts(tree.value)
            done[_COUNTED] += 1
    if done[_GAPLESS]:
        _rename_parameters(model)
    return [note.format(f"{count:,}") for note, count in sorted(done.items())]


def old_format_notes(model: Any) -> tuple[str, ...]:
    """What quantizing a live model puts right without changing the model itself."""
    counted = sum(map(_holds_counts, _tree_owners(model)))
    return (_COUNTED.format(f"{counted:,}"),) if counted else ()


def _holds_counts(owner: Any) -> bool:
    """Whether the nodes of a classifier's tree hold counts of rows, not fractions."""
    from sklearn.base import is_classifier
    from sklearn.tree._tree import Tree

    if type(owner.tree_) is not Tree or not is_classifier(owner):
        return False
    return bool((np.abs(owner.tree_.value.sum(axis=2) - 1.0) > FRACTION_TOLERANCE).any())


def _tree_owners(model: Any) -> Iterator[Any]:
    """Each estimator in the model that owns a fitted tree."""
    from sklearn.tree import BaseDecisionTree

    for value in _objects(model):
        if isinstance(value, BaseDecisionTree) and "tree_" in vars(value):
            yield value


def _rename_parameters(model: Any) -> None:
    from sklearn.base import BaseEstimator

    for value in _objects(model):
        if isinstance(value, BaseEstimator):
            held = vars(value)
            for old, new in _RENAMED.items():
                if old in held and new not in held:
                    held[new] = held.pop(old)


def _objects(model: Any) -> Iterator[Any]:
    """The objects below a model that hold attributes, each once."""
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        value = waiting.pop()
        if isinstance(value, _NOT_DATA) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            waiting.extend(value)
        elif isinstance(value, np.ndarray):
            if value.dtype.hasobject and value.dtype.names is None:
                waiting.extend(value.ravel().tolist())
        elif hasattr(value, "__dict__"):
            yield value
            waiting.extend(vars(value).values())
