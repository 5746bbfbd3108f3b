"""What leaves add up to: tree by tree in order, in the type of their rows: float64 or float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compile import compiled
from model_quantization.kernels.trees.traversal import (
    GROUP,
    ONE,
    ZERO,
    Floats,
    Payloads,
    Starts,
    Words,
    fill_eight,
    payload_groups,
    walk_eight,
    walk_one,
)

Sums = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class LeafTable:
    """What a leaf adds: for payload p, `values[e]` at `places[e]`, e from `ends[p]` on.

    Zeros are left out where adding them changes nothing.
    """

    ends: npt.NDArray[np.uint32]
    places: npt.NDArray[np.uint32]
    values: npt.NDArray[Any]
    width: int


def leaf_table(rows: npt.NDArray[Any]) -> LeafTable:
    """The table of leaf rows (n, width), float64 or float32.

    0.0 added to a sum that starts at 0.0 changes nothing unless the sum can be -0.0, which takes
    a negative value.
    """
    keep = rows != 0.0
    if rows.shape[1] == 1 or not (rows >= 0.0).all() or np.signbit(rows).any():
        keep = np.ones(rows.shape, dtype=bool)
    ends = np.concatenate([[0], np.cumsum(keep.sum(axis=1))]).astype(np.uint32)
    places = np.nonzero(keep)[1].astype(np.uint32)
    return LeafTable(ends, places, rows[keep], rows.shape[1])


@compiled
def sum_block(
    words: Words,
    starts: Starts,
    banks: Starts,
    bases: Payloads,
    groups: Floats,
    n_columns: int,
    first: int,
    last: int,
    block: int,
    shift: int,
    ends: Payloads,
    places: Payloads,
    values: Sums,
    width: int,
    cycle: int,
    out: Sums,
) -> None:
    """Add to `out` what rows `first` to `last` reach, tree by tree in order.

    Parameters
    ----------
    groups : float32
        All rows, as `group_rows` arranges them.
    first, last, block : int
        Rows; `first` and `block` are multiples of eight.
    ends, places, values
        What a payload p adds: for e from `ends[p]` to `ends[p + 1]`, `values[e]` at `places[e]`.
    width, cycle : int
        Tree t adds to columns `(t % cycle) * width` and on.
    out : shape (n * cycle * width,)
        Of the type of `values`.
    """
    found = np.empty(block, dtype=np.uint32)
    columns = np.uint64(cycle * width)
    for start in range(first, last, block):
        end = min(start + block, last)
        for tree in range(starts.size):
            payload_groups(
                words, banks[tree], starts[tree], bases[tree], groups, n_columns,
                start // GROUP, -(-end // GROUP), shift, found,
            )  # fmt: skip
            at = np.uint64(start) * columns + np.uint64((tree % cycle) * width)
            if width == 1:
                for row in range(end - start):
                    out[at] += values[found[row]]
                    at += columns
            else:
                for row in range(end - start):
                    p = np.uint64(found[row])
                    for e in range(ends[p], ends[p + ONE]):
                        out[at + places[e]] += values[e]
                    at += columns


@compiled
def sum_one(
    words: Words,
    starts: Starts,
    banks: Starts,
    bases: Payloads,
    group: Floats,
    shift: int,
    ends: Payloads,
    places: Payloads,
    values: Sums,
    width: int,
    cycle: int,
    out: Sums,
) -> None:
    """`sum_block` for the first row of one group: eight trees are walked together."""
    tree = 0
    found = np.empty(GROUP, dtype=np.uint32)
    while tree < starts.size:
        end = min(tree + GROUP, starts.size)
        if end - tree == GROUP and banks[tree] == banks[end - 1]:
            slots = (
                starts[tree], starts[tree + 1], starts[tree + 2], starts[tree + 3],
                starts[tree + 4], starts[tree + 5], starts[tree + 6], starts[tree + 7],
            )  # fmt: skip
            w = walk_eight(words, banks[tree], slots, group, ZERO, shift, False)
            fill_eight(found, 0, w, np.uint32(0))
        else:
            for k in range(tree, end):
                found[k - tree] = walk_one(words, banks[k], starts[k], group, ZERO, shift)
        for k in range(tree, end):
            column = (k % cycle) * width
            p = found[k - tree] + bases[k]
            for e in range(ends[p], ends[p + 1]):
                out[column + places[e]] += values[e]
        tree = end
