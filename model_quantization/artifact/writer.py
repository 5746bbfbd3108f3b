"""A plan to the bytes of an artifact."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.artifact.container import read_container, write_container
from model_quantization.artifact.manifest import MANIFEST, pack_manifest
from model_quantization.codecs import EncodedStream, encode_stream
from model_quantization.codecs.abc import Effort
from model_quantization.codecs.words import stream_dtype, to_words
from model_quantization.files.signing import ARTIFACT, SigningKey
from model_quantization.graph.json_form import node_to_json
from model_quantization.graph.nodes import Node
from model_quantization.graph.traversal import renumber
from model_quantization.limits import Limits
from model_quantization.schemes.quantized_array import QuantizedArray

BUNDLED = 2048  # smaller streams share one segment: each segment costs about 100 bytes
POOLED = 512  # smaller streams of one dtype are one stream
_BUNDLE = "bundle"
Encoder: TypeAlias = Callable[[Array], EncodedStream]


@dataclass(frozen=True, slots=True)
class EncodedModel:
    """The content of an artifact: the graph's nodes, and every array under its scheme.

    Attributes
    ----------
    root : Node
    arrays : tuple of QuantizedArray
        By array index.
    pools : tuple of str
        By array index: arrays of one pool mean the same, and share streams.
    copies : mapping of int to int
        Arrays that are not stored, as the nodes that named them name an equal one.
    """

    root: Node
    arrays: tuple[QuantizedArray, ...]
    pools: tuple[str, ...]
    copies: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamPart:
    """The bytes of one part of one array: its share of the stream."""

    array: int
    part: str
    stream: int
    count: int
    stored_bytes: float


def build_artifact(
    model: EncodedModel, header: dict[str, Any], encoder: Encoder = encode_stream
) -> tuple[bytes, list[StreamPart]]:
    """Return the file's bytes, and the bytes of each part of each array.

    Parameters
    ----------
    model : EncodedModel
    header : dict
        JSON values for the manifest: producer, libraries, source, model, recipe, residue, notes.
        It must hold nothing that differs between two runs over the same input (no time stamps).
    encoder : callable, optional
        Array -> encoded stream: `StreamCache.encode` where many artifacts share streams,
        `raw_stream` for a file that is read once.
    """
    streams, parts = _encode_streams(model, encoder)
    segments, places = _place(streams)
    root = renumber(model.root, _numbers(model)) if model.copies else model.root
    manifest = {
        **header,
        "graph": node_to_json(root),
        "arrays": _array_table(model, parts),
        "streams": [
            [stream.dtype, stream.count, list(stream.pipeline), *place]
            for stream, place in zip(streams, places, strict=True)
        ],
        "evaluation": None,
        "golden": None,
    }
    return assemble(manifest, segments), parts


def assemble(manifest: dict[str, Any], segments: dict[str, bytes]) -> bytes:
    """Return a file of these segments under this manifest; hashes are computed here."""
    table = {name: [len(data), hashlib.sha256(data).hexdigest()] for name, data in segments.items()}
    packed, metadata = pack_manifest({**manifest, "segments": table})
    return write_container({MANIFEST: packed, **segments}, metadata)


def sign_artifact(data: bytes, key: SigningKey, limits: Limits | None = None) -> bytes:
    """Return the same file with a signature over its manifest's hash; an old one is replaced.

    Raises
    ------
    FormatError, LimitError
        `data` is no artifact's container.
    """
    segments, metadata = read_container(data, limits or Limits(), "artifact")
    signature = key.sign(ARTIFACT, metadata["manifest_sha256"])
    signed = {"key_id": signature.key_id, "signature": signature.value}
    return write_container(
        {name: bytes(data) for name, data in segments.items()}, {**metadata, **signed}
    )


def raw_stream(values: Array) -> EncodedStream:
    """The unchanged array, in a stream that takes no time to encode."""
    words = to_words(values)
    return EncodedStream(
        ({"id": "raw"},), stream_dtype(values.dtype).str, int(values.size), words.tobytes()
    )


class StreamCache:
    """Keeps encoded streams by their content: artifacts of one model share most."""

    def __init__(self, effort: Effort = "best") -> None:
        self._effort: Effort = effort
        self._known: dict[tuple[str, bytes], EncodedStream] = {}

    def encode(self, values: Array) -> EncodedStream:
        """The smallest encoding found, as `encode_stream` gives it."""
        key = (
            values.dtype.str,
            hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).digest(),
        )
        if key not in self._known:
            self._known[key] = encode_stream(values, effort=self._effort)
        return self._known[key]


def _encode_streams(
    model: EncodedModel, encoder: Encoder
) -> tuple[list[EncodedStream], list[StreamPart]]:
    """Pool equal-meaning parts, encode each pool, and share out the bytes."""
    pools: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    sizes: dict[tuple[str, str, str], int] = defaultdict(int)
    for index, array in enumerate(model.arrays):
        for name, values in array.parts.items() if index not in model.copies else ():
            key = (model.pools[index], name, values.dtype.str)
            pools[key].append((index, name))
            sizes[key] += values.nbytes
    merged: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    for key, members in pools.items():
        merged[key if sizes[key] >= POOLED else ("", "", key[2])].extend(members)
    streams: list[EncodedStream] = []
    parts: list[StreamPart] = []
    for _, members in sorted(merged.items()):
        members.sort()
        pieces = [model.arrays[index].parts[name].ravel(order="K") for index, name in members]
        stream = encoder(pieces[0] if len(pieces) == 1 else np.concatenate(pieces))
        each = len(stream.data) / max(1, stream.count)
        parts += [
            StreamPart(index, name, len(streams), part.size, each * part.size)
            for (index, name), part in zip(members, pieces, strict=True)
        ]
        streams.append(stream)
    return streams, parts


def _place(streams: list[EncodedStream]) -> tuple[dict[str, bytes], list[list[Any]]]:
    """Segments, and for each stream [segment, offset, length]."""
    segments: dict[str, bytes] = {}
    places: list[list[Any]] = []
    bundle = bytearray()
    for number, stream in enumerate(streams):
        if len(stream.data) < BUNDLED:
            places.append([_BUNDLE, len(bundle), len(stream.data)])
            bundle += stream.data
        else:
            name = f"s{number}"
            segments[name] = stream.data
            places.append([name, 0, len(stream.data)])
    if any(place[0] == _BUNDLE for place in places):
        segments[_BUNDLE] = bytes(bundle)
    return segments, places


def _numbers(model: EncodedModel) -> dict[int, int]:
    """The row of each array in the table, which has none for copies."""
    kept = [index for index in range(len(model.arrays)) if index not in model.copies]
    rows = {index: row for row, index in enumerate(kept)}
    return rows | {copy: rows[index] for copy, index in model.copies.items()}


def _array_table(model: EncodedModel, parts: list[StreamPart]) -> list[Any]:
    """For each array [meta, [[part, stream, count], ...]]; its offset in a stream is implied."""
    rows: list[list[Any]] = [[array.to_meta(), []] for array in model.arrays]
    for part in sorted(parts, key=lambda part: (part.array, part.part)):
        rows[part.array][1].append([part.part, part.stream, part.count])
    return [row for index, row in enumerate(rows) if index not in model.copies]
