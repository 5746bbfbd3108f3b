"""An artifact's graph to the real estimator: `cls.__new__` and state, nothing else.

No node can call a function. The handful of classes that are not made by `__new__` and state have
their way back in `builders`, keyed by exact class name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from model_quantization.arrays import Array
from model_quantization.codecs.strings import decode_strings
from model_quantization.errors import (
    FormatError,
    LimitError,
    UntrustedTypeError,
)
from model_quantization.estimators.builders import SPECIAL, make_partial
from model_quantization.estimators.checks import check_state
from model_quantization.estimators.dropped import reporting_class, stored_properties
from model_quantization.estimators.making import (
    fill,
    is_made_otherwise,
    new_object,
    own_requests,
    set_state,
)
from model_quantization.estimators.meanings import class_here, inexpressible
from model_quantization.estimators.remade import remakes
from model_quantization.families import known_family
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
from model_quantization.graph.traversal import children, entry_steps, join
from model_quantization.graph.values import (
    ArraySource,
    bytes_value,
    dict_value,
    fitting,
    numbers_value,
    object_array,
    record_array,
    scalar_value,
    small_value,
)
from model_quantization.loading.pickles.migrations.steps import (
    AS_SAVED,
    in_todays_form,
    installed_version,
    steps_of,
)
from model_quantization.trust import PARTIAL, TrustPolicy

_CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


def restore(
    root: Node,
    arrays: ArraySource,
    trust: TrustPolicy,
    *,
    dropped: Mapping[str, str] | None = None,
    identified: Mapping[int, Node] | None = None,
    saved_by: str = "",
    as_scikit_learn: bool = False,
    own_class: bool = False,
) -> Any:
    """Return the real object that a graph describes.

    Parameters
    ----------
    root : Node
    arrays : sequence of ndarray
        The arrays that nodes name; each is copied, so that the object owns its data.
    trust : TrustPolicy
        Classes and functions that may appear.
    dropped : mapping of str to str, optional
        Path of each dropped attribute -> what it was. Reading one raises `DroppedAttribute`.
    identified : mapping of int to Node, optional
        Nodes outside `root` that nodes in it may refer to.
    saved_by : str, optional
        The version of scikit-learn that the graph's state is of; default: the installed one.
    as_scikit_learn : bool, optional
        A model that only `estimators.as_saved` can answer is refused.
    own_class : bool, optional
        Every estimator is of scikit-learn's own class, and a dropped attribute is not there. By
        default it is of a subclass that says in a named error what was dropped, and that keeps the
        values of properties which are worked out of what was dropped.

    Raises
    ------
    UntrustedTypeError
        A class or function that is not allowed.
    FormatError, SemanticError
        Values that make no sense, state that would make native code misbehave.
    EnvironmentMismatch
        The installed library cannot take the state, or cannot say what it means.
    LimitError
        Nested deeper than this interpreter's stack.
    """
    owners = _by_owner(dropped or {})
    builder = _Builder(
        arrays, trust, owners, dict(identified or {}), saved_by, as_scikit_learn, own_class
    )
    try:
        return builder.build(root, "")
    except RecursionError:
        raise LimitError("nested too deep to be made", where="model") from None


def _by_owner(dropped: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Path of an object -> its dropped attributes and what they were."""
    found: dict[str, dict[str, str]] = {}
    for path, note in dropped.items():
        owner, _, attribute = path.rpartition("/")
        found.setdefault(owner, {})[attribute] = note
    return found


