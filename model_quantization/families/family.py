"""A family: the meaning of the arrays of one kind of model.

A family is one `Family` value in one file of this package, named `FAMILY`; the registry finds
it by itself. It may hold, from little to much:

1. `types` and `slots`: which classes it speaks for and what their arrays mean. That alone makes
   a model quantized with the right scheme per array.
2. `dropped`: fitted attributes that only training needed. They are not stored, and reading one
   from the restored estimator raises `DroppedAttribute`.
3. `pack` and `unpack`: a compact form of the whole component.
4. `lower`: a fast predictor built straight from the stored arrays.

Class names are exact and written `module:qualname`; nothing here imports scikit-learn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from model_quantization.arrays import Array
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.graph.nodes import Node, ObjectNode, PackedNode
from model_quantization.schemes.scheme import Slot
from model_quantization.values import Value, field

if TYPE_CHECKING:
    from model_quantization.families.probing import Collect, ProbeValues
    from model_quantization.kernels.linear.stored_codes import StoredCodes


class Component(ABC):
    """A component as a family's `lower` sees it: decoded values, by attribute name.

    A base class rather than a protocol: families often ask whether a value is one, and
    `isinstance` takes a hundred times as long for a protocol.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def type(self) -> str:
        """The exact class name, `module:qualname`."""

    @property
    @abstractmethod
    def family(self) -> str:
        """Name of the family that speaks for the component."""

    @property
    @abstractmethod
    def path(self) -> str:
        """Where the component is in the model."""

    @abstractmethod
    def __contains__(self, name: str) -> bool:
        """Whether the attribute is stored."""

    @abstractmethod
    def __getitem__(self, name: str) -> Any:
        """The attribute: an ndarray, a plain Python value, a `Component`, or a list of those.

        Raises `KeyError` when it is not stored. Arrays are read-only views of the decoded
        artifact, dequantized, in their original dtype, shape and order.
        """

    @abstractmethod
    def get(self, name: str, default: Any = None) -> Any:
        """The attribute, or `default` when it is not stored."""

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of an array, without its values; None for other attributes."""

    @abstractmethod
    def items(self) -> tuple[Any, ...]:
        """The values of a state that is a tuple, as native objects have; () for another state."""

    @abstractmethod
    def codes(self, name: str) -> StoredCodes | None:
        """The stored integer codes of an array and the scale of each channel.

        None when it is not stored as `scale * code`. The scales (one per index of the first axis,
        or a single one) have the dtype of the array.
        """

    def column_codes(self, name: str) -> list[tuple[Array, Array] | None]:
        """The codes of each matrix of a list, (n_in, n_out) int8, and a scale for each column.

        None for a matrix that is not stored as `scale * code` with codes of a byte, or not float64.
        """
        return []

    @abstractmethod
    def lower(self, exact: bool) -> Lowered | NotFast:
        """The component's own fast predictor, made by its family, or why it has none."""


class LeftAsIs(Value, frozen=True):
    """The reason why `pack` leaves a component as it is, where a user may wonder.

    Attributes
    ----------
    reason : str
        A clause with a subject of its own.
    """

    reason: str


class Example(Value, frozen=True):
    """A small fitted model for the common checks, and rows to ask it about."""

    name: str
    model: Any
    rows: Any


class Arrays(Protocol):
    """The arrays that `pack` and `unpack` read, and to which they add new ones."""

    def __getitem__(self, index: int) -> Array:
        """The array that a node names."""

    def add(self, array: Array) -> int:
        """Store a new array and return the index for a node to name."""


Slots: TypeAlias = Mapping[str, Slot]


def _no_examples() -> Iterable[Example]:
    return ()


class Parts(Value, frozen=True):
    """How Python's `[]` and `len` reach the parts of an object.

    Attributes
    ----------
    attribute : str
        Where the parts are.
    by : {"step", "name", "number"}
        `step`: (name, estimator) pairs by name, number or slice, with a length. `name`: pairs by
        name. `number`: a list of estimators by number, with a length, one after the other.
    """

    attribute: str
    by: Literal["step", "name", "number"]


