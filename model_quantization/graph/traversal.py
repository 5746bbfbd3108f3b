"""Walks over a graph: children, paths, copies with other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeGuard, overload

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import FormatError
from model_quantization.graph.growing import GrowingArrays
from model_quantization.graph.nodes import (
    ArrayNode,
    Atom,
    BytesNode,
    DictNode,
    ModelGraph,
    Node,
    NumbersNode,
    ObjectArrayNode,
    ObjectNode,
    PackedNode,
    RecordArrayNode,
    RefNode,
    ScalarNode,
    SequenceNode,
    StringsNode,
    ValueNode,
    attributes,
    entries,
)
from model_quantization.graph.values import scalar_value


def children(node: Node) -> Iterator[tuple[str, Node]]:
    """The nodes directly below `node`, each with the step that leads to it."""
    match node:
        case SequenceNode(items=items) if _is_named(node):
            # The list around a named pair already contributed the name.
            yield from (
                (("" if position == 1 else str(position)), item)
                for position, item in enumerate(items)
            )
        case SequenceNode(items=items):
            for position, item in enumerate(items):
                yield (str(item.items[0]) if _is_named(item) else str(position)), item
        case DictNode():
            if isinstance(node.keys, SequenceNode) and isinstance(node.values, SequenceNode):
                for step, (key, value) in zip(dict_steps(node), entries(node), strict=True):
                    if not isinstance(key, Atom):
                        yield "keys", key
                    yield step, value
            else:
                yield "keys", node.keys
                yield "values", node.values
        case ValueNode(items=items):
            for position, item in enumerate(items):
                yield str(position), item
        case RecordArrayNode():
            yield from zip(node.names, node.columns, strict=True)
        case ObjectArrayNode(items=items):
            yield "items", items
        case ObjectNode():
            for position, item in enumerate(node.args):
                yield f"args/{position}", item
            if isinstance(node.state, DictNode):
                yield from children(node.state)
            elif node.state is not None:
                yield "state", node.state
            if node.entries is not None:
                yield "entries", node.entries
        case PackedNode(parts=parts):
            yield from parts
        case _:
            return


def entry_steps(keys: Iterable[Any]) -> list[str]:
    """The step to the value at each of a dict's keys; no two are alike.

    Examples
    --------
    >>> entry_steps(["eu", 7, (1, None), 0.5, "7"])
    ['eu', '7', '(1, None)', '0.5', '7~1']
    """
    steps: list[str] = []
    taken: set[str] = set()
    for key in keys:
        step = plain = _entry_step(key)
        number = 0
        while step in taken:
            number += 1
            step = f"{plain}~{number}"
        taken.add(step)
        steps.append(step)
    return steps


def dict_steps(node: DictNode) -> list[str]:
    """The steps to the values of a dict whose keys are a plain sequence."""
    keys = node.keys.items if isinstance(node.keys, SequenceNode) else ()
    return entry_steps(map(_key_of, keys))


def _entry_step(key: Any) -> str:
    value = key.item() if isinstance(key, np.generic) else key
    if isinstance(value, str | int):
        return str(value)
    if value is None or isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_entry_step, value))})"
    return "key"


_OTHER: Final = object()


def _key_of(node: Node) -> Any:
    """The key of a node that is a plain value; else a value without a name."""
    match node:
        case None | bool() | int() | float() | str():
            return node
        case ScalarNode(dtype=dtype, data=data):
            try:
                return scalar_value(dtype, data, "")
            except FormatError:
                return _OTHER
        case SequenceNode(kind="tuple", items=items):
            return tuple(map(_key_of, items))
    return _OTHER


def _is_named(node: Node) -> TypeGuard[SequenceNode]:
    """Whether `node` is a `(name, object, ...)` tuple, as pipelines hold their steps."""
    return (
        isinstance(node, SequenceNode)
        and node.kind == "tuple"
        and len(node.items) >= 2
        and isinstance(node.items[0], str)
        and isinstance(node.items[1], ObjectNode | PackedNode | RefNode)
    )


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every node below and including `node`, depth first, with its path."""
    stack: list[tuple[str, Node]] = [(path, node)]
    while stack:
        where, current = stack.pop()
        yield where, current
        below = [(join(where, step), child) for step, child in children(current)]
        stack.extend(reversed(below))


def join(path: str, step: str) -> str:
    """`path/step`, without empty parts."""
    return f"{path}/{step}" if path and step else path or step


def components(graph: ModelGraph) -> Iterator[tuple[str, ObjectNode | PackedNode]]:
    """Every object of the model with its path, the root first (its path is empty)."""
    for path, node in walk(graph.root):
        if isinstance(node, ObjectNode | PackedNode):
            yield path, node


