"""The tops of large trees as planes of bits: rows start their walks some levels down.

Walks through a large forest take their time level by level. Of the first levels `bit_planes` makes
a few steps for 256 rows at once; each row then walks on from where it left the top of the tree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.bit_planes import LANES, Longs, numbers_of_leaves
from model_quantization.kernels.trees.grouping import GROUP, ungrouped
from model_quantization.kernels.trees.plane_layout import Planes, plane_out
from model_quantization.kernels.trees.topology import shape, tree_starts
from model_quantization.kernels.trees.traversal import EXPONENT, HALF
from model_quantization.kernels.trees.tree_layout import Nodes, Shape
from model_quantization.values import Value

LEVELS = 5


class Tops(Value, frozen=True):
    """The first levels of each tree.

    Attributes
    ----------
    planes : Planes
        Of trees that end where the walks begin.
    slots : uint32, shape (n_leaves,)
        The node, counted from the start of the tree's bank, that stands at each of their leaves.
    roots : int64, shape (n_trees,)
        The first leaf of each.
    """

    planes: Planes
    slots: npt.NDArray[np.uint32]
    roots: Longs


def tops_of(nodes: Nodes, n_columns: int) -> Tops | None:
    """The tops of trees as `traversal` reads them; None where they have no planes.

    Parameters
    ----------
    n_columns : int
        Of the rows, twice as many where they are doubled.
    """
    n_trees, low = nodes.starts.size, np.uint64((1 << nodes.shift) - 1)
    most = (2 << LEVELS) - 1
    # Places of a whole tree: the children of place p are 2 p + 1 and 2 p + 2.
    slots = np.zeros((n_trees, most), dtype=np.uint64)
    there = np.zeros((n_trees, most), dtype=bool)
    split = np.zeros((n_trees, most), dtype=bool)
    words = np.zeros((n_trees, most), dtype=np.uint64)
    slots[:, 0], there[:, 0] = nodes.starts, True
    for level in range(LEVELS + 1):
        now = slice((1 << level) - 1, (2 << level) - 1)
        at = np.where(there[:, now], nodes.banks[:, None] + slots[:, now], 0)
        words[:, now] = nodes.words[at]
        if level == LEVELS:
            break
        split[:, now] = there[:, now] & (words[:, now] & EXPONENT != EXPONENT)
        link = words[:, now] >> HALF & low
        for side in (0, 1):
            below = slice((2 << level) - 1 + side, (4 << level) - 1, 2)
            slots[:, below], there[:, below] = link + np.uint64(side), split[:, now]
    order = _preorder(LEVELS)
    slots, there, split, words = (each[:, order] for each in (slots, there, split, words))
    flags = split[there].astype(np.uint8)
    formed = shape(flags, n_trees)
    if formed is None:
        return None
    asked = words[split]
    top = Shape(
        flags,
        *formed,
        (asked >> HALF >> np.uint64(nodes.shift + 3)).astype(np.uint32),
        (asked & np.uint64((1 << 32) - 1)).astype(np.uint32).view(np.float32),
        lambda: np.zeros(len(asked), dtype=bool),  # the columns say it already
    )
    planes = plane_out(top, n_columns, doubled=False)
    if planes is None:
        return None
    leaf = there & ~split
    return Tops(planes, slots[leaf].astype(np.uint32), tree_starts(leaf.sum(axis=1))[:-1])


def _preorder(levels: int) -> list[int]:
    order, waiting = [], [0]
    while waiting:
        place = waiting.pop()
        order.append(place)
        if place < (1 << levels) - 1:
            waiting += [2 * place + 2, 2 * place + 1]
    return order


def top_room(tops: Tops | None, block: int) -> npt.NDArray[np.uint8]:
    """Room for where `block` rows leave the tops of the trees."""
    if tops is None:
        return np.empty((0, 0), dtype=np.uint8)
    whole = -(-block // LANES) * LANES
    return np.empty((tops.roots.size, whole), dtype=np.uint8)


@kernel
def number_tops(
    columns: Longs,
    firsts: Longs,
    starts: Longs,
    spans: Longs,
    lows: npt.NDArray[np.float32],
    scales: npt.NDArray[np.float32],
    cells: npt.NDArray[np.uint16],
    edges: npt.NDArray[np.float32],
    tests: npt.NDArray[np.uint32],
    links: npt.NDArray[np.uint16],
    splits: Longs,
    groups: npt.NDArray[np.float32],
    n_columns: int,
    first: int,
    last: int,
    planes: npt.NDArray[np.uint64],
    tops: npt.NDArray[np.uint8],
) -> None:
    """Fill `tops` with the leaf that rows `first` to `last` reach in each tree.

    Parameters
    ----------
    columns, firsts, starts, spans, lows, scales, cells, edges, tests, links, splits
        The trees: see `plane_layout.Planes`.
    groups, n_columns, first, planes
        As in `bit_planes.sum_planes`.
    tops : uint8, shape (n_trees, room)
        `room` is a multiple of `LANES`. Whole blocks of rows are written; rows beyond `last` get
        the last leaf.
    """
    n_blocks = -(-(last - first) // LANES)
    whole = -(-(last - first) // GROUP) * GROUP
    x = ungrouped(groups, n_columns, first, first + whole)
    numbers = numbers_of_leaves(columns, firsts, starts, edges, tests, links, splits, x)
    tops[:, : n_blocks * LANES] = np.diff(splits)[:, None]
    tops[:, :whole] = numbers
