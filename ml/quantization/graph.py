"""A fitted model as data: nodes, arrays, and the paths that name them.

A `ModelGraph` is what the loading child hands over, what plans are made for, and what an
artifact stores. It holds no object of the model's own library: a class is a name.

Node grammar (`Node`): `None`, `bool`, `int`, `float`, `str` stand for themselves; everything
else is one of the frozen dataclasses below. Arrays live beside the tree, in `ModelGraph.arrays`,
and nodes name them by index, so that two nodes can share one array.

Paths join the steps from the root with `/`: attribute names, dict keys, list positions. A
`(name, object)` pair, which is how scikit-learn holds pipeline steps, contributes its name:
`steps/clf/coef_`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeGuard

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Atom: TypeAlias = bool | int | float | str | None
SequenceKind: TypeAlias = Literal["list", "tuple", "set", "frozenset"]
TextKind: TypeAlias = Literal["list", "tuple", "array"]


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list, tuple, set or frozenset of nodes; `id` is set when something else refers to it."""

    kind: SequenceKind
    items: tuple[Node, ...]
    id: int | None = None


@dataclass(frozen=True, slots=True)
class DictNode:
    """A dict: keys and values as two nodes, each a sequence, strings or numbers node."""

    keys: Node
    values: Node
    id: int | None = None


@dataclass(frozen=True, slots=True)
class ArrayNode:
    """A numeric, bool, datetime or fixed-width string array: `arrays[array]`."""

    array: int


@dataclass(frozen=True, slots=True)
class RecordArrayNode:
    """A structured array, held as one node per field (in the order of the dtype)."""

    shape: tuple[int, ...]
    names: tuple[str, ...]
    columns: tuple[Node, ...]
    itemsize: int
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A numpy scalar: its dtype, and its bytes in hexadecimal."""

    dtype: str
    data: str


@dataclass(frozen=True, slots=True)
class ObjectArrayNode:
    """An array of dtype object, its elements in C order as one sequence or strings node."""

    shape: tuple[int, ...]
    items: Node


@dataclass(frozen=True, slots=True)
class StringsNode:
    """Many strings at once: UTF-8 bytes (`arrays[blob]`, uint8) cut at `arrays[lengths]` (uint32).

    Surrogates are kept ("surrogatepass"). `kind` is the container they came in; `array` means the
    elements of an object or `U` array.
    """

    kind: TextKind
    blob: int
    lengths: int


@dataclass(frozen=True, slots=True)
class NumbersNode:
    """A list or tuple of numbers that all have one type: `arrays[array]`, 1-D.

    `item` is `int` or `float`, or a numpy dtype string for numpy scalars.
    """

    kind: Literal["list", "tuple"]
    item: str
    array: int


@dataclass(frozen=True, slots=True)
class BytesNode:
    """A bytes or bytearray object: `arrays[array]`, uint8."""

    kind: Literal["bytes", "bytearray"]
    array: int


@dataclass(frozen=True, slots=True)
class ValueNode:
    """A small immutable value of the language: a complex, slice, range, or dtype.

    `items` holds its parts: (real, imag), (start, stop, step), or the dtype's description.
    """

    kind: Literal["complex", "slice", "range", "dtype"]
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class NameNode:
    """A class, function or ufunc, by the exact name `module:qualname`. It is never called."""

    name: str


@dataclass(frozen=True, slots=True)
class ObjectNode:
    """An instance: its class by exact name, arguments of `__new__`, and its state.

    `state` is usually a `DictNode` of attributes. `entries` holds the items of a dict or list
    subclass.
    """

    type: str
    args: tuple[Node, ...]
    state: Node
    entries: Node = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class RefNode:
    """The same object as the earlier node with this `id`."""

    target: int


@dataclass(frozen=True, slots=True)
class PackedNode:
    """A subtree in a family's own compact form; `family.unpack` gives the plain nodes back."""

    family: str
    type: str
    parts: tuple[tuple[str, Node], ...]
    id: int | None = None


Node: TypeAlias = (
    Atom
    | SequenceNode
    | DictNode
    | ArrayNode
    | RecordArrayNode
    | ScalarNode
    | ObjectArrayNode
    | StringsNode
    | NumbersNode
    | BytesNode
    | ValueNode
    | NameNode
    | ObjectNode
    | RefNode
    | PackedNode
)


@dataclass(frozen=True, slots=True)
class ModelGraph:
    """One fitted model.

    Attributes
    ----------
    root : Node
        The model itself.
    arrays : tuple of ndarray
        Contiguous arrays in native byte order; an array that was Fortran-ordered is F-contiguous.
    notes : tuple of str
        What was changed while the model was captured (a rescued old format).
    residue : mapping of str to str
        Path of each attribute that was left out -> what it was.
    """

    root: Node
    arrays: tuple[Array, ...]
    notes: tuple[str, ...] = ()
    residue: Mapping[str, str] = field(default_factory=dict)

    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(array.nbytes for array in self.arrays)


def entries(node: DictNode) -> Iterator[tuple[Node, Node]]:
    """The (key, value) pairs of a dict whose keys and values are plain sequences."""
    if isinstance(node.keys, SequenceNode) and isinstance(node.values, SequenceNode):
        yield from zip(node.keys.items, node.values.items, strict=True)


def attributes(node: ObjectNode | PackedNode) -> dict[str, Node]:
    """The named state of an object: attribute name -> node."""
    if isinstance(node, PackedNode):
        return dict(node.parts)
    if isinstance(node.state, DictNode):
        return {key: value for key, value in entries(node.state) if isinstance(key, str)}
    return {}


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
                for key, value in entries(node):
                    if not isinstance(key, Atom):
                        yield "keys", key
                    yield entry_step(key), value
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


def entry_step(key: Any) -> str:
    """The step to the value at `key` of a dict (a key, or the node of one)."""
    return str(key) if isinstance(key, str | int) else "key"


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


def type_counts(graph: ModelGraph) -> Mapping[str, int]:
    """How many objects of each class the model holds."""
    counts: dict[str, int] = {}
    for _, node in components(graph):
        counts[node.type] = counts.get(node.type, 0) + 1
    return counts


def model_type(graph: ModelGraph) -> str:
    """What the model is, in a word a person knows: `Pipeline(TfidfVectorizer, LinearSVC)`."""
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
        case ObjectNode(args=args, state=state, entries=held):
            args = tuple(map(change, args))
            return replace(node, args=args, state=change(state), entries=change(held))
        case PackedNode(parts=parts):
            return replace(node, parts=tuple((name, change(part)) for name, part in parts))
        case _:
            return node


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
            items = [change(item, join(path, entry_step(key))) for key, item in entries(node)]
            return replace(node, values=replace(values, items=tuple(items)))
        case PackedNode(parts=parts):
            return replace(node, parts=tuple((n, change(p, join(path, n))) for n, p in parts))
        case _:
            return with_children(node, lambda child: change(child, path))


def compact(graph: ModelGraph, root: Node, arrays: Sequence[Array]) -> ModelGraph:
    """The graph with another root, and of `arrays` just those that its nodes name, in order."""
    used = list(dict.fromkeys(index for _, node in walk(root) for index in array_indices(node)))
    number = {old: new for new, old in enumerate(used)}
    kept = tuple(arrays[index] for index in used)
    return replace(graph, root=renumber(root, number), arrays=kept)
