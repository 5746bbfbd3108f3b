"""A reader of `.qma` files written from FORMAT.md alone: it imports nothing of the library.

It shows that the page says enough, and holds the library's own reader against it. It takes files
for honest: what FORMAT.md says about refusing is not here.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import math
import struct
from typing import Any

import numpy as np
import zstandard
from pcodec import wrapped

FILTERS = {"narrow", "delta", "demote", "palette", "sparse", "shuffle", "bitpack"}


def read_file(data: bytes) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The manifest, and every array in its dtype, shape and memory order."""
    segments, metadata = read_container(data)
    manifest = read_manifest(segments.pop("manifest"), metadata)
    for name, (length, digest) in manifest["segments"].items():
        assert len(segments[name]) == length
        assert hashlib.sha256(segments[name]).hexdigest() == digest
    streams = [
        read_stream(np.dtype(dtype), count, pipeline, segments[segment][offset : offset + length])
        for dtype, count, pipeline, segment, offset, length in manifest["streams"]
    ]
    used = [0] * len(streams)
    arrays = []
    for meta, listed in manifest["arrays"]:
        parts = {}
        for name, stream, count in listed:
            parts[name] = streams[stream][used[stream] : used[stream] + count]
            used[stream] += count
        arrays.append(read_array(meta, parts))
    assert used == [len(stream) for stream in streams]
    return manifest, arrays


