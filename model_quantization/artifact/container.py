"""The outer file: named byte segments in the safetensors format, read without slack.

Every safetensors reader opens it. Written here and not by that library, which puts metadata in
another order each time: here the same segments give the same bytes. Reading is strict on top of
the library's rules: one spelling of the header only, so no duplicate keys, no gaps, no bytes that
no segment owns.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

from model_quantization.errors import FormatError, LimitError
from model_quantization.limits import Limits

HEADER_CAP = 16 << 20
LONGEST_NUMBER = 100
# Other kinds of file, by their first bytes, for the error message. An artifact may begin with some
# of them, so they are used only for a file that is no artifact.
_OTHERS = (
    *((bytes([0x80, protocol]), "a pickle") for protocol in range(2, 6)),
    (b"\x1f\x8b", "a pickle or joblib file compressed by gzip"),
    (b"BZh", "a pickle or joblib file compressed by bz2"),
    (b"\xfd7zXZ\x00", "a pickle or joblib file compressed by xz"),
    (b"\x5d\x00\x00", "a pickle or joblib file compressed by lzma"),
    *(
        (bytes([0x78, level]), "a joblib file compressed by zlib")
        for level in (1, 0x5E, 0x9C, 0xDA)
    ),
    *((head, "a pickle") for head in (b"ccopy_reg\n", b"(", b"}", b"]", b"csklearn.")),
    (b"PK\x03\x04", "a zip archive"),
)


def write_container(segments: Mapping[str, bytes], metadata: Mapping[str, str]) -> bytes:
    """Return a file of byte segments; the same input gives the same bytes."""
    sizes = {name: len(data) for name, data in segments.items()}
    return _head(sizes, metadata) + b"".join(segments[name] for name in sorted(segments))


def _head(sizes: Mapping[str, int], metadata: Mapping[str, str]) -> bytes:
    """The one header that these segments, in the order of their names, can have."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name in sorted(sizes):
        start, end = end, end + sizes[name]
        header[name] = {"dtype": "U8", "shape": [sizes[name]], "data_offsets": [start, end]}
    text = canonical_json(header)
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def read_container(
    data: bytes, limits: Limits, where: str
) -> tuple[dict[str, memoryview], dict[str, str]]:
    """Return (segments, metadata) of a file.

    Raises
    ------
    FormatError
        Truncated, gaps, overlaps, trailing bytes, duplicate keys, other dtypes than U8, any
        other header than the one that `write_container` makes.
    LimitError
        A header larger than the cap.
    """
    if len(data) < 8:
        _refuse(where, "too short for an artifact", f"{len(data)} bytes")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(HEADER_CAP, limits.manifest_bytes):
        _refuse_others(data, where)
        if length > len(data):
            _refuse(where, "the header is longer than the file", f"{length} bytes")
        raise LimitError("header too large", where=where, expected=f"<= {HEADER_CAP} bytes")
    if 8 + length > len(data):
        _refuse_others(data, where)
        _refuse(where, "the header is longer than the file", f"{length} bytes")
    try:
        header = parse_json(bytes(data[8 : 8 + length]), where)
    except FormatError:
        _refuse_others(data, where)
        raise
    if not isinstance(header, dict):
        _refuse(where, "the header is not an object", type(header).__name__)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(type(v) is str for v in metadata.values()):
        _refuse(where, "metadata is not a table of strings", repr(metadata)[:80])
    body = memoryview(data)[8 + length :]
    placed = sorted((_span(entry, name, where), name) for name, entry in header.items())
    end = 0
    segments: dict[str, memoryview] = {}
    for (start, stop), name in placed:
        if start != end:
            _refuse(
                where, "segments overlap or leave a gap", f"{name} starts at {start}, not {end}"
            )
        segments[name] = body[start:stop]
        end = stop
    if end != len(body):
        _refuse(where, "bytes that no segment owns", f"{len(body)} bytes for {end}")
    if data[: 8 + length] != _head({n: len(segment) for n, segment in segments.items()}, metadata):
        _refuse(where, "the header is spelt in another way than the format's", "")
    return segments, metadata


def _refuse_others(data: bytes, where: str) -> None:
    """Raise an error that names the kind of a file that is no artifact, if it is known."""
    other = next((name for head, name in _OTHERS if data.startswith(head)), "")
    if other:
        raise FormatError(
            f"this is {other}; quantize it first",
            where=where,
            expected="an artifact (.qma)",
            do="`quantize_model_file` (or `model-quantization quantize`) scans it and writes one",
        )


def parse_json(data: bytes, where: str) -> Any:
    """Return parsed JSON; duplicate keys, non-finite and endless numbers are refused.

    Raises
    ------
    FormatError
        Not JSON, a key that stands twice, a number that is not finite.
    LimitError
        Nested too deep, or a number of more than 100 characters.
    """
    try:
        return json.loads(
            data.decode("utf-8", "surrogatepass"),
            object_pairs_hook=lambda pairs: _unique(pairs, where),
            parse_constant=lambda text: _refuse(where, "not a JSON number", text),
            parse_int=lambda text: int(_number(text, where)),
            parse_float=lambda text: _float(text, where),
        )
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        _refuse(where, "not JSON", str(error)[:80])
    except RecursionError:
        raise LimitError("JSON nested too deep", where=where) from None


def canonical_json(value: Any) -> bytes:
    """Return the one spelling of a JSON value: sorted keys, no spaces, UTF-8.

    Lone surrogates, which a class label or a token may hold, are kept ("surrogatepass").
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


def _span(entry: Any, name: str, where: str) -> tuple[int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        _refuse(where, "not a segment entry", f"{name}: {entry!r}"[:80])
    shape, offsets = entry["shape"], entry["data_offsets"]
    if entry["dtype"] != "U8" or not _counts(shape, 1) or not _counts(offsets, 2):
        _refuse(where, "a segment is one row of U8 with two offsets", f"{name}: {entry!r}"[:80])
    if offsets[0] > offsets[1] or shape[0] != offsets[1] - offsets[0]:
        _refuse(where, "a segment's shape does not fit its offsets", f"{name}: {entry!r}"[:80])
    return offsets[0], offsets[1]


def _counts(value: Any, length: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == length
        and all(type(item) is int and 0 <= item < 1 << 62 for item in value)
    )


def _unique(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        _refuse(where, "a key stands twice", ", ".join(key for key, _ in pairs)[:80])
    return table


def _number(text: str, where: str) -> str:
    if len(text) > LONGEST_NUMBER:
        raise LimitError(
            "a number of too many digits",
            where=where,
            expected=f"at most {LONGEST_NUMBER}",
            got=str(len(text)),
        )
    return text


def _float(text: str, where: str) -> float:
    value = float(_number(text, where))
    if not math.isfinite(value):
        _refuse(where, "not a JSON number", text)
    return value


def _refuse(where: str, what: str, got: str) -> NoReturn:
    raise FormatError(what, where=where, got=got, do="quantize the original again")
