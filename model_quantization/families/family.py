"""What a family is: the meaning of the arrays of one kind of model.

A family is one `Family` value in one file of this package, named `FAMILY`; the registry finds
it by itself. It may hold, from little to much:

1. `types` and `slots`: which classes it speaks for and what their arrays mean. That alone makes
   a model quantized with the right scheme for each array.
2. `residue`: fitted attributes that only training needed. They are not stored, and reading one
   from the restored estimator raises `DroppedAttribute`.
3. `pack` and `unpack`: a compact form of the whole component.
4. `lower`: a fast predictor built straight from the stored arrays.

Class names are exact and written `module:qualname`; nothing here imports scikit-learn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from model_quantization.arrays import Array
from model_quantization.graph.nodes import Node, ObjectNode, PackedNode
from model_quantization.schemes.scheme import Slot

if TYPE_CHECKING:
    from model_quantization.families.shared.scored import Scored
    from model_quantization.kernels.linear.stored_codes import StoredCodes
    from model_quantization.kernels.tables.categories import Encoder, Filler
    from model_quantization.kernels.text.steps import Step

Method: TypeAlias = Callable[..., Any]


class Component(ABC):
    """A component as a family's `lower` sees it: decoded values, by attribute name.

    A base class and no protocol: families ask often whether a value is one, and for a protocol
    that takes a hundred times as long.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def type(self) -> str:
        """The exact class name, `module:qualname`."""

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
        """The shape of an array, without its values; None for what is no array."""

    @abstractmethod
    def codes(self, name: str) -> StoredCodes | None:
        """The stored integer codes of an array and the scale of each channel.

        None when it is not stored as `scale * code`. The scales (one for each index of the first
        axis, or a single one) have the dtype of the array.
        """

    @abstractmethod
    def lower(self, exact: bool) -> Lowered | None:
        """The component's own fast predictor, made by its family; None when it has none."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """A fast predictor: for each method, the call that answers it.

    Attributes
    ----------
    methods : mapping of str to callable
        Public method name -> function of the prepared rows. A function may return None: the
        restored estimator then answers instead (odd input that the fast path does not treat,
        so that every error and warning is scikit-learn's own).
    input : {"rows", "text", "table"}
        `rows`: a float32 or float64 ndarray of shape (n, n_features), any strides, finite or
        not (a method that must refuse NaN returns None for it). `text`: a list of str.
        `table`: a pandas DataFrame as it was given.
    n_features : int or None
        Columns of `rows`.
    affine : (scale, shift) or None
        Set by transforms that are `x * scale + shift` per column: what follows may fold it in.
    absorb : callable or None
        Given the `Lowered` of the step before this one, the fused predictor of both, or None.
    names : tuple of str
        Path of every component that this predictor answers for (fused ones included).
    text : kernels.text.Step or None
        Set by steps that make term counts of documents: `text.scorer(weights)` is a function
        straight from documents to `transform(documents) @ weights`, which a model that is linear
        in them can absorb.
    columns : kernels.categories.Encoder or None
        Set by encoders of categories: what makes numbers of columns of any type.
    filler : kernels.categories.Filler or None
        What is done to those columns before.
    n_columns : int or None
        Columns of what `transform` gives, where that is known.
    feeds : callable or None
        What the next step is given, where nothing answers the public `transform`.
    scored : scored.Scored or None
        Set by models that answer from linear scores: a model over several of them scores all in
        one pass.
    integers : {"float64", "float32"}
        What an array of integers becomes; frames of them always float64.
    """

    methods: Mapping[str, Method]
    input: Literal["rows", "text", "table"] = "rows"
    n_features: int | None = None
    affine: tuple[Array, Array] | None = None
    absorb: Callable[[Lowered], Lowered | None] | None = None
    names: tuple[str, ...] = ()
    text: Step | None = None
    columns: Encoder | None = None
    filler: Filler | None = None
    n_columns: int | None = None
    feeds: Method | None = None
    scored: Scored | None = None
    integers: Literal["float64", "float32"] = "float64"


@dataclass(frozen=True, slots=True)
class LeftAsIs:
    """What `pack` gives for a component that it leaves as it is, and a user may wonder why.

    Attributes
    ----------
    reason : str
        A clause with a subject of its own.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Example:
    """A small fitted model for the common checks, and rows to ask it about."""

    name: str
    model: Any
    rows: Any


class Arrays(Protocol):
    """Where `pack` and `unpack` read arrays and put new ones."""

    def __getitem__(self, index: int) -> Array:
        """The array that a node names."""

    def add(self, array: Array) -> int:
        """Store a new array and return the index for a node to name."""


Slots: TypeAlias = Mapping[str, Slot]


def _no_examples() -> Iterable[Example]:
    return ()


@dataclass(frozen=True, slots=True)
class Family:
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
    residue : mapping of str to str
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
        where that takes more than a scheme for each of its arrays, and what was done in a clause.
    lower : callable or None
        `lower(component, exact) -> Lowered | None`. With `exact=True` only a predictor whose
        every output is bit-identical to the restored estimator's may be returned; otherwise
        labels must be equal and scores within a stated bound.
    examples : callable
        Small fitted estimators with rows (scikit-learn is imported inside).
    """

    name: str
    types: frozenset[str]
    slots: Slots = field(default_factory=dict)
    residue: Mapping[str, str] = field(default_factory=dict)
    pack: Callable[[ObjectNode, Arrays], PackedNode | LeftAsIs | None] | None = None
    unpack: Callable[[PackedNode, Arrays], Node] | None = None
    coarsen: Callable[[PackedNode, Arrays, int], tuple[PackedNode, str]] | None = None
    lower: Callable[[Component, bool], Lowered | None] | None = None
    examples: Callable[[], Iterable[Example]] = _no_examples


def slots_for(names: Sequence[str], slot: Slot) -> dict[str, Slot]:
    """The same slot under several attribute names."""
    return dict.fromkeys(names, slot)
