"""The outer file: named byte segments in the safetensors format, read without slack.

Writing is the safetensors library's. Reading is strict on top of its rules: one spelling only, no
duplicate keys, no gaps, no bytes that no segment owns.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NoReturn

import numpy as np

from ml.quantization.errors import FormatError, LimitError
from ml.quantization.limits import Limits

HEADER_CAP = 16 << 20


def write_container(segments: dict[str, bytes], metadata: dict[str, str]) -> bytes:
    """Return a safetensors file of byte segments; the same input gives the same bytes."""
    from safetensors.numpy import save

    tensors = {name: np.frombuffer(data, dtype=np.uint8) for name, data in segments.items()}
    return save(tensors, metadata=metadata)


def read_container(
    data: bytes, limits: Limits, where: str
) -> tuple[dict[str, memoryview], dict[str, str]]:
    """Return (segments, metadata) of a file.

    Raises
    ------
    FormatError
        Truncated, gaps, overlaps, trailing bytes, duplicate keys, other dtypes than U8.
    LimitError
        A header larger than the cap.
    """
    if len(data) < 8:
        _refuse(where, "too short for an artifact", f"{len(data)} bytes")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(HEADER_CAP, limits.manifest_bytes):
        if length > len(data):
            _refuse(where, "the header is longer than the file", f"{length} bytes")
        raise LimitError("header too large", where=where, expected=f"<= {HEADER_CAP} bytes")
    if 8 + length > len(data):
        _refuse(where, "the header is longer than the file", f"{length} bytes")
    header = parse_json(bytes(data[8 : 8 + length]), where)
    if not isinstance(header, dict):
        _refuse(where, "the header is not an object", type(header).__name__)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
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
    return segments, metadata


def parse_json(data: bytes, where: str) -> Any:
    """Return parsed JSON; duplicate keys, non-finite numbers and huge integers are refused."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=lambda pairs: _unique(pairs, where),
            parse_constant=lambda text: _refuse(where, "not a JSON number", text),
            parse_int=lambda text: _integer(text, where),
        )
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        _refuse(where, "not JSON", str(error)[:80])
    except RecursionError:
        raise LimitError("JSON nested too deep", where=where) from None


def canonical_json(value: Any) -> bytes:
    """Return the one spelling of a JSON value: sorted keys, no spaces, UTF-8."""
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


def _integer(text: str, where: str) -> int:
    if len(text) > 100:
        raise LimitError("an integer of too many digits", where=where, got=f"{len(text)} digits")
    return int(text)


def _refuse(where: str, what: str, got: str) -> NoReturn:
    raise FormatError(what, where=where, got=got, do="quantize the original again")
