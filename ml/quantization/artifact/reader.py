"""An artifact opened: everything about it checked, arrays decoded when they are asked for.

The order is fixed: plain file, size, container, manifest hash, manifest limits, segment hashes,
tables, graph. Streams are decoded on demand, each against its declared size first. What the
values mean is checked when an object is made of them (`restore`, `lower`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, NoReturn, overload

import numpy as np
import zstandard

from ml.quantization.artifact.container import parse_json, read_container
from ml.quantization.artifact.writer import FORMAT, VERSION, assemble
from ml.quantization.codecs import QuantizedArray, decode_stream, dequantize_array
from ml.quantization.errors import (
    ArtifactError,
    FormatError,
    IntegrityError,
    LimitError,
    VersionError,
)
from ml.quantization.files import read_regular
from ml.quantization.graph import Array, Node
from ml.quantization.graph_json import node_from_json
from ml.quantization.limits import Limits

_TABLES: dict[str, type | tuple[type, ...]] = {
    "producer": dict,
    "libraries": dict,
    "source": dict,
    "model": dict,
    "recipe": dict,
    "residue": dict,
    "notes": list,
    "arrays": list,
    "streams": list,
    "segments": dict,
    "evaluation": (dict, type(None)),
    "golden": (dict, type(None)),
}
_KEYS = frozenset(_TABLES) | {"graph"}


@dataclass(frozen=True, slots=True)
class _Stream:
    dtype: np.dtype[Any]
    count: int
    pipeline: tuple[dict[str, Any], ...]
    segment: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    stream: int
    offset: int
    count: int


@dataclass(slots=True)
class Artifact(Sequence[Array]):
    """One opened artifact: a sequence of its arrays, and everything its manifest says.

    Attributes
    ----------
    manifest : dict
        As it lies in the file.
    root : Node
        The model's graph.
    sha256 : str
        Of the whole file.
    data : bytes
        The whole file.
    """

    manifest: dict[str, Any]
    root: Node
    sha256: str
    data: bytes = field(repr=False)
    where: str
    _segments: dict[str, memoryview] = field(repr=False)
    _streams: tuple[_Stream, ...] = field(repr=False)
    _arrays: tuple[tuple[dict[str, Any], tuple[_Part, ...]], ...] = field(repr=False)
    _limits: Limits = field(repr=False)
    _decoded: dict[int, Array] = field(default_factory=dict, repr=False)
    _values: dict[int, Array] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self._arrays)

    @overload
    def __getitem__(self, index: int) -> Array: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Array]: ...

    def __getitem__(self, index: int | slice) -> Array | Sequence[Array]:
        """The decoded array, in its original dtype, shape and order; read-only."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index not in self._values:
            value = dequantize_array(self.quantized(index))
            value.flags.writeable = False
            self._values[index] = value
        return self._values[index]

    def __iter__(self) -> Iterator[Array]:
        return (self[index] for index in range(len(self)))

    def quantized(self, index: int) -> QuantizedArray:
        """The array as it is stored: its scheme and parts."""
        meta, parts = self._arrays[index]
        held = {
            part.name: self._stream(part.stream)[part.offset : part.offset + part.count]
            for part in parts
        }
        try:
            return QuantizedArray.from_meta(meta, held)
        except ArtifactError as error:
            raise error.at(f"{self.where}: array {index}") from None

    def _stream(self, number: int) -> Array:
        if number not in self._decoded:
            stream = self._streams[number]
            data = self._segments[stream.segment][stream.offset : stream.offset + stream.length]
            try:
                self._decoded[number] = decode_stream(
                    stream.pipeline,
                    stream.dtype.str,
                    stream.count,
                    data,
                    max_bytes=self._limits.decoded_bytes,
                )
            except (ArtifactError, LimitError) as error:
                raise error.at(f"{self.where}: stream {number}") from None
        return self._decoded[number]

    def release(self) -> None:
        """Forget decoded streams and arrays; they are decoded again when asked for."""
        self._decoded.clear()
        self._values.clear()

    def check(self) -> None:
        """Decode every stream and array once.

        Raises
        ------
        ArtifactError
            Something does not decode; names the stream or array.
        """
        for index in range(len(self)):
            dequantize_array(self.quantized(index))
        self.release()

    def sealed(self, evaluation: dict[str, Any] | None, golden: dict[str, Any] | None) -> bytes:
        """The same file with the evaluation and golden rows in its manifest.

        Segments are the same bytes, so what was evaluated is what is served.
        """
        manifest = {key: value for key, value in self.manifest.items() if key != "segments"}
        manifest |= {"evaluation": evaluation, "golden": golden}
        return assemble(manifest, {name: bytes(data) for name, data in self._segments.items()})


def read_artifact(
    source: Path | str | bytes, limits: Limits | None = None, *, where: str = ""
) -> Artifact:
    """Open an artifact and check all of it that can be checked without decoding.

    Parameters
    ----------
    source : path or bytes
        The file, or its bytes.
    limits : Limits, optional
    where : str, optional
        What to call the source in errors; the path by default.

    Raises
    ------
    FormatError, VersionError, IntegrityError, LimitError, PathRefused
        What is wrong with the file.
    """
    limits = limits or Limits()
    where = where or ("artifact" if isinstance(source, bytes) else str(source))
    data = source if isinstance(source, bytes) else read_regular(Path(source), limits.file_bytes)
    segments, metadata = read_container(data, limits, where)
    manifest = _read_manifest(segments, metadata, limits, where)
    _check_segments(segments, manifest["segments"], where)
    streams = tuple(_read_stream(row, segments, where) for row in manifest["streams"])
    total = sum(stream.count * stream.dtype.itemsize for stream in streams)
    if total > limits.decoded_bytes:
        raise LimitError(
            "decodes to too much",
            where=where,
            expected=f"at most {limits.decoded_bytes} bytes",
            got=f"{total} bytes",
            do="raise limits.decoded_bytes if this model is meant to be that large",
        )
    arrays = _read_arrays(manifest["arrays"], streams, limits, where)
    root = node_from_json(manifest["graph"], n_arrays=len(arrays), limits=limits)
    digest = hashlib.sha256(data).hexdigest()
    return Artifact(manifest, root, digest, data, where, segments, streams, arrays, limits)