def array_paths(graph: ModelGraph) -> dict[int, str]:
    """The first path at which each array is found: array index -> path."""
    found: dict[int, str] = {}
    for path, node in walk(graph.root):
        for index in array_indices(node):
            found.setdefault(index, path)
    return found


def array_indices(node: Node) -> tuple[int, ...]:
    """The arrays that this node itself names (not those of its children)."""
    match node:
        case ArrayNode(array=array) | NumbersNode(array=array) | BytesNode(array=array):
            return (array,)
        case StringsNode(blob=blob, lengths=lengths):
            return (blob, lengths)
        case _:
            return ()


def model_type(graph: ModelGraph) -> str:
    """The model's classes: `Pipeline(TfidfVectorizer, LinearSVC)`."""
    return _describe(graph.root)


def _describe(node: Node) -> str:
    match node:
        case ObjectNode(type=name) | PackedNode(type=name):
            short = name.rpartition(":")[2].rpartition(".")[2]
            steps = attributes(node).get("steps")
            if isinstance(steps, SequenceNode):
                inner = [
                    _describe(pair.items[1])
                    for pair in steps.items
                    if isinstance(pair, SequenceNode) and len(pair.items) == 2
                ]
                return f"{short}({', '.join(inner)})"
            return short
        case SequenceNode(kind=kind):
            return kind
        case DictNode():
            return "dict"
        case _:
            return type(node).__name__


def with_children(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with `change` applied to each node directly below it; its own id is kept."""
    match node:
        case SequenceNode(items=items):
            return replace(node, items=tuple(map(change, items)))
        case DictNode(keys=keys, values=values):
            return replace(node, keys=change(keys), values=change(values))
        case RecordArrayNode(columns=columns):
            return replace(node, columns=tuple(map(change, columns)))
        case ObjectArrayNode(items=content):
            return replace(node, items=change(content))
        case ValueNode(items=items):
            return replace(node, items=tuple(map(change, items)))
        case ObjectNode(args=args, state=state, entries=filled):
            args = tuple(map(change, args))
            return replace(node, args=args, state=change(state), entries=change(filled))
        case PackedNode(parts=parts):
            return replace(node, parts=tuple((name, change(part)) for name, part in parts))
        case _:
            return node


@overload
def with_attributes(node: ObjectNode, changed: Mapping[str, Node]) -> ObjectNode: ...
@overload
def with_attributes(node: PackedNode, changed: Mapping[str, Node]) -> PackedNode: ...
def with_attributes(
    node: ObjectNode | PackedNode, changed: Mapping[str, Node]
) -> ObjectNode | PackedNode:
    """The component with other values of some of its attributes; no attribute is added.

    Raises
    ------
    TypeError
        A state that is no dict of names, which has no attributes.
    """
    if isinstance(node, PackedNode):
        return replace(node, parts=tuple((n, changed.get(n, part)) for n, part in node.parts))
    state = node.state
    if not isinstance(state, DictNode) or not isinstance(state.values, SequenceNode):
        raise TypeError(f"the state of {node.type} has no attributes")
    values = tuple(
        changed.get(key, value) if isinstance(key, str) else value for key, value in entries(state)
    )
    return replace(node, state=replace(state, values=replace(state.values, items=values)))


def renumber(root: Node, number: Mapping[int, int]) -> Node:
    """The same nodes, naming array `number[i]` where they named array `i`."""

    def change(node: Node) -> Node:
        match node:
            case ArrayNode(array=array) | NumbersNode(array=array) | BytesNode(array=array):
                return replace(node, array=number[array])
            case StringsNode(blob=blob, lengths=lengths):
                return replace(node, blob=number[blob], lengths=number[lengths])
            case _:
                return with_children(node, change)

    return change(root)


def with_children_at(node: Node, path: str, change: Callable[[Node, str], Node]) -> Node:
    """As `with_children`, with the path of each child beside it."""
    match node:
        case SequenceNode():
            items = [change(item, join(path, step)) for step, item in children(node)]
            return replace(node, items=tuple(items))
        case DictNode(keys=SequenceNode(), values=SequenceNode() as values):
            steps = zip(dict_steps(node), values.items, strict=True)
            items = [change(item, join(path, step)) for step, item in steps]
            return replace(node, values=replace(values, items=tuple(items)))
        case PackedNode(parts=parts):
            return replace(node, parts=tuple((n, change(p, join(path, n))) for n, p in parts))
        case _:
            return with_children(node, lambda child: change(child, path))


def compact(graph: ModelGraph, root: Node, arrays: Sequence[Array] | GrowingArrays) -> ModelGraph:
    """The graph with another root, and of `arrays` just those that its nodes name, in order."""
    used = list(dict.fromkeys(index for _, node in walk(root) for index in array_indices(node)))
    number = {old: new for new, old in enumerate(used)}
    kept = tuple(arrays[index] for index in used)
    return replace(graph, root=renumber(root, number), arrays=kept)
