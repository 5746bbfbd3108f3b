"""scikit-learn's trees, one structured array each, pooled into the arrays of all of them."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays
from model_quantization.families.forest.kinds import CLASSIFIER_TREES, PREDICTOR, TREE
from model_quantization.families.forest.trees.records import (
    LEAF,
    PREDICTOR_DTYPE,
    TREE_NAMES,
    TreeMake,
)
from model_quantization.graph.nodes import ArrayNode, Node, ObjectNode, RecordArrayNode, attributes
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import preorder, shape, tree_starts
from model_quantization.kernels.trees.tree_pack import divide_counts, floor_float32
from model_quantization.values import Value

FRACTION_TOLERANCE = 1e-6


class ReadForest(Value, frozen=True):
    """Trees as they were found.

    Attributes
    ----------
    trees : PooledTrees
    make : TreeMake or None
        None for histogram predictors.
    columns : list of dict
        For each tree its columns by name, in its own numbering.
    """

    trees: PooledTrees
    make: TreeMake | None
    columns: list[dict[str, Array]]


def read_trees(nodes: list[Node], owner: str, arrays: Arrays) -> ReadForest | None:
    """Pool the `Tree`s of an ensemble; None for anything that is not a well-formed forest.

    Parameters
    ----------
    nodes : list of ObjectNode
        `sklearn.tree._tree:Tree`s.
    owner : str
        Class of the tree estimators: fractions are only expected from classifiers.
    """
    read = [_read_tree(node, arrays) for node in nodes]
    found = [tree for tree in read if tree is not None]
    if len(found) != len(nodes) or len({make for make, _ in found}) != 1:
        return None
    make = found[0][0]
    columns = [table for _, table in found]
    if any(table["value"].shape[1:] != (make.n_outputs, max(make.n_classes)) for table in columns):
        return None
    order = order_trees([(table["left_child"], table["right_child"]) for table in columns])
    if order is None:
        return None
    pooled = {
        name: np.concatenate([table[name] for table in columns])[order.pick]
        for name in ("left_child", "feature", "threshold", "missing_go_to_left", "value")
    }
    split = pooled["left_child"] >= 0
    feature = pooled["feature"][split].astype(np.int64)
    threshold = pooled["threshold"][split].astype(np.float64)
    if np.isnan(threshold).any() or not within(feature, make.n_features):
        return None
    rows = pooled["value"][~split].astype(np.float64)
    if owner in CLASSIFIER_TREES:
        rows = _fractions(rows)
    trees = pool_trees(
        order,
        split,
        feature,
        floor_float32(threshold),
        pooled["missing_go_to_left"][split] != 0,
        rows.reshape(len(rows), make.width),
    )
    return None if trees is None else ReadForest(trees, make, columns)


def _read_tree(node: Node, arrays: Arrays) -> tuple[TreeMake, dict[str, Array]] | None:
    if not isinstance(node, ObjectNode) or node.type != TREE or len(node.args) != 3:
        return None
    n_features, classes, n_outputs = node.args
    state = attributes(node)
    records, values, count = (state.get(key) for key in ("nodes", "values", "node_count"))
    if (
        type(n_features) is not int
        or type(n_outputs) is not int
        or type(count) is not int
        or not isinstance(classes, ArrayNode)
        or not isinstance(values, ArrayNode)
        or not isinstance(records, RecordArrayNode)
    ):
        return None
    table = _columns(records, arrays, count)
    value = arrays[values.array][:count]
    if table is None or count < 1 or value.ndim != 3 or len(value) != count:
        return None
    # scikit-learn before 1.3 had no missing values: there NaN was refused.
    if "missing_go_to_left" not in table:
        table["missing_go_to_left"] = np.zeros(count, dtype=np.uint8)
    if any(name not in table for name in TREE_NAMES):
        return None
    n_classes = tuple(int(number) for number in arrays[classes.array].ravel())
    return TreeMake(n_features, n_classes, n_outputs), {**table, "value": value}


def read_predictors(nodes: list[Node], n_features: int, arrays: Arrays) -> ReadForest | None:
    """Pool the histogram predictors of a boosted model; None for what is not well-formed."""
    read = [_read_predictor(node, arrays) for node in nodes]
    columns = [table for table in read if table is not None]
    if len(columns) != len(nodes):
        return None
    for table in columns:
        leaf = table["is_leaf"] != 0
        for side in ("left", "right"):
            table[side] = np.where(leaf, LEAF, table[side].astype(np.int64))
    order = order_trees([(table["left"], table["right"]) for table in columns])
    if order is None:
        return None
    pooled = {
        name: np.concatenate([table[name] for table in columns])[order.pick]
        for name in PREDICTOR_DTYPE.names or ()
    }
    split = pooled["left"] >= 0
    feature = pooled["feature_idx"][split].astype(np.int64)
    categorical = pooled["is_categorical"][split] != 0
    threshold = np.where(categorical, 0.0, pooled["num_threshold"][split])
    if np.isnan(threshold).any() or not within(feature, n_features):
        return None
    bitsets = None
    if categorical.any():
        bitsets = _bitsets(columns, order, split, pooled["bitset_idx"], categorical)
        if bitsets is None:
            return None
    trees = pool_trees(
        order,
        split,
        feature,
        threshold,
        pooled["missing_go_to_left"][split] != 0,
        pooled["value"][~split].reshape(-1, 1),
        categorical if categorical.any() else None,
        bitsets,
    )
    return None if trees is None else ReadForest(trees, None, columns)


def _read_predictor(node: Node, arrays: Arrays) -> dict[str, Array] | None:
    if not isinstance(node, ObjectNode) or node.type != PREDICTOR:
        return None
    state = attributes(node)
    records, raw = state.get("nodes"), state.get("raw_left_cat_bitsets")
    if not isinstance(records, RecordArrayNode) or not isinstance(raw, ArrayNode):
        return None
    table = _columns(records, arrays, records.shape[0])
    if table is None or any(name not in table for name in PREDICTOR_DTYPE.names or ()):
        return None
    return {**table, "sets": arrays[raw.array]}


def _columns(records: RecordArrayNode, arrays: Arrays, count: int) -> dict[str, Array] | None:
    table: dict[str, Array] = {}
    for name, column in zip(records.names, records.columns, strict=True):
        if not isinstance(column, ArrayNode) or len(arrays[column.array]) < count:
            return None
        table[name] = arrays[column.array][:count]
    return table


def _bitsets(
    columns: list[dict[str, Array]],
    order: TreeOrder,
    split: Array,
    index: Array,
    categorical: Array,
) -> Array | None:
    """The left categories of each categorical split, in preorder."""
    counts = [len(table["sets"]) for table in columns]
    tree = np.repeat(np.arange(len(columns)), order.sizes)[split][categorical]
    local = index[split][categorical].astype(np.int64)
    if (
        any(table["sets"].shape[1:] != (8,) for table in columns if len(table["sets"]))
        or (local >= np.array(counts)[tree]).any()
    ):
        return None
    sets = np.concatenate([table["sets"].reshape(-1, 8) for table in columns])
    return np.asarray(sets[(np.cumsum(counts) - counts)[tree] + local], dtype=np.uint32)


class TreeOrder(Value, frozen=True):
    """Preorder of pooled nodes: `pick[i]` is the pooled position of the i-th."""

    pick: Array
    sizes: Array
    local: Array | None


def order_trees(children: list[tuple[Array, Array]]) -> TreeOrder | None:
    """The preorder of trees, from the children of each node: negative at leaves.

    None where a child is out of range, shared or its own ancestor, or a node is not reached.
    """
    sizes = np.array([len(left) for left, _ in children], dtype=np.int64)
    starts = tree_starts(sizes)
    local = np.empty(starts[-1], dtype=np.int32)
    for (left, right), start in zip(children, starts.tolist(), strict=False):
        order = local[start : start + len(left)]
        stack = np.empty(len(left), dtype=np.int32)
        if preorder(left.astype(np.int32), right.astype(np.int32), order, stack) != len(left):
            return None
    natural = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
    pick = local + np.repeat(starts[:-1], sizes)
    return TreeOrder(pick, sizes, None if np.array_equal(local, natural) else local)


def pool_trees(
    order: TreeOrder,
    split: Array,
    feature: Array,
    threshold: Array,
    missing_left: Array,
    rows: Array,
    categorical: Array | None = None,
    bitsets: Array | None = None,
) -> PooledTrees | None:
    """The trees of these values of each node in preorder; `rows` has one row per leaf."""
    flags = split.astype(np.uint8)
    formed = shape(flags, len(order.sizes))
    if formed is None:
        return None
    ids = np.arange(len(rows), dtype=np.uint32)
    return PooledTrees(
        flags,
        *formed,
        feature.astype(np.uint32),
        threshold,
        lambda: missing_left,
        rows,
        ids,
        order.local,
        categorical,
        bitsets,
    )


def within(feature: Array, n_features: int) -> bool:
    """Whether every feature is one that rows have."""
    return not feature.size or (int(feature.min()) >= 0 and int(feature.max()) < n_features)


def _fractions(rows: Array) -> Array:
    """Class fractions of leaves that may hold counts, as models of older versions do."""
    total = rows.sum(axis=2)
    if (np.abs(total - 1.0) <= FRACTION_TOLERANCE).all():
        return rows
    return divide_counts(rows)
