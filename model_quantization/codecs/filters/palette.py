"""Few distinct values: a table of them, and for each item its place in the table.

When to use: thresholds and leaf values of forests, quantized floats, repeated labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Chain, Filtered, Params, Spec
from model_quantization.codecs.filters.bitpack import CODEC as BITPACK
from model_quantization.codecs.parameters import check_keys, integer
from model_quantization.errors import FormatError, SemanticError

LARGEST = 1 << 16
BLOCK = 1 << 16
_PART = 2 * LARGEST


class Palette:
    """A table sorted by value and unsigned codes of one or two bytes.

    Values are told apart by their bits: -0.0 and 0.0, and NaN of different payload, are distinct.
    """

    id: ClassVar[str] = "palette"
    sides: ClassVar[tuple[str, ...]] = ("table",)
    order: ClassVar[int] = 20
    quick: ClassVar[bool] = True

    def chains(self, plain: Chain, narrow: Chain) -> Iterator[Chain]:
        """On the narrowest width, and again with packed codes."""
        yield from narrow.extended(self, BITPACK)

    def encode(self, values: Array) -> Filtered | None:
        """Codes and table; None for single bytes and where over a quarter are distinct."""
        if values.dtype.itemsize < 2 or values.size < 2:
            return None
        keys = _ordered(values)
        most = min(LARGEST, max(2, values.size // 4))
        # A part has no more distinct values than the whole: most arrays need no more to be refused.
        if keys.size > _PART and np.unique(keys[:_PART]).size > most:
            return None
        table = np.unique(keys)
        if table.size > most:
            return None
        if _code(table.size).itemsize >= values.dtype.itemsize:
            return None
        codes = np.searchsorted(table, keys).astype(_code(table.size))
        return Filtered(codes, sides={"table": _unordered(table, values.dtype)})

    def specs(self, params: Params, spec: Spec) -> tuple[Spec, dict[str, Spec]]:
        """`count` codes, and a table of the count that its record says."""
        check_keys(params, self.sides, "palette")
        record = params["table"]
        if not isinstance(record, Mapping):
            raise FormatError("the table of a palette is not an object", got=type(record).__name__)
        size = integer(record, "count", 1, min(LARGEST, max(spec.count, 1)))
        return Spec(_code(size), spec.count), {"table": Spec(spec.dtype, size)}

    def decode(self, params: Params, spec: Spec, main: Array, sides: Mapping[str, Array]) -> Array:
        """The table's values at the codes; SemanticError for a code beyond the table."""
        table = sides["table"]
        if main.size and int(main.max()) >= table.size:
            raise SemanticError(
                "a palette code beyond its table",
                expected=f"less than {table.size}",
                got=str(int(main.max())),
            )
        values = np.empty(spec.count, spec.dtype)
        # In blocks, as indexing makes 8-byte copies of the codes.
        for start in range(0, spec.count, BLOCK):
            values[start : start + BLOCK] = table[main[start : start + BLOCK]]
        return values


CODEC = Palette()


def _code(size: int) -> np.dtype[np.unsignedinteger]:
    return np.dtype("|u1") if size <= 1 << 8 else np.dtype("<u2")


def _ordered(values: Array) -> Array:
    """Unsigned keys, one per bit pattern, that sort as the values do."""
    width = values.dtype.itemsize
    keys: Array = values.view(f"<u{width}")
    sign = keys.dtype.type(1 << (8 * width - 1))
    if values.dtype.kind == "i":
        keys = keys ^ sign
    elif values.dtype.kind == "f":
        keys = np.where(keys & sign, ~keys, keys | sign)
    return keys


def _unordered(keys: Array, dtype: np.dtype[np.generic]) -> Array:
    sign = keys.dtype.type(1 << (8 * keys.dtype.itemsize - 1))
    if dtype.kind == "i":
        keys = keys ^ sign
    elif dtype.kind == "f":
        keys = np.where(keys & sign, keys & ~sign, ~keys)
    return keys.view(dtype)
