"""A live model to a `ModelGraph`: the state that pickling would write, as data.

The walk follows the pickle protocol (`__reduce_ex__`), so that it keeps what scikit-learn considers
the state of an object. It runs in the loading child, or on an object that the caller already holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import LimitError, UntrustedTypeError
from model_quantization.estimators.checks import check_state
from model_quantization.estimators.graph_arrays import BULK, GraphArrays, native
from model_quantization.estimators.importable import import_name, is_importable
from model_quantization.estimators.meanings import captured_type
from model_quantization.estimators.object_state import (
    LEFT_OUT,
    kept_state,
    own_interface,
)
from model_quantization.estimators.reduced import raise_unsupported, reduced_form
from model_quantization.graph.nodes import (
    ArrayNode,
    BytesNode,
    DictNode,
    ModelGraph,
    NameNode,
    Node,
    ObjectArrayNode,
    ObjectNode,
    RecordArrayNode,
    RefNode,
    ScalarNode,
    SequenceNode,
    ValueNode,
)
from model_quantization.graph.traversal import entry_steps, join
from model_quantization.limits import Limits
from model_quantization.loading.pickles.migrations.names import COLUMN_LIST, current_name
from model_quantization.loading.pickles.read_as_data.inert import InertObject
from model_quantization.trust import PARTIAL, TrustPolicy, how_to_trust
from model_quantization.values import force_setattr


def capture(model: Any, trust: TrustPolicy, limits: Limits | None = None) -> ModelGraph:
    """Return the fitted model as data.

    Parameters
    ----------
    model : object
        An estimator, or a dict, list, tuple or instance of a trusted class that holds some.
    trust : TrustPolicy
        Which classes and functions may appear.
    limits : Limits, optional
        Caps on nesting and number of nodes.

    Raises
    ------
    UnsupportedComponent
        An object that cannot be represented (a lambda, an open file); names its path and type.
    UntrustedTypeError
        A class or function that is not on the allow-list.
    LimitError
        Too many nodes, or nested too deep.
    """
    return capture_objects(model, trust, limits).graph


@dataclass(frozen=True, slots=True)
class Capture:
    """A graph, and the live objects it was made from by their paths in it."""

    graph: ModelGraph
    objects: dict[str, Any]


def capture_objects(model: Any, trust: TrustPolicy, limits: Limits | None = None) -> Capture:
    """Return the graph together with the live objects (see `capture`)."""
    walker = _Walker(trust, limits or Limits())
    root = walker.node(model, "")
    walker.check_names()
    graph = ModelGraph(root, tuple(walker.arrays), tuple(walker.notes), walker.dropped)
    return Capture(graph, walker.objects)


@dataclass(slots=True)
class _Walker:
    trust: TrustPolicy
    limits: Limits
    arrays: GraphArrays = field(default_factory=GraphArrays)
    notes: list[str] = field(default_factory=list)
    known: dict[int, Node] = field(default_factory=dict)
    alive: list[Any] = field(default_factory=list)  # id() is only unique while an object lives
    open: set[int] = field(default_factory=set)
    objects: dict[str, Any] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    untrusted: dict[str, str] = field(default_factory=dict)  # name -> the first place that has it
    references: int = 0
    depth: int = 0
    count: int = 0

    def node(self, value: Any, path: str) -> Node:
        self.count += 1
        if self.count > self.limits.nodes:
            raise LimitError("too many objects", where=path, expected=f"<= {self.limits.nodes}")
        kind = type(value)
        if value is None or kind is bool or kind is float or kind is str:
            plain: Node = value
            return plain
        if kind is int:
            return self._int(value, path)
        reader = _BY_TYPE.get(kind)
        if reader is not None:
            return reader(self, value, path)
        if isinstance(value, np.generic):
            return self._scalar(value, path)
        if isinstance(value, np.dtype):
            return self._dtype(value, path)
        if is_importable(value):
            return self._name(value, path)
        return self._shared(value, path, self._object)

    def _shared(self, value: Any, path: str, build: Callable[[Any, str], Node]) -> Node:
        """The node of a mutable object: built once, afterwards referred to."""
        key = id(value)
        known = self.known.get(key)
        if known is not None:
            return self._reference(known)
        if key in self.open:
            raise_unsupported(value, path, "it refers to itself")
        if self.depth >= self.limits.depth:
            raise LimitError("nested too deep", where=path, expected=f"<= {self.limits.depth}")
        self.open.add(key)
        self.alive.append(value)
        self.depth += 1
        node = build(value, path)
        self.depth -= 1
        self.open.discard(key)
        self.known[key] = node
        return node

    def _reference(self, node: Node) -> Node:
        if not isinstance(node, ObjectNode | SequenceNode | DictNode):
            return node  # an array node names its array: naming it twice is sharing it
        if node.id is None:
            # Nodes are frozen, but an id is known only at the second reference.
            force_setattr(node, "id", self.references)
            self.references += 1
        assert node.id is not None
        return RefNode(node.id)

    def _is_trusted(self, name: str, path: str) -> bool:
        """Whether a model may have this name; if not, the walk goes on, to find all of them."""
        if not self.trust.allows(name):
            self.untrusted.setdefault(name, path)
            return False
        return True

    def check_names(self) -> None:
        """Raise `UntrustedTypeError` for all names that the model needs and the list lacks."""
        names = list(self.untrusted)
        if not names:
            return
        what = f"{names[0]} is not on the allow-list"
        if len(names) > 1:
            what = f"{len(names)} names are not on the allow-list: {', '.join(names)}"
        raise UntrustedTypeError(what, where=self.untrusted[names[0]], do=how_to_trust(*names))

    # Containers ---------------------------------------------------------------------------

    def _list(self, value: list[Any], path: str) -> Node:
        return self._shared(value, path, lambda items, where: self._items("list", items, where))

    def _tuple(self, value: tuple[Any, ...], path: str) -> Node:
        self.depth += 1
        if self.depth > self.limits.depth:
            raise LimitError("nested too deep", where=path, expected=f"<= {self.limits.depth}")
        node = self._items("tuple", value, path)
        self.depth -= 1
        return node

    def _items(self, kind: Any, items: Iterable[Any], path: str) -> Node:
        values = list(items)
        return self.arrays.add_items(kind, values) or SequenceNode(
            kind, tuple(self.node(item, join(path, step)) for step, item in _steps(values))
        )

    def _set(self, value: set[Any] | frozenset[Any], path: str) -> Node:
        # A set has no order, but the same model must give the same bytes.
        ordered = sorted(value, key=lambda item: (type(item).__name__, repr(item)))
        items = tuple(self.node(item, join(path, str(i))) for i, item in enumerate(ordered))
        return SequenceNode("frozenset" if isinstance(value, frozenset) else "set", items)

    def _dict(self, value: dict[Any, Any], path: str) -> Node:
        return self._shared(value, path, self._mapping)

    def _mapping(self, value: dict[Any, Any], path: str) -> DictNode:
        stored = len(self.arrays)
        keys = self.arrays.add_items("list", list(value)) if len(value) >= BULK else None
        values = self.arrays.add_items("list", list(value.values())) if keys is not None else None
        if keys is None or values is None:
            del self.arrays[stored:]  # keys in bulk need values in bulk
            keys = SequenceNode("list", tuple(self.node(k, join(path, "keys")) for k in value))
            values = SequenceNode(
                "list",
                tuple(
                    self.node(v, join(path, step))
                    for step, v in zip(entry_steps(value), value.values(), strict=True)
                ),
            )
        return DictNode(keys, values)

    # Values -------------------------------------------------------------------------------

    def _int(self, value: int, path: str) -> Node:
        if value.bit_length() > 256:
            raise_unsupported(value, path, f"it has {value.bit_length()} bits")
        return value

    def _scalar(self, value: np.generic, path: str) -> Node:
        array = np.asarray(value)
        if array.dtype.hasobject or array.dtype.names:
            raise_unsupported(value, path, "it is a record or object scalar")
        return ScalarNode(array.dtype.newbyteorder("=").str, native(array).tobytes().hex())

    def _dtype(self, value: np.dtype[Any], path: str) -> Node:
        if value.names or value.subdtype or value.metadata:
            return ValueNode("dtype", (self.node(value.descr, path),))
        return ValueNode("dtype", (value.str,))

    def _value(self, value: Any, path: str) -> Node:
        parts: dict[type, Callable[[Any], tuple[Any, ...]]] = {
            complex: lambda z: (z.real, z.imag),
            slice: lambda s: (s.start, s.stop, s.step),
            range: lambda r: (r.start, r.stop, r.step),
        }
        kind: Any = type(value).__name__
        items = parts[type(value)](value)
        return ValueNode(kind, tuple(self.node(item, path) for item in items))

    def _bytes(self, value: bytes | bytearray, _: str) -> Node:
        kind: Any = type(value).__name__
        return BytesNode(kind, self.arrays.add(np.frombuffer(value, dtype=np.uint8)))

    def _name(self, value: Any, path: str) -> Node:
        module, qualname = import_name(value)
        name = f"{module}:{qualname}"
        if not module or "<" in qualname:
            raise_unsupported(value, path, "it has no importable name; use a function of a module")
        if not self._is_trusted(name, path):
            return None
        if self.trust.resolve_name(name, path) is not value:
            raise_unsupported(value, path, f"{name} is another object when it is imported")
        return NameNode(name)

    def _array(self, value: Array, path: str) -> Node:
        return self._shared(value, path, self._new_array)

    def _new_array(self, value: Array, path: str) -> Node:
        if value.dtype.names:
            return self._records(value, path)
        if value.dtype.hasobject:
            flat = value.ravel(order="C").tolist()
            content = (
                self.arrays.add_items("array", flat) if set(map(type, flat)) == {str} else None
            )
            return ObjectArrayNode(
                value.shape,
                content
                or SequenceNode(
                    "list", tuple(self.node(v, join(path, str(i))) for i, v in enumerate(flat))
                ),
            )
        return ArrayNode(self.arrays.add(value))

    def _records(self, value: Array, path: str) -> Node:
        fields: Mapping[str, Any] = value.dtype.fields or {}
        names = value.dtype.names or ()
        columns = tuple(
            self._new_array(np.ascontiguousarray(value[name]), join(path, name)) for name in names
        )
        offsets = tuple(int(fields[name][1]) for name in names)
        return RecordArrayNode(value.shape, names, columns, value.dtype.itemsize, offsets)

    # Objects ------------------------------------------------------------------------------

    def _object(self, value: Any, path: str) -> Node:
        kind = type(value)
        name = current_name(f"{kind.__module__}:{kind.__qualname__}")
        self.objects[path] = value
        if name == COLUMN_LIST:  # a list that warned while scikit-learn changed what it holds
            return self.node(list(value.data), path)
        if name == PARTIAL:
            return self._partial(value, path)
        special = own_interface(value, name)
        if special is not None:
            name, state_of = special
            return ObjectNode(name, (), self.node(state_of(value), path))
        if name in LEFT_OUT:
            self.notes.append(f"{path or 'model'}: left out, {LEFT_OUT[name]}")
            return None
        if isinstance(value, InertObject):
            raise_unsupported(
                value, path, f"{value.name} is understood only as a part of another object"
            )
        if kind.__module__ in ("builtins", "_io", "threading", "_thread"):
            raise_unsupported(value, path, "it is not data")
        if not self._is_trusted(name, path):
            for step, item in getattr(value, "__dict__", {}).items():
                self.node(item, join(path, str(step)))  # for the names that it needs as well
            return None
        reduced = reduced_form(value, path)
        check_state(name, list(reduced.args), reduced.state, path, compiled=False)
        entries: Node = None
        if reduced.items is not None:
            entries = self._items("list", reduced.items, path)
        if reduced.pairs is not None:
            entries = self._mapping(dict(reduced.pairs), path)
        state = reduced.state
        if isinstance(state, dict):
            drop = partial(self._drop, path)
            captured: Node = self._mapping(kept_state(name, state, drop), path)
        else:
            captured = self.node(state, path)
        # Below `args` the path is the component's own: they are its shape, not its children.
        called = captured_type(name)
        return ObjectNode(
            called, tuple(self.node(a, path) for a in reduced.args), captured, entries
        )

    def _partial(self, value: partial[Any], path: str) -> ObjectNode:
        if value.args or vars(value):
            raise_unsupported(value, path, "it has positional arguments or attributes")
        function = self.node(value.func, join(path, "func"))
        if function is None and self.untrusted:
            return ObjectNode(PARTIAL, (), None)
        if not isinstance(function, NameNode) or not self.trust.is_value(function.name):
            raise_unsupported(value, path, "its function is not one that models may hold to call")
        keywords = self.node(value.keywords, join(path, "keywords"))
        return ObjectNode(
            PARTIAL,
            (),
            DictNode(
                SequenceNode("list", ("func", "keywords")),
                SequenceNode("list", (function, keywords)),
            ),
        )

    def _drop(self, path: str, attribute: str, note: str) -> None:
        self.dropped[join(path, attribute)] = note


def _steps(values: list[Any]) -> list[tuple[str, Any]]:
    """Each item with its step in a path: a `(name, object)` pair is known by its name."""
    if _is_named(values):
        return [("" if i == 1 else str(i), item) for i, item in enumerate(values)]
    return [
        (item[0] if isinstance(item, tuple) and _is_named(item) else str(i), item)
        for i, item in enumerate(values)
    ]


def _is_named(items: Any) -> bool:
    """Whether these are a name and an object, as pipelines hold their steps."""
    return (
        len(items) >= 2
        and type(items[0]) is str
        and not isinstance(items[1], type)
        and hasattr(items[1], "__dict__")
        and hasattr(items[1], "get_params")
    )


_BY_TYPE: dict[type, Callable[[_Walker, Any, str], Node]] = {
    list: _Walker._list,
    tuple: _Walker._tuple,
    dict: _Walker._dict,
    set: _Walker._set,
    frozenset: _Walker._set,
    bytes: _Walker._bytes,
    bytearray: _Walker._bytes,
    complex: _Walker._value,
    slice: _Walker._value,
    range: _Walker._value,
    np.ndarray: _Walker._array,
    np.memmap: _Walker._array,
}
