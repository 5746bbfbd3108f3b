"""Plain values from nodes and arrays of an artifact: scalars, numbers, records, small values.

All values come from a file that somebody else may have written. A wrong one is a `FormatError` or
`SemanticError` with the path, never an error of numpy.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, Protocol

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import (
    FormatError,
    LimitError,
    QuantizationError,
    SemanticError,
)
from model_quantization.graph.nodes import RecordArrayNode
from model_quantization.limits import Limits

# Errors of code that trusts its data, when the data are wrong.
MISFITS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
LARGEST_RECORD = 1 << 16
_LAST_CODE_POINT = 0x10FFFF
_SCALAR = re.compile(r"[|<>][?biufcmMSUV][0-9]{1,9}(\[[0-9]{0,9}[a-zA-Z]{1,2}\])?")


class ArraySource(Protocol):
    """A source of a graph's arrays, decoded on demand, by index."""

    def __getitem__(self, index: int) -> Array: ...


@contextmanager
def fitting(what: str, path: str) -> Iterator[None]:
    """Turns errors of code over wrong data into a `SemanticError`."""
    try:
        yield
    except QuantizationError:
        raise
    except MISFITS as error:
        raise SemanticError(what, where=path, got=f"{type(error).__name__}: {error}") from error


def scalar_value(dtype: str, data: str, path: str) -> Any:
    """The numpy scalar of a `ScalarNode`.

    Raises
    ------
    FormatError
        Not a dtype of scalars, or bytes that do not fit it.
    """
    if not _SCALAR.fullmatch(dtype):
        raise FormatError("not the dtype of a scalar", where=path, got=repr(dtype)[:80])
    try:
        kind = np.dtype(dtype)
        raw = bytes.fromhex(data)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"not a scalar: {error}", where=path) from None
    if kind.itemsize != len(raw):
        raise FormatError("a scalar's bytes do not fit its dtype", where=path, got=dtype)
    if kind.kind == "U" and any(np.frombuffer(raw, kind.str[0] + "u4") > _LAST_CODE_POINT):
        raise FormatError("a code point beyond Unicode", where=path, got=dtype)
    return np.frombuffer(raw, dtype=kind)[0] if kind.itemsize else kind.type()


def numbers_value(kind: str, item: str, array: Array, path: str) -> Any:
    """The list or tuple of numbers of a `NumbersNode`.

    Raises
    ------
    SemanticError
        An array that does not hold such numbers.
    """
    kinds = {"int": "iu", "float": "f"}.get(item)
    if (
        array.ndim != 1
        or (kinds is not None and array.dtype.kind not in kinds)
        or (kinds is None and (array.dtype.str != item or array.dtype.kind not in "biuf"))
    ):
        raise SemanticError(
            "an array that does not hold the numbers of its node",
            where=path,
            expected=f"one dimension of {item}",
            got=f"{array.ndim} of {array.dtype}",
        )
    values: list[Any] = array.tolist() if kinds is not None else list(array)
    return tuple(values) if kind == "tuple" else values


def bytes_value(kind: str, array: Array, path: str) -> bytes | bytearray:
    """The bytes of a `BytesNode`; SemanticError unless its array is uint8."""
    if array.ndim != 1 or array.dtype != np.uint8:
        raise SemanticError(
            "bytes in something else than an array of uint8", where=path, got=str(array.dtype)
        )
    raw = array.tobytes()
    return raw if kind == "bytes" else bytearray(raw)


def object_array(shape: tuple[int, ...], content: Any, path: str) -> Array:
    """The object array of these items, in C order.

    Raises
    ------
    SemanticError
        Items that are no list, or do not fill the shape.
    """
    if not isinstance(content, list | tuple) or prod(shape) != len(content) or len(shape) > 32:
        raise SemanticError(
            "an object array's shape does not fit its items",
            where=path,
            expected=str(shape)[:80],
            got=f"{len(content)} items" if isinstance(content, list | tuple) else "no list",
        )
    flat = np.empty(len(content), dtype=object)
    flat[:] = content
    with fitting("not a shape", path):
        return flat.reshape(shape)


def dict_value(keys: Any, values: Any, path: str) -> dict[Any, Any]:
    """The dict of these keys and values; SemanticError for another number, or unhashable keys."""
    if len(keys) != len(values):
        raise SemanticError(
            "a dict with another number of keys than values",
            where=path,
            expected=f"{len(keys)} values",
            got=str(len(values)),
        )
    with fitting("a key of a dict is not hashable", path):
        return dict(zip(keys, values, strict=True))


def record_array(node: RecordArrayNode, columns: list[Any], path: str) -> Array:
    """The structured array of these columns.

    Raises
    ------
    SemanticError
        Columns of another shape, fields that overlap the end of a record.
    LimitError
        Records far larger than what is in them.
    """
    rank = len(node.shape)
    for column, name in zip(columns, node.names, strict=True):
        if not isinstance(column, np.ndarray) or column.shape[:rank] != node.shape:
            raise SemanticError("a column of another shape than its records", where=path, got=name)
    if (
        node.itemsize > LARGEST_RECORD
        or not columns
        or prod(node.shape) * node.itemsize > Limits().decoded_bytes
    ):
        raise LimitError(
            "records that are too large",
            where=path,
            expected=f"at least one field, at most {LARGEST_RECORD} bytes a record",
            got=f"{node.shape} of {node.itemsize} bytes"[:80],
        )
    with fitting("not a record array", path):
        formats = [(column.dtype, column.shape[rank:]) for column in columns]
        dtype = np.dtype(
            {
                "names": list(node.names),
                "formats": formats,
                "offsets": list(node.offsets),
                "itemsize": node.itemsize,
            }
        )
        records = np.zeros(node.shape, dtype=dtype)
        for name, column in zip(node.names, columns, strict=True):
            records[name] = column
        return records


def small_value(kind: str, items: list[Any], path: str) -> Any:
    """The complex, slice, range or dtype of a `ValueNode`; SemanticError when it is none."""
    makers: dict[str, Callable[..., Any]] = {
        "complex": complex,
        "slice": slice,
        "range": range,
        "dtype": _dtype,
    }
    with fitting(f"not a {kind}", path):
        return makers[kind](*items)


def _dtype(description: Any) -> Any:
    if isinstance(description, list):
        return np.dtype([_field(field) for field in description])
    if description in ("|O", "O"):
        return np.dtype(object)
    if not isinstance(description, str) or not _SCALAR.fullmatch(description):
        raise ValueError(f"a dtype is described by its string, got {description!r:.80}")
    return np.dtype(description)


def _field(field: Any) -> Any:
    name, description, *shape = field
    dtype = _dtype(description)
    if dtype.hasobject:
        raise ValueError("records of objects are not allowed")
    return (name, dtype, *shape)


_ERRORS = (("lightgbm.basic", "LightGBMError"), ("_catboost", "CatBoostError"))


def refusals(*known: type[Exception]) -> tuple[type[Exception], ...]:
    """These exceptions, and those of loaded libraries for state that they cannot read."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _ERRORS)
    return (*known, *(error for error in found if error is not None))
