"""Floats that are exactly something smaller: integers, float16 or float32.

When to use: counts and document frequencies kept as floats, thresholds on integer features,
float64 arrays that were float32 once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Chain, Filtered, Params, Spec
from model_quantization.codecs.parameters import check_keys, dtype_of
from model_quantization.errors import FormatError

# Integers of the float's own width hold every integer the float holds exactly; `narrow` follows.
SMALLER: dict[str, tuple[str, ...]] = {
    "<f8": ("<i8", "<f2", "<f4"),
    "<f4": ("<i4", "<f2"),
    "<f2": ("<i2",),
}


class Demote:
    """The same values in another dtype; refused unless every bit comes back.

    A negative zero never becomes an integer. A NaN is kept where its payload survives the cast.
    """

    id: ClassVar[str] = "demote"
    sides: ClassVar[tuple[str, ...]] = ()
    order: ClassVar[int] = 0
    quick: ClassVar[bool] = True

    def chains(self, plain: Chain, narrow: Chain) -> Iterator[Chain]:
        """None: every chain begins with it where it applies."""
        yield from ()

    def encode(self, values: Array) -> Filtered | None:
        """The demoted array, or None where no smaller dtype gives every bit back."""
        bits = values.view(f"<u{values.dtype.itemsize}")
        for smaller in SMALLER.get(values.dtype.str, ()):
            # Overflow and NaN are what the comparison of bits is there to find.
            with np.errstate(all="ignore"):
                # Most arrays that do not fit show it at the start, which saves a pass over all.
                if not np.array_equal(_there_and_back(values[:256], smaller), bits[:256]):
                    continue
                demoted = values.astype(smaller)
                if np.array_equal(demoted.astype(values.dtype).view(bits.dtype), bits):
                    return Filtered(demoted, {"dtype": smaller})
        return None

    def specs(self, params: Params, spec: Spec) -> tuple[Spec, dict[str, Spec]]:
        """`count` items of the smaller dtype."""
        check_keys(params, ("dtype",), "demote")
        if spec.dtype.str not in SMALLER:
            raise FormatError("demote on an array that is not of floats", got=spec.dtype.str)
        return Spec(dtype_of(params, "dtype", SMALLER[spec.dtype.str]), spec.count), {}

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The values as the float they were."""
        with np.errstate(all="ignore"):
            return main.astype(spec.dtype)


CODEC = Demote()


def _there_and_back(values: Array, smaller: str) -> Array:
    return values.astype(smaller).astype(values.dtype).view(f"<u{values.dtype.itemsize}")
