"""Pooled trees as the arrays that an artifact stores, and back.

| part | what it is |
|---|---|
| `tree_count` | number of trees |
| `tree_nodes` | number of nodes of all trees |
| `tree_splits` | one bit per node in preorder, packed: 1 for a split |
| `tree_features` | the feature of each split, in preorder |
| `tree_thresholds` | sorted distinct thresholds, by feature; or, without `tree_ranks`, one per split, ordered by feature |
| `tree_table_sizes` | thresholds of each feature in that table |
| `tree_ranks` | the place of each split's threshold in its feature's table, ordered by feature |
| `tree_missing_left` | one bit per split, packed, ordered by leaves on the left less those on the right: missing values go left; or one bool for all |
| `tree_leaves` | the row of each leaf, but for the right one of two sibling leaves; absent: row i is leaf i's |
| `tree_second_leaves` | for those, the distance of its row from the left one's, modulo the number of rows |
| `tree_rows` | leaf rows as numbers |
| `tree_counts` | leaf rows as counts: a row is its counts over their sum, output by output |
| `tree_codes`, `tree_scales`, `tree_centre` | leaf rows as codes: centre + scale * (code - half), one scale per tree |
| `tree_left`, `tree_right_gap` | numbers of the children where nodes are not numbered in preorder |
| `tree_categorical` | one bit per split, packed: it looks up a category |
| `tree_bitsets` | the categories that go left, 256 bits per such split |

Any bits that close `tree_count` trees make a valid forest: cycles cannot be written.
"""  # noqa: E501 - a table

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.trees.feature_order import by_feature
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import count_leaves, tree_starts
from model_quantization.kernels.trees.tree_pack import (
    by_balance,
    leaf_counts,
    narrow,
    pair_siblings,
    rank_thresholds,
    second_siblings,
    tabulate_rows,
)
from model_quantization.values import Value

Parts = dict[str, Any]  # part name -> ndarray, int or bool

PREFIX = "tree_"
MISSING_LEFT = "tree_missing_left"
LEAF_PARTS = (
    "tree_leaves",
    "tree_second_leaves",
    "tree_rows",
    "tree_counts",
    "tree_codes",
    "tree_scales",
    "tree_centre",
)


class Layout(Value, frozen=True):
    """Facts that follow from the owner of the trees; the parts need not say them.

    Attributes
    ----------
    n_features : int
        Columns that a split may look at.
    width, outputs : int
        Numbers in a leaf row, and how many groups of them sum to one.
    fractions : bool
        Whether leaf rows are class fractions.
    """

    n_features: int
    width: int
    outputs: int = 1
    fractions: bool = False


def encode_parts(trees: PooledTrees, layout: Layout) -> Parts:
    """The parts of a forest: `decode_parts` gives the same trees, to the bit."""
    parts: Parts = {
        "tree_count": len(trees.sizes),
        "tree_nodes": int(trees.split.size),
        "tree_splits": np.packbits(trees.split),
        "tree_features": narrow(trees.feature),
        MISSING_LEFT: _flags(trees.missing_left(), balance(trees.split, trees.sizes, trees.right)),
    }
    parts |= encode_thresholds(trees.feature, trees.threshold, layout.n_features)
    parts |= encode_leaves(trees, layout)
    if trees.order is not None:
        parts |= _encode_order(trees, trees.order)
    if trees.categorical is not None:
        parts["tree_categorical"] = np.packbits(trees.categorical)
        parts["tree_bitsets"] = trees.bitsets
    return parts


def encode_thresholds(feature: Array, threshold: Array, n_features: int) -> Parts:
    """The parts that hold the threshold of each split."""
    ranked = rank_thresholds(feature, threshold, n_features)
    if ranked is None:
        return {"tree_thresholds": threshold[by_feature(feature)]}
    return {
        "tree_thresholds": ranked.table,
        "tree_table_sizes": ranked.sizes,
        "tree_ranks": ranked.ranks,
    }


def encode_leaves(trees: PooledTrees, layout: Layout) -> Parts:
    """The parts that hold the row of each leaf."""
    if layout.width == 0:
        return {}
    rows = trees.rows[trees.ids]
    table = tabulate_rows(rows)
    parts: Parts = {}
    if table is not None:
        rows = table.rows
        if len(rows) > 1:
            second = second_siblings(trees.split)
            ids, distances = pair_siblings(table.ids, second, len(rows))
            parts |= {"tree_leaves": ids, "tree_second_leaves": distances}
    counts = leaf_counts(rows, layout.outputs) if layout.fractions else None
    if counts is not None:
        return {**parts, "tree_counts": counts}
    return {**parts, "tree_rows": rows}


def _encode_order(trees: PooledTrees, order: Array) -> Parts:
    inner = np.flatnonzero(trees.split)
    starts = tree_starts(trees.sizes)
    base = np.repeat(starts[:-1], trees.sizes)[inner]
    left = order[inner + 1].astype(np.int64)
    right = order[base + trees.right[inner]].astype(np.int64)
    # Growing best first makes both children at once: the gap is 1 throughout.
    gap = right - left
    return {"tree_left": narrow(left), "tree_right_gap": gap.astype(np.min_scalar_type(-_top(gap)))}


def _top(values: Array) -> int:
    return int(np.abs(values).max(initial=1)) + 1


def _flags(values: Array, order: Array) -> Any:
    if not values.size or (values == values[0]).all():
        return bool(values.size and values[0])
    return np.packbits(values[order])


def balance(flags: Array, sizes: Array, right: Array) -> Array:
    """The order of splits that `tree_missing_left` is in."""
    leaves = np.empty(flags.size, dtype=np.int32)
    count_leaves(flags, sizes, right, leaves)
    inner = np.flatnonzero(flags)
    base = np.repeat(tree_starts(sizes)[:-1], sizes)[inner]
    return by_balance(leaves[inner + 1], leaves[base + right[inner]])


def leaf_trees(sizes: Array) -> Array:
    """The tree of each leaf."""
    return np.repeat(np.arange(len(sizes)), (sizes + 1) // 2)
