"""Checks the states of numpy dtypes and arrays in a pickle against the bytes that it has.

numpy believes these states: a dtype may declare its own flags, item size and field offsets, and an
object array reads as many items from its list as its shape says. Each of them can be a lie that
reads foreign memory, so that all of them are recomputed here. `ScanRefused` says what does not fit.
"""

from __future__ import annotations

import math
import re
from typing import Final

import numpy as np

from model_quantization.errors import ScanRefused
from model_quantization.loading.pickles.placeholders import (
    Blob,
    DType,
    Global,
    NDArray,
    Pairs,
    Shape,
    describe,
)
from model_quantization.trust import TrustPolicy

_CODE: Final = re.compile(
    r"[?bhilqpBHILQPefdgFDG]|b1|[iu][1248]|f(2|4|8|12|16)|c(8|16|24|32)|O8?|[SUV]\d{1,8}|[Mm]8"
)
_OBJECT_FLAGS: Final = 63
_OBJECT_BITS: Final = 0b111  # has references, pickles as a list, is a pointer
_WRAPPER_KEYS: Final = {"subclass", "shape", "order", "dtype", "allow_mmap"}
_MAX_DIMENSIONS: Final = 64
_MAX_LENGTH: Final = 1 << 63


def _refused(what: str, expected: str = "", got: str = "") -> ScanRefused:
    return ScanRefused(what, expected=expected, got=got, do="do not open this file")


def make_dtype(args: tuple[object, ...]) -> DType:
    """The dtype that `numpy.dtype(*args)` would make; its state must follow before it is used."""
    code = args[0] if args else None
    # copy=True makes a new object; without it a state would change numpy's own float64.
    if not isinstance(code, str) or not _CODE.fullmatch(code) or args[1:] not in ((0, 1),):
        raise _refused("numpy.dtype is called with something else than a code", got=describe(args))
    try:
        dtype = np.dtype(code)
    except TypeError as error:  # an extended float of another machine
        raise _refused("numpy has no such dtype here", got=code) from error
    return DType(
        "numpy:dtype", code=code, itemsize=dtype.itemsize, has_object=dtype.hasobject, args=None
    )


def set_dtype_state(dtype: DType, state: object) -> None:
    """Check a dtype's state; afterwards the dtype may be used."""
    if not isinstance(state, tuple) or len(state) not in (8, 9):
        raise _refused("a dtype's state is not a tuple of 8 or 9", got=describe(state))
    version, endian, subarray, names, fields, itemsize, alignment, flags = state[:8]
    if version not in (3, 4) or endian not in ("<", ">", "|") or subarray is not None:
        raise _refused("a dtype's state has an unknown form", got=describe(state[:3]))
    if type(flags) is not int or (
        flags != _OBJECT_FLAGS if dtype.has_object else flags & _OBJECT_BITS
    ):
        raise _refused(f"the flags of dtype {dtype.code} do not fit its code", got=describe(flags))
    sized = dtype.code[0] in "SUV"
    if (itemsize != dtype.itemsize) if sized else (itemsize != -1 or alignment != -1):
        raise _refused(f"dtype {dtype.code} has another item size", got=describe(itemsize))
    if sized and (type(alignment) is not int or not 1 <= alignment <= 16):
        raise _refused(f"dtype {dtype.code} has no usable alignment", got=describe(alignment))
    if names is not None or fields is not None:
        _check_fields(dtype, names, fields)
    if len(state) == 9:
        _check_metadata(dtype, state[8])


def _check_fields(dtype: DType, names: object, fields: object) -> None:
    if dtype.code[0] != "V" or not isinstance(names, tuple) or not isinstance(fields, Pairs):
        raise _refused(f"dtype {dtype.code} has fields of an unknown form")
    keys = fields[::2]
    if not all(isinstance(name, str) for name in [*names, *keys]):  # before anything compares them
        raise _refused("the names of a structured dtype are not text")
    if len(set(names)) != len(names) or list(names) != keys:
        raise _refused("the names of a structured dtype are not its fields")
    for name, entry in zip(names, fields[1::2], strict=True):
        if not isinstance(entry, tuple) or len(entry) != 2:
            raise _refused("a field of a structured dtype has an unknown form")
        inner, offset = entry
        if not isinstance(inner, DType) or not inner.built or inner.has_object:
            raise _refused(
                f"field {name} of a structured dtype", "a plain numeric type", describe(inner)
            )
        if type(offset) is not int or not 0 <= offset <= dtype.itemsize - inner.itemsize:
            raise _refused(
                f"field {name} of a structured dtype lies outside its item",
                f"an offset within {dtype.itemsize} bytes",
                describe(offset),
            )


def _check_metadata(dtype: DType, metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, tuple) or len(metadata) != 2 or dtype.code[0] not in "Mm":
        raise _refused(f"dtype {dtype.code} has metadata", "none", describe(metadata))
    user, unit = metadata
    is_unit = isinstance(unit, tuple) and len(unit) == 4 and isinstance(unit[0], bytes | str)
    if (user is not None and user != []) or not is_unit:
        raise _refused(f"the unit of dtype {dtype.code} has an unknown form")
    if not all(type(step) is int for step in unit[1:]):
        raise _refused(f"the unit of dtype {dtype.code} has an unknown form")


def _used(dtype: object) -> DType:
    if not isinstance(dtype, DType) or not dtype.built:
        raise _refused("an array's dtype", "a dtype with its state", describe(dtype))
    return dtype


