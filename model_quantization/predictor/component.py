"""A component of an artifact as a family's `lower` sees it: decoded values by attribute name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from model_quantization.arrays import Array
from model_quantization.codecs import decode_strings
from model_quantization.errors import FormatError
from model_quantization.families import Family, Lowered, NotFast, family_of, known_family
from model_quantization.families.family import Component
from model_quantization.families.shared.contracts import check_shapes
from model_quantization.graph.nodes import (
    ArrayNode,
    Atom,
    BytesNode,
    DictNode,
    NameNode,
    Node,
    NumbersNode,
    ObjectArrayNode,
    ObjectNode,
    PackedNode,
    RefNode,
    ScalarNode,
    SequenceNode,
    StringsNode,
    attributes,
)
from model_quantization.graph.traversal import children, entry_steps, join, walk, with_attributes
from model_quantization.graph.values import (
    ArraySource,
    dict_value,
    fitting,
    numbers_value,
    object_array,
    scalar_value,
)
from model_quantization.kernels.linear.stored_codes import StoredCodes
from model_quantization.predictor.asked import AskedComponent
from model_quantization.schemes.quantize import column_codes, stored_codes
from model_quantization.values import Value, field


class Context(Value, frozen=True):
    """Shared by all views of one artifact.

    Attributes
    ----------
    arrays : ArraySource
    identified : mapping of int to Node
        Nodes that others refer to, by their id.
    answers : dict of str to AskedComponent
        Path -> the reply of each component that was asked for its fast predictor.
    """

    arrays: ArraySource
    identified: Mapping[int, Node]
    answers: dict[str, AskedComponent] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Node, arrays: ArraySource) -> Context:
        """The context for a graph: its arrays, and its nodes by id."""
        found = {
            identity: node
            for _, node in walk(root)
            if (identity := getattr(node, "id", None)) is not None
        }
        return cls(arrays, found)


_ABSENT: Any = object()


class ComponentView(Component):
    """One component, read lazily."""

    __slots__ = ("_attributes", "context", "node", "path")

    path: str

    def __init__(self, node: ObjectNode | PackedNode, context: Context, path: str = "") -> None:
        self.node = node
        self.context = context
        self.path = path
        self._attributes = attributes(node)

    def __repr__(self) -> str:
        return f"ComponentView({self.type}, path={self.path!r})"

    @property
    def type(self) -> str:
        """The exact class name."""
        return self.node.type

    @property
    def family(self) -> str:
        """Name of the family that speaks for the component."""
        return self.node.family if isinstance(self.node, PackedNode) else family_of(self.type).name

    def __contains__(self, name: str) -> bool:
        return name in self._attributes

    def __iter__(self) -> Any:
        return iter(self._attributes)

    def __getitem__(self, name: str) -> Any:
        return view_value(self._attributes[name], self.context, join(self.path, name))

    def alone(self) -> ComponentView:
        """The same component with a context of its own, which keeps its replies apart."""
        context = Context(self.context.arrays, self.context.identified)
        return ComponentView(self.node, context, self.path)

    def with_items(self, name: str, chosen: slice) -> ComponentView:
        """The same component, alone, with a slice of the list in this attribute.

        Raises
        ------
        TypeError
            The attribute is no list.
        """
        listed, node = self._attributes.get(name), self.node
        if not isinstance(listed, SequenceNode) or not isinstance(node, ObjectNode):
            raise TypeError(f"{name} of {self.type} is no list")
        shorter = replace(listed, items=listed.items[chosen], id=None)
        shown = ObjectNode(self.type, (), with_attributes(node, {name: shorter}).state)
        return ComponentView(shown, self.context, self.path).alone()

    def is_plain(self, name: str) -> bool:
        """Whether the attribute is stored unchanged: an array, a number, text, None.

        A packed component has parts of its own. Only an array among them whose name ends in an
        underscore is the fitted attribute of that name.
        """
        node = self._attributes.get(name, _ABSENT)
        if isinstance(self.node, PackedNode):
            return name.endswith("_") and isinstance(node, ArrayNode)
        plain = (ArrayNode, ObjectArrayNode, ScalarNode, str, int, float, type(None))
        return isinstance(node, plain)

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute, or `default` when it is not stored."""
        node = self._attributes.get(name, _ABSENT)
        return default if node is _ABSENT else self[name]  # None is a value, too

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of an array, without decoding it; None for any other value."""
        node = self._attributes.get(name)
        if isinstance(node, ObjectArrayNode):
            return node.shape
        if not isinstance(node, ArrayNode):
            return None
        stored = getattr(self.context.arrays, "quantized", self.context.arrays.__getitem__)
        return tuple(stored(node.array).shape)

    def items(self) -> tuple[Any, ...]:
        """The values of a state that is a tuple; () for another."""
        state = getattr(self.node, "state", None)
        if not isinstance(state, SequenceNode) or state.kind != "tuple":
            return ()
        found: tuple[Any, ...] = view_value(state, self.context, self.path)
        return found

    def codes(self, name: str) -> StoredCodes | None:
        """The stored codes of an array and their scales, when it is `scale * code`."""
        node = self._attributes.get(name)
        stored = getattr(self.context.arrays, "quantized", None)
        if not isinstance(node, ArrayNode) or stored is None:
            return None
        return stored_codes(stored(node.array))

    def column_codes(self, name: str) -> list[tuple[Array, Array] | None]:
        """The codes of each matrix of a list, and a scale for each column."""
        listed = self._attributes.get(name)
        stored = getattr(self.context.arrays, "quantized", None)
        if not isinstance(listed, SequenceNode) or stored is None:
            return []
        return [
            column_codes(stored(node.array)) if isinstance(node, ArrayNode) else None
            for node in listed.items
        ]

    def lower(self, exact: bool) -> Lowered | NotFast:
        """The component's fast predictor, or why it has none; noted for `explain()`.

        Raises
        ------
        FormatError, SemanticError
            The family is unknown, or it cannot use the values.
        """
        family = known_family(self.family, self.path)
        with fitting(f"values that family {self.family} cannot use", self.path):
            found = self._lower(family, exact)
        if isinstance(found, NotFast) and found.where is None:
            found = NotFast(found.reason, where=self.path)
        self.context.answers[self.path] = AskedComponent.of(self.type, family.name, found)
        return found

    def _lower(self, family: Family, exact: bool) -> Lowered | NotFast:
        if family.lower is not None:
            if self._holds_lists(family.slots):
                return NotFast("a list stands where scikit-learn fits an array")
            check_shapes(self, self.family)
            return family.lower(self, exact)
        if family.types:
            return NotFast(f"family `{family.name}` has no fast predictor")
        return NotFast(f"no family speaks for {self.type}")

    def _holds_lists(self, slots: Iterable[str]) -> bool:
        """Whether a list replaced a value that is an array after fitting.

        scikit-learn answers from a list in its own way, so the restored estimator must answer.
        """
        for name in ("classes_", *slots):
            node = self._attributes.get(name)
            if name.endswith("_") and isinstance(node, StringsNode | NumbersNode | SequenceNode):
                items = node.items if isinstance(node, SequenceNode) else ()
                if all(isinstance(item, Atom | ScalarNode) for item in items):
                    return True
        return False


def view_value(node: Node, context: Context, path: str) -> Any:
    """The value of a node, without classes of any library: components are views, names are strings.

    Arrays are read-only. Values that no predictor uses, such as slices, stay nodes.

    Raises
    ------
    FormatError
        A reference to a node that does not exist.
    """
    match node:
        case None | bool() | int() | float() | str():
            return node
        case ObjectNode() | PackedNode():
            return ComponentView(node, context, path)
        case RefNode(target=target):
            if target not in context.identified:
                raise FormatError("a reference to a node that is not there", where=path)
            return view_value(context.identified[target], context, path)
        case ArrayNode(array=index):
            return context.arrays[index]
        case BytesNode(array=index):
            return context.arrays[index].tobytes()
        case ScalarNode(dtype=dtype, data=data):
            return scalar_value(dtype, data, path)
        case NameNode(name=name):
            return node if name == "pandas:NA" else name  # a missing value is no text
        case SequenceNode(kind=kind):
            items = [view_value(item, context, join(path, step)) for step, item in children(node)]
            return tuple(items) if kind == "tuple" else items
        case DictNode(keys=keys):
            names = view_value(keys, context, path)
            if isinstance(node.values, SequenceNode) and len(node.values.items) == len(names):
                values = [
                    view_value(item, context, join(path, step))
                    for step, item in zip(entry_steps(names), node.values.items, strict=True)
                ]
            else:
                values = view_value(node.values, context, path)
            return dict_value(names, values, path)
        case StringsNode(kind=kind, blob=blob, lengths=lengths):
            texts = decode_strings(context.arrays[blob], context.arrays[lengths])
            return tuple(texts) if kind == "tuple" else texts
        case NumbersNode(kind=kind, item=item, array=index):
            return numbers_value(kind, item, context.arrays[index], path)
        case ObjectArrayNode(shape=shape, items=content):
            return object_array(shape, view_value(content, context, path), path)
        case _:
            return node
