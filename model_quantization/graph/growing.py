"""The arrays of a graph while its nodes are rewritten: the old ones, and those that are added."""

from __future__ import annotations

from collections.abc import Iterable

from model_quantization.arrays import Array


class GrowingArrays:
    """Arrays by index; new arrays of nodes go to the end.

    `traversal.compact` leaves out those that no node names any more.
    """

    def __init__(self, arrays: Iterable[Array]) -> None:
        self._arrays = list(arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __getitem__(self, index: int) -> Array:
        return self._arrays[index]

    def add(self, array: Array) -> int:
        """Store one more array; return the index for a node to name."""
        self._arrays.append(array)
        return len(self._arrays) - 1
