"""First bytes of all items, then second bytes, and so on.

When to use: floats and wide codes whose high bytes repeat. It doubled the size of some forests, so
it is only ever one candidate among others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Filtered, Params, Spec
from model_quantization.codecs.parameters import check_keys
from model_quantization.errors import FormatError


class Shuffle:
    """The byte matrix (items, itemsize), transposed."""

    id: ClassVar[str] = "shuffle"
    sides: ClassVar[tuple[str, ...]] = ()

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
            raise FormatError("shuffle is for items of several bytes", got=spec.dtype.str)
        return Spec(np.dtype("u1"), spec.nbytes), {}

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The items whose bytes those are."""
        items = np.empty((spec.count, spec.dtype.itemsize), np.uint8)
        # Column by column: six times as quick as a transposed copy of rows of two.
        for place, column in enumerate(main.reshape(spec.dtype.itemsize, spec.count)):
            items[:, place] = column
        return items.reshape(-1).view(spec.dtype)
