"""Small unsigned integers at 1, 2 or 4 bits each.

When to use: masks, tree topology, codes below 16 in short streams, where a coder's own header
would cost more than it saves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Chain, Filtered, Params, Spec
from model_quantization.codecs.parameters import check_keys, integer
from model_quantization.errors import CodecError, FormatError


class Bitpack:
    """Several items per byte, the first in the lowest bits; the last byte ends in zeros."""

    id: ClassVar[str] = "bitpack"
    sides: ClassVar[tuple[str, ...]] = ()
    order: ClassVar[int] = 10
    quick: ClassVar[bool] = True

    def chains(self, plain: Chain, narrow: Chain) -> Iterator[Chain]:
        """On the narrowest width."""
        yield from narrow.extended(self)

    def encode(self, values: Array) -> Filtered | None:
        """The packed bytes; None for wider dtypes and values from 16."""
        if values.dtype.str != "|u1" or values.size < 2 or values.max() > 15:
            return None
        bits = next(bits for bits in (1, 2, 4) if values.max() < 1 << bits)
        per_byte = 8 // bits
        padded = np.zeros(-(-values.size // per_byte) * per_byte, np.uint8)
        padded[: values.size] = values
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        packed = np.bitwise_or.reduce(padded.reshape(-1, per_byte) << shifts, axis=1)
        return Filtered(packed, {"bits": bits})

    def specs(self, params: Params, spec: Spec) -> tuple[Spec, dict[str, Spec]]:
        """As many bytes as the items fill."""
        check_keys(params, ("bits",), "bitpack")
        bits = integer(params, "bits", 1, 4)
        if bits == 3 or spec.dtype.str != "|u1":
            raise FormatError(
                "bitpack on something else than uint8 at 1, 2 or 4 bits",
                got=f"{spec.dtype.str} at {bits}",
            )
        return Spec(np.dtype("u1"), -(-spec.count * bits // 8)), {}

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The items; CodecError where the unused bits of the last byte are not zero."""
        bits = int(params["bits"])
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        items = ((main[:, None] >> shifts) & np.uint8((1 << bits) - 1)).reshape(-1)
        if items[spec.count :].any():
            raise CodecError("bitpack: bits set after the last item")
        return items[: spec.count]


CODEC = Bitpack()
