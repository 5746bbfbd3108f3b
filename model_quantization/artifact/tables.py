"""The manifest's tables: which bytes of a segment are a stream, which items of it an array."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import Any, NoReturn

import numpy as np

from model_quantization.errors import FormatError, LimitError
from model_quantization.limits import Limits
from model_quantization.values import Value

MOST_DIMENSIONS = 32
_DTYPE = re.compile(r"[|<>][biufcmMSU][1-9][0-9]{0,8}(\[[0-9]{0,9}[a-zA-Z]{1,2}\])?")


class Stream(Value, frozen=True):
    """One row of `streams`: the place of its bytes, and their decoded form."""

    dtype: np.dtype[Any]
    count: int
    pipeline: tuple[dict[str, Any], ...]
    segment: str
    offset: int
    length: int


class Part(Value, frozen=True):
    """One part of an array: `count` items of a stream, from `offset` on."""

    name: str
    stream: int
    offset: int
    count: int


class StoredArray(Value, frozen=True):
    """One row of `arrays`: the scheme's record, and where its parts are."""

    meta: dict[str, Any]
    parts: tuple[Part, ...]


def read_streams(
    rows: list[Any], segments: Mapping[str, memoryview], limits: Limits, where: str
) -> tuple[Stream, ...]:
    """Return the streams; those of a segment follow each other and leave nothing of it over.

    Raises
    ------
    FormatError
        A row that is not a stream, a gap, an overlap, bytes that no stream owns.
    LimitError
        They decode to more than `limits` allow.
    """
    ends = dict.fromkeys(segments, 0)
    total = 0
    streams = []
    for number, row in enumerate(rows):
        stream = _stream(row, segments, where)
        if stream.offset != ends[stream.segment]:
            _refuse(where, f"stream {number} overlaps another or leaves a gap", repr(row[3:])[:80])
        ends[stream.segment] += stream.length
        total += stream.count * stream.dtype.itemsize
        streams.append(stream)
    for name, data in segments.items():
        if ends[name] != len(data):
            _refuse(where, f"segment {name} is not what its streams take", f"{ends[name]} bytes")
    _check_total(total, limits, where)
    return tuple(streams)


def _stream(row: Any, segments: Mapping[str, memoryview], where: str) -> Stream:
    if not isinstance(row, list) or len(row) != 6:
        _refuse(where, "a stream has six fields", repr(row)[:80])
    dtype, count, pipeline, segment, offset, length = row
    if not all(type(value) is int and 0 <= value < 1 << 48 for value in (count, offset, length)):
        _refuse(where, "a stream's counts are not counts", repr(row)[:80])
    if not isinstance(segment, str) or segment not in segments:
        _refuse(where, "a stream in a segment that does not exist", repr(segment)[:80])
    if offset + length > len(segments[segment]):
        _refuse(where, "a stream that leaves its segment", repr(row[3:])[:80])
    if not isinstance(pipeline, list) or not all(isinstance(step, dict) for step in pipeline):
        _refuse(where, "a pipeline is a list of steps", repr(pipeline)[:80])
    return Stream(read_dtype(dtype, where), count, tuple(pipeline), segment, offset, length)


def read_arrays(
    rows: list[Any], streams: tuple[Stream, ...], limits: Limits, where: str
) -> tuple[StoredArray, ...]:
    """Return the arrays; together they use up the streams.

    Raises
    ------
    FormatError
        A row that is not an array, a part of a stream that does not exist, items left over.
    LimitError
        More arrays, or larger ones, than `limits` allow.
    """
    if len(rows) > limits.arrays:
        raise LimitError(
            "too many arrays",
            where=where,
            expected=f"at most {limits.arrays}",
            got=str(len(rows)),
        )
    used = [0] * len(streams)
    arrays = []
    total = 0
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != 2 or not isinstance(row[0], dict):
            _refuse(where, f"array {number} is not [meta, parts]", repr(row)[:80])
        meta, listed = row
        if not isinstance(listed, list):
            _refuse(where, f"the parts of array {number} are not a list", repr(listed)[:80])
        # A sparse array is larger than its parts, so its decoded size counts as well.
        total += _decoded_bytes(meta, number, where)
        arrays.append(StoredArray(meta, _parts(listed, used, number, where)))
    for number, stream in enumerate(streams):
        if used[number] != stream.count:
            _refuse(where, f"stream {number} is not used up by its arrays", f"{used[number]}")
    _check_total(total, limits, where)
    return tuple(arrays)


def _decoded_bytes(meta: dict[str, Any], number: int, where: str) -> int:
    shape = meta.get("shape")
    if (
        not isinstance(shape, list)
        or len(shape) > MOST_DIMENSIONS
        or not all(type(size) is int and size >= 0 for size in shape)
        # A Python product cannot overflow. numpy's can, even if another size is 0.
        or prod(size or 1 for size in shape) >= 1 << 62
    ):
        _refuse(where, f"the shape of array {number} is not a shape", repr(shape)[:80])
    return prod(shape) * read_dtype(meta.get("dtype"), where).itemsize


def _parts(listed: list[Any], used: list[int], number: int, where: str) -> tuple[Part, ...]:
    parts: dict[str, Part] = {}
    for part in listed:
        if (
            not isinstance(part, list)
            or len(part) != 3
            or not isinstance(part[0], str)
            or not all(type(value) is int and value >= 0 for value in part[1:])
            or part[1] >= len(used)
            or part[0] in parts
        ):
            _refuse(where, f"a part of array {number} is not one", repr(part)[:80])
        name, stream, count = part
        parts[name] = Part(name, stream, used[stream], count)
        used[stream] += count
    return tuple(parts.values())


def read_dtype(text: Any, where: str) -> np.dtype[Any]:
    """The dtype of a stream: numbers, bools, dates and fixed-width strings only.

    Raises
    ------
    FormatError
        Objects, records, raw void, or an item of more than 1 MiB.
    """
    dtype = None
    if isinstance(text, str) and _DTYPE.fullmatch(text):
        try:
            dtype = np.dtype(text)
        except (TypeError, ValueError, OverflowError):
            dtype = None
    if dtype is None or dtype.str != text:
        _refuse(where, "not the dtype of a stream", repr(text)[:80])
    if dtype.itemsize > 1 << 20:
        _refuse(where, "an item of more than 1 MiB", repr(text)[:80])
    return dtype


def _check_total(total: int, limits: Limits, where: str) -> None:
    if total > limits.decoded_bytes:
        raise LimitError(
            "decodes to too much",
            where=where,
            expected=f"at most {limits.decoded_bytes} bytes",
            got=f"{total} bytes",
            do="raise limits.decoded_bytes if this model is meant to be that large",
        )


def _refuse(where: str, what: str, got: str) -> NoReturn:
    raise FormatError(what, where=where, got=got, do="quantize the original again")
