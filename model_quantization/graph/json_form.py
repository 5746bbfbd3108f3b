"""Nodes as JSON and back: the one spelling used by artifacts and by the loading child.

Every node but an atom is a list that starts with a tag; FORMAT.md has the table. Reading checks
everything that can be checked without the arrays themselves: tags, types, counts, ranges,
references only to earlier nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn, cast

from model_quantization.errors import FormatError, LimitError
from model_quantization.graph.nodes import (
    ArrayNode,
    BytesNode,
    DictNode,
    NameNode,
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
)
from model_quantization.limits import Limits

_SEQUENCE_TAGS = {"list": "l", "tuple": "t", "set": "e", "frozenset": "z"}
_TAG_SEQUENCES = {tag: kind for kind, tag in _SEQUENCE_TAGS.items()}


def node_to_json(node: Node) -> Any:
    """The node as JSON values."""
    plain = _plain(node)
    identity = getattr(node, "id", None)
    return plain if identity is None else ["#", identity, plain]


def _plain(node: Node) -> Any:
    match node:
        case float() if not math.isfinite(node):
            return ["f", repr(node)]
        case None | bool() | int() | float() | str():
            return node
        case SequenceNode(kind=kind, items=items):
            return [_SEQUENCE_TAGS[kind], *map(node_to_json, items)]
        case DictNode(keys=keys, values=values):
            return ["d", node_to_json(keys), node_to_json(values)]
        case ArrayNode(array=array):
            return ["a", array]
        case RecordArrayNode():
            columns = [node_to_json(column) for column in node.columns]
            layout = [node.itemsize, list(node.offsets)]
            return ["rec", list(node.shape), list(node.names), columns, *layout]
        case ScalarNode(dtype=dtype, data=data):
            return ["s", dtype, data]
        case ObjectArrayNode(shape=shape, items=content):
            return ["oa", list(shape), node_to_json(content)]
        case StringsNode(kind=text, blob=blob, lengths=lengths):
            return ["str", text, blob, lengths]
        case NumbersNode(kind=numbers, item=item, array=array):
            return ["num", numbers, item, array]
        case BytesNode(kind=octets, array=array):
            return ["by", octets, array]
        case ValueNode(kind=value, items=items):
            return ["v", value, *map(node_to_json, items)]
        case NameNode(name=name):
            return ["n", name]
        case ObjectNode():
            args = [node_to_json(item) for item in node.args]
            fields = [args, node_to_json(node.state), node_to_json(node.entries)]
            while fields and fields[-1] in (None, []):
                fields.pop()
            return ["o", node.type, *fields]
        case RefNode(target=target):
            return ["r", target]
        case PackedNode(family=family, type=name, parts=parts):
            return ["p", family, name, [[key, node_to_json(part)] for key, part in parts]]


def node_from_json(value: Any, *, n_arrays: int, limits: Limits) -> Node:
    """The node that `node_to_json` wrote.

    Parameters
    ----------
    value : JSON value
    n_arrays : int
        Nodes may name arrays `0 .. n_arrays - 1`.
    limits : Limits
        Caps on nodes and nesting.

    Raises
    ------
    FormatError
        Anything outside the grammar, an array that does not exist, a reference to a node that
        does not come earlier.
    LimitError
        More nodes or deeper nesting than `limits`, or this interpreter's stack, allow.
    """
    try:
        return _Reader(n_arrays, limits).read(value, 0)
    except RecursionError:
        raise LimitError("nested too deep to be read", where="graph") from None


class _Reader:
    """Reads nodes; counts them, and keeps their ids."""

    __slots__ = ("count", "limits", "n_arrays", "seen")

    def __init__(self, n_arrays: int, limits: Limits) -> None:
        self.n_arrays = n_arrays
        self.limits = limits
        self.count = 0
        self.seen: set[int] = set()

    def read(self, value: Any, depth: int) -> Node:
        self.count += 1
        if self.count > self.limits.nodes:
            raise LimitError("too many nodes", where="graph", expected=f"<= {self.limits.nodes}")
        if depth > self.limits.depth:
            raise LimitError("nested too deep", where="graph", expected=f"<= {self.limits.depth}")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if not isinstance(value, list) or not value or not isinstance(value[0], str):
            _refuse("not a node", value)
        tag, *rest = value
        if tag == "#":
            return self._identified(rest, depth)
        if tag in _TAG_SEQUENCES:
            return self._sequence(tag, rest, depth, None)
        reader = _READERS.get(tag)
        if reader is None:
            _refuse("unknown node tag", tag)
        return reader(self, rest, depth)

    def _identified(self, rest: list[Any], depth: int) -> Node:
        if len(rest) != 2 or not isinstance(rest[1], list) or not rest[1]:
            _refuse("not an identified node", rest)
        if not isinstance(rest[1][0], str):
            _refuse("not a node", rest[1])
        identity = self._index(rest[0], "node id")
        if identity in self.seen:
            _refuse("a node id that is used twice", identity)
        tag, *inner = rest[1]
        node: Node
        if tag in _TAG_SEQUENCES:
            node = self._sequence(tag, inner, depth, identity)
        elif tag == "d":
            node = self._dict(inner, depth, identity)
        elif tag == "o":
            node = self._object(inner, depth, identity)
        elif tag == "p":
            node = self._packed(inner, depth, identity)
        else:
            _refuse("a node of this kind cannot be referred to", tag)
        # Only now: a node may not refer to itself, so that graphs have no cycles.
        self.seen.add(identity)
        return node

    def _sequence(self, tag: str, rest: list[Any], depth: int, identity: int | None) -> Node:
        items = tuple(self.read(item, depth + 1) for item in rest)
        return SequenceNode(cast("Any", _TAG_SEQUENCES[tag]), items, identity)

    def _dict(self, rest: list[Any], depth: int, identity: int | None = None) -> Node:
        _arity(rest, 2, "dict")
        keys, values = (self.read(item, depth + 1) for item in rest)
        for side in (keys, values):
            if not isinstance(side, SequenceNode | StringsNode | NumbersNode) or side.kind not in (
                "list",
                "tuple",
            ):
                _refuse("dict keys and values are lists or tuples", type(side).__name__)
        if (
            isinstance(keys, SequenceNode)
            and isinstance(values, SequenceNode)
            and len(keys.items) != len(values.items)
        ):
            _refuse("a dict with more keys than values", f"{len(keys.items)} keys")
        return DictNode(keys, values, identity)

    def _object(self, rest: list[Any], depth: int, identity: int | None = None) -> Node:
        if not 1 <= len(rest) <= 4:
            _refuse("not an object node", rest)
        fields = [*rest[1:], *([None] * (4 - len(rest)))]
        args = fields[0] if len(rest) > 1 else []
        if not isinstance(args, list):
            _refuse("arguments of an object are a list", args)
        return ObjectNode(
            self._name(rest[0]),
            tuple(self.read(item, depth + 1) for item in args),
            self.read(fields[1], depth + 1),
            self.read(fields[2], depth + 1),
            identity,
        )

    def _packed(self, rest: list[Any], depth: int, identity: int | None = None) -> Node:
        _arity(rest, 3, "packed")
        family, name, parts = rest
        if not isinstance(parts, list):
            _refuse("parts are a list", parts)
        read = []
        for part in parts:
            if not isinstance(part, list) or len(part) != 2 or not isinstance(part[0], str):
                _refuse("a part is [name, node]", part)
            read.append((part[0], self.read(part[1], depth + 1)))
        if len(dict(read)) != len(read):
            _refuse("a part that stands twice", [part[0] for part in parts])
        return PackedNode(_text(family), self._name(name), tuple(read), identity)

    def _array(self, rest: list[Any], _: int) -> Node:
        _arity(rest, 1, "array")
        return ArrayNode(self._array_index(rest[0]))

    def _record(self, rest: list[Any], depth: int) -> Node:
        _arity(rest, 5, "record array")
        shape, names, columns, itemsize, offsets = rest
        if not all(isinstance(part, list) for part in (shape, names, columns, offsets)):
            _refuse("not a record array", rest)
        if not 0 < len(names) == len(columns) == len(offsets):
            _refuse("a record array needs a column and an offset for each name", rest)
        return RecordArrayNode(
            self._shape(shape),
            tuple(_text(name) for name in names),
            tuple(self.read(column, depth + 1) for column in columns),
            self._index(itemsize, "itemsize"),
            tuple(self._index(offset, "offset") for offset in offsets),
        )

    def _scalar(self, rest: list[Any], _: int) -> Node:
        _arity(rest, 2, "scalar")
        return ScalarNode(_text(rest[0]), _text(rest[1]))

    def _object_array(self, rest: list[Any], depth: int) -> Node:
        _arity(rest, 2, "object array")
        if not isinstance(rest[0], list):
            _refuse("a shape is a list", rest[0])
        return ObjectArrayNode(self._shape(rest[0]), self.read(rest[1], depth + 1))

    def _strings(self, rest: list[Any], _: int) -> Node:
        _arity(rest, 3, "strings")
        if rest[0] not in ("list", "tuple", "array"):
            _refuse("unknown kind of strings", rest[0])
        return StringsNode(rest[0], self._array_index(rest[1]), self._array_index(rest[2]))

    def _numbers(self, rest: list[Any], _: int) -> Node:
        _arity(rest, 3, "numbers")
        if rest[0] not in ("list", "tuple"):
            _refuse("unknown kind of numbers", rest[0])
        return NumbersNode(rest[0], _text(rest[1]), self._array_index(rest[2]))

    def _bytes(self, rest: list[Any], _: int) -> Node:
        _arity(rest, 2, "bytes")
        if rest[0] not in ("bytes", "bytearray"):
            _refuse("unknown kind of bytes", rest[0])
        return BytesNode(rest[0], self._array_index(rest[1]))

    def _value(self, rest: list[Any], depth: int) -> Node:
        counts = {"complex": 2, "slice": 3, "range": 3, "dtype": 1}
        if not rest or counts.get(rest[0] if isinstance(rest[0], str) else "") != len(rest) - 1:
            _refuse("not a value node", rest)
        return ValueNode(rest[0], tuple(self.read(item, depth + 1) for item in rest[1:]))

    def _named(self, rest: list[Any], _: int) -> Node:
        _arity(rest, 1, "name")
        return NameNode(self._name(rest[0]))

    def _reference(self, rest: list[Any], _: int) -> Node:
        _arity(rest, 1, "reference")
        target = self._index(rest[0], "reference")
        if target not in self.seen:
            _refuse("a reference to a node that does not come earlier", target)
        return RefNode(target)

    def _float(self, rest: list[Any], _: int) -> Node:
        _arity(rest, 1, "float")
        if rest[0] not in ("nan", "inf", "-inf"):
            _refuse("not a special float", rest[0])
        return float(rest[0])

    def _name(self, value: Any) -> str:
        name = _text(value)
        module, colon, qualname = name.partition(":")
        if not colon or not module or not qualname:
            _refuse("a class is named module:qualname", name)
        return name

    def _array_index(self, value: Any) -> int:
        index = self._index(value, "array")
        if index >= self.n_arrays:
            _refuse(f"an array that does not exist (there are {self.n_arrays})", index)
        return index

    def _shape(self, value: list[Any]) -> tuple[int, ...]:
        return tuple(self._index(item, "shape") for item in value)

    def _index(self, value: Any, what: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 48:
            _refuse(f"{what} is a count", value)
        return value


_READERS: dict[str, Callable[[_Reader, list[Any], int], Node]] = {
    "d": _Reader._dict,
    "o": _Reader._object,
    "p": _Reader._packed,
    "a": _Reader._array,
    "rec": _Reader._record,
    "s": _Reader._scalar,
    "oa": _Reader._object_array,
    "str": _Reader._strings,
    "num": _Reader._numbers,
    "by": _Reader._bytes,
    "v": _Reader._value,
    "n": _Reader._named,
    "r": _Reader._reference,
    "f": _Reader._float,
}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        _refuse("not a string", value)
    return value


def _arity(rest: list[Any], count: int, what: str) -> None:
    if len(rest) != count:
        _refuse(f"a {what} node has {count} fields", len(rest))


def _refuse(what: str, got: Any) -> NoReturn:
    raise FormatError(what, where="graph", got=repr(got)[:80])