def count_items(shape: object) -> int:
    """How many items an array of this shape has, as a Python integer that cannot overflow."""
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MAX_DIMENSIONS
        or any(type(length) is not int or not 0 <= length < _MAX_LENGTH for length in shape)
    ):
        raise _refused("an array's shape", "a tuple of lengths", describe(shape))
    lengths: Shape = shape
    return math.prod(lengths)


def size_of(raw: object) -> int | None:
    """Bytes in a bytes object, None for anything else."""
    if isinstance(raw, bytes):
        return len(raw)
    return raw.size if isinstance(raw, Blob) and not raw.encoding else None


def _check_data(dtype: DType, shape: object, raw: object) -> None:
    count = count_items(shape)
    if dtype.has_object:
        if type(raw) is not list or len(raw) != count:
            raise _refused(
                "an object array's list is not as long as its shape says",
                f"a list of {count:,}",
                f"a list of {len(raw):,}" if isinstance(raw, list) else describe(raw),
            )
    elif size_of(raw) != count * dtype.itemsize:
        raise _refused(
            "an array's data is not as long as its shape says",
            f"{count * dtype.itemsize:,} bytes",
            describe(raw) if size_of(raw) is None else f"{size_of(raw):,} bytes",
        )


def make_array(args: tuple[object, ...], trust: TrustPolicy, *, masked: bool) -> NDArray:
    """The empty array that `_reconstruct` (or `_mareconstruct`) would make."""
    kinds = args[: 2 if masked else 1]
    for kind in kinds:
        if not isinstance(kind, Global) or not trust.is_array_type(kind.name):
            raise _refused("an array is made of another type", "numpy.ndarray", describe(kind))
    if len(args) != len(kinds) + 2 or args[-2] != (0,) or args[-1] not in (b"b", "b"):
        raise _refused("an array is made with an unusual shape or type", got=describe(args))
    return NDArray("numpy:ndarray", args=None, masked=masked)


def set_array_state(array: NDArray, state: object) -> None:
    """Check an array's state: shape, dtype and data must fit each other."""
    length = 7 if array.masked else 5
    if not isinstance(state, tuple) or len(state) != length or state[0] != 1:
        raise _refused("an array's state has an unknown form", got=describe(state))
    _, shape, dtype, fortran, raw = state[:5]
    if fortran not in (0, 1):
        raise _refused("an array's order flag", "a bool", describe(fortran))
    _check_data(_used(dtype), shape, raw)
    if array.masked:
        mask, fill = state[5:]
        if _used(dtype).code[0] == "V" or size_of(mask) != count_items(shape):
            raise _refused("a masked array's mask is not as long as its shape says")
        if fill is not None and not isinstance(fill, NDArray):
            raise _refused("a masked array's fill value", "an array", describe(fill))


def make_scalar(args: tuple[object, ...]) -> None:
    """Check the arguments of numpy's `scalar(dtype, bytes)`."""
    if len(args) != 2:
        raise _refused("numpy's scalar is called with something else than a dtype and bytes")
    dtype = _used(args[0])
    if dtype.has_object or size_of(args[1]) != dtype.itemsize:
        raise _refused(
            f"a numpy scalar of dtype {dtype.code}",
            f"{dtype.itemsize} bytes of plain data",
            describe(args[1]),
        )


def make_from_buffer(args: tuple[object, ...]) -> NDArray:
    """The array that numpy's `_frombuffer(buffer, dtype, shape, order)` would make."""
    if len(args) not in (4, 5) or args[3] not in ("C", "F", "K"):
        raise _refused("numpy's _frombuffer is called in an unknown way", got=describe(args))
    dtype = _used(args[1])
    if dtype.has_object:
        raise _refused("an array of objects is made from raw bytes")
    _check_data(dtype, args[2], args[0])
    if len(args) == 5 and args[4] is not None:
        count_items(args[4])
    return NDArray("numpy:ndarray", args=None, built=True)


def check_wrapper_state(state: object, trust: TrustPolicy) -> tuple[int | None, int | None]:
    """What joblib reads after its stand-in for an array: (bytes, alignment).

    Bytes is None for an array of objects, which follows as a pickle of its own; alignment is None
    for files of joblib before 1.2, which has no padding.
    """
    if not isinstance(state, Pairs):
        raise _refused("joblib's array wrapper has a state of an unknown form", got=describe(state))
    keys = state[::2]
    if any(not isinstance(key, str) for key in keys):
        raise _refused("joblib's array wrapper has a state of an unknown form")
    values = dict(zip(map(str, keys), state[1::2], strict=True))
    if len(values) != len(keys) or not _WRAPPER_KEYS <= values.keys() <= (
        _WRAPPER_KEYS | {"numpy_array_alignment_bytes"}
    ):
        raise _refused("joblib's array wrapper has unknown fields", got=", ".join(values)[:80])
    subclass, order = values["subclass"], values["order"]
    if not isinstance(subclass, Global) or not trust.is_array_type(subclass.name):
        raise _refused("joblib's array wrapper has another type of array", got=describe(subclass))
    alignment = values.get("numpy_array_alignment_bytes")
    if order not in ("C", "F") or alignment not in (None, 16) or values["allow_mmap"] not in (0, 1):
        raise _refused("joblib's array wrapper has an unknown layout", got=describe(order))
    dtype = _used(values["dtype"])
    count = count_items(values["shape"])
    return (None if dtype.has_object else count * dtype.itemsize), (16 if alignment else None)
