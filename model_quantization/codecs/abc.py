"""Interfaces of codecs: a filter rewrites an array as smaller arrays, a coder turns one into bytes.

A stream is a pipeline of steps: any number of filters, then one coder. Each step is a JSON object
whose `id` names the codec and whose other keys are its parameters; together with the dtype and the
count they are all that decoding needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.values import Value, field

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Params: TypeAlias = Mapping[str, Any]
Effort: TypeAlias = Literal["fast", "best"]


class Spec(Value, frozen=True):
    """The dtype and length of a 1-D array that is still to be decoded."""

    dtype: np.dtype[Any]
    count: int

    @property
    def nbytes(self) -> int:
        """Bytes the array will take (a Python int: it cannot overflow)."""
        return self.count * self.dtype.itemsize


class Filtered(Value, frozen=True):
    """The result of a filter.

    Attributes
    ----------
    main : ndarray
        Goes on to the next step.
    params : dict
        Parameters for decoding, JSON values.
    sides : dict of str to ndarray
        Arrays that are encoded on their own and stored in front of `main`.
    """

    main: Array
    params: dict[str, JSON] = field(default_factory=dict)
    sides: dict[str, Array] = field(default_factory=dict)


@runtime_checkable
class Filter(Protocol):
    """Rewrites an array; exact for every input it accepts.

    Attributes
    ----------
    id : str
        Its name in files.
    sides : tuple of str
        Names of the arrays that it stores apart. A filter with sides is never tried inside a side.
    order : int
        Place of its chains among all candidates; of two equally small results the earlier wins.
    quick : bool
        Whether its chains are tried for estimates too.
    """

    id: ClassVar[str]
    sides: ClassVar[tuple[str, ...]]
    order: ClassVar[int]
    quick: ClassVar[bool]

    def chains(self, plain: Chain, narrow: Chain) -> Iterator[Chain]:
        """Yield the chains to try that end with this filter or begin with it.

        Parameters
        ----------
        plain, narrow : Chain
            The array as it is but for `demote`, and the same in its narrowest width.
        """

    def encode(self, values: Array) -> Filtered | None:
        """The rewritten array, or None where the filter does not apply or cannot gain."""

    def specs(self, params: Params, spec: Spec) -> tuple[Spec, dict[str, Spec]]:
        """The expected `main` and sides, for hostile `params`; FormatError if those are wrong."""

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The array described by `spec`; SemanticError for values no encoder makes."""


@runtime_checkable
class Coder(Protocol):
    """Turns an array into bytes; the last step of every pipeline.

    Attributes
    ----------
    id : str
        Its name in files.
    order : int or None
        Place among the coders that are tried on every array; None: the search has a reason of its
        own to use it.
    """

    id: ClassVar[str]
    order: ClassVar[int | None]

    def accepts(self, spec: Spec) -> bool:
        """Whether arrays of this dtype and length can be coded."""

    def encode(self, values: Array, effort: Effort) -> tuple[dict[str, JSON], bytes]:
        """Parameters and bytes."""

    def decode(self, params: Params, spec: Spec, data: memoryview) -> Array:
        """The array; CodecError unless `data` is exactly one encoding of `spec.count` items."""


class Side(Value, frozen=True):
    """An array that a filter stores apart, and where its record goes in the step."""

    step: int
    name: str
    values: Array


class Chain(Value, frozen=True):
    """Filters applied to an array, and the array that is left for a coder.

    Attributes
    ----------
    main : ndarray
        The input of the coder.
    steps : tuple of dict
        The filters so far; the records of sides are still to be filled in.
    sides : tuple of Side
        In the order in which they are stored.
    coders : tuple of Coder
        Coders worth trying on `main`; empty: all that are tried on every array.
    """

    main: Array
    steps: tuple[dict[str, JSON], ...] = ()
    sides: tuple[Side, ...] = ()
    coders: tuple[Coder, ...] = ()

    def then(self, codec: Filter) -> Chain | None:
        """The chain with one more filter, or None where that does not apply."""
        filtered = codec.encode(self.main)
        if filtered is None:
            return None
        added = tuple(
            Side(len(self.steps), name, values) for name, values in filtered.sides.items()
        )
        return replace(
            self,
            main=filtered.main,
            steps=(*self.steps, {"id": codec.id, **filtered.params}),
            sides=self.sides + added,
        )

    def extended(self, *codecs: Filter) -> Iterator[Chain]:
        """Yield the chain after each of these filters in turn, as far as they apply."""
        chain = self
        for codec in codecs:
            longer = chain.then(codec)
            if longer is None:
                return
            yield longer
            chain = longer
