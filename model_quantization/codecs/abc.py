"""What a codec is: a filter rewrites an array as smaller arrays, a coder turns one into bytes.

A stream is a pipeline of steps: any number of filters, then one coder. Each step is a JSON object
whose `id` names the codec and whose other keys are its parameters; together with the dtype and the
count they are all that decoding needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from model_quantization.arrays import Array

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Params: TypeAlias = Mapping[str, Any]
Effort: TypeAlias = Literal["fast", "best"]


@dataclass(frozen=True, slots=True)
class Spec:
    """The dtype and length of a 1-D array that is still to be decoded."""

    dtype: np.dtype[Any]
    count: int

    @property
    def nbytes(self) -> int:
        """Bytes the array will take (a Python int: it cannot overflow)."""
        return self.count * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a filter made of an array.

    Attributes
    ----------
    main : ndarray
        Goes on to the next step.
    params : dict
        What decoding needs to know, JSON values.
    sides : dict of str to ndarray
        Arrays that are encoded on their own and stored in front of `main`.
    """

    main: Array
    params: dict[str, JSON] = field(default_factory=dict)
    sides: dict[str, Array] = field(default_factory=dict)


@runtime_checkable
class Filter(Protocol):
    """Rewrites an array; exact for every input it accepts."""

    id: ClassVar[str]
    sides: ClassVar[tuple[str, ...]]

    def encode(self, values: Array) -> Filtered | None:
        """The rewritten array, or None where the filter does not apply or cannot gain."""

    def specs(self, params: Params, spec: Spec) -> tuple[Spec, dict[str, Spec]]:
        """What `main` and each side must be, for hostile `params`; FormatError if they are off."""

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The array described by `spec`; SemanticError for values no encoder makes."""


@runtime_checkable
class Coder(Protocol):
    """Turns an array into bytes; the last step of every pipeline."""

    id: ClassVar[str]

    def accepts(self, spec: Spec) -> bool:
        """Whether arrays of this dtype and length can be coded."""

    def encode(self, values: Array, effort: Effort) -> tuple[dict[str, JSON], bytes]:
        """Parameters and bytes."""

    def decode(self, params: Params, spec: Spec, data: memoryview) -> Array:
        """The array; CodecError unless `data` is exactly one encoding of `spec.count` items."""
