"""Mostly one value: the gaps between the others, and the others.

When to use: pruned weights, one-hot blocks, missing-value markers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Chain, Filtered, Params, Spec
from model_quantization.codecs.coders.constant import bits_of, value_of
from model_quantization.codecs.gaps import GAP_DTYPES, gaps_from_positions, positions_from_gaps
from model_quantization.codecs.parameters import check_keys, dtype_of, integer
from model_quantization.errors import FormatError

COMMONEST = 0.8
# Positions take 8 bytes each while they are decoded: no more of that than the array itself takes.
POSITION_BYTES = 8


class Sparse:
    """The background value, and position gaps with values of everything else."""

    id: ClassVar[str] = "sparse"
    sides: ClassVar[tuple[str, ...]] = ("gaps",)
    order: ClassVar[int] = 50
    quick: ClassVar[bool] = False

    def chains(self, plain: Chain, narrow: Chain) -> Iterator[Chain]:
        """On the narrowest width."""
        yield from narrow.extended(self)

    def encode(self, values: Array) -> Filtered | None:
        """Gaps and values; None where no value makes up 80 % of the array."""
        if values.size < 16:
            return None
        bits = values.view(f"<u{values.dtype.itemsize}")
        # A value that fills four fifths is the median by bit pattern, for any other values.
        background = np.partition(bits, bits.size // 2)[bits.size // 2]
        positions = np.flatnonzero(bits != background)
        most = min((1.0 - COMMONEST) * values.size, values.nbytes // POSITION_BYTES)
        if not 0 < positions.size <= most:
            return None
        gaps = gaps_from_positions(positions)
        value = np.array([background]).view(values.dtype)
        return Filtered(
            values[positions], {"dtype": gaps.dtype.str, "value": bits_of(value)}, {"gaps": gaps}
        )

    def specs(self, params: Params, spec: Spec) -> tuple[Spec, dict[str, Spec]]:
        """As many gaps as values, no more than an eighth of the bytes."""
        check_keys(params, ("dtype", "value", *self.sides), "sparse")
        record = params["gaps"]
        if not isinstance(record, Mapping):
            raise FormatError("the gaps of sparse are not an object", got=type(record).__name__)
        count = integer(record, "count", 1, spec.nbytes // POSITION_BYTES)
        value_of(params["value"], spec.dtype)
        return Spec(spec.dtype, count), {"gaps": Spec(dtype_of(params, "dtype", GAP_DTYPES), count)}

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The whole array; SemanticError for a position beyond its end."""
        positions = positions_from_gaps(sides["gaps"], spec.count)
        values = np.repeat(value_of(params["value"], spec.dtype), spec.count)
        values[positions] = main
        return values


CODEC = Sparse()
