"""Sums of leaves: tree by tree in order, in the type of their rows, float64 or float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.grouping import ungrouped
from model_quantization.kernels.trees.traversal import (
    Floats,
    Payloads,
    Starts,
    Words,
    payloads_of_rows,
)
from model_quantization.values import Value

Sums = npt.NDArray[Any]

MOST_VOTED = 16  # columns that votes are counted for
VOTERS = 32  # rows whose votes are counted at once


class LeafTable(Value, frozen=True):
    """The addends of a leaf: for payload p, `values[e]` at `places[e]`, e from `ends[p]` on.

    Zeros are left out where adding them changes nothing. `votes`: each payload adds a one at one
    of a few places, so that sums which start at 0.0 are counts.
    """

    ends: npt.NDArray[np.uint32]
    places: npt.NDArray[np.uint32]
    values: npt.NDArray[Any]
    width: int
    votes: bool = False


class LeafAddends(Value, frozen=True):
    """What each leaf adds, looked up once: see `bit_planes.sum_planes`.

    Attributes
    ----------
    payload : uint32, shape (n_leaves,)
    values : shape (n_leaves,), or empty
        What it adds where a row has one number.
    places : uint8, shape (n_leaves,), or empty
        Where it adds a one, if leaves vote.
    """

    payload: npt.NDArray[np.uint32]
    values: npt.NDArray[Any]
    places: npt.NDArray[np.uint8]


def keeps_zeros(rows: npt.NDArray[Any]) -> bool:
    """Whether the table of these leaf rows holds their zeros.

    0.0 added to a sum that starts at 0.0 changes nothing unless the sum can be -0.0, which takes
    a negative value. A sum may start at -0.0, which needs every zero, where this is true alone.
    """
    return bool(rows.shape[1] == 1 or not (rows >= 0.0).all() or np.signbit(rows).any())


def leaf_table(rows: npt.NDArray[Any]) -> LeafTable:
    """The table of leaf rows (n, width), float64 or float32."""
    keep = np.ones(rows.shape, dtype=bool) if keeps_zeros(rows) else rows != 0.0
    ends = np.concatenate([[0], np.cumsum(keep.sum(axis=1))]).astype(np.uint32)
    places = np.nonzero(keep)[1].astype(np.uint32)
    alone = len(places) == len(rows) and bool((keep.sum(axis=1) == 1).all())
    votes = alone and 1 < rows.shape[1] <= MOST_VOTED and bool((rows[keep] == 1).all())
    return LeafTable(ends, places, rows[keep], rows.shape[1], votes)


def vote_room(table: LeafTable, cycle: int, block: int) -> npt.NDArray[np.uint8]:
    """Room to count votes in, for `block` rows; empty where leaves add something else."""
    apart = -(-block // VOTERS) * VOTERS
    counted = table.votes and cycle == 1
    return np.empty((table.width + 1) * apart if counted else 0, dtype=np.uint8)


def leaf_addends(table: LeafTable, payload: npt.NDArray[Any], cycle: int) -> LeafAddends:
    """What the leaves with this payload add."""
    payload = np.asarray(payload, dtype=np.uint32)
    values, places = table.values[:0], np.empty(0, dtype=np.uint8)
    if table.width == 1:
        values = table.values[payload]
    elif table.votes and cycle == 1:
        places = table.places.astype(np.uint8)[payload]
    return LeafAddends(payload, values, places)


@kernel
def sum_block(
    words: Words,
    starts: Starts,
    banks: Starts,
    bases: Payloads,
    groups: Floats,
    n_columns: int,
    first: int,
    last: int,
    shift: int,
    tops: npt.NDArray[np.uint8],
    slots: Payloads,
    roots: npt.NDArray[np.int64],
    ends: Payloads,
    places: Payloads,
    values: Sums,
    width: int,
    cycle: int,
    found: Payloads,
    votes: npt.NDArray[np.uint8],
    out: Sums,
) -> None:
    """Add to `out` what rows `first` to `last` reach, tree by tree in order.

    Parameters
    ----------
    words, starts, banks, bases, shift
        The trees: see `tree_layout.Nodes`.
    groups : float32
        All rows, as `grouping.group_rows` arranges them.
    first, last : int
        Rows; `first` is a multiple of eight.
    tops : uint8, shape (n_trees, room), or (0, 0)
        Where each row, from `first` on, left the top of each tree: walks start there.
    slots, roots
        The nodes there: see `tree_tops.Tops`.
    ends, places, values
        What a payload p adds: for e from `ends[p]` to `ends[p + 1]`, `values[e]` at `places[e]`.
    width, cycle : int
        Tree t adds to columns `(t % cycle) * width` and on.
    found : uint32
        Scratch; its size, a multiple of eight, is how many rows are walked together.
    votes : uint8
        Scratch, of `vote_room`; or empty.
    out : shape (n, cycle * width)
        Of the type of `values`.
    """
    rows = ungrouped(groups, n_columns, first, last)
    sums = out.reshape(-1, cycle * width)[first:last]
    for tree in range(starts.size):
        nodes = words[int(banks[tree]) :]
        start = starts[tree]
        if len(tops):
            start = slots[roots[tree] + tops[tree, : len(rows)]].astype(np.uint64)
        reached = payloads_of_rows(nodes, start, bases[tree], rows, shift)
        add_leaves(reached, ends, places, values, sums[:, tree % cycle * width :])


def add_leaves(
    payload: Payloads, ends: Payloads, places: Payloads, values: Sums, sums: Sums
) -> None:
    """Add to each row of `sums` what the leaf with its payload adds."""
    first, last = ends[payload].astype(np.int64), ends[payload + np.uint32(1)].astype(np.int64)
    for step in range(int((last - first).max(initial=0))):
        row = np.flatnonzero(first + step < last)
        entry = first[row] + step
        sums[row, places[entry]] += values[entry]
