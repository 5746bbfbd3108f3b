"""Pooled trees as scikit-learn's trees again, one structured array each."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays
from model_quantization.families.forest.kinds import (
    RESTORED_LEAVES,
    RESTORED_PREDICTOR,
    RESTORED_TREE,
)
from model_quantization.families.forest.trees.members import mapping
from model_quantization.families.forest.trees.records import (
    LEAF,
    PREDICTOR_DTYPE,
    TREE_DTYPE,
    UNUSED,
    TreeMake,
)
from model_quantization.graph.nodes import ArrayNode, Node, ObjectNode, RecordArrayNode
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import tree_starts


def build_trees(trees: PooledTrees, make: TreeMake, arrays: Arrays, *, valued: bool) -> list[Node]:
    """One `Tree` node per tree of a forest; `valued`: leaf rows are the trees' values."""
    n_classes = ArrayNode(arrays.add(np.array(make.n_classes, dtype=np.int64)))
    records = _records(trees, TREE_DTYPE)
    split = trees.split == 1
    starts = tree_starts(trees.sizes)
    local = np.arange(len(split)) - np.repeat(starts[:-1], trees.sizes)
    order = trees.order if trees.order is not None else local
    at = order + np.repeat(starts[:-1], trees.sizes)  # where each preorder node goes
    inner = np.flatnonzero(split)
    base = np.repeat(starts[:-1], trees.sizes)[inner]
    for name, fill in (("left_child", LEAF), ("right_child", LEAF), ("feature", UNUSED)):
        records[name].fill(fill)
    records["threshold"].fill(UNUSED)
    records["left_child"][at[inner]] = order[inner + 1]
    records["right_child"][at[inner]] = order[base + trees.right[inner]]
    records["feature"][at[inner]] = trees.feature
    records["threshold"][at[inner]] = trees.threshold
    records["missing_go_to_left"][at[inner]] = trees.missing_left()
    values = np.zeros((len(split), make.n_outputs, max(make.n_classes)))
    if valued:
        values[at[~split]] = trees.rows[trees.ids].reshape(-1, *values.shape[1:])
    deepest = np.maximum.reduceat(trees.depth, starts[:-1])
    return [
        ObjectNode(
            RESTORED_TREE if valued else RESTORED_LEAVES,
            (make.n_features, n_classes, make.n_outputs),
            mapping(
                [
                    ("max_depth", int(deepest[tree])),
                    ("node_count", int(end - start)),
                    (
                        "nodes",
                        _record_node(records, slice(int(start), int(end)), TREE_DTYPE, arrays),
                    ),
                    ("values", ArrayNode(arrays.add(values[start:end]))),
                ]
            ),
        )
        for tree, (start, end) in enumerate(pairwise(starts))
    ]


def build_predictors(trees: PooledTrees, arrays: Arrays) -> list[Node]:
    """One histogram predictor node per tree of a boosted model."""
    records = _records(trees, PREDICTOR_DTYPE)
    starts = tree_starts(trees.sizes)
    split = trees.split == 1
    inner = np.flatnonzero(split)
    local = inner - np.repeat(starts[:-1], trees.sizes)[inner]
    records["is_leaf"][~split] = 1
    records["depth"][:] = trees.depth
    records["value"][~split] = trees.rows[trees.ids, 0]
    records["left"][inner] = local + 1
    records["right"][inner] = trees.right[inner]
    records["feature_idx"][inner] = trees.feature
    records["num_threshold"][inner] = trees.threshold
    records["missing_go_to_left"][inner] = trees.missing_left()
    sets = np.zeros((0, 8), dtype=np.uint32)
    first = np.zeros(len(trees.sizes) + 1, dtype=np.int64)
    if trees.categorical is not None and trees.bitsets is not None:
        at = inner[trees.categorical]
        tree = np.searchsorted(starts, at, side="right") - 1
        first = tree_starts(np.bincount(tree, minlength=len(trees.sizes)))
        records["is_categorical"][at] = 1
        records["bitset_idx"][at] = np.arange(len(at)) - first[tree]
        sets = trees.bitsets
    return [
        _predictor(
            _record_node(records, slice(int(start), int(end)), PREDICTOR_DTYPE, arrays),
            sets[first[tree] : first[tree + 1]],
            arrays,
        )
        for tree, (start, end) in enumerate(pairwise(starts))
    ]


def _predictor(records: RecordArrayNode, sets: Array, arrays: Arrays) -> ObjectNode:
    return ObjectNode(
        RESTORED_PREDICTOR,
        (),
        mapping(
            [
                ("nodes", records),
                ("binned_left_cat_bitsets", ArrayNode(arrays.add(np.zeros_like(sets)))),
                ("raw_left_cat_bitsets", ArrayNode(arrays.add(np.ascontiguousarray(sets)))),
            ]
        ),
    )


def _record_node(
    columns: dict[str, Array], part: slice, dtype: np.dtype[Any], arrays: Arrays
) -> RecordArrayNode:
    names = dtype.names or ()
    fields = dtype.fields
    assert fields is not None
    offsets = tuple(int(fields[name][1]) for name in names)
    nodes = tuple(ArrayNode(arrays.add(columns[name][part])) for name in names)
    return RecordArrayNode((part.stop - part.start,), names, nodes, dtype.itemsize, offsets)


def _records(trees: PooledTrees, dtype: np.dtype[Any]) -> dict[str, Array]:
    return {name: np.zeros(len(trees.split), dtype=dtype[name]) for name in dtype.names or ()}
