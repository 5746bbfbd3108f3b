"""A live model to a `ModelGraph`: the state that pickling would write, as data.

The walk follows the pickle protocol (`__reduce_ex__`), so that whatever scikit-learn considers
the state of an object is what is kept. It runs in the loading child, or on an object that the
caller already holds.
"""

from __future__ import annotations

import copyreg
import functools
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NoReturn

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.strings import encode_strings
from model_quantization.errors import LimitError, UnsupportedComponent, UntrustedTypeError
from model_quantization.estimators.checks import check_state
from model_quantization.estimators.distributions import distribution_kind, distribution_state
from model_quantization.estimators.lightgbm_booster import (
    LIGHTGBM_BOOSTER,
    RESTORED_LIGHTGBM,
    booster_state,
)
from model_quantization.estimators.tables import STATES, pandas_name
from model_quantization.families import family_of
from model_quantization.graph.nodes import (
    ArrayNode,
    BytesNode,
    DictNode,
    ModelGraph,
    NameNode,
    Node,
    NumbersNode,
    ObjectArrayNode,
    ObjectNode,
    RecordArrayNode,
    RefNode,
    ScalarNode,
    SequenceNode,
    StringsNode,
    ValueNode,
)
from model_quantization.graph.traversal import entry_steps, join
from model_quantization.limits import Limits
from model_quantization.loading.pickles.migrations.names import COLUMN_LIST, current_name
from model_quantization.loading.pickles.migrations.steps import installed
from model_quantization.loading.pickles.read_as_data.held import Held
from model_quantization.trust import PARTIAL, TrustPolicy, how_to_trust
from model_quantization.values import force_setattr

