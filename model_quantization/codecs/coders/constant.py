"""One value, repeated any number of times.

When to use: always, where it applies: it takes no bytes at all.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import JSON, Effort, Params, Spec
from model_quantization.codecs.parameters import check_keys
from model_quantization.errors import CodecError, FormatError


class Constant:
    """The value's bits as a parameter; no data."""

    id: ClassVar[str] = "constant"
    order: ClassVar[int | None] = None

    def accepts(self, spec: Spec) -> bool:
        """Any array with at least one item; `encode` is for arrays that are constant."""
        return spec.count > 0

    def encode(self, values: Array, effort: Effort) -> tuple[dict[str, JSON], bytes]:
        """The first item's bits: `values` must all be equal bit by bit."""
        return {"value": bits_of(values[:1])}, b""

    def decode(self, params: Params, spec: Spec, data: memoryview) -> Array:
        """The value, `count` times."""
        check_keys(params, ("value",), "constant")
        value = value_of(params["value"], spec.dtype)
        if len(data):
            raise CodecError("constant: bytes where there should be none", got=str(len(data)))
        return np.repeat(value, spec.count)


CODEC = Constant()


def is_constant(values: Array) -> bool:
    """Whether all items have the same bits (and there is one)."""
    bits = values.view(f"<u{values.dtype.itemsize}")
    return bool(bits.size) and bool((bits == bits[0]).all())


def bits_of(item: Array) -> str:
    """The little-endian bytes of a one-item array, in hex."""
    return item.tobytes().hex()


def value_of(text: object, dtype: np.dtype[Any]) -> Array:
    """The one-item array that `bits_of` wrote.

    Raises
    ------
    FormatError
        Not that many bytes in lower-case hex.
    """
    if isinstance(text, str) and len(text) == 2 * dtype.itemsize:
        try:
            data = bytes.fromhex(text)
        except ValueError:
            data = b""
        if data.hex() == text:
            return np.frombuffer(data, dtype)
    raise FormatError(
        "parameter value is not one item of the array",
        expected=f"{dtype.itemsize} bytes in hex",
        got=repr(text)[:80],
    )
