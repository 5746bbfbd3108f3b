"""The tree estimators of an ensemble: shared values once, others per tree."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from model_quantization.families.family import Arrays
from model_quantization.graph.nodes import (
    ArrayNode,
    DictNode,
    Node,
    NumbersNode,
    ObjectNode,
    RefNode,
    SequenceNode,
    StringsNode,
    attributes,
)
from model_quantization.graph.traversal import walk
from model_quantization.values import Value

RANDOM_STATE = "numpy.random.mtrand:RandomState"
TREE_ATTRIBUTE = "tree_"


class Members(Value, frozen=True):
    """Tree estimators without their trees.

    Attributes
    ----------
    type : str
        Their class.
    shared : DictNode
        Attributes that all have alike.
    varying : DictNode
        Attribute -> one value per member, in order.
    """

    type: str
    shared: DictNode
    varying: DictNode


def gather_members(nodes: list[ObjectNode], arrays: Arrays) -> Members | None:
    """The values that members share, and those in which they differ; None for several kinds.

    A generator that members were grown with is not kept: only growing them anew would draw
    from it. Their seeds, where they have such, are.
    """
    first = nodes[0]
    names = [name for name in attributes(first) if name != TREE_ATTRIBUTE]
    states = [attributes(node) for node in nodes]
    if any(
        node.type != first.type
        or node.args
        or node.entries is not None
        or [name for name in state if name != TREE_ATTRIBUTE] != names
        for node, state in zip(nodes, states, strict=True)
    ):
        return None
    generators = _generators(nodes)
    shared: list[tuple[str, Node]] = []
    varying: list[tuple[str, Node]] = []
    for name in names:
        values = [_without_generator(state[name], generators) for state in states]
        prints = {_fingerprint(value, arrays) for value in values}
        if len(prints) == 1 and not _is_shared(values[0]):
            shared.append((name, values[0]))
        else:
            varying.append((name, _column(values, arrays)))
    return Members(first.type, mapping(shared), mapping(varying))


def scatter_members(
    members: Members, trees: list[ObjectNode], arrays: Arrays
) -> list[ObjectNode] | None:
    """The member nodes again; None where a varying attribute has another number of values."""
    shared = mapping_items(members.shared)
    columns = [(name, _values(node, arrays)) for name, node in mapping_items(members.varying)]
    if any(len(values) != len(trees) for _, values in columns):
        return None
    return [
        ObjectNode(
            members.type,
            (),
            mapping(
                [
                    *shared,
                    *((name, values[position]) for name, values in columns),
                    (TREE_ATTRIBUTE, tree),
                ]
            ),
        )
        for position, tree in enumerate(trees)
    ]


def mapping(pairs: list[tuple[str, Node]]) -> DictNode:
    """A dict node with these entries."""
    return DictNode(
        SequenceNode("list", tuple(name for name, _ in pairs)),
        SequenceNode("list", tuple(value for _, value in pairs)),
    )


def mapping_items(node: DictNode) -> list[tuple[str, Node]]:
    """The entries of a node that `mapping` made."""
    if not isinstance(node.keys, SequenceNode) or not isinstance(node.values, SequenceNode):
        return []
    pairs = zip(node.keys.items, node.values.items, strict=True)
    return [(str(name), value) for name, value in pairs]


def _generators(nodes: list[ObjectNode]) -> frozenset[int]:
    """Ids of the generators that the members hold between them."""
    return frozenset(
        state.id
        for node in nodes
        for value in attributes(node).values()
        for state in [value]
        if isinstance(state, ObjectNode) and state.type == RANDOM_STATE and state.id is not None
    )


def _without_generator(node: Node, generators: frozenset[int]) -> Node:
    if isinstance(node, ObjectNode) and node.type == RANDOM_STATE:
        return None
    if isinstance(node, RefNode) and node.target in generators:
        return None
    return node


def _is_shared(node: Node) -> bool:
    return any(getattr(below, "id", None) is not None for _, below in walk(node))


def _column(values: list[Node], arrays: Arrays) -> Node:
    """One value per member as a node; numbers of one type become an array."""
    if all(type(value) is int for value in values) and len(values) > 1:
        numbers: list[Any] = list(values)
        if min(numbers) >= -(1 << 63) and max(numbers) < 1 << 63:
            return NumbersNode("list", "int", arrays.add(np.array(numbers, dtype=np.int64)))
    return SequenceNode("list", tuple(values))


def _values(node: Node, arrays: Arrays) -> list[Node]:
    if isinstance(node, NumbersNode):
        return [int(value) for value in arrays[node.array]]
    return list(node.items) if isinstance(node, SequenceNode) else []


def _fingerprint(node: Node, arrays: Arrays) -> Any:
    """A hashable value that two nodes share exactly when they describe the same."""
    if isinstance(node, ArrayNode):
        array = arrays[node.array]
        return (array.dtype.str, array.shape, array.tobytes())
    if isinstance(node, NumbersNode):
        return (node.kind, node.item, arrays[node.array].tobytes())
    if isinstance(node, StringsNode):
        return (node.kind, arrays[node.blob].tobytes(), arrays[node.lengths].tobytes())
    if isinstance(node, tuple):
        return tuple(_fingerprint(item, arrays) for item in node)
    if node is None or isinstance(node, bool | int | str):
        return (type(node).__name__, node)
    if isinstance(node, float):
        return ("float", node.hex())
    return (
        type(node).__name__,
        *(_fingerprint(getattr(node, field.name), arrays) for field in fields(node)),
    )
