"""Arrays of every dtype seen as arrays of plain words: ints and floats of 1 to 8 bytes.

| dtype | words |
|---|---|
| bool | uint8, 0 or 1 |
| int8..uint64, float16/32/64 | themselves |
| complex64/128 | float32/64, real and imaginary part in turn |
| datetime64, timedelta64 | int64 |
| `S` of width w | w uint8 per item |
| `U` of width w | w uint32 per item (code points) |

Words are little-endian. Big-endian arrays are encoded as their little-endian equal: values and NaN
payloads are kept, byte order is not. `longdouble` has padding bytes and platform-specific layout,
structured and object arrays have no words: they are refused.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Spec
from model_quantization.errors import (
    CodecError,
    FormatError,
    LimitError,
    SemanticError,
    UnsupportedComponent,
)

DTYPE = re.compile(
    r"\|b1|[|][iu]1|<[iu][248]|<f[248]|<c(8|16)|<[mM]8(\[([1-9]\d{0,8})?[a-zA-Z]{1,2}\])?|[|]S[1-9]\d{0,8}"
    r"|<U[1-9]\d{0,8}"
)
LAST_CODE_POINT = 0x10FFFF


def parse_dtype(text: object) -> np.dtype[Any]:
    """The dtype of a stream, from its string in a file.

    Raises
    ------
    FormatError
        Not the canonical string of a dtype that streams can hold.
    """
    if isinstance(text, str) and DTYPE.fullmatch(text):
        try:
            dtype = np.dtype(text)
        except (TypeError, ValueError, OverflowError):
            dtype = np.dtype(bool)
        if dtype.str == text:
            return dtype
    raise FormatError("not a dtype that streams hold", got=repr(text)[:80])


def stream_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The little-endian dtype that a stream of `dtype` has.

    Raises
    ------
    UnsupportedComponent
        A dtype without words: object, structured, longdouble, zero-width strings.
    """
    little = dtype.newbyteorder("<")
    if not DTYPE.fullmatch(little.str):
        raise UnsupportedComponent(
            "arrays of this dtype cannot be stored",
            expected="bool, integers, float16/32/64, complex64/128, datetimes, timedeltas, S or U",
            got=str(dtype),
        )
    return little


def word_spec(dtype: np.dtype[Any], count: object, max_bytes: int) -> Spec:
    """The words that `count` items of `dtype` are.

    Raises
    ------
    FormatError
        `count` is not a non-negative integer.
    LimitError
        They take more than `max_bytes`.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise FormatError("not a count", expected="an integer of at least 0", got=repr(count)[:80])
    if count * dtype.itemsize > max_bytes:
        raise LimitError(
            "a stream larger than the limit allows",
            expected=f"at most {max_bytes} bytes",
            got=f"{count} items of {dtype.str}",
            do="raise decoded_bytes in the limits if the file is trusted",
        )
    word = np.dtype("u1") if dtype.kind == "b" else dtype
    per_item = 1
    if dtype.kind == "c":
        word, per_item = np.dtype(f"<f{dtype.itemsize // 2}"), 2
    elif dtype.kind in "mM":
        word = np.dtype("<i8")
    elif dtype.kind == "S":
        word, per_item = np.dtype("u1"), dtype.itemsize
    elif dtype.kind == "U":
        word, per_item = np.dtype("<u4"), dtype.itemsize // 4
    return Spec(word, count * per_item)


def to_words(values: Array) -> Array:
    """The words of a 1-D array, C-contiguous; a view where nothing has to move.

    Raises
    ------
    CodecError
        Not 1-D.
    UnsupportedComponent
        A dtype without words.
    """
    if values.ndim != 1:
        raise CodecError(
            "not a one-dimensional array", got=f"{values.ndim} dimensions", do="ravel it first"
        )
    dtype = stream_dtype(values.dtype)
    little = np.ascontiguousarray(values.astype(dtype, copy=False))
    spec = word_spec(dtype, len(values), little.nbytes)
    return little.view(spec.dtype)


def from_words(words: Array, dtype: np.dtype[Any]) -> Array:
    """The items that the words are, writable.

    Raises
    ------
    SemanticError
        A bool that is neither 0 nor 1, a code point beyond Unicode.
    """
    if dtype.kind == "b" and words.size and words.max() > 1:
        raise SemanticError("a bool that is neither 0 nor 1", got=str(words.max()))
    if dtype.kind == "U" and words.size and words.max() > LAST_CODE_POINT:
        raise SemanticError("a code point beyond Unicode", got=hex(int(words.max())))
    owned = words if words.flags.writeable else words.copy()
    return owned.view(dtype)
