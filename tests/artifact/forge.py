"""Artifacts taken apart, changed and put together again with hashes that fit."""

from __future__ import annotations

import copy
import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zstandard

from model_quantization.artifact.reader import Artifact, read_artifact


@dataclass
class Forged:
    """The pieces of a file; change them, then take `data()`."""

    manifest: dict[str, Any]
    segments: dict[str, bytes]
    version: str = "1.0"
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: bytes) -> Forged:
        """A file taken apart."""
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__")
        body = data[8 + length :]
        segments = {
            name: body[slice(*entry["data_offsets"])] for name, entry in sorted(header.items())
        }
        manifest = json.loads(zstandard.ZstdDecompressor().decompress(segments.pop("manifest")))
        return cls(manifest, segments)

    def data(self, packed: bytes | None = None) -> bytes:
        """The file; `packed`: these bytes as the manifest segment."""
        if packed is None:
            self.manifest["segments"] = {
                name: [len(held), hashlib.sha256(held).hexdigest()]
                for name, held in self.segments.items()
            }
            packed = pack(json.dumps(self.manifest).encode())
        metadata = {
            "format": "qma",
            "manifest_sha256": hashlib.sha256(packed).hexdigest(),
            "version": self.version,
            **self.metadata,
        }
        return container({"manifest": packed, **self.segments}, metadata)

    def set_stream(self, number: int, data: bytes, **fields: Any) -> None:
        """Stream `number` is these bytes; its segment and what follows in it move along."""
        row = self.manifest["streams"][number]
        _, _, _, segment, offset, length = row
        held = self.segments[segment]
        self.segments[segment] = held[:offset] + data + held[offset + length :]
        for other in self.manifest["streams"]:
            if other[3] == segment and other[4] > offset:
                other[4] += len(data) - length
        row[5] = len(data)
        names = ("dtype", "count", "pipeline")
        for name, value in fields.items():
            row[names.index(name)] = value

    def set_array(self, index: int, values: Any, **meta: Any) -> None:
        """The graph names a new exact array of these values where it named array `index`."""
        self.segments[f"x{index}"] = values.tobytes()
        self.manifest["streams"].append(
            [values.dtype.str, values.size, [{"id": "raw"}], f"x{index}", 0, values.nbytes]
        )
        number = len(self.manifest["streams"]) - 1
        fresh = {
            "scheme": {"kind": "exact"},
            "shape": list(values.shape),
            "dtype": values.dtype.str,
            "order": "C",
            "channel_axis": None,
            "layout": "dense",
            **meta,
        }
        # The old row keeps its place, so that the streams stay used up.
        self.manifest["arrays"].append([fresh, [["values", number, int(values.size)]]])
        self.manifest["graph"] = renumbered(
            self.manifest["graph"], index, len(self.manifest["arrays"]) - 1
        )


def renumbered(node: Any, old: int, new: int) -> Any:
    """The graph with array `new` named where `old` was."""
    if not isinstance(node, list) or not node:
        return node
    places = {"a": (1,), "str": (2, 3), "num": (3,), "by": (2,)}.get(
        node[0] if isinstance(node[0], str) else "", ()
    )
    if places:
        return [new if at in places and item == old else item for at, item in enumerate(node)]
    return [renumbered(item, old, new) for item in node]


def pack(text: bytes) -> bytes:
    """A manifest segment."""
    return zstandard.ZstdCompressor(level=1).compress(text)


def container(segments: dict[str, bytes], metadata: dict[str, str]) -> bytes:
    """A file of these segments, the header as the format spells it."""
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name in sorted(segments):
        start, end = end, end + len(segments[name])
        header[name] = {"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}
    return with_header(header, b"".join(segments[name] for name in sorted(segments)))


def with_header(header: dict[str, Any], body: bytes) -> bytes:
    """A file with this header before this body."""
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def header_of(data: bytes) -> tuple[dict[str, Any], bytes]:
    """(header, body) of a file."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def edited(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The file with its manifest changed in place by `change`, hashes made to fit."""
    forged = Forged.of(data)
    forged.manifest = copy.deepcopy(forged.manifest)
    change(forged.manifest)
    return forged.data()


def with_part(data: bytes, scheme: dict[str, Any], part: str, values: Any) -> bytes:
    """The file with other values for a part of the first table of a scheme."""
    forged = Forged.of(data)
    for meta, parts in forged.manifest["arrays"]:
        if meta["scheme"] == scheme and meta["layout"] == "dense" and len(meta["shape"]) == 2:
            row = next(row for row in parts if row[0] == part)
            held = np.resize(values, row[2]).astype(values.dtype)
            forged.segments["x"] = held.tobytes()
            forged.manifest["streams"].append(
                [held.dtype.str, held.size, [{"id": "raw"}], "x", 0, held.nbytes]
            )
            # What the part leaves behind in its old stream is taken by a part of a spare array.
            spare = {**meta, "scheme": {"kind": "exact"}, "shape": [row[2]], "channel_axis": None}
            spare["dtype"] = forged.manifest["streams"][row[1]][0]
            forged.manifest["arrays"].append([spare, [["values", row[1], row[2]]]])
            row[1] = len(forged.manifest["streams"]) - 1
            return forged.data()
    raise AssertionError(scheme)


def opened(data: bytes) -> Artifact:
    """The file opened by the library."""
    return read_artifact(data)
