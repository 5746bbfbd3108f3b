"""A tree that compares two centres at a time: the side of the nearer one, until a leaf."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.linear.nearest import NearestCentre
from model_quantization.values import Value


class Split(Value, frozen=True):
    """Two centres, and what is behind each: another split, or `-1 - label` of a leaf."""

    centres: Array
    left: int
    right: int


def nearest_leaf(splits: Sequence[Split], start: int) -> Callable[[Array], Array | None]:
    """A function of rows to the label of the leaf of each; None where rounding may have chosen.

    Parameters
    ----------
    splits : sequence of Split
        Each is behind the one that leads to it.
    start : int
        The first split, or `-1 - label` for a tree that is one leaf.
    """
    nearest = [NearestCentre.of(split.centres) for split in splits]

    def labels(rows: Array) -> Array | None:
        found = np.empty(len(rows), dtype=np.int32)
        waiting = [(start, np.arange(len(rows)))]
        while waiting:
            place, some = waiting.pop()
            if place < 0:
                found[some] = -1 - place
                continue
            sides = nearest[place].winners(rows[some])
            if sides is None:
                return None
            for side, then in enumerate((splits[place].left, splits[place].right)):
                chosen = some[sides == side]
                if len(chosen):
                    waiting.append((then, chosen))
        return found

    return labels
