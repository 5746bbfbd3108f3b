"""A forest's component to its packed form, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ml.quantization.errors import SemanticError
from ml.quantization.families.family import Arrays
from ml.quantization.families.forest import kinds
from ml.quantization.families.forest.importances import importances
from ml.quantization.families.forest.kinds import KINDS, Kind
from ml.quantization.families.forest.members import (
    Members,
    gather_members,
    mapping,
    mapping_items,
    scatter_members,
)
from ml.quantization.families.forest.nodes import (
    ReadForest,
    TreeMake,
    build_predictors,
    build_trees,
    read_predictors,
    read_trees,
)
from ml.quantization.families.forest.parts import (
    PREFIX,
    Layout,
    Parts,
    decode_parts,
    encode_parts,
)
from ml.quantization.graph import (
    Array,
    ArrayNode,
    DictNode,
    Node,
    ObjectArrayNode,
    ObjectNode,
    PackedNode,
    SequenceNode,
    attributes,
)
from ml.quantization.kernels.pooled import PooledTrees

FAMILY_NAME = "forest"
IMPORTANCES = "feature_importances_"
PATH_LENGTHS = "_average_path_length_per_tree"
DEPTHS = "_decision_path_lengths"
MEMBER_FEATURES = "estimators_features_"


def pack(node: ObjectNode, arrays: Arrays) -> PackedNode | None:
    """The component with all its trees pooled; None where they are not trees of one make."""
    kind = KINDS.get(node.type)
    state = attributes(node)
    if kind is None or node.args or node.entries is not None or kind.attribute not in state:
        return None
    held = _find_trees(kind, state, arrays)
    if held is None:
        return None
    read = _read(node.type, kind, held, state, arrays)
    if read is None:
        return None
    gone = {kind.attribute, *(name for name in kinds.RESIDUE if name in state)}
    extra: list[tuple[str, Node]] = []
    if kind.leaf == "path":
        paths = _path_rows(read, state, arrays)
        if paths is None:
            return None
        read = replace(read, trees=replace(read.trees, rows=paths))
        gone |= {PATH_LENGTHS, DEPTHS}
    if MEMBER_FEATURES in state:
        columns = _member_columns(state[MEMBER_FEATURES], len(held.trees), arrays)
        if columns is None:
            return None
        gone.add(MEMBER_FEATURES)
        extra.append(("tree_columns", ArrayNode(arrays.add(columns)) if columns.size else None))
    if read.make is not None:
        make = read.make
        extra.append(("tree_make", _numbers((make.n_features, make.n_outputs, *make.n_classes))))
    if held.members is not None:
        members = held.members
        extra.append(("tree_type", members.type))
        extra.append(("tree_shared", members.shared))
        extra.append(("tree_varying", members.varying))
    if held.outputs is not None:
        extra.append(("tree_outputs", held.outputs))
    weights = state.get("estimator_weights_")
    found = importances(
        kind.importances,
        read.columns,
        read.make.n_features if read.make else 0,
        arrays[weights.array] if isinstance(weights, ArrayNode) else None,
    )
    if found is not None:
        extra.append((IMPORTANCES, ArrayNode(arrays.add(found))))
    kept = [
        (name, _slim_mapper(value, arrays) if name == "_bin_mapper" else value)
        for name, value in state.items()
        if name not in gone
    ]
    encoded = encode_parts(
        read.trees, _layout(kind, read.make, _owner(node.type, held.members), state)
    )
    return PackedNode(FAMILY_NAME, node.type, (*kept, *extra, *part_nodes(encoded, arrays)))


def old_format_notes(node: ObjectNode, arrays: Arrays) -> tuple[str, ...]:
    """What is put right when this component is packed: formats that scikit-learn has left behind.

    Empty for components that are no forest, or are of the present format.
    """
    kind = KINDS.get(node.type)
    state = attributes(node)
    if kind is None or kind.container == "nested" or kind.attribute not in state:
        return ()
    held = _find_trees(kind, state, arrays)
    read = None if held is None else _read(node.type, kind, held, state, arrays)
    if read is None:
        return ()
    notes = []
    if read.gapless:
        notes.append("trees saved by scikit-learn 1.2 or older: missing values go right")
    if read.counted:
        notes.append("leaves held class counts, as before scikit-learn 1.3: made fractions again")
    return tuple(notes)


def unpack(node: PackedNode, arrays: Arrays) -> ObjectNode:
    """The component as scikit-learn holds it.

    Raises
    ------
    SemanticError
        Parts that do not fit each other.
    """
    _, trees = decode_packed(node, arrays)
    kind = KINDS[node.type]
    held = dict(node.parts)
    make = read_make(held.get("tree_make"))
    members = _members(held)
    if make is not None:
        built = build_trees(trees, make, arrays, valued=kind.leaf == "value")
    else:
        built = build_predictors(trees, arrays)
    attribute = _contain(kind, built, members, held, arrays)
    state: list[tuple[str, Node]] = [
        (name, _restored_mapper(value) if name == "_bin_mapper" else value)
        for name, value in held.items()
        if not name.startswith(PREFIX)
    ]
    if "tree_columns" in held:
        state.append((MEMBER_FEATURES, _features_node(held["tree_columns"], trees, make, arrays)))
    state.append((kind.attribute, attribute))
    if kind.leaf == "path":
        state += _path_nodes(trees, arrays)
    return ObjectNode(node.type, (), mapping(state), None, node.id)


def decode_packed(node: PackedNode, arrays: Arrays) -> tuple[Layout, PooledTrees]:
    """The trees of a packed component.

    Raises
    ------
    SemanticError
        Not a forest, or parts that do not fit each other.
    """
    kind = KINDS.get(node.type)
    if kind is None:
        raise SemanticError("not a forest", got=node.type)
    held = dict(node.parts)
    make = read_make(held.get("tree_make"))
    layout = _layout(kind, make, _owner(node.type, _members(held)), held)
    return layout, decode_parts(read_parts(node, arrays), layout)


@dataclass(frozen=True, slots=True)
class _Held:
    """The trees of an ensemble, in order, and the estimators around them."""

    trees: list[Node]
    members: Members | None
    outputs: int | None = None  # trees of one boosting iteration


def _find_trees(kind: Kind, state: dict[str, Node], arrays: Arrays) -> _Held | None:
    value = state[kind.attribute]
    if kind.container == "single":
        return _Held([value], None)
    outputs = None
    if kind.container == "grid":
        if not isinstance(value, ObjectArrayNode) or len(value.shape) != 2:
            return None
        outputs = value.shape[1]
        value = value.items
    if not isinstance(value, SequenceNode) or not value.items:
        return None
    if kind.container == "nested":
        rows = [row.items for row in value.items if isinstance(row, SequenceNode)]
        if len(rows) != len(value.items) or len({len(row) for row in rows}) != 1:
            return None
        return _Held([tree for row in rows for tree in row], None, len(rows[0]))
    estimators = [item for item in value.items if isinstance(item, ObjectNode)]
    known = kinds.CLASSIFIER_TREES | kinds.REGRESSOR_TREES
    if len(estimators) != len(value.items) or any(item.type not in known for item in estimators):
        return None
    members = gather_members(estimators, arrays)
    if members is None:
        return None
    return _Held([attributes(item).get("tree_") for item in estimators], members, outputs)


def _read(
    type_name: str, kind: Kind, held: _Held, state: dict[str, Node], arrays: Arrays
) -> ReadForest | None:
    if kind.container == "nested":
        n_features = state.get("_n_features")
        if not isinstance(n_features, int):
            return None
        return read_predictors(held.trees, n_features, arrays)
    return read_trees(held.trees, _owner(type_name, held.members), arrays)


def _owner(type_name: str, members: Members | None) -> str:
    return members.type if members is not None else type_name


def _layout(kind: Kind, make: TreeMake | None, owner: str, state: dict[str, Node]) -> Layout:
    if make is None:
        n_features = state.get("_n_features")
        return Layout(n_features if isinstance(n_features, int) else 0, 1)
    if kind.leaf != "value":
        return Layout(make.n_features, 1 if kind.leaf == "path" else 0)
    return Layout(make.n_features, make.width, make.n_outputs, owner in kinds.CLASSIFIER_TREES)


def _numbers(values: tuple[int, ...]) -> SequenceNode:
    return SequenceNode("tuple", tuple(int(value) for value in values))


def read_make(node: Node) -> TreeMake | None:
    """What `tree_make` says.

    Raises
    ------
    SemanticError
        Numbers that no tree has.
    """
    if node is None:
        return None
    items = node.items if isinstance(node, SequenceNode) else ()
    numbers = [item for item in items if type(item) is int and item >= 1]
    if len(numbers) != len(items) or len(numbers) < 3 or len(numbers) != 2 + numbers[1]:
        raise SemanticError(
            "the make of the trees",
            where="tree_make",
            expected="n_features, n_outputs, and n_classes of each output",
        )
    return TreeMake(numbers[0], tuple(numbers[2:]), numbers[1])


def part_nodes(parts: Parts, arrays: Arrays) -> list[tuple[str, Node]]:
    """The parts as nodes."""
    return [
        (name, ArrayNode(arrays.add(value)) if isinstance(value, np.ndarray) else value)
        for name, value in parts.items()
    ]


def read_parts(node: PackedNode, arrays: Arrays) -> Parts:
    """The parts of the trees as values."""
    return {
        name: arrays[value.array] if isinstance(value, ArrayNode) else value
        for name, value in node.parts
        if name.startswith(PREFIX)
    }


def _members(held: dict[str, Node]) -> Members | None:
    kind, shared, varying = (held.get(f"tree_{n}") for n in ("type", "shared", "varying"))
    if kind is None:
        return None
    known = kinds.CLASSIFIER_TREES | kinds.REGRESSOR_TREES
    if (
        not isinstance(kind, str)
        or kind not in known
        or not isinstance(shared, DictNode)
        or not isinstance(varying, DictNode)
    ):
        raise SemanticError("the estimators around the trees", where="tree_type")
    return Members(kind, shared, varying)


def _contain(
    kind: Kind, built: list[Node], members: Members | None, held: dict[str, Node], arrays: Arrays
) -> Node:
    """The attribute that holds the trees."""
    if kind.container == "single":
        if len(built) != 1:
            raise SemanticError("one tree", where="tree_count", got=str(len(built)))
        return built[0]
    outputs = held.get("tree_outputs", 1)
    if type(outputs) is not int or outputs < 1 or len(built) % outputs:
        raise SemanticError("trees of one iteration", where="tree_outputs", got=repr(outputs))
    if kind.container == "nested":
        rows = range(0, len(built), outputs)
        return SequenceNode(
            "list", tuple(SequenceNode("list", tuple(built[at : at + outputs])) for at in rows)
        )
    trees = [tree for tree in built if isinstance(tree, ObjectNode)]
    estimators = scatter_members(members, trees, arrays) if members is not None else None
    if estimators is None:
        raise SemanticError("one estimator a tree", where="tree_varying")
    items = SequenceNode("list", tuple(estimators))
    if kind.container == "grid":
        return ObjectArrayNode((len(built) // outputs, outputs), items)
    return items


def _path_rows(read: ReadForest, state: dict[str, Node], arrays: Arrays) -> Array | None:
    """The cached path length at each leaf of an isolation forest: shape (n_leaves, 1)."""
    lengths = _sequence(state.get(PATH_LENGTHS), len(read.columns), arrays)
    depths = _sequence(state.get(DEPTHS), len(read.columns), arrays)
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


def _path_nodes(trees: PooledTrees, arrays: Arrays) -> list[tuple[str, Node]]:
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


def _sequence(node: Node, count: int, arrays: Arrays) -> list[Array] | None:
    if not isinstance(node, SequenceNode) or len(node.items) != count:
        return None
    held = [arrays[item.array] for item in node.items if isinstance(item, ArrayNode)]
    return held if len(held) == count else None


def _member_columns(node: Node, count: int, arrays: Arrays) -> Array | None:
    """Columns that each tree sees: (n_trees, k); empty where each sees all in order."""
    held = _sequence(node, count, arrays)
    if held is None or any(one.ndim != 1 or one.dtype != np.int64 for one in held):
        return None
    if len({len(one) for one in held}) != 1:
        return None
    columns = np.stack(held)
    if not columns.size or columns.min() < 0:
        return None
    if (columns == np.arange(columns.shape[1])).all():
        return np.empty((0, 0), dtype=np.int64)
    return columns.astype(np.min_scalar_type(int(columns.max())))


def _features_node(node: Node, trees: PooledTrees, make: Any, arrays: Arrays) -> Node:
    count = len(trees.sizes)
    if node is None:
        columns = np.tile(np.arange(make.n_features), (count, 1))
    else:
        columns = arrays[node.array] if isinstance(node, ArrayNode) else np.empty(0)
    if columns.shape != (count, make.n_features):
        raise SemanticError("the columns of each tree", where="tree_columns")
    held = tuple(ArrayNode(arrays.add(one)) for one in columns.astype(np.int64))
    return SequenceNode("list", held)


def _slim_mapper(node: Node, arrays: Arrays) -> Node:
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


def _restored_mapper(node: Node) -> Node:
    if isinstance(node, ObjectNode) and node.type == kinds.BIN_MAPPER:
        return replace(node, type=kinds.RESTORED_BIN_MAPPER)
    return node


def _state(node: ObjectNode) -> DictNode:
    return node.state if isinstance(node.state, DictNode) else mapping([])


__all__ = [
    "decode_packed",
    "old_format_notes",
    "pack",
    "part_nodes",
    "read_make",
    "read_parts",
    "unpack",
]