@dataclass(slots=True)
class _Builder:
    arrays: ArraySource
    trust: TrustPolicy
    dropped: dict[str, dict[str, str]]
    identified: dict[int, Node]
    saved_by: str
    as_scikit_learn: bool
    own_class: bool
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
                items = [self.build(item, join(path, step)) for step, item in children(node)]
                with fitting(f"not a {kind}", path):
                    return _CONTAINERS[kind](items)
            case DictNode():
                return self._dict(node, path)
            case ObjectNode():
                return self._object(node, path)
            case PackedNode():
                return self._packed(node, path)
            case StringsNode(kind=kind, blob=blob, lengths=lengths):
                texts = decode_strings(self.stored(blob), self.stored(lengths))
                return tuple(texts) if kind == "tuple" else texts
            case NumbersNode(kind=kind, item=item, array=index):
                return numbers_value(kind, item, self.stored(index), path)
            case ScalarNode(dtype=dtype, data=data):
                return scalar_value(dtype, data, path)
            case RefNode(target=target):
                return self._referred(target, path)
            case NameNode(name=name):
                return self.trust.resolve_name(name, path)
            case ObjectArrayNode(shape=shape, items=content):
                return object_array(shape, self.build(content, path), path)
            case RecordArrayNode(names=names, columns=columns):
                pairs = zip(columns, names, strict=True)
                built = [self.build(column, join(path, name)) for column, name in pairs]
                return record_array(node, built, path)
            case BytesNode(kind=kind, array=index):
                return bytes_value(kind, self.stored(index), path)
            case ValueNode(kind=kind, items=parts):
                return small_value(kind, [self.build(part, path) for part in parts], path)

    def array(self, index: int) -> Array:
        """The array, owned by the restored object; one object for each index."""
        if index not in self.owned:
            self.owned[index] = self.arrays[index].copy(order="K")
        return self.owned[index]

    def stored(self, index: int) -> Array:
        """The array as it is stored: the artifact's, or one that `unpack` added."""
        return self.owned[index] if index < 0 else self.arrays[index]

    def _referred(self, target: int, path: str) -> Any:
        if target not in self.made:
            if target not in self.identified:
                raise FormatError("a reference to a node that is not there", where=path)
            self.build(self.identified[target], path)
        return self.made[target]

    def _packed(self, node: PackedNode, path: str) -> Any:
        family = known_family(node.family, path)
        if family.unpack is None:
            raise FormatError(f"family {node.family} packs nothing", where=path)
        with fitting(f"parts that family {node.family} cannot unpack", path):
            plain = family.unpack(node, _Unpacked(self))
        return self._build(plain, path)

    def _dict(self, node: DictNode, path: str) -> dict[Any, Any]:
        keys = self.build(node.keys, join(path, "keys"))
        if isinstance(node.values, SequenceNode) and len(node.values.items) == len(keys):
            values = [
                self.build(value, join(path, step))
                for step, value in zip(entry_steps(keys), node.values.items, strict=True)
            ]
        else:
            values = self.build(node.values, join(path, "values"))
        return dict_value(keys, values, path)

    def _object(self, node: ObjectNode, path: str) -> Any:
        if node.type == PARTIAL:
            return make_partial(node, self.build_state(node.state, path), self.trust, path)
        special = SPECIAL.get(node.type)
        if special is not None:
            state = self.build_state(node.state, path)
            with fitting(f"not the state of {node.type}", path):
                return special(state, path)
        cls = class_here(self.trust.resolve_class(node.type, path))
        if not self.trust.may_make(node.type) or is_made_otherwise(cls):
            raise UntrustedTypeError(
                f"{node.type} is not a class that objects are made of",
                where=path,
                do="do not use this file: no writer makes such objects",
            )
        state = self.build_state(node.state, path)
        args = [self.build(item, path) for item in node.args]
        cls, state = self._in_todays_form(cls, state, path)
        if self.as_scikit_learn and cls.__module__ == AS_SAVED:
            raise inexpressible(cls.__name__, path)
        check_state(node.type, args, state, path)
        made = new_object(cls, args, path, node.type)
        if self.own_class and isinstance(state, dict):
            worked_out = stored_properties(cls, state)
            state = {key: item for key, item in state.items() if key not in worked_out}
        set_state(made, state, path)
        lacking = remakes(node.type, state)
        if not self.own_class:
            self._report_dropped(made, state, path, lacking)
        else:
            for name, make in lacking.items():
                with fitting(f"state that {name} cannot be made of", path):
                    setattr(made, name, make(made))
        own_requests(made, state)
        if node.entries is not None:
            fill(made, self.build(node.entries, path), path)
        return made

    def _in_todays_form(self, cls: type, state: Any, path: str) -> tuple[type, Any]:
        """The class and state of an object, where another version made the artifact."""
        if not isinstance(state, dict):
            return cls, state
        saved_by = self.saved_by or installed_version()
        if saved_by == installed_version() and not steps_of(cls):
            return cls, state
        with fitting(f"state of {cls.__qualname__} that no version has", path):
            upgrade = in_todays_form(cls, state, saved_by)
        if upgrade.as_saved:
            cls = self.trust.resolve_class(f"{AS_SAVED}:{upgrade.as_saved}", path)
        return cls, upgrade.state

    def build_state(self, state: Node, path: str) -> Any:
        """The state of an object: the path of an attribute is `object/attribute`."""
        return self._dict(state, path) if isinstance(state, DictNode) else self.build(state, path)

    def _report_dropped(
        self, made: Any, state: Any, path: str, lacking: Mapping[str, Callable[[Any], Any]]
    ) -> None:
        """Let reading a dropped attribute say that it was dropped, or make it anew."""
        if not isinstance(state, dict):
            return
        names, stored = self.dropped.get(path), stored_properties(type(made), state)
        if names or stored or lacking:
            with fitting(f"dropped attributes that do not fit a {type(made).__qualname__}", path):
                notes = tuple(sorted((names or {}).items()))
                made.__class__ = reporting_class(type(made), notes, stored, lacking)


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
