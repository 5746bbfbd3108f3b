"""scikit-learn's trees, one structured array each, and the pooled arrays of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.quantization.families.family import Arrays
from ml.quantization.families.forest.kinds import (
    CLASSIFIER_TREES,
    PREDICTOR,
    RESTORED_LEAVES,
    RESTORED_PREDICTOR,
    RESTORED_TREE,
    TREE,
)
from ml.quantization.families.forest.members import mapping
from ml.quantization.graph import (
    Array,
    ArrayNode,
    Node,
    ObjectNode,
    RecordArrayNode,
    attributes,
)
from ml.quantization.kernels.pooled import PooledTrees
from ml.quantization.kernels.topology import preorder, shape, tree_starts
from ml.quantization.kernels.tree_pack import divide_counts, floor_float32

FRACTION_TOLERANCE = 1e-6
UNUSED = -2  # what scikit-learn writes as feature and threshold of a leaf
LEAF = -1
GAPLESS = "gapless"  # marks the columns of a tree that was saved without missing_go_to_left

_TREE_NAMES = (
    "left_child",
    "right_child",
    "feature",
    "threshold",
    "impurity",
    "n_node_samples",
    "weighted_n_node_samples",
    "missing_go_to_left",
)
_TREE_DTYPE = np.dtype(
    [
        *((name, np.int64) for name in _TREE_NAMES[:3]),
        *((name, np.float64) for name in _TREE_NAMES[3:5]),
        (_TREE_NAMES[5], np.int64),
        (_TREE_NAMES[6], np.float64),
        (_TREE_NAMES[7], np.uint8),
    ],
    align=True,
)
_PREDICTOR_DTYPE = np.dtype(
    [
        ("value", np.float64),
        ("count", np.uint32),
        ("feature_idx", np.int64),
        ("num_threshold", np.float64),
        ("missing_go_to_left", np.uint8),
        ("left", np.uint32),
        ("right", np.uint32),
        ("gain", np.float64),
        ("depth", np.uint32),
        ("is_leaf", np.uint8),
        ("bin_threshold", np.uint8),
        ("is_categorical", np.uint8),
        ("bitset_idx", np.uint32),
    ]
)


@dataclass(frozen=True, slots=True)
class TreeMake:
    """What all trees of a forest have alike: the arguments of `Tree.__new__`.

    Attributes
    ----------
    n_features, n_outputs : int
    n_classes : tuple of int
        One an output; 1 for regression.
    """

    n_features: int
    n_classes: tuple[int, ...]
    n_outputs: int

    @property
    def width(self) -> int:
        """Numbers in one leaf row."""
        return self.n_outputs * max(self.n_classes)


@dataclass(frozen=True, slots=True)
class ReadForest:
    """Trees as they were found.

    Attributes
    ----------
    trees : PooledTrees
    make : TreeMake or None
        None for histogram predictors.
    columns : list of dict
        For each tree its columns by name, in its own numbering.
    counted : bool
        Whether leaves held class counts, as scikit-learn wrote them before 1.3.
    gapless : bool
        Whether nodes lacked the flag for missing values, as before 1.3.
    """

    trees: PooledTrees
    make: TreeMake | None
    columns: list[dict[str, Array]]
    counted: bool = False
    gapless: bool = False


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
    order = _order([(table["left_child"], table["right_child"]) for table in columns])
    if order is None:
        return None
    pooled = {
        name: np.concatenate([table[name] for table in columns])[order.pick]
        for name in ("left_child", "feature", "threshold", "missing_go_to_left", "value")
    }
    split = pooled["left_child"] >= 0
    feature = pooled["feature"][split].astype(np.int64)
    threshold = pooled["threshold"][split].astype(np.float64)
    if np.isnan(threshold).any() or not _within(feature, make.n_features):
        return None
    rows = pooled["value"][~split].astype(np.float64)
    rows, counted = _fractions(rows) if owner in CLASSIFIER_TREES else (rows, False)
    trees = _pool(
        order,
        split,
        feature,
        floor_float32(threshold),
        pooled["missing_go_to_left"][split] != 0,
        rows.reshape(len(rows), make.width),
    )
    gapless = any(GAPLESS in table for table in columns)
    return None if trees is None else ReadForest(trees, make, columns, counted, gapless)


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
        table[GAPLESS] = table["missing_go_to_left"]
    if any(name not in table for name in _TREE_NAMES):
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
    order = _order([(table["left"], table["right"]) for table in columns])
    if order is None:
        return None
    pooled = {
        name: np.concatenate([table[name] for table in columns])[order.pick]
        for name in _PREDICTOR_DTYPE.names or ()
    }
    split = pooled["left"] >= 0
    feature = pooled["feature_idx"][split].astype(np.int64)
    categorical = pooled["is_categorical"][split] != 0
    threshold = np.where(categorical, 0.0, pooled["num_threshold"][split])
    if np.isnan(threshold).any() or not _within(feature, n_features):
        return None
    bitsets = None
    if categorical.any():
        bitsets = _bitsets(columns, order, split, pooled["bitset_idx"], categorical)
        if bitsets is None:
            return None
    trees = _pool(
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
    if table is None or any(name not in table for name in _PREDICTOR_DTYPE.names or ()):
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
    order: _Order,
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
    return sets[(np.cumsum(counts) - counts)[tree] + local].astype(np.uint32)


@dataclass(frozen=True, slots=True)
class _Order:
    """Preorder of pooled nodes: `pick[i]` is the pooled position of the i-th."""

    pick: Array
    sizes: Array
    local: Array | None


def _order(children: list[tuple[Array, Array]]) -> _Order | None:
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
    return _Order(pick, sizes, None if np.array_equal(local, natural) else local)


def _pool(
    order: _Order,
    split: Array,
    feature: Array,
    threshold: Array,
    missing_left: Array,
    rows: Array,
    categorical: Array | None = None,
    bitsets: Array | None = None,
) -> PooledTrees | None:
    flags = split.astype(np.uint8)
    formed = shape(flags, len(order.sizes))
    if formed is None:
        return None
    ids = np.arange(len(rows), dtype=np.int64)
    return PooledTrees(
        flags,
        *formed,
        feature,
        threshold,
        missing_left,
        rows,
        ids,
        order.local,
        categorical,
        bitsets,
    )


def _within(feature: Array, n_features: int) -> bool:
    return not feature.size or (int(feature.min()) >= 0 and int(feature.max()) < n_features)


def _fractions(rows: Array) -> tuple[Array, bool]:
    """Class fractions of leaves that may hold counts; whether they did."""
    total = rows.sum(axis=2)
    if (np.abs(total - 1.0) <= FRACTION_TOLERANCE).all():
        return rows, False
    return divide_counts(rows), True


def build_trees(trees: PooledTrees, make: TreeMake, arrays: Arrays, *, valued: bool) -> list[Node]:
    """A `Tree` node for each tree of a forest; `valued`: leaf rows are the trees' values."""
    n_classes = ArrayNode(arrays.add(np.array(make.n_classes, dtype=np.int64)))
    records = _records(trees, _TREE_DTYPE)
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
    records["missing_go_to_left"][at[inner]] = trees.missing_left
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
                        _record_node(records, slice(int(start), int(end)), _TREE_DTYPE, arrays),
                    ),
                    ("values", ArrayNode(arrays.add(values[start:end]))),
                ]
            ),
        )
        for tree, (start, end) in enumerate(zip(starts[:-1], starts[1:], strict=True))
    ]


def build_predictors(trees: PooledTrees, arrays: Arrays) -> list[Node]:
    """A histogram predictor node for each tree of a boosted model."""
    records = _records(trees, _PREDICTOR_DTYPE)
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
    records["missing_go_to_left"][inner] = trees.missing_left
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
            _record_node(records, slice(int(start), int(end)), _PREDICTOR_DTYPE, arrays),
            sets[first[tree] : first[tree + 1]],
            arrays,
        )
        for tree, (start, end) in enumerate(zip(starts[:-1], starts[1:], strict=True))
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


def _records(trees: PooledTrees, dtype: np.dtype[Any]) -> dict[str, Array]:
    return {name: np.zeros(len(trees.split), dtype=dtype[name]) for name in dtype.names or ()}


def _record_node(
    columns: dict[str, Array], part: slice, dtype: np.dtype[Any], arrays: Arrays
) -> RecordArrayNode:
    names = dtype.names or ()
    offsets = tuple(int((dtype.fields or {})[name][1]) for name in names)
    held = tuple(ArrayNode(arrays.add(columns[name][part])) for name in names)
    return RecordArrayNode((part.stop - part.start,), names, held, dtype.itemsize, offsets)
