"""Values that ensembles keep beside their trees, and values that follow from the trees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.family import Arrays
from model_quantization.families.forest import kinds
from model_quantization.families.forest.trees.members import mapping, mapping_items
from model_quantization.families.forest.trees.reading import ReadForest
from model_quantization.graph.nodes import (
    ArrayNode,
    DictNode,
    Node,
    ObjectNode,
    SequenceNode,
    attributes,
)
from model_quantization.kernels.trees.pooled import PooledTrees

PATH_LENGTHS = "_average_path_length_per_tree"
DEPTHS = "_decision_path_lengths"
MEMBER_FEATURES = "estimators_features_"


def path_rows(read: ReadForest, state: dict[str, Node], arrays: Arrays) -> Array | None:
    """The cached path length at each leaf of an isolation forest: shape (n_leaves, 1)."""
    lengths = _array_sequence(state.get(PATH_LENGTHS), len(read.columns), arrays)
    depths = _array_sequence(state.get(DEPTHS), len(read.columns), arrays)
    if lengths is None or depths is None:
        return None
    if any(
        len(length) != len(table["left_child"]) or len(depth) != len(length)
        for length, depth, table in zip(lengths, depths, read.columns, strict=True)
    ):
        return None
    trees = read.trees
    starts = np.cumsum(trees.sizes) - trees.sizes
    at = trees.leaf_numbers + np.repeat(starts, (trees.sizes + 1) // 2)
    leaf = trees.split == 0
    if not np.array_equal(np.concatenate(depths)[at], trees.depth[leaf] + 1):
        return None
    return np.concatenate(lengths)[at].astype(np.float64).reshape(-1, 1)


def path_nodes(trees: PooledTrees, arrays: Arrays) -> list[tuple[str, Node]]:
    """The two caches of an isolation forest; inner nodes, which are never asked, get 0 lengths."""
    starts = np.concatenate([[0], np.cumsum(trees.sizes)])
    local = np.arange(trees.split.size) - np.repeat(starts[:-1], trees.sizes)
    order = trees.order if trees.order is not None else local
    at = order + np.repeat(starts[:-1], trees.sizes)
    depth = np.empty(trees.split.size, dtype=np.int64)
    depth[at] = trees.depth + 1
    length = np.zeros(trees.split.size)
    length[at[trees.split == 0]] = trees.rows[trees.ids, 0]
    spans = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))

    def cut(values: Array) -> SequenceNode:
        return SequenceNode("tuple", tuple(ArrayNode(arrays.add(values[a:b])) for a, b in spans))

    return [(PATH_LENGTHS, cut(length)), (DEPTHS, cut(depth))]


def member_columns(node: Node, count: int, arrays: Arrays) -> Array | None:
    """The columns that each tree sees, (n_trees, k); empty if each sees all in order."""
    each = _array_sequence(node, count, arrays)
    if each is None or any(one.ndim != 1 or one.dtype != np.int64 for one in each):
        return None
    if len({len(one) for one in each}) != 1:
        return None
    columns = np.stack(each)
    if not columns.size or columns.min() < 0:
        return None
    if (columns == np.arange(columns.shape[1])).all():
        return np.empty((0, 0), dtype=np.int64)
    return columns.astype(np.min_scalar_type(int(columns.max())))


def features_node(node: Node, trees: PooledTrees, make: Any, arrays: Arrays) -> Node:
    """The columns that each tree sees, as the list of arrays that bagging keeps.

    Raises
    ------
    SemanticError
        The columns of the node are not those of every tree.
    """
    count = len(trees.sizes)
    if node is None:
        columns = np.tile(np.arange(make.n_features), (count, 1))
    else:
        columns = arrays[node.array] if isinstance(node, ArrayNode) else np.empty(0)
    if columns.shape != (count, make.n_features):
        raise SemanticError("the columns of the trees do not fit them", where="tree_columns")
    nodes = tuple(ArrayNode(arrays.add(one)) for one in columns.astype(np.int64))
    return SequenceNode("list", nodes)


def _array_sequence(node: Node, count: int, arrays: Arrays) -> list[Array] | None:
    """The arrays of a sequence node; None where it is not `count` arrays."""
    if not isinstance(node, SequenceNode) or len(node.items) != count:
        return None
    found = [arrays[item.array] for item in node.items if isinstance(item, ArrayNode)]
    return found if len(found) == count else None


def slim_mapper(node: Node, arrays: Arrays) -> Node:
    """The bin mapper without the bin edges of numerical features, which only fitting needs."""
    if not isinstance(node, ObjectNode) or node.type != kinds.BIN_MAPPER:
        return node
    state = attributes(node)
    edges, flags = state.get("bin_thresholds_"), state.get("is_categorical_")
    if not isinstance(edges, SequenceNode) or not isinstance(flags, ArrayNode):
        return node
    categorical = arrays[flags.array]
    if len(edges.items) != len(categorical):
        return node
    empty = ArrayNode(arrays.add(np.empty(0)))
    kept = tuple(
        edge if flag else empty for edge, flag in zip(edges.items, categorical, strict=True)
    )
    slim = [
        (name, replace(edges, items=kept) if name == "bin_thresholds_" else value)
        for name, value in mapping_items(_state(node))
    ]
    return replace(node, state=mapping(slim))


def restored_mapper(node: Node) -> Node:
    """A bin mapper as the class that names what it lacks; other nodes as they are."""
    if isinstance(node, ObjectNode) and node.type == kinds.BIN_MAPPER:
        return replace(node, type=kinds.RESTORED_BIN_MAPPER)
    return node


def _state(node: ObjectNode) -> DictNode:
    return node.state if isinstance(node.state, DictNode) else mapping([])