def read_container(data: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    """Segments by name, and the metadata."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    body = data[8 + length :]
    segments = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        segments[name] = body[start:end]
    return segments, metadata


def read_manifest(packed: bytes, metadata: dict[str, str]) -> dict[str, Any]:
    """The manifest, its hash checked."""
    assert metadata["format"] == "qma"
    assert metadata["version"].split(".")[0] == "1"
    assert hashlib.sha256(packed).hexdigest() == metadata["manifest_sha256"]
    text = zstandard.ZstdDecompressor().decompress(packed).decode("utf-8", "surrogatepass")
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def read_stream(
    dtype: np.dtype[Any], count: int, pipeline: list[dict[str, Any]], data: bytes
) -> np.ndarray:
    """The items of a stream."""
    word, per_item = words_of(dtype)
    return decode(pipeline, word, count * per_item, data).view(dtype)


def words_of(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], int]:
    """The dtype of the words of an item, and how many it has."""
    match dtype.kind:
        case "b":
            return np.dtype("u1"), 1
        case "c":
            return np.dtype(f"<f{dtype.itemsize // 2}"), 2
        case "M" | "m":
            return np.dtype("<i8"), 1
        case "S":
            return np.dtype("u1"), dtype.itemsize
        case "U":
            return np.dtype("<u4"), dtype.itemsize // 4
    return dtype, 1


def decode(steps: list[dict[str, Any]], dtype: np.dtype[Any], n: int, data: bytes) -> np.ndarray:
    """`n` words of `dtype`."""
    step, rest = steps[0], steps[1:]
    if step["id"] not in FILTERS:
        assert not rest
        return decode_words(step, dtype, n, data)

    def side(name: str, kind: np.dtype[Any]) -> np.ndarray:
        nonlocal data
        record = step[name]
        mine, data = data[: record["bytes"]], data[record["bytes"] :]
        return decode(record["steps"], kind, record["count"], mine)

    match step["id"]:
        case "narrow":
            main = decode(rest, np.dtype(step["dtype"]), n, data)
            return np.array([int(m) + step["offset"] for m in main.tolist()], dtype=dtype)
        case "delta":
            main = decode(rest, np.dtype(f"<i{dtype.itemsize}"), n - 1, data)
            size = 1 << (8 * dtype.itemsize)
            values = [step["first"]]
            for difference in main.tolist():
                values.append((values[-1] + difference) % size)
            return np.array([v % size for v in values], f"<u{dtype.itemsize}").view(dtype)
        case "demote":
            main = decode(rest, np.dtype(step["dtype"]), n, data)
            with np.errstate(all="ignore"):
                return main.astype(dtype)
        case "palette":
            table = side("table", dtype)
            code = np.dtype("u1" if len(table) <= 256 else "<u2")
            return table[decode(rest, code, n, data)]
        case "sparse":
            gaps = side("gaps", np.dtype(step["dtype"]))
            values = np.repeat(np.frombuffer(bytes.fromhex(step["value"]), dtype), n)
            values[positions(gaps)] = decode(rest, dtype, len(gaps), data)
            return values
        case "shuffle":
            main = decode(rest, np.dtype("u1"), n * dtype.itemsize, data)
            return np.frombuffer(main.reshape(dtype.itemsize, n).T.tobytes(), dtype)
        case "bitpack":
            bits = step["bits"]
            main = decode(rest, np.dtype("u1"), math.ceil(n * bits / 8), data)
            per_byte = 8 // bits
            return np.array(
                [
                    main[i // per_byte] >> (bits * (i % per_byte)) & ((1 << bits) - 1)
                    for i in range(n)
                ],
                dtype,
            )
    raise AssertionError(step["id"])


def decode_words(step: dict[str, Any], dtype: np.dtype[Any], n: int, data: bytes) -> np.ndarray:
    """What a coder wrote."""
    nbytes = n * dtype.itemsize
    match step["id"]:
        case "raw":
            plain = data
        case "constant":
            assert not data
            plain = bytes.fromhex(step["value"]) * n
        case "zstd":
            decompressor = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
            plain = decompressor.decompress(data, max_output_size=nbytes)
        case "lzma":
            size = max(1 << 12, 1 << (nbytes - 1).bit_length())
            filters = [{"id": lzma.FILTER_LZMA2, "dict_size": size}]
            plain = lzma.decompress(data, format=lzma.FORMAT_RAW, filters=filters)
        case "pcodec":
            return decode_pcodec(dtype, n, data)
        case other:
            raise AssertionError(other)
    assert len(plain) == nbytes
    return np.frombuffer(plain, dtype)


def decode_pcodec(dtype: np.dtype[Any], n: int, data: bytes) -> np.ndarray:
    """Header, then metadata and page of each chunk."""
    values = np.zeros(n, dtype)
    file, used = wrapped.FileDecompressor.new(data)
    for start in range(0, n, 1 << 20):
        part = values[start : start + (1 << 20)]
        data = data[used:]
        chunk, used = file.chunk_decompressor(data, f"{dtype.kind}{8 * dtype.itemsize}")
        data = data[used:]
        _, used = chunk.read_page_into(data, len(part), part)
    assert used == len(data)
    return values


def positions(gaps: np.ndarray) -> list[int]:
    """Where the items with these gaps before them are."""
    found = []
    at = -1
    for gap in gaps.tolist():
        at += gap + 1
        found.append(at)
    return found


def read_array(meta: dict[str, Any], parts: dict[str, np.ndarray]) -> np.ndarray:
    """One array from its parts."""
    dtype, shape, order = np.dtype(meta["dtype"]), tuple(meta["shape"]), meta["order"]
    size = math.prod(shape)
    if meta["layout"] == "sparse":
        at = np.array(positions(parts["gaps"]), dtype=np.int64)
    else:
        at = np.arange(size)
    flat = np.zeros(size, dtype)
    with np.errstate(over="ignore"):
        flat[at] = elements(meta, parts, at, dtype)
    return flat.reshape(shape, order=order)


def elements(
    meta: dict[str, Any], parts: dict[str, np.ndarray], at: np.ndarray, dtype: np.dtype[Any]
) -> np.ndarray:
    """The elements at these positions."""
    kind = meta["scheme"]["kind"]
    if kind in ("exact", "float"):
        return parts["values"].astype(dtype)
    if kind == "codebook":
        return parts["table"].astype(dtype)[parts["codes"]]
    assert kind == "affine"
    channels = np.zeros(len(at), dtype=np.int64)
    if meta["channel_axis"] is not None:
        index = np.unravel_index(at, tuple(meta["shape"]), meta["order"])
        channels = index[meta["channel_axis"]]
    zero = parts["zero"][channels] if "zero" in parts else 0.0
    values = parts["scale"].astype(np.float64)[channels] * (
        parts["codes"].astype(np.float64) - zero
    )
    largest = float(np.finfo(dtype).max)
    return np.clip(values, -largest, largest).astype(dtype)
