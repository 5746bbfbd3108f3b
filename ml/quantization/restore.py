"""An artifact's graph to the real estimator: `cls.__new__` and state, nothing else.

No node can call a function. The handful of classes that are not made by `__new__` and state have
their way back in `_SPECIAL`, keyed by exact class name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ml.quantization.codecs.strings import decode_strings
from ml.quantization.errors import (
    EnvironmentMismatch,
    FormatError,
    SemanticError,
)
from ml.quantization.families import family_named
from ml.quantization.graph import (
    Array,
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
    children,
    join,
)
from ml.quantization.loading.trust import TrustPolicy
from ml.quantization.residue import reporting_class
from ml.quantization.validators import check_state

_CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


class ArraySource(Protocol):
    """Where the arrays of a graph come from: decoded on demand, by index."""

    def __getitem__(self, index: int) -> Array: ...


def restore(
    root: Node,
    arrays: ArraySource,
    trust: TrustPolicy,
    *,
    residue: Mapping[str, str] | None = None,
    identified: Mapping[int, Node] | None = None,
) -> Any:
    """Return the real object that a graph describes.

    Parameters
    ----------
    root : Node
    arrays : sequence of ndarray
        What `ArrayNode`s name; every array is copied, so that the object owns its data.
    trust : TrustPolicy
        Classes and functions that may appear.
    residue : mapping of str to str, optional
        Path of each dropped attribute -> what it was. Reading one raises `DroppedAttribute`.
    identified : mapping of int to Node, optional
        Nodes outside `root` that nodes in it may refer to.

    Raises
    ------
    UntrustedTypeError
        A class or function that is not allowed.
    SemanticError
        State that would make native code misbehave.
    EnvironmentMismatch
        The installed library cannot take the state.
    """
    builder = _Builder(arrays, trust, dict(residue or {}), dict(identified or {}))
    return builder.build(root, "")


@dataclass(slots=True)
class _Builder:
    arrays: ArraySource
    trust: TrustPolicy
    residue: dict[str, str]
    identified: dict[int, Node]
    made: dict[int, Any] = field(default_factory=dict)
    owned: dict[int, Array] = field(default_factory=dict)

    def build(self, node: Node, path: str) -> Any:
        value = self._build(node, path)
        identity = getattr(node, "id", None)
        if identity is not None:
            self.made[identity] = value
        return value

    def _build(self, node: Node, path: str) -> Any:
        match node:
            case None | bool() | int() | float() | str():
                return node
            case ArrayNode(array=index):
                return self.array(index)
            case SequenceNode(kind=kind):
                return _CONTAINERS[kind](
                    [self.build(item, join(path, step)) for step, item in children(node)]
                )
            case DictNode():
                return self._dict(node, path)
            case ObjectNode():
                return self._object(node, path)
            case PackedNode(family=name):
                family = family_named(name)
                if family.unpack is None:
                    raise FormatError(f"family {name} packs nothing", where=path)
                return self._build(family.unpack(node, _Unpacked(self)), path)
            case StringsNode(kind=kind, blob=blob, lengths=lengths):
                texts = decode_strings(self.stored(blob), self.stored(lengths))
                return tuple(texts) if kind == "tuple" else texts
            case NumbersNode(kind=kind, item=item, array=index):
                return self._numbers(kind, item, index)
            case ScalarNode(dtype=dtype, data=data):
                return scalar_value(dtype, data, path)
            case RefNode(target=target):
                if target not in self.made:
                    self.build(self.identified[target], path)
                return self.made[target]
            case NameNode(name=name):
                return self.trust.resolve_name(name, path)
            case ObjectArrayNode(shape=shape, items=items):
                return self._object_array(shape, items, path)
            case RecordArrayNode():
                return self._records(node, path)
            case BytesNode(kind=kind, array=index):
                raw = self.stored(index).astype(np.uint8).tobytes()
                return raw if kind == "bytes" else bytearray(raw)
            case ValueNode(kind=kind, items=items):
                return _value(kind, [self.build(item, path) for item in items], path)

    def array(self, index: int) -> Array:
        """The array, owned by the restored object; one object for each index."""
        if index not in self.owned:
            self.owned[index] = self.arrays[index].copy(order="K")
        return self.owned[index]

    def stored(self, index: int) -> Array:
        """The array as it is held: the artifact's, or one that `unpack` added."""
        return self.owned[index] if index < 0 else self.arrays[index]

    def _dict(self, node: DictNode, path: str) -> dict[Any, Any]:
        keys = self.build(node.keys, join(path, "keys"))
        if isinstance(node.values, SequenceNode):
            values = [
                self.build(value, join(path, str(key)))
                for key, value in zip(keys, node.values.items, strict=True)
            ]
        else:
            values = self.build(node.values, join(path, "values"))
        if len(keys) != len(values):
            raise SemanticError("a dict with more keys than values", where=path)
        try:
            return dict(zip(keys, values, strict=True))
        except TypeError as error:
            raise SemanticError(f"a key of a dict is not hashable ({error})", where=path) from None

    def _numbers(self, kind: str, item: str, index: int) -> Any:
        array = self.stored(index)
        values: list[Any]
        if item in ("int", "float"):
            values = array.tolist()
        else:
            values = list(array.astype(np.dtype(item), copy=False))
        return tuple(values) if kind == "tuple" else values

    def _object_array(self, shape: tuple[int, ...], items: Node, path: str) -> Array:
        content = self.build(items, path)
        flat = np.empty(len(content), dtype=object)
        flat[:] = content if len(content) else []
        try:
            return flat.reshape(shape)
        except ValueError:
            raise SemanticError(
                "an object array's shape does not fit its items",
                where=path,
                expected=str(shape),
                got=f"{len(content)} items",
            ) from None

    def _records(self, node: RecordArrayNode, path: str) -> Array:
        columns = [
            self.build(column, join(path, n))
            for column, n in zip(node.columns, node.names, strict=True)
        ]
        try:
            dtype = np.dtype(
                {
                    "names": list(node.names),
                    "formats": [
                        (column.dtype, column.shape[len(node.shape) :]) for column in columns
                    ],
                    "offsets": list(node.offsets),
                    "itemsize": node.itemsize,
                }
            )
            records = np.zeros(node.shape, dtype=dtype)
            for name, column in zip(node.names, columns, strict=True):
                records[name] = column
        except (TypeError, ValueError, AttributeError) as error:
            raise SemanticError(f"not a record array: {error}", where=path) from None
        return records

    def _object(self, node: ObjectNode, path: str) -> Any:
        special = _SPECIAL.get(node.type)
        if special is not None:
            return special(self.build_state(node.state, path), path)
        cls = self.trust.resolve_class(node.type, path)
        state = self.build_state(node.state, path)
        args = [self.build(item, path) for item in node.args]
        check_state(node.type, args, state, path)
        made = cls(*args) if node.type in _CONSTRUCTED else _new(cls, args, path)
        _set_state(made, self._with_residue(made, state, path), path)
        self._fill(made, node.entries, path)
        return made

    def build_state(self, state: Node, path: str) -> Any:
        """The state of an object: the path of an attribute is `object/attribute`."""
        return self._dict(state, path) if isinstance(state, DictNode) else self.build(state, path)

    def _with_residue(self, made: Any, state: Any, path: str) -> Any:
        names = {
            dropped.rpartition("/")[2]: note
            for dropped, note in self.residue.items()
            if dropped.rpartition("/")[0] == path
        }
        if names and isinstance(state, dict):
            made.__class__ = reporting_class(type(made), tuple(sorted(names.items())))
        return state

    def _fill(self, made: Any, entries: Node, path: str) -> None:
        if entries is None:
            return
        content = self.build(entries, path)
        if isinstance(content, dict) and isinstance(made, dict):
            dict.update(made, content)
        elif isinstance(content, list) and hasattr(made, "extend"):
            made.extend(content)
        else:
            raise SemanticError("entries do not fit their object", where=path)


