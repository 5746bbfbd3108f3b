"""The arrays of a graph that is being made: numbers and texts in bulk become arrays, too."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.strings import encode_strings
from model_quantization.graph.nodes import Node, NumbersNode, StringsNode

BULK = 8  # from this many equal-typed items on, a list becomes one array
_INT64 = 1 << 63


class GraphArrays(list[Array]):
    """Arrays in the order in which the nodes of a graph name them."""

    def add(self, array: Array) -> int:
        """The number by which a node names this array."""
        self.append(native(array))
        return len(self) - 1

    def add_items(self, kind: Any, values: list[Any]) -> Node:
        """Many strings or many numbers of one type as arrays; None when they are not that."""
        if len(values) < BULK:
            return None
        kinds = set(map(type, values))
        if len(kinds) != 1:
            return None
        only = kinds.pop()
        if only is str:
            blob, lengths = encode_strings(values)
            return StringsNode(kind, self.add(blob), self.add(lengths))
        if only is int and max(values) < _INT64 and min(values) >= -_INT64:
            return NumbersNode(kind, "int", self.add(np.array(values, dtype=np.int64)))
        if only is float:
            return NumbersNode(kind, "float", self.add(np.array(values, dtype=np.float64)))
        if issubclass(only, np.integer | np.floating | np.bool_):
            array = np.array(values)
            return NumbersNode(kind, array.dtype.str, self.add(array))
        return None


def native(array: Array) -> Array:
    """The array contiguous (C, or F where it is F only), in native byte order, not a subclass."""
    plain = np.asarray(array)
    if not plain.dtype.isnative:
        plain = plain.astype(plain.dtype.newbyteorder("="))
    if plain.flags.c_contiguous or not plain.flags.f_contiguous:
        # A view with gaps keeps its order: which axis lies closest shows in the bits of a product.
        kept = plain.copy(order="K") if not plain.flags.c_contiguous else plain
        if not kept.flags.f_contiguous:
            kept = np.ascontiguousarray(plain)
        return kept.reshape(plain.shape, order="A")
    return plain
