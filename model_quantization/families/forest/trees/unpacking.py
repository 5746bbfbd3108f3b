"""A packed forest to the component that scikit-learn holds."""

from __future__ import annotations

from model_quantization.errors import SemanticError
from model_quantization.families.family import Arrays
from model_quantization.families.forest.kinds import KINDS
from model_quantization.families.forest.stored.decoding import decode_parts
from model_quantization.families.forest.stored.parts import PREFIX, Layout, Parts
from model_quantization.families.forest.trees.attachments import (
    MEMBER_FEATURES,
    features_node,
    path_nodes,
    restored_mapper,
)
from model_quantization.families.forest.trees.building import build_predictors, build_trees
from model_quantization.families.forest.trees.ensembles import (
    contain,
    leaf_layout,
    read_make,
    read_members,
    tree_owner,
)
from model_quantization.families.forest.trees.members import mapping
from model_quantization.graph.nodes import ArrayNode, Node, ObjectNode, PackedNode
from model_quantization.kernels.trees.pooled import PooledTrees


def unpack(node: PackedNode, arrays: Arrays) -> ObjectNode:
    """The component as scikit-learn holds it.

    Raises
    ------
    SemanticError
        Parts that do not fit each other.
    """
    _, trees = decode_packed(node, arrays)
    kind = KINDS[node.type]
    parts = dict(node.parts)
    make = read_make(parts.get("tree_make"))
    members = read_members(parts)
    if make is not None:
        built = build_trees(trees, make, arrays, valued=kind.leaf == "value")
    else:
        built = build_predictors(trees, arrays)
    attribute = contain(kind, built, members, parts, arrays)
    state: list[tuple[str, Node]] = [
        (name, restored_mapper(value) if name == "_bin_mapper" else value)
        for name, value in parts.items()
        if not name.startswith(PREFIX)
    ]
    if "tree_columns" in parts:
        state.append((MEMBER_FEATURES, features_node(parts["tree_columns"], trees, make, arrays)))
    state.append((kind.attribute, attribute))
    if kind.leaf == "path":
        state += path_nodes(trees, arrays)
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
    parts = dict(node.parts)
    make = read_make(parts.get("tree_make"))
    layout = leaf_layout(kind, make, tree_owner(node.type, read_members(parts)), parts)
    return layout, decode_parts(read_parts(node, arrays), layout)


def read_parts(node: PackedNode, arrays: Arrays) -> Parts:
    """The parts of the trees as values."""
    return {
        name: arrays[value.array] if isinstance(value, ArrayNode) else value
        for name, value in node.parts
        if name.startswith(PREFIX)
    }