def _read_manifest(
    segments: dict[str, memoryview], metadata: dict[str, str], limits: Limits, where: str
) -> dict[str, Any]:
    if metadata.get("format") != FORMAT or set(metadata) != {
        "format",
        "version",
        "manifest_sha256",
    }:
        _refuse(where, "not an artifact of this format", repr(metadata)[:80])
    if metadata["version"].partition(".")[0] != VERSION.partition(".")[0]:
        raise VersionError(
            "another major version of the format",
            where=where,
            expected=VERSION,
            got=metadata["version"],
            do="read it with the library that wrote it, or quantize the original again",
        )
    packed = bytes(segments.pop("manifest", memoryview(b"")))
    if hashlib.sha256(packed).hexdigest() != metadata["manifest_sha256"]:
        raise IntegrityError("the manifest's hash does not match", where=where)
    manifest = parse_json(_inflate(packed, limits, where), where)
    if not isinstance(manifest, dict) or set(manifest) != _KEYS:
        got = sorted(set(manifest) ^ _KEYS) if isinstance(manifest, dict) else type(manifest)
        _refuse(where, "the manifest has other keys than the format", str(got)[:120])
    for key, kind in _TABLES.items():
        if not isinstance(manifest[key], kind):
            _refuse(where, f"manifest key {key} has another type", type(manifest[key]).__name__)
    return manifest


def _inflate(packed: bytes, limits: Limits, where: str) -> bytes:
    # python-zstandard ignores max_output_size when the frame declares its size: look first.
    try:
        declared = zstandard.frame_content_size(packed)
        if declared < 0 or declared > limits.manifest_bytes:
            raise LimitError(
                "the manifest is too large",
                where=where,
                expected=f"at most {limits.manifest_bytes} bytes",
                got=f"{declared} bytes declared",
            )
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as error:
        _refuse(where, "the manifest does not decompress", str(error))


def _check_segments(segments: dict[str, memoryview], table: dict[str, Any], where: str) -> None:
    if set(segments) != set(table):
        _refuse(where, "segments and their table differ", str(sorted(set(segments) ^ set(table))))
    for name, data in segments.items():
        row = table[name]
        if not isinstance(row, list) or len(row) != 2 or row[0] != len(data):
            _refuse(where, f"segment {name} has another length than its table says", repr(row)[:80])
        if hashlib.sha256(data).hexdigest() != row[1]:
            raise IntegrityError(
                f"the hash of segment {name} does not match",
                where=where,
                do="copy the file again, or quantize the original again",
            )


def _read_stream(row: Any, segments: dict[str, memoryview], where: str) -> _Stream:
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
    return _Stream(read_dtype(dtype, where), count, tuple(pipeline), segment, offset, length)


def read_dtype(text: Any, where: str) -> np.dtype[Any]:
    """The dtype of a stream: numbers, bools, dates and fixed-width strings only.

    Raises
    ------
    FormatError
        Objects, records, raw void, or an item of more than 1 MiB.
    """
    try:
        dtype = np.dtype(text) if isinstance(text, str) else None
    except (TypeError, ValueError):
        dtype = None
    if dtype is None or dtype.kind not in "biufcmMSU" or dtype.str != text:
        _refuse(where, "not the dtype of a stream", repr(text)[:80])
    if dtype.itemsize > 1 << 20:
        _refuse(where, "an item of more than 1 MiB", repr(text)[:80])
    return dtype


def _read_arrays(
    rows: list[Any], streams: tuple[_Stream, ...], limits: Limits, where: str
) -> tuple[tuple[dict[str, Any], tuple[_Part, ...]], ...]:
    if len(rows) > limits.arrays:
        raise LimitError("too many arrays", where=where, expected=f"at most {limits.arrays}")
    used = [0] * len(streams)
    arrays = []
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != 2 or not isinstance(row[0], dict):
            _refuse(where, f"array {number} is not [meta, parts]", repr(row)[:80])
        meta, listed = row
        if not isinstance(listed, list):
            _refuse(where, f"the parts of array {number} are not a list", repr(listed)[:80])
        parts = []
        for part in listed:
            if (
                not isinstance(part, list)
                or len(part) != 3
                or not isinstance(part[0], str)
                or not all(type(value) is int and value >= 0 for value in part[1:])
                or part[1] >= len(streams)
            ):
                _refuse(where, f"a part of array {number} is not one", repr(part)[:80])
            name, stream, count = part
            parts.append(_Part(name, stream, used[stream], count))
            used[stream] += count
        shape = meta.get("shape")
        if (
            not isinstance(shape, list)
            or len(shape) > 32
            or not all(type(size) is int and size >= 0 for size in shape)
            or prod(shape) * 16 > limits.decoded_bytes * 16
        ):
            _refuse(where, f"the shape of array {number} is not a shape", repr(shape)[:80])
        arrays.append((meta, tuple(parts)))
    for number, stream in enumerate(streams):
        if used[number] != stream.count:
            _refuse(where, f"stream {number} is not used up by its arrays", f"{used[number]}")
    return tuple(arrays)


def _refuse(where: str, what: str, got: str) -> NoReturn:
    raise FormatError(what, where=where, got=got, do="quantize the original again")
