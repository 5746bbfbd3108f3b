"""The ladders of a packed forest: fewer thresholds, shorter leaves, smaller trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays
from model_quantization.families.forest.coarsening import THRESHOLD_PARTS, rows_past_splits
from model_quantization.families.forest.kinds import BY_PROBABILITIES, KINDS
from model_quantization.families.forest.stored.parts import (
    LEAF_PARTS,
    Layout,
    Parts,
    encode_leaves,
    encode_parts,
    encode_thresholds,
    leaf_trees,
)
from model_quantization.families.forest.trees import packing, unpacking
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.graph.nodes import Node, PackedNode
from model_quantization.kernels.trees.coarsen import coarsen_leaves, coarsen_thresholds
from model_quantization.kernels.trees.collapse import collapse_small, collapse_twins
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import count_leaves
from model_quantization.kernels.trees.tree_pack import ceil_float32

THRESHOLDS, LEAVES, SUBTREES = "thresholds", "leaves", "subtrees"
_LEVELS = (255, 127, 95, 63, 47, 31, 15)
_LEAF_BITS = (16, 8, 7, 6, 5, 4)
_FRACTION_BITS = (8, 6, 5, 4)
_TWINS = (10, 15, 20, 25, 30, 40, 60)
_COLLAPSED = (2, 3, 4, 6)
_FEW_ROWS = 64  # a table of so few leaf rows is small as it is
_FLOAT32 = "float32"


def options(packed: PackedNode, arrays: Arrays) -> tuple[Ladder, ...]:
    """Return the ladders that change anything in this forest."""
    layout, trees = unpacking.decode_packed(packed, arrays)
    ladders = []
    if trees.feature.size:
        most = _most_thresholds(trees, layout)
        levels = [f"{count} per feature" for count in _LEVELS if count < most]
        if trees.threshold.dtype == np.float64:
            levels.insert(0, _FLOAT32)
        ladders.append(Ladder(THRESHOLDS, tuple(levels)))
    if _can_collapse(packed, trees):
        levels = [f"{share}% of twin leaves become one" for share in _TWINS]
        levels += [f"up to {count} leaves become one" for count in _COLLAPSED]
        ladders.append(Ladder(SUBTREES, tuple(levels)))
    kind = KINDS[packed.type]
    if kind.leaf == "value" and layout.width and len(trees.rows) > _FEW_ROWS:
        if not layout.fractions:
            ladders.append(Ladder(LEAVES, tuple(f"{bits} bits" for bits in _LEAF_BITS)))
        elif packed.type != BY_PROBABILITIES:  # there the logarithm of a fraction counts
            ladders.append(Ladder(LEAVES, tuple(f"{bits} bits" for bits in _FRACTION_BITS)))
    return tuple(ladder for ladder in ladders if ladder.levels)


def coarser(packed: PackedNode, arrays: Arrays, levels: Mapping[str, str]) -> Coarser:
    """Return the forest at these levels.

    Parameters
    ----------
    packed : PackedNode
        As `pack` made it, exact.
    arrays : Arrays
    levels : mapping of str to str
        Ladder -> level.
    """
    layout, trees = unpacking.decode_packed(packed, arrays)
    done: list[str] = []
    parts: Parts = {}
    gone: set[str] = set()
    notes: tuple[str, ...] = ()
    if SUBTREES in levels:
        before = trees.split.size
        level = levels[SUBTREES]
        if "twin" in level:
            trees = collapse_twins(trees, int(level.partition("%")[0]) / 100)
        else:
            trees = collapse_small(trees, _number(level))
        parts = encode_parts(trees, layout)
        gone = {name for name, _ in packed.parts if name in parts} | {*THRESHOLD_PARTS, *LEAF_PARTS}
        done.append(f"{level}: {1 - trees.split.size / before:.0%} fewer nodes")
        notes = (
            "small subtrees are single leaves: `apply` and `decision_path` number fewer nodes",
        )
    if THRESHOLDS in levels:
        threshold = trees.threshold
        if threshold.dtype == np.float64:
            threshold = ceil_float32(threshold)
            done.append("thresholds rounded up to float32")
        if levels[THRESHOLDS] != _FLOAT32:
            count = _number(levels[THRESHOLDS])
            # In boosted trees thresholds crowd where answers change: rows say more there.
            weights = harm_past_splits(trees) if layout.fractions else rows_past_splits(trees)
            threshold, share = coarsen_thresholds(
                trees.feature, threshold, weights, layout.n_features, count
            )
            done.append(f"{count} thresholds per feature, {share:.0%} of the splits moved")
        for name in THRESHOLD_PARTS:
            parts.pop(name, None)
        parts |= encode_thresholds(trees.feature, threshold, layout.n_features)
        gone |= set(THRESHOLD_PARTS)
    if LEAVES in levels:
        bits = _number(levels[LEAVES])
        leaves = _rounded_leaves(packed, trees, layout, bits)
        if leaves is not None:
            for name in LEAF_PARTS:
                parts.pop(name, None)
            parts |= leaves
            gone |= set(LEAF_PARTS)
            done.append(f"{bits}-bit leaves")
    kept: list[tuple[str, Node]] = [
        (name, value) for name, value in packed.parts if name not in gone
    ]
    node = replace(packed, parts=(*kept, *packing.part_nodes(parts, arrays)))
    return Coarser(node, done="; ".join(done), notes=notes)


def harm_past_splits(trees: PooledTrees) -> Array:
    """About how much a row adds to the squared error that takes the other way at each split.

    Rows past the split (`rows_past_splits`) times the squared distance of the means of its two
    sides: a split whose sides answer alike may move at no cost.
    """
    rows = rows_past_splits(trees)
    is_leaf = trees.split == 0
    leaves = np.empty(trees.split.size, dtype=np.int32)
    count_leaves(trees.split, trees.sizes, trees.right, leaves)
    before = np.cumsum(is_leaf) - is_leaf  # leaves lie in the order of the nodes
    values = trees.rows[trees.ids]
    values = np.where(np.isfinite(values), values, 0.0)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    split = np.flatnonzero(~is_leaf)
    first, middle = before[split], before[split] + leaves[split + 1]
    last = before[split] + leaves[split]
    left = (sums[middle] - sums[first]) / (middle - first)[:, np.newaxis]
    right = (sums[last] - sums[middle]) / (last - middle)[:, np.newaxis]
    return np.asarray(rows * np.square(left - right).sum(axis=1))


def _number(level: str) -> int:
    return next(int(word) for word in level.split() if word.isdigit())


def _most_thresholds(trees: PooledTrees, layout: Layout) -> int:
    """The most distinct thresholds of any feature."""
    order = np.lexsort((trees.threshold, trees.feature))
    feature, threshold = trees.feature[order], trees.threshold[order]
    fresh = np.ones(feature.size, dtype=np.bool_)
    fresh[1:] = (feature[1:] != feature[:-1]) | (threshold[1:] != threshold[:-1])
    return int(np.bincount(feature[fresh], minlength=layout.n_features).max())


def _can_collapse(packed: PackedNode, trees: PooledTrees) -> bool:
    """Whether leaves may be averaged: their mean is then the value of the node above them."""
    kind = KINDS[packed.type]
    grown = trees.split.size > 64 * len(trees.sizes)
    return (
        kind.container in ("single", "list")
        and kind.lower == "averaged"
        and kind.leaf == "value"
        and trees.order is None
        and trees.categorical is None
        and grown
    )


def _rounded_leaves(
    packed: PackedNode, trees: PooledTrees, layout: Layout, bits: int
) -> Parts | None:
    """The parts of leaves at so many bits; None where such codes cannot hold them."""
    rows: Array = trees.rows
    if layout.fractions:
        steps = (1 << bits) - 1
        grouped = rows.reshape(len(rows), layout.outputs, -1)
        counts = np.rint(grouped * steps)
        # Many classes with equal shares: the largest of them keeps one step.
        at = np.nonzero(counts.sum(axis=2) == 0)
        counts[(*at, grouped[at].argmax(axis=1))] = 1
        rounded = counts / counts.sum(axis=2, keepdims=True)
        return encode_leaves(replace(trees, rows=rounded.reshape(rows.shape)), layout)
    kind = KINDS[packed.type]
    centred = kind.container in ("grid", "nested", "booster")
    coded = coarsen_leaves(
        rows[trees.ids], leaf_trees(trees.sizes), len(trees.sizes), bits, centred=centred
    )
    if coded is None:
        return None
    codes, scales, centre = coded
    return {"tree_codes": codes, "tree_scales": scales, "tree_centre": centre}
