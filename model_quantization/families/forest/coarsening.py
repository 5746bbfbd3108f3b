"""A packed forest at 8 or 16 bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays
from model_quantization.families.forest.kinds import BY_PROBABILITIES, KINDS
from model_quantization.families.forest.stored.parts import (
    LEAF_PARTS,
    Layout,
    Parts,
    encode_leaves,
    encode_thresholds,
    leaf_trees,
)
from model_quantization.families.forest.trees import packing, unpacking
from model_quantization.graph.nodes import Node, PackedNode
from model_quantization.kernels.trees.coarsen import coarsen_leaves, coarsen_thresholds
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import count_leaves
from model_quantization.kernels.trees.tree_pack import ceil_float32

LEVELS = 255  # thresholds of a feature at 8 bits: a row's value then has 256 possible codes
FRACTION_STEPS = 255
FEW_ROWS = 256
_CODE_BYTES = 2  # of a leaf at 16 bits
THRESHOLD_PARTS = ("tree_thresholds", "tree_table_sizes", "tree_ranks")


def coarsen(packed: PackedNode, arrays: Arrays, bits: int) -> tuple[PackedNode, str]:
    """The forest at 8 or 16 bits, and what was done.

    16 bits: float64 thresholds become float32, rounded up, so that a row which holds the
    threshold itself goes the same way; leaf values become 16-bit codes with one scale per tree.
    Class fractions are kept. 8 bits: also at most 255 thresholds per feature, and 8-bit codes.

    Parameters
    ----------
    packed : PackedNode
        As `pack` made it, exact.
    bits : {8, 16}
    """
    layout, trees = unpacking.decode_packed(packed, arrays)
    done: list[str] = []
    threshold = trees.threshold
    if threshold.dtype == np.float64:
        threshold = ceil_float32(threshold)
        done.append("thresholds rounded up to float32")
    if bits == 8:
        threshold, share = coarsen_thresholds(
            trees.feature, threshold, rows_past_splits(trees), layout.n_features, LEVELS
        )
        if share:
            done.append(f"{LEVELS} thresholds per feature, {share:.0%} of the splits moved")
    parts = encode_thresholds(trees.feature, threshold, layout.n_features)
    leaves, note = _leaves(packed, trees, layout, bits)
    if note:
        done.append(note)
    kept: list[tuple[str, Node]] = [
        (name, value)
        for name, value in packed.parts
        if name not in THRESHOLD_PARTS and (name not in LEAF_PARTS or leaves is None)
    ]
    parts |= leaves or {}
    coarse = replace(packed, parts=(*kept, *packing.part_nodes(parts, arrays)))
    return coarse, "; ".join(done) or f"nothing to round at {bits} bits"


def rows_past_splits(trees: PooledTrees) -> Array:
    """About how many rows pass each split: the leaves below it.

    The counts themselves are dropped. In fully grown trees rows and leaves are the same; in
    shallow ones the leaves hold similar shares.
    """
    leaves = np.empty(trees.split.size, dtype=np.int32)
    count_leaves(trees.split, trees.sizes, trees.right, leaves)
    return np.asarray(leaves[trees.split == 1], dtype=np.float64)


def _leaves(
    packed: PackedNode, trees: PooledTrees, layout: Layout, bits: int
) -> tuple[Parts | None, str]:
    """The parts of rounded leaves; None where leaves stay as they are."""
    kind = KINDS[packed.type]
    # A table of few different rows is small as it is; ids into a larger one take up to 16 bits.
    tabulated = "tree_leaves" in dict(packed.parts) or len(trees.rows) == 1
    if kind.container == "booster":
        # Many leaves of symmetric trees are empty, and all alike; the others are not few.
        tabulated = tabulated and trees.rows.nbytes <= _CODE_BYTES * len(trees.ids) * layout.width
    if kind.leaf != "value" or len(trees.rows) <= FEW_ROWS or (bits == 16 and tabulated):
        return None, ""
    if layout.fractions:
        if bits > 8 or packed.type == BY_PROBABILITIES:  # the logarithm of a fraction counts
            return None, ""
        grouped = trees.rows.reshape(len(trees.rows), layout.outputs, -1)
        counts = np.rint(grouped * FRACTION_STEPS)
        if (counts.sum(axis=2) == 0).any():
            return None, ""
        rows = counts / counts.sum(axis=2, keepdims=True)
        rounded = replace(trees, rows=rows.reshape(trees.rows.shape))
        return encode_leaves(rounded, layout), f"class fractions in {FRACTION_STEPS} steps"
    centred = kind.container in ("grid", "nested", "booster")
    tree = leaf_trees(trees.sizes)
    coded = coarsen_leaves(trees.rows[trees.ids], tree, len(trees.sizes), bits, centred=centred)
    if coded is None:
        return None, ""
    codes, scales, centre = coded
    parts: Parts = {"tree_codes": codes, "tree_scales": scales, "tree_centre": centre}
    return parts, f"{bits}-bit leaves with one scale per tree"