_LOGISTIC = (
    "sklearn.linear_model._logistic:LogisticRegression",
    "sklearn.linear_model._logistic:LogisticRegressionCV",
)
BULK = 8  # from this many equal-typed items on, a list becomes one array
_INT64 = 1 << 63
_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    np.ufunc,
    type(np.sum),  # functions that dispatch on __array_function__
)


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
    arrays: list[Array] = field(default_factory=list)
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
        if isinstance(value, (type, *_FUNCTIONS)) or _is_cython_function(value):
            return self._name(value, path)
        return self._shared(value, path, self._object)

    def _shared(self, value: Any, path: str, build: Callable[[Any, str], Node]) -> Node:
        """The node of a mutable object: built once, afterwards referred to."""
        key = id(value)
        known = self.known.get(key)
        if known is not None:
            return self._reference(known)
        if key in self.open:
            self._refuse(value, path, "it refers to itself")
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
            # Nodes are frozen for everybody else; the id is the last thing known about one.
            force_setattr(node, "id", self.references)
            self.references += 1
        assert node.id is not None
        return RefNode(node.id)

    def _is_trusted(self, name: str, path: str) -> bool:
        """Whether a model may hold this; if not, the walk goes on, so that all such are named."""
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
        return self._bulk(kind, values) or SequenceNode(
            kind, tuple(self.node(item, join(path, step)) for step, item in _steps(values))
        )

    def _bulk(self, kind: Any, values: list[Any]) -> Node:
        """Many strings or many numbers of one type as arrays; None when they are not that."""
        if len(values) < BULK:
            return None
        kinds = set(map(type, values))
        if len(kinds) != 1:
            return None
        only = kinds.pop()
        if only is str:
            blob, lengths = encode_strings(values)
            return StringsNode(kind, self.add(blob), self.add(lengths))
        if only is int and max(values) < _INT64 and min(values) >= -_INT64:
            return NumbersNode(kind, "int", self.add(np.array(values, dtype=np.int64)))
        if only is float:
            return NumbersNode(kind, "float", self.add(np.array(values, dtype=np.float64)))
        if issubclass(only, np.integer | np.floating | np.bool_):
            array = np.array(values)
            return NumbersNode(kind, array.dtype.str, self.add(array))
        return None

    def _set(self, value: set[Any] | frozenset[Any], path: str) -> Node:
        # A set has no order of its own: the same model must give the same bytes.
        ordered = sorted(value, key=lambda item: (type(item).__name__, repr(item)))
        items = tuple(self.node(item, join(path, str(i))) for i, item in enumerate(ordered))
        return SequenceNode("frozenset" if isinstance(value, frozenset) else "set", items)

    def _dict(self, value: dict[Any, Any], path: str) -> Node:
        return self._shared(value, path, self._mapping)

    def _mapping(self, value: dict[Any, Any], path: str) -> DictNode:
        stored = len(self.arrays)
        keys = self._bulk("list", list(value)) if len(value) >= BULK else None
        values = self._bulk("list", list(value.values())) if keys is not None else None
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
            self._refuse(value, path, f"it has {value.bit_length()} bits")
        return value

    def _scalar(self, value: np.generic, path: str) -> Node:
        array = np.asarray(value)
        if array.dtype.hasobject or array.dtype.names:
            self._refuse(value, path, "it is a record or object scalar")
        return ScalarNode(array.dtype.newbyteorder("=").str, _native(array).tobytes().hex())

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
        return BytesNode(kind, self.add(np.frombuffer(value, dtype=np.uint8)))

    def _name(self, value: Any, path: str) -> Node:
        module, qualname = _home(value)
        name = f"{module}:{qualname}"
        if not module or "<" in qualname:
            self._refuse(value, path, "it has no importable name; use a function of a module")
        if not self._is_trusted(name, path):
            return None
        if self.trust.resolve_name(name, path) is not value:
            self._refuse(value, path, f"{name} is another object when it is imported")
        return NameNode(name)

    def _array(self, value: Array, path: str) -> Node:
        return self._shared(value, path, self._new_array)

    def _new_array(self, value: Array, path: str) -> Node:
        if value.dtype.names:
            return self._records(value, path)
        if value.dtype.hasobject:
            flat = value.ravel(order="C").tolist()
            content = self._bulk("array", flat) if set(map(type, flat)) == {str} else None
            return ObjectArrayNode(
                value.shape,
                content
                or SequenceNode(
                    "list", tuple(self.node(v, join(path, str(i))) for i, v in enumerate(flat))
                ),
            )
        return ArrayNode(self.add(value))

    def _records(self, value: Array, path: str) -> Node:
        fields: Mapping[str, Any] = value.dtype.fields or {}
        names = value.dtype.names or ()
        columns = tuple(
            self._new_array(np.ascontiguousarray(value[name]), join(path, name)) for name in names
        )
        offsets = tuple(int(fields[name][1]) for name in names)
        return RecordArrayNode(value.shape, names, columns, value.dtype.itemsize, offsets)

    def add(self, array: Array) -> int:
        self.arrays.append(_native(array))
        return len(self.arrays) - 1

    # Objects ------------------------------------------------------------------------------

    def _object(self, value: Any, path: str) -> Node:
        kind = type(value)
        name = current_name(f"{kind.__module__}:{kind.__qualname__}")
        self.objects[path] = value
        if name == COLUMN_LIST:  # a list that warned while scikit-learn changed what it holds
            return self.node(list(value.data), path)
        if name == PARTIAL:
            return self._partial(value, path)
        special = _special(value, name)
        if special is not None:
            name, state_of = special
            return ObjectNode(name, (), self.node(state_of(value), path))
        if name in _LEFT_OUT:
            self.notes.append(f"{path or 'model'}: left out, {_LEFT_OUT[name]}")
            return None
        if isinstance(value, Held):
            self._refuse(
                value, path, f"{value.name} is understood only as a part of another object"
            )
        if kind.__module__ in ("builtins", "_io", "threading", "_thread"):
            self._refuse(value, path, "it is not data")
        if not self._is_trusted(name, path):
            for step, item in getattr(value, "__dict__", {}).items():
                self.node(item, join(path, str(step)))  # for the names that it needs as well
            return None
        if issubclass(kind, np.ndarray):
            self._refuse(value, path, "it is a subclass of ndarray")
        try:
            reduced = value.__reduce_ex__(4)
        except (TypeError, AttributeError, NotImplementedError) as error:
            self._refuse(value, path, f"it cannot be pickled ({error})")
        if isinstance(reduced, str):
            self._refuse(value, path, "it is a global object")
        args, state = self._construction(value, kind, reduced, path)
        check_state(name, list(args), state, path, compiled=False)
        entries: Node = None
        if len(reduced) > 3 and reduced[3] is not None:
            entries = self._items("list", reduced[3], path)
        if len(reduced) > 4 and reduced[4] is not None:
            entries = self._mapping(dict(reduced[4]), path)
        if isinstance(state, dict):
            if name in _ROUTED:  # the estimator that holds the requests: restored as that
                state = {key: item for key, item in state.items() if not _is_owner(key, item)}
            captured: Node = self._mapping(self._kept(name, state, path), path)
        else:
            captured = self.node(state, path)
        # Below `args` the path is the component's own: they are its shape, not its children.
        return ObjectNode(name, tuple(self.node(a, path) for a in args), captured, entries)

    def _partial(self, value: functools.partial[Any], path: str) -> ObjectNode:
        if value.args or vars(value):
            self._refuse(value, path, "it has positional arguments or attributes")
        function = self.node(value.func, join(path, "func"))
        if function is None and self.untrusted:
            return ObjectNode(PARTIAL, (), None)
        if not isinstance(function, NameNode) or not self.trust.is_value(function.name):
            self._refuse(value, path, "its function is not one that models may hold to call")
        keywords = self.node(value.keywords, join(path, "keywords"))
        return ObjectNode(
            PARTIAL,
            (),
            DictNode(
                SequenceNode("list", ("func", "keywords")),
                SequenceNode("list", (function, keywords)),
            ),
        )

    def _kept(self, name: str, state: dict[Any, Any], path: str) -> dict[Any, Any]:
        """The attributes that a method of the fitted object needs; the others are noted."""
        notes = family_of(name).dropped
        kept = {}
        for key, item in state.items():
            note = _note_of(notes, key)
            if note is not None:
                self.dropped[join(path, str(key))] = note
            elif not _is_stale(name, key):
                kept[key] = item
        return kept

    def _construction(
        self, value: Any, kind: type, reduced: tuple[Any, ...], path: str
    ) -> tuple[tuple[Any, ...], Any]:
        """(arguments of `__new__`, state) from what `__reduce_ex__` gave."""
        build, args = reduced[:2]
        state = reduced[2] if len(reduced) > 2 else None
        label = str(getattr(build, "__name__", ""))
        if build is copyreg.__newobj__:  # type: ignore[attr-defined]
            return args[1:], state
        if isinstance(build, type) and issubclass(kind, build):  # restored: pickles as its base
            return args, state
        if label == "newObj" and args == (kind,):
            return (), state
        if label.startswith("__pyx_unpickle_") and args[0] is kind:
            return (), state if state is not None else args[2]
        if build is copyreg._reconstructor and args[1] is object:  # type: ignore[attr-defined]
            return (), state
        raise self._unsupported(value, path, f"it is rebuilt by calling {label or build!r}")

    def _refuse(self, value: Any, path: str, why: str) -> NoReturn:
        raise self._unsupported(value, path, why)

    @staticmethod
    def _unsupported(value: Any, path: str, why: str) -> UnsupportedComponent:
        kind = type(value)
        return UnsupportedComponent(
            f"{kind.__module__}.{kind.__qualname__} cannot be represented as data: {why}",
            where=path or "model",
            do="remove it from the model before saving, or keep this model as a pickle",
        )


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


