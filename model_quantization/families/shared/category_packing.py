"""Categories of encoders in compact parts, and back.

The names of all columns are one list, front coded: what a name shares with the one before it is
only counted. Categories are sorted, so that this is most of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.family import Arrays
from model_quantization.graph.nodes import (
    ArrayNode,
    Node,
    ObjectArrayNode,
    ObjectNode,
    PackedNode,
    SequenceNode,
    StringsNode,
    attributes,
    unpacked,
)
from model_quantization.kernels.text.term_packing import front_code, front_decode

CATEGORIES = "categories_"
STREAMS = ("names.prefix", "names.length", "names.data")
SIZES, REST = "names.sizes", "names.rest"
_WORTH_IT = 512  # bytes of names: below, a list of three arrays is longer than the names
_MOST_BYTES = 1 << 31
_WHERE = "names"


def pack(node: ObjectNode, arrays: Arrays) -> PackedNode | None:
    """The encoder with the names of all its columns in three streams."""
    state = attributes(node)
    categories = state.get(CATEGORIES)
    if node.args or node.entries is not None or not isinstance(categories, SequenceNode):
        return None
    if categories.kind != "list" or categories.id is not None:
        return None
    columns = [_split(each, arrays) for each in categories.items]
    names = [name for leading, _ in columns for name in leading]
    if sum(map(len, names)) < _WORTH_IT:
        return None
    streams = front_code(names)
    parts = {name: value for name, value in state.items() if name != CATEGORIES}
    parts |= {
        name: ArrayNode(arrays.add(stream)) for name, stream in zip(STREAMS, streams, strict=True)
    }
    sizes = np.array([len(leading) for leading, _ in columns], dtype=np.uint32)
    parts[SIZES] = ArrayNode(arrays.add(sizes))
    parts[REST] = SequenceNode("list", tuple(rest for _, rest in columns))
    return PackedNode("encoders", node.type, tuple(parts.items()), id=node.id)


def _split(node: Node, arrays: Arrays) -> tuple[list[bytes], Node]:
    """The names that a column's categories begin with, and the node of what is left."""
    if not isinstance(node, ObjectArrayNode) or len(node.shape) != 1:
        return [], node
    if isinstance(node.items, StringsNode):
        raw = arrays[node.items.blob].tobytes()
        ends = np.cumsum(arrays[node.items.lengths], dtype=np.int64).tolist()
        names = [raw[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        return names, SequenceNode("list", ())
    if not isinstance(node.items, SequenceNode) or node.items.id is not None:
        return [], node
    items = node.items.items
    leading = next((i for i, item in enumerate(items) if not isinstance(item, str)), len(items))
    names = [str(item).encode("utf-8", "surrogatepass") for item in items[:leading]]
    return names, replace(node.items, items=items[leading:])


def unpack(packed: PackedNode, arrays: Arrays) -> Node:
    """The encoder with its categories as arrays again.

    Raises
    ------
    SemanticError
        A part is missing, or the parts do not fit each other.
    """
    parts = dict(packed.parts)
    own = {name: value for name, value in parts.items() if "." not in name}
    rest = parts.get(REST)
    if not isinstance(rest, SequenceNode):
        raise SemanticError("a part is missing", where=REST, expected="a list")

    def array(name: str) -> Array:
        node = parts.get(name)
        if not isinstance(node, ArrayNode):
            raise SemanticError("a part is missing or no array", where=name, expected="an array")
        return arrays[node.array]

    columns = [
        left if isinstance(left, ArrayNode | ObjectArrayNode) else _joined(names, left)
        for names, left in zip(decode_names(array, len(rest.items)), rest.items, strict=True)
    ]
    own[CATEGORIES] = SequenceNode("list", tuple(columns))
    return unpacked(packed, own)


def _joined(names: list[str], left: Node) -> Node:
    if not isinstance(left, SequenceNode):
        raise SemanticError("categories that are no list", where=REST, got=type(left).__name__)
    items = (*names, *left.items)
    return ObjectArrayNode((len(items),), SequenceNode("list", items))


def decode_names(array: Callable[[str], Array], n_columns: int) -> list[list[str]]:
    """The names of each column.

    Raises
    ------
    SemanticError
        The streams contradict each other.
    """
    prefix, length, data = (array(name) for name in STREAMS)
    sizes = array(SIZES)
    for name, stream in zip((*STREAMS, SIZES), (prefix, length, data, sizes), strict=True):
        if stream.ndim != 1 or stream.dtype.kind != "u":
            raise SemanticError("malformed stream", where=name, got=str(stream.dtype))
    if len(prefix) != len(length):
        raise SemanticError("another number of prefixes than of lengths of names", where=_WHERE)
    whole = prefix.astype(np.int64) + length.astype(np.int64)
    problems = {
        "every column needs a number of names": len(sizes) != n_columns,
        "the names' own bytes do not add up": int(length.sum(dtype=np.uint64)) != len(data),
        "the names are too long": int(whole.sum()) >= _MOST_BYTES,
        "a name shares more bytes than the one before it has": bool(
            (prefix > np.concatenate([[0], whole[:-1]])[: len(prefix)]).any()
        ),
        "the names do not add up": int(sizes.sum(dtype=np.uint64)) != len(prefix),
    }
    for problem, found in problems.items():
        if found:
            raise SemanticError(problem, where=_WHERE)
    try:
        names = [raw.decode("utf-8", "surrogatepass") for raw in front_decode(prefix, length, data)]
    except UnicodeDecodeError as error:
        raise SemanticError("a name that is not UTF-8", where=_WHERE, got=str(error)) from error
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    return [names[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
