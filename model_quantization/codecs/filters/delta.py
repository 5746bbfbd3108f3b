"""Differences of neighbours.

When to use: offsets, sorted identifiers, counters; anything that rises in small steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Chain, Filtered, Params, Spec
from model_quantization.codecs.filters.narrow import CODEC as NARROW
from model_quantization.codecs.parameters import check_keys, integer
from model_quantization.errors import FormatError


class Delta:
    """The first integer as a parameter, then signed differences that wrap around."""

    id: ClassVar[str] = "delta"
    sides: ClassVar[tuple[str, ...]] = ()
    order: ClassVar[int] = 30
    quick: ClassVar[bool] = False

    def chains(self, plain: Chain, narrow: Chain) -> Iterator[Chain]:
        """On the plain integers; the differences are narrowed."""
        for chain in plain.extended(self):
            yield chain.then(NARROW) or chain

    def encode(self, values: Array) -> Filtered | None:
        """One difference fewer than there are values; None for floats and fewer than 2 values."""
        if values.dtype.kind not in "iu" or values.size < 2:
            return None
        bits = values.view(f"<u{values.dtype.itemsize}")
        return Filtered(
            (bits[1:] - bits[:-1]).view(f"<i{values.dtype.itemsize}"), {"first": int(values[0])}
        )

    def specs(self, params: Params, spec: Spec) -> tuple[Spec, dict[str, Spec]]:
        """One signed difference fewer than there are values."""
        check_keys(params, ("first",), "delta")
        if spec.dtype.kind not in "iu" or not spec.count:
            raise FormatError(
                "delta on an array that is empty or not of integers", got=spec.dtype.str
            )
        limits = np.iinfo(spec.dtype)
        integer(params, "first", int(limits.min), int(limits.max))
        return Spec(np.dtype(f"<i{spec.dtype.itemsize}"), spec.count - 1), {}

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The running sum, which wraps as the differences did."""
        values = np.empty(spec.count, spec.dtype)
        values[0] = params["first"]
        bits = values.view(f"<u{spec.dtype.itemsize}")
        bits[1:] = main.view(bits.dtype)
        return np.cumsum(bits, out=bits, dtype=bits.dtype).view(spec.dtype)


CODEC = Delta()