def _native(array: Array) -> Array:
    """The array contiguous (C, or F where it is F only), in native byte order, not a subclass."""
    plain = np.asarray(array)
    if not plain.dtype.isnative:
        plain = plain.astype(plain.dtype.newbyteorder("="))
    if plain.flags.c_contiguous or not plain.flags.f_contiguous:
        return np.ascontiguousarray(plain).reshape(plain.shape)
    return plain


def _is_stale(name: str, key: Any) -> bool:
    """Whether the installed version reads this attribute no more, though an older one left it."""
    if key == "_sklearn_version":  # the artifact names the version once
        return True
    return key == "multi_class" and name in _LOGISTIC and installed("sklearn") >= (1, 8)


def _note_of(notes: Mapping[str, str], key: Any) -> str | None:
    if isinstance(key, str):
        for pattern, note in notes.items():
            if fnmatchcase(key, pattern):
                return note
    return None


def _is_cython_function(value: Any) -> bool:
    return type(value).__name__ in ("cython_function_or_method", "fused_cython_function")


def _random_state(value: Any) -> Any:
    return value.get_state(legacy=False)


def _generator(value: Any) -> Any:
    return value.bit_generator.state


def _masked(value: Any) -> Any:
    return {"data": np.asarray(value.data), "mask": value.mask, "fill_value": value.fill_value}


# Classes whose state is taken by their own interface; `restore` has the way back.
_SPECIAL: dict[str, Callable[[Any], Any]] = {
    LIGHTGBM_BOOSTER: booster_state,
    RESTORED_LIGHTGBM: booster_state,
    "numpy.random.mtrand:RandomState": _random_state,
    "numpy.random._generator:Generator": _generator,
    "numpy.ma:MaskedArray": _masked,
    "numpy.ma.core:MaskedArray": _masked,
}

# What keeps the results of fitting: it opens files in a directory, and answers no row.
_LEFT_OUT: dict[str, str] = {
    "joblib.memory:Memory": "where the results of fitting were kept; only `fit` looks there"
}
_ROUTED = frozenset(
    f"sklearn.utils._metadata_requests:{name}"
    for name in ("MetadataRequest", "MethodMetadataRequest")
)


def _is_owner(key: object, item: object) -> bool:
    return key == "owner" and not isinstance(item, str)


def _special(value: Any, name: str) -> tuple[str, Callable[[Any], Any]] | None:
    """(the name in the graph, what takes the state) of a class with an interface of its own."""
    if name in _SPECIAL:
        return name, _SPECIAL[name]
    table = pandas_name(type(value))
    if table:
        return table, STATES[table]
    kind = distribution_kind(value)
    return (kind, distribution_state) if kind else None


def _home(value: Any) -> tuple[str, str]:
    """The module and the name in it by which a class or function is found again."""
    qualname = str(getattr(value, "__qualname__", None) or getattr(value, "__name__", ""))
    if isinstance(value, np.ufunc):
        # A ufunc does not say where it is from. Of the modules that have some, the public ones.
        for module in ("numpy", "scipy.special"):
            if getattr(sys.modules.get(module), qualname, None) is value:
                return module, qualname
        return str(pickle.whichmodule(value, qualname)), qualname  # type: ignore[attr-defined]
    if isinstance(value, types.MethodDescriptorType):
        return value.__objclass__.__module__, qualname
    return str(getattr(value, "__module__", None) or ""), qualname


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