@dataclass(slots=True)
class _Unpacked:
    """Arrays as `unpack` sees them: the artifact's, and new ones that it adds."""

    builder: _Builder

    def __getitem__(self, index: int) -> Array:
        return self.builder.array(index)

    def add(self, array: Array) -> int:
        index = -1 - len(self.builder.owned)
        self.builder.owned[index] = array
        return index


def _new(cls: type, args: list[Any], path: str) -> Any:
    try:
        return cls.__new__(cls, *args)
    except TypeError as error:
        raise EnvironmentMismatch(
            f"{cls.__qualname__} of the installed version cannot be made from this artifact",
            where=path,
            got=str(error),
            do="install the library versions that the artifact names",
        ) from None


def _set_state(made: Any, state: Any, path: str) -> None:
    if state is None:
        return
    try:
        if hasattr(made, "__setstate__"):
            made.__setstate__(_versioned(made, state))
        elif isinstance(state, tuple) and len(state) == 2:
            vars(made).update(state[0] or {})
            for name, value in (state[1] or {}).items():
                setattr(made, name, value)
        else:
            vars(made).update(state)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise EnvironmentMismatch(
            f"{type(made).__qualname__} does not take this state",
            where=path,
            got=f"{type(error).__name__}: {error}",
            do="install the library versions that the artifact names",
        ) from error


