"""Objects that C code makes, kept as data until their state is put right.

A tree, a search tree and a distance of scikit-learn take their state in C, which refuses other
forms or misreads them. From a file of another version they are read into a `Deferred`; the
estimator that owns one makes the real object of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from model_quantization.loading.pickles.search_trees import check_native_state

TREE: Final = "sklearn.tree._tree:Tree"
_SEARCH_TREES: Final = ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")
_DISTANCES: Final = "sklearn.metrics._dist_metrics"
_TODAY: Final = {"WMinkowskiDistance64": "MinkowskiDistance64"}
_MISSING: Final = "missing_go_to_left"
_ATOMS: Final = (
    type(None), bool, int, float, complex, str, bytes, bytearray, np.dtype, np.generic, type,
    ModuleType, FunctionType, BuiltinFunctionType,
)  # fmt: skip


class Deferred:
    """An object that C code will make: its class by name, its arguments, its state."""

    __slots__ = ("args", "name", "real", "state")

    def __init__(self, name: str, args: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.args = args
        self.state: Any = None
        self.real: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def make(self) -> Any:
        """The real object; the same one each time."""
        if self.real is None:
            module, _, qualname = self.name.partition(":")
            cls = getattr(importlib.import_module(module), _TODAY.get(qualname, qualname))
            state = self.state
            if self.name == TREE:
                made = cls(*self.args)
                state = {**state, "nodes": tree_nodes(state["nodes"])}
            elif module == _DISTANCES:
                made = cls.__new__(cls)
                state = _distance_state(qualname, state)
            else:
                made = cls.__new__(cls)
                state = tuple(real(part) for part in state) if type(state) is tuple else state
            if state is not None:
                check_native_state(f"{module}:{qualname}", state)
                made.__setstate__(state)
            self.real = made
        return self.real


def _distance_state(name: str, state: Any) -> Any:
    """The state of a distance as versions since 1.1 have it: (p, weights, matrix, ...).

    Minkowski's distance had no weights before 1.1, but one zero in their place, which later
    versions would multiply by. The weighted one, gone in 1.3, had them under the power p.
    """
    if name.startswith("WMinkowski"):
        return (state[0], np.asarray(state[1]) ** state[0], *state[2:])
    if name.startswith("Minkowski") and np.array_equal(state[1], [0.0]):
        return (state[0], np.zeros(0), *state[2:])
    return state


def is_deferred(name: str) -> bool:
    """Whether objects of this class are kept as data first."""
    module, _, qualname = name.partition(":")
    if module in _SEARCH_TREES:
        return qualname in (
            "BallTree",
            "KDTree",
            "BallTree64",
            "KDTree64",
            "BallTree32",
            "KDTree32",
        )
    if module == _DISTANCES:
        return "Distance" in qualname
    return name == TREE


def real(value: Any) -> Any:
    """The object itself, or the one that a `Deferred` stands for."""
    return value.make() if type(value) is Deferred else value


def tree_nodes(nodes: Any) -> Any:
    """The nodes of a tree in the installed form: missing values, which were refused, go right.

    Nodes of another unknown form are returned as they are, for scikit-learn to refuse. The field
    came with scikit-learn 1.3 ("missing values in decision trees").
    """
    from sklearn.tree._tree import NODE_DTYPE

    known = NODE_DTYPE.names or ()
    names = tuple(name for name in known if name != _MISSING)
    if not isinstance(nodes, np.ndarray) or nodes.dtype.names != names:
        return nodes
    upgraded = np.zeros(nodes.shape, dtype=NODE_DTYPE)
    for name in names:
        upgraded[name] = nodes[name]
    return upgraded


def objects_in(model: Any) -> Iterator[Any]:
    """The objects below a model that hold attributes, each once."""
    for value in _values_in(model):
        if hasattr(value, "__dict__") and not isinstance(value, type):
            yield value


def make_deferred(model: Any) -> None:
    """Put real objects in the place of those kept as data, wherever they are in the model."""
    for value in [model, *_containers(model)]:
        if isinstance(value, dict):
            for key, item in value.items():
                value[key] = real(item)
        elif isinstance(value, list):
            value[:] = [real(item) for item in value]


def _containers(model: Any) -> Iterator[Any]:
    """The dicts and lists below a model, attributes of objects among them, each once."""
    for value in _values_in(model):
        if isinstance(value, dict | list):
            yield value
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            yield vars(value)


def _values_in(model: Any) -> Iterator[Any]:
    """The model and what is below it, without plain values, each once."""
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        value = waiting.pop()
        if isinstance(value, _ATOMS) or id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        waiting.extend(_parts(value))


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, np.ndarray):
        plain = not value.dtype.hasobject or value.dtype.names
        return [] if plain else value.ravel().tolist()
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return list(vars(value).values())
    return []
