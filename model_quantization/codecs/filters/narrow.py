"""Integers in the smallest unsigned width, their minimum taken off where that makes them narrower.

When to use: always first; every coder does better on fewer bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Chain, Filtered, Params, Spec
from model_quantization.codecs.parameters import check_keys, dtype_of, integer
from model_quantization.errors import FormatError, SemanticError

WIDTHS = ("|u1", "<u2", "<u4")


class Narrow:
    """Offset and narrower unsigned dtype: `value = offset + narrow`."""

    id: ClassVar[str] = "narrow"
    sides: ClassVar[tuple[str, ...]] = ()
    order: ClassVar[int] = 1
    quick: ClassVar[bool] = True

    def chains(self, plain: Chain, narrow: Chain) -> Iterator[Chain]:
        """None: every chain begins with it where it applies."""
        yield from ()

    def encode(self, values: Array) -> Filtered | None:
        """The narrower array; None for floats and where no narrower width holds the range."""
        if values.dtype.kind not in "iu" or not values.size:
            return None
        low, high = int(values.min()), int(values.max())
        for width in WIDTHS:
            dtype = np.dtype(width)
            if dtype.itemsize >= values.dtype.itemsize:
                return None
            room = int(np.iinfo(dtype).max)
            if high - low <= room:
                offset = 0 if low >= 0 and high <= room else low
                # Unsigned subtraction wraps, so even a range that starts at -2**63 comes out right.
                bits = values.view(f"<u{values.dtype.itemsize}")
                shift = bits.dtype.type(offset % (1 << 8 * bits.itemsize))
                return Filtered(
                    (bits - shift).astype(dtype), {"dtype": dtype.str, "offset": offset}
                )
        return None

    def specs(self, params: Params, spec: Spec) -> tuple[Spec, dict[str, Spec]]:
        """`count` items of the narrower dtype."""
        check_keys(params, ("dtype", "offset"), "narrow")
        if spec.dtype.kind not in "iu":
            raise FormatError("narrow on an array that is not of integers", got=spec.dtype.str)
        dtype = dtype_of(params, "dtype", WIDTHS)
        limits = np.iinfo(spec.dtype)
        integer(params, "offset", int(limits.min), int(limits.max))
        if dtype.itemsize >= spec.dtype.itemsize:
            raise FormatError(
                "narrow does not make its integers narrower",
                expected=f"less than {spec.dtype.str}",
                got=dtype.str,
            )
        return Spec(dtype, spec.count), {}

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The integers; SemanticError where one leaves the range of its dtype."""
        offset = int(params["offset"])
        if main.size and int(main.max()) + offset > np.iinfo(spec.dtype).max:
            raise SemanticError(
                f"an integer beyond {spec.dtype.str}", got=str(int(main.max()) + offset)
            )
        bits = main.astype(f"<u{spec.dtype.itemsize}")
        bits += bits.dtype.type(offset % (1 << 8 * bits.itemsize))
        return bits.view(spec.dtype)


CODEC = Narrow()