def _itself(component: Component) -> tuple[Component, ...]:
    return (component,)


class Family(Value, frozen=True):
    """One kind of model.

    Attributes
    ----------
    name : str
        As the table shows it: `linear`, `forest`, `text`.
    types : frozenset of str
        Exact class names.
    slots : mapping of str to Slot
        Attribute path below the component (`coef_`, `coefs_/*`; fnmatch) -> what it means. An
        array that no slot names is exact.
    dropped : mapping of str to str
        Attribute path -> what it was and why no method of the fitted estimator needs it.
    pack : callable or None
        `pack(node, arrays) -> PackedNode | LeftAsIs | None`: the component in compact parts, or
        None (or the reason, which is noted) to leave it as it is. Exact: `unpack(pack(node))`
        gives a component that answers bit for bit the same. The parts are nodes; their arrays get
        slots by the same `slots` mapping.
    unpack : callable or None
        The inverse. Must validate: the parts may come from a hostile file (`SemanticError`).
    coarsen : callable or None
        `coarsen(packed, arrays, bits) -> (packed, reason)`: the packed component at 8 or 16 bits,
        where that takes more than one scheme per array, and a clause that says how.
    fold : callable or None
        `fold(node, arrays) -> (node, reason) | None`: the component of fewer numbers that answers
        the same but for rounding, and a clause that says how; asked for wherever anything is
        rounded, of components that are not packed.
    options : callable or None
        `options(node, arrays) -> tuple of Ladder`: what of the component can be made coarser step
        by step, beside rounding its arrays by their slots. The node is packed where `pack` packs.
    coarser : callable or None
        `coarser(node, arrays, levels) -> Coarser`: the component at a level of each ladder that
        is named; the others stay exact.
    lower : callable or None
        `lower(component, exact) -> Lowered | NotFast`. With `exact=True` only a predictor whose
        every output is bit-identical to the restored estimator's may be returned; otherwise
        labels must be equal and scores within a stated bound.
    argument : mapping of str to str
        Class name -> name of the first argument of `predict` or `transform`, where it is not `X`.
    parts : mapping of str to Parts
        Class name -> how Python's `[]` and `len` reach the parts of its objects.
    silent : frozenset of str
        Class names that say nothing of rows without names, also when they were fitted with named
        columns. scikit-learn's estimators warn.
    sees_input : callable
        The components that look at the input as it comes: a component itself; the first step of
        a pipeline; each model of a vote.
    probe : callable or None
        `probe(component, collect) -> ProbeValues | None`: inputs at which the component may change
        its answer, by column of its own input; `collect(child)` gives those of a child. None, or
        no function: the generic rule of `probes.values`.
    examples : callable
        Small fitted estimators with rows (scikit-learn is imported inside).
    """

    name: str
    types: frozenset[str]
    slots: Slots = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    pack: Callable[[ObjectNode, Arrays], PackedNode | LeftAsIs | None] | None = None
    unpack: Callable[[PackedNode, Arrays], Node] | None = None
    coarsen: Callable[[PackedNode, Arrays, int], tuple[PackedNode, str]] | None = None
    fold: Callable[[ObjectNode, Arrays], tuple[ObjectNode, str] | None] | None = None
    options: Callable[[Node, Arrays], tuple[Ladder, ...]] | None = None
    coarser: Callable[[Node, Arrays, Mapping[str, str]], Coarser] | None = None
    lower: Callable[[Component, bool], Lowered | NotFast] | None = None
    argument: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Parts] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    sees_input: Callable[[Component], Sequence[Component]] = _itself
    probe: Callable[[Component, Collect], ProbeValues | None] | None = None
    examples: Callable[[], Iterable[Example]] = _no_examples


def slots_for(names: Sequence[str], slot: Slot) -> dict[str, Slot]:
    """The same slot under several attribute names."""
    return dict.fromkeys(names, slot)
