"""A fitted model as data: nodes, arrays, and the paths that name them.

The loading child returns a `ModelGraph`, plans are made for it, and an artifact stores it. It has
no object of the model's library: a class is a name.

Node grammar (`Node`): `None`, `bool`, `int`, `float`, `str` stand for themselves; everything
else is one of the frozen dataclasses below. Arrays live beside the tree, in `ModelGraph.arrays`,
and nodes name them by index, so that two nodes can share one array.

Paths join the steps from the root with `/`: attribute names, dict keys, list positions. A
`(name, object)` pair, which is how scikit-learn holds pipeline steps, contributes its name:
`steps/clf/coef_`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from model_quantization.arrays import Array
from model_quantization.values import Value, field

Atom: TypeAlias = bool | int | float | str | None
SequenceKind: TypeAlias = Literal["list", "tuple", "set", "frozenset"]
TextKind: TypeAlias = Literal["list", "tuple", "array"]


class SequenceNode(Value, frozen=True):
    """A list, tuple, set or frozenset of nodes; `id` is set when something else refers to it."""

    kind: SequenceKind
    items: tuple[Node, ...]
    id: int | None = None


class DictNode(Value, frozen=True):
    """A dict: keys and values as two nodes, each a sequence, strings or numbers node."""

    keys: Node
    values: Node
    id: int | None = None


class ArrayNode(Value, frozen=True):
    """A numeric, bool, datetime or fixed-width string array: `arrays[array]`."""

    array: int


class RecordArrayNode(Value, frozen=True):
    """A structured array: one node per field (in the order of the dtype)."""

    shape: tuple[int, ...]
    names: tuple[str, ...]
    columns: tuple[Node, ...]
    itemsize: int
    offsets: tuple[int, ...]


class ScalarNode(Value, frozen=True):
    """A numpy scalar: its dtype, and its bytes in hexadecimal."""

    dtype: str
    data: str


class ObjectArrayNode(Value, frozen=True):
    """An array of dtype object, its elements in C order as one sequence or strings node."""

    shape: tuple[int, ...]
    items: Node


class StringsNode(Value, frozen=True):
    """Many strings at once: UTF-8 bytes (`arrays[blob]`, uint8) cut at `arrays[lengths]` (uint32).

    Surrogates are kept ("surrogatepass"). `kind` is the container they came in; `array` means the
    elements of an object or `U` array.
    """

    kind: TextKind
    blob: int
    lengths: int


class NumbersNode(Value, frozen=True):
    """A list or tuple of numbers that all have one type: `arrays[array]`, 1-D.

    `item` is `int` or `float`, or a numpy dtype string for numpy scalars.
    """

    kind: Literal["list", "tuple"]
    item: str
    array: int


class BytesNode(Value, frozen=True):
    """A bytes or bytearray object: `arrays[array]`, uint8."""

    kind: Literal["bytes", "bytearray"]
    array: int


class ValueNode(Value, frozen=True):
    """A small immutable value of the language: a complex, slice, range, or dtype.

    `items` holds its parts: (real, imag), (start, stop, step), or the dtype's description.
    """

    kind: Literal["complex", "slice", "range", "dtype"]
    items: tuple[Node, ...]


class NameNode(Value, frozen=True):
    """A class, function, ufunc or pandas' NA, by its exact name `module:qualname`; never called."""

    name: str


class ObjectNode(Value, frozen=True):
    """An instance: its class by exact name, arguments of `__new__`, and its state.

    `state` is usually a `DictNode` of attributes. `entries` holds the items of a dict or list
    subclass.
    """

    type: str
    args: tuple[Node, ...]
    state: Node
    entries: Node = None
    id: int | None = None


class RefNode(Value, frozen=True):
    """The same object as the earlier node with this `id`."""

    target: int


class PackedNode(Value, frozen=True):
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


class ModelGraph(Value, frozen=True):
    """One fitted model.

    Attributes
    ----------
    root : Node
        The model itself.
    arrays : tuple of ndarray
        Contiguous arrays in native byte order; an array that was Fortran-ordered is F-contiguous.
    notes : tuple of str
        Changes while the model was captured (a rescued old format).
    dropped : mapping of str to str
        Path of each attribute that was left out -> a note on it.
    """

    root: Node
    arrays: tuple[Array, ...]
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)

    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(array.nbytes for array in self.arrays)


def unpacked(packed: PackedNode, state: Mapping[str, Node]) -> ObjectNode:
    """The object that a packed node stands for, with these attributes."""
    names, values = SequenceNode("list", tuple(state)), SequenceNode("list", tuple(state.values()))
    return ObjectNode(packed.type, (), DictNode(names, values), id=packed.id)


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