def _versioned(made: Any, state: Any) -> Any:
    """scikit-learn warns on state without the running version: the manifest has the real one."""
    if isinstance(state, dict) and type(made).__module__.startswith("sklearn."):
        import sklearn

        return {**state, "_sklearn_version": sklearn.__version__}
    return state


def scalar_value(dtype: str, data: str, path: str) -> Any:
    """The numpy scalar of a `ScalarNode`.

    Raises
    ------
    FormatError
        Bytes that do not fit the dtype.
    """
    try:
        kind = np.dtype(dtype)
        raw = bytes.fromhex(data)
    except (TypeError, ValueError) as error:
        raise FormatError(f"not a scalar: {error}", where=path) from None
    if kind.hasobject or kind.names or kind.itemsize != len(raw):
        raise FormatError("a scalar's bytes do not fit its dtype", where=path, got=dtype)
    return np.frombuffer(raw, dtype=kind)[0] if kind.itemsize else kind.type()


def _value(kind: str, items: list[Any], path: str) -> Any:
    makers: dict[str, Callable[..., Any]] = {
        "complex": complex,
        "slice": slice,
        "range": range,
        "dtype": _dtype,
    }
    try:
        return makers[kind](*items)
    except (TypeError, ValueError) as error:
        raise SemanticError(f"not a {kind}: {error}", where=path) from None


def _dtype(description: Any) -> Any:
    dtype = np.dtype(description)
    if dtype.hasobject and description not in ("|O", "O"):
        raise ValueError("records of objects are not allowed")
    return dtype


def _random_state(state: Any, path: str) -> Any:
    made = np.random.RandomState()
    return _with(made.set_state, state, made, path)


def _generator(state: Any, path: str) -> Any:
    kinds = {k: getattr(np.random, k) for k in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")}
    name = state.get("bit_generator") if isinstance(state, dict) else None
    if name not in kinds:
        raise SemanticError("unknown bit generator", where=path, got=repr(name))
    bits = kinds[name]()

    def apply(value: Any) -> None:
        bits.state = value

    return _with(apply, state, np.random.Generator(bits), path)


def _masked(state: Any, path: str) -> Any:
    from numpy import ma

    if not isinstance(state, dict) or set(state) != {"data", "mask", "fill_value"}:
        raise SemanticError("not a masked array", where=path)
    made: Any = ma.MaskedArray(state["data"], mask=state["mask"])
    return _with(lambda value: setattr(made, "fill_value", value), state["fill_value"], made, path)


def _with(apply: Callable[[Any], object], state: Any, made: Any, path: str) -> Any:
    try:
        apply(state)
    except (TypeError, ValueError, KeyError) as error:
        raise SemanticError(f"state does not fit: {error}", where=path) from None
    return made


_SPECIAL: dict[str, Callable[[Any, str], Any]] = {
    "numpy.random.mtrand:RandomState": _random_state,
    "numpy.random._generator:Generator": _generator,
    "numpy.ma:MaskedArray": _masked,
    "numpy.ma.core:MaskedArray": _masked,
}

# Extension types of a few numbers whose __init__ sets them; they do nothing else.
_CONSTRUCTED = frozenset(
    f"sklearn._loss._loss:{name}"
    for name in (
        "CyAbsoluteError",
        "CyExponentialLoss",
        "CyHalfBinomialLoss",
        "CyHalfGammaLoss",
        "CyHalfMultinomialLoss",
        "CyHalfPoissonLoss",
        "CyHalfSquaredError",
        "CyHalfTweedieLoss",
        "CyHalfTweedieLossIdentity",
        "CyHuberLoss",
        "CyPinballLoss",
    )
) | frozenset(
    f"sklearn.linear_model._sgd_fast:{name}"
    for name in (
        "EpsilonInsensitive",
        "Hinge",
        "Huber",
        "Log",
        "ModifiedHuber",
        "SquaredEpsilonInsensitive",
        "SquaredHinge",
        "SquaredLoss",
    )
)
