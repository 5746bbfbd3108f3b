"""Counts of hashed terms: MurmurHash3 of the bytes of every n-gram, modulo the columns.

The hash is MurmurHash3_x86_32 with seed 0 (A. Appleby, public domain); its sign may be the sign of
the count.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

WORDS, CHARACTERS, INSIDE_WORDS = 0, 1, 2
_MASK = 0xFFFFFFFF


@kernel
def murmur(data: Array) -> int:
    """Return the hash of the bytes, as a signed 32-bit number."""
    return _murmur(data.tobytes())


@kernel
def count_hashed(
    data: Array, cuts: Array, kind: int, least: int, most: int, n_columns: int, is_signed: bool,
    indices: Array, counts: Array, rows: Array,
    starts: Array, ends: Array, keys: Array, scratch: Array,
) -> None:  # fmt: skip
    """Fill `indices`, `counts` and `rows` (CSR) with the hashed terms of every document.

    Parameters
    ----------
    data, cuts : uint8 array, int64 array
        UTF-8 of all documents, and where each begins and ends.
    kind : int
        `WORDS` between single spaces, `CHARACTERS`, or characters `INSIDE_WORDS`.
    least, most : int
        Symbols of an n-gram.
    n_columns : int
    is_signed : bool
        A negative hash counts down.
    indices, counts, rows : int32, int64 and int64 arrays
        Filled, the first two as far as `rows[-1]`.
    starts, ends, keys, scratch : int64 arrays
        Room for the symbols of a document (one more than its bytes, twice that inside words), and
        `most - least + 1` times as much.
    """
    raw = data.tobytes()
    filled = rows[0] = 0
    for document, (start, end) in enumerate(zip(cuts.tolist(), cuts[1:].tolist(), strict=False)):
        found: dict[int, int] = {}
        for symbols, joint in _regions(raw[start:end], kind):
            shortest = min(least, len(symbols)) if kind == INSIDE_WORDS else least
            for place in range(len(symbols)):
                for size in range(shortest, min(most, len(symbols) - place) + 1):
                    value = _murmur(joint.join(symbols[place : place + size]))
                    column = abs(value) % n_columns
                    if value == -(1 << 31):  # its magnitude overflows in the original
                        column = (2147483647 - (n_columns - 1)) % n_columns
                    step = -1 if is_signed and value < 0 else 1
                    found[column] = found.get(column, 0) + step
        columns = sorted(found)
        indices[filled : filled + len(columns)] = columns
        counts[filled : filled + len(columns)] = [found[column] for column in columns]
        filled += len(columns)
        rows[document + 1] = filled


def _regions(raw: bytes, kind: int) -> list[tuple[list[bytes], bytes]]:
    """The symbols that may be joined, and what stands between two of them."""
    if kind == WORDS:
        return [([word for word in raw.split(b" ") if word], b" ")]
    characters = [c.encode("utf-8") for c in raw.decode("utf-8")]
    if kind == CHARACTERS:
        return [(characters, b"")]
    regions: list[list[bytes]] = [[]]
    for character in characters:
        if character == b" " and regions[-1] and regions[-1][-1] == b" ":
            regions.append([])
        regions[-1].append(character)
    return [(region, b"") for region in regions]


def _mixed(value: int) -> int:
    value = value * 0xCC9E2D51 & _MASK
    value = (value << 15 | value >> 17) & _MASK
    return value * 0x1B873593 & _MASK


def _murmur(raw: bytes) -> int:
    value = 0
    whole = len(raw) // 4 * 4
    for at in range(0, whole, 4):
        value ^= _mixed(int.from_bytes(raw[at : at + 4], "little"))
        value = (value << 13 | value >> 19) & _MASK
        value = value * 5 + 0xE6546B64 & _MASK
    if whole < len(raw):
        value ^= _mixed(int.from_bytes(raw[whole:], "little"))
    value ^= len(raw) & _MASK
    value = (value ^ value >> 16) * 0x85EBCA6B & _MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & _MASK
    value ^= value >> 16
    return int(np.uint32(value).astype(np.int32))
