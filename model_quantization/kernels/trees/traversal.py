"""Walk rows down trees, eight at a time, so that the cache misses of one hide those of another.

A node is one 64-bit word, siblings are adjacent, and children start at an even node:

    low half    a split: its threshold as float32; a leaf: a NaN that carries its payload
    high half   the column times eight; then `shift` bits: the first child, or the leaf itself

A row goes to the second child when its value is above the threshold, else to the first. Nothing is
above a NaN, so that a row that has reached a leaf stays there, and eight walks can go on until all
have arrived without asking each time which ones have.

Children are counted from the start of the tree's bank: as many trees as `shift` bits can address,
mostly all of them. Payloads are counted from the least of their tree.

Rows come in groups of eight, their values side by side: value j of row r is at
`(r // 8 * n_columns + j) * 8 + r % 8`. So eight walks need one pointer to rows and one to nodes,
and their states stay in registers.

The walk does not treat missing values: where rows have any, column j holds plus infinity for
NaN, column `n_columns + j` minus infinity, and a split looks at the one that sends NaN its way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.grouping import GROUP, ungrouped

__all__ = ["GROUP", "LINK_BITS", "PAYLOAD_MASK", "QUIET_NAN", "payload_block", "payloads_of_rows"]

Words = npt.NDArray[np.uint64]
Payloads = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Starts = npt.NDArray[np.uint64]

LINK_BITS = 32
PAYLOAD_BITS = 22
HALF = np.uint64(32)
QUIET_NAN = np.uint64(0x7FC00000)
EXPONENT = np.uint64(0x7F800000)
PAYLOAD_MASK = np.uint32((1 << PAYLOAD_BITS) - 1)
_LOW_HALF = np.uint64((1 << 32) - 1)


@kernel
def payload_block(
    words: Words,
    starts: Starts,
    banks: Starts,
    bases: Payloads,
    groups: Floats,
    n_columns: int,
    first: int,
    last: int,
    shift: int,
    found: Payloads,
    out: npt.NDArray[np.int64],
) -> None:
    """Fill `out` (n, n_trees) with the payloads of rows `first` to `last` in each tree.

    Parameters
    ----------
    words, starts, banks, bases, shift
        The trees: see `tree_layout.Nodes`.
    groups : float32
        All rows, as `grouping.group_rows` arranges them.
    n_columns : int
        Of a row; twice as many where they are doubled.
    first : int
        A multiple of eight.
    found : uint32
        Scratch; its size, a multiple of eight, is how many rows are walked together.
    """
    rows = ungrouped(groups, n_columns, first, last)
    places = out.reshape(-1, starts.size)
    for tree in range(starts.size):
        places[first:last, tree] = payloads_of_rows(
            words[int(banks[tree]) :], starts[tree], bases[tree], rows, shift
        )


def payloads_of_rows(
    nodes: Words, start: np.uint64 | Starts, base: np.uint32, rows: Floats, shift: int
) -> Payloads:
    """What each row reaches in one tree: uint32, shape (n,); as plainly as the layout allows.

    Parameters
    ----------
    nodes : uint64
        The bank that the tree is in.
    start : uint64, or uint64 of shape (n,)
        Where the walks start.
    rows : float32, shape (n, n_columns)
    """
    low, row = np.uint64((1 << shift) - 1), np.arange(len(rows))
    place: Starts = np.full(len(rows), start, dtype=np.uint64)
    while True:
        word = nodes[place]
        half = (word & _LOW_HALF).astype(np.uint32)
        if ((word & EXPONENT) == EXPONENT).all():
            return (half & PAYLOAD_MASK) + base
        column = word >> HALF >> np.uint64(shift) >> np.uint64(3)  # it is counted in eights
        above = rows[row, column] > half.view(np.float32)
        place = (word >> HALF & low) | above.astype(np.uint64)
