"""Where a kernel's parameters are read from: a component of an artifact, or a node of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeGuard

import numpy as np

from model_quantization.families.family import Arrays
from model_quantization.graph.nodes import ArrayNode, Node, ObjectNode, ScalarNode, attributes
from model_quantization.graph.values import scalar_value


class State(Protocol):
    """The class and the parameters of a kernel."""

    @property
    def type(self) -> str:
        """The class, `module:qualname`."""

    def get(self, name: str) -> Any:
        """A parameter: a number, an array, text or another state; None if it is not set."""


class NodeState:
    """A node of a graph, read as a component is."""

    def __init__(self, kind: str, state: Mapping[str, Node], arrays: Arrays | None) -> None:
        self.type = kind
        self._state = state
        self._arrays = arrays

    def get(self, name: str) -> Any:
        """A parameter, as `State` says."""
        node = self._state.get(name)
        if isinstance(node, ScalarNode):
            return scalar_value(node.dtype, node.data, name)
        if isinstance(node, ArrayNode):
            return None if self._arrays is None else self._arrays[node.array]
        if isinstance(node, ObjectNode):
            return NodeState(node.type, attributes(node), self._arrays)
        return node


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a parameter is a number, of Python or numpy, and no boolean."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def number(state: State, name: str) -> float | None:
    """Return a parameter as a float; None if it is not a number."""
    value = state.get(name)
    return float(value) if is_number(value) else None
