"""First bytes of all items, then second bytes, and so on.

When to use: floats and wide codes whose high bytes repeat. It doubled the size of some forests, so
it is only ever one candidate among others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Chain, Filtered, Params, Spec
from model_quantization.codecs.coders.zstd import CODEC as ZSTD
from model_quantization.codecs.parameters import check_keys
from model_quantization.errors import FormatError


class Shuffle:
    """The byte matrix (items, itemsize), transposed."""

    id: ClassVar[str] = "shuffle"
    sides: ClassVar[tuple[str, ...]] = ()
    order: ClassVar[int] = 40
    quick: ClassVar[bool] = False

    def chains(self, plain: Chain, narrow: Chain) -> Iterator[Chain]:
        """On the narrowest width, for a coder of bytes."""
        for chain in narrow.extended(self):
            yield replace(chain, coders=(ZSTD,))

    def encode(self, values: Array) -> Filtered | None:
        """The transposed bytes; None for single bytes and single items."""
        width = values.dtype.itemsize
        if width < 2 or values.size < 2:
            return None
        return Filtered(np.ascontiguousarray(values.view("u1").reshape(-1, width).T).reshape(-1))

    def specs(self, params: Params, spec: Spec) -> tuple[Spec, dict[str, Spec]]:
        """All bytes of the items."""
        check_keys(params, (), "shuffle")
        if spec.dtype.itemsize < 2:
            raise FormatError("shuffle on items of fewer than two bytes", got=spec.dtype.str)
        return Spec(np.dtype("u1"), spec.nbytes), {}

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The items whose bytes those are."""
        items = np.empty((spec.count, spec.dtype.itemsize), np.uint8)
        # Column by column: six times as quick as a transposed copy of rows of two.
        for place, column in enumerate(main.reshape(spec.dtype.itemsize, spec.count)):
            items[:, place] = column
        return items.reshape(-1).view(spec.dtype)


CODEC = Shuffle()
