"""Lists of strings as arrays of numbers: end to end, or front-coded where they are sorted.

Text is UTF-8 with "surrogatepass": every Python string, lone surrogates included, comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import AnyStr

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.errors import FormatError, LimitError, SemanticError
from model_quantization.limits import Limits

LONGEST_PREFIX = 255
LONGEST_STRING = (1 << 32) - 1
MAX_BYTES = Limits().decoded_bytes
FRONT_PARTS = ("prefix", "suffix_lengths", "suffix_bytes")


def encode_strings(strings: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """The UTF-8 bytes of all strings end to end, and how many bytes each takes.

    Raises
    ------
    LimitError
        A string of 4 GiB or more.
    """
    joined = "".join(strings)
    if joined.isascii():
        blob, sizes = joined.encode("ascii"), list(map(len, strings))
    else:
        pieces = [text.encode("utf-8", "surrogatepass") for text in strings]
        blob, sizes = b"".join(pieces), list(map(len, pieces))
    if max(sizes, default=0) > LONGEST_STRING:
        raise LimitError("a string too long to store", expected="less than 4 GiB")
    return np.frombuffer(blob, np.uint8), np.array(sizes, np.uint32)


def decode_strings(blob: Array, lengths: Array) -> list[str]:
    """The strings that `encode_strings` wrote.

    Raises
    ------
    FormatError
        `blob` is not 1-D uint8, or `lengths` not 1-D unsigned integers.
    SemanticError
        The lengths do not add up to the blob, cut a character, or it is not UTF-8.
    """
    _check_bytes(blob, "blob")
    _check_unsigned(lengths, "lengths")
    ends = _ends(lengths, blob.size, "the string lengths")
    return _cut(blob, ends)


def front_code(strings: Sequence[str]) -> dict[str, Array]:
    """Each string as the number of bytes it shares with the one before, and the rest.

    Made for sorted tables, right for any order.

    Returns
    -------
    dict of str to ndarray
        `prefix` (uint8; a longer shared prefix counts as 255), `suffix_lengths` (the smallest of
        uint8, 16, 32), `suffix_bytes` (uint8).
    """
    blob, lengths = encode_strings(strings)
    starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))[:-1]
    prefix = _shared_prefixes(blob, starts, lengths.astype(np.int64))
    suffix = lengths - prefix
    keep = _in_ranges(starts + prefix, suffix, blob.size)
    largest = int(suffix.max(initial=0))
    width = np.uint8 if largest < 1 << 8 else np.uint16 if largest < 1 << 16 else np.uint32
    return {
        "prefix": prefix,
        "suffix_lengths": suffix.astype(width),
        "suffix_bytes": blob[keep],
    }


def front_decode(parts: Mapping[str, Array], *, max_bytes: int = MAX_BYTES) -> list[str]:
    """The strings that `front_code` wrote.

    Raises
    ------
    FormatError
        Other parts than those three, or of another dtype or length.
    SemanticError
        A prefix longer than the string before, lengths that do not add up, text that is not UTF-8.
    LimitError
        More than `max_bytes` of text: a prefix is one byte that stands for up to 255.
    """
    if set(parts) != set(FRONT_PARTS):
        raise FormatError(
            "front-coded strings with other parts than they should have",
            expected=", ".join(FRONT_PARTS),
            got=", ".join(sorted(map(str, parts)))[:200],
        )
    prefix, lengths, blob = (parts[name] for name in FRONT_PARTS)
    _check_bytes(prefix, "prefix")
    _check_unsigned(lengths, "suffix_lengths")
    _check_bytes(blob, "suffix_bytes")
    if prefix.size != lengths.size:
        raise FormatError(
            "front-coded strings with another number of prefixes than of suffixes",
            expected=str(lengths.size),
            got=str(prefix.size),
        )
    ends = _ends(lengths, blob.size, "the suffix lengths")
    whole = prefix.astype(np.int64) + np.diff(ends, prepend=0)
    if prefix.size and (prefix[0] or (prefix[1:] > whole[:-1]).any()):
        raise SemanticError("a prefix is longer than the string before it")
    total = int(whole.sum())
    if total > max_bytes:
        raise LimitError(
            "front-coded text is too long", expected=f"at most {max_bytes} bytes", got=str(total)
        )
    raw = blob.tobytes()
    if raw.isascii():
        return _unfold(raw.decode("ascii"), prefix, ends, "")
    joined = np.frombuffer(b"".join(_unfold(raw, prefix, ends, b"")), np.uint8)
    return _cut(joined, np.cumsum(whole))


def _unfold(text: AnyStr, prefix: Array, ends: Array, previous: AnyStr) -> list[AnyStr]:
    unfolded = []
    start = 0
    for shared, end in zip(prefix.tolist(), ends.tolist(), strict=True):
        previous = previous[:shared] + text[start:end]
        unfolded.append(previous)
        start = end
    return unfolded


def _shared_prefixes(blob: Array, starts: Array, lengths: Array) -> npt.NDArray[np.uint8]:
    """For each string the bytes it shares with the one before, one position of all at a time."""
    prefix = np.zeros(lengths.size, np.uint8)
    room = np.minimum(lengths[1:], lengths[:-1])
    active = np.flatnonzero(room > 0)
    for position in range(LONGEST_PREFIX):
        same = blob[starts[active + 1] + position] == blob[starts[active] + position]
        active = active[same]
        if not active.size:
            break
        prefix[active + 1] = position + 1
        active = active[room[active] > position + 1]
    return prefix


def _in_ranges(starts: Array, lengths: Array, size: int) -> npt.NDArray[np.bool_]:
    """Which of `size` positions lie in one of the ranges (ascending, disjoint)."""
    edges = np.zeros(size + 1, np.int32)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + lengths, -1)
    return np.cumsum(edges[:-1]) > 0


def _cut(blob: Array, ends: Array) -> list[str]:
    raw = blob.tobytes()
    if not raw.isascii():
        # Decode once and cut by characters: positions that do not continue a character start one.
        is_start = (blob & 0xC0) != 0x80
        if (inner := ends[ends < blob.size]).size and not is_start[inner].all():
            raise SemanticError("a string length cuts a character in two")
        ends = np.concatenate(([0], np.cumsum(is_start)))[ends]
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise SemanticError("text that is not UTF-8", got=str(error)) from error
    return [text[start:end] for start, end in pairwise([0, *ends.tolist()])]


def _ends(lengths: Array, size: int, what: str) -> npt.NDArray[np.int64]:
    # In float first: hostile 64-bit lengths must not wrap around to the right sum.
    if float(lengths.sum(dtype=np.float64)) <= 2.0 * size:
        ends = np.cumsum(lengths, dtype=np.int64)
        if (int(ends[-1]) if ends.size else 0) == size:
            return ends
    raise SemanticError(f"{what} do not add up to the text", expected=f"{size} bytes")


def _check_bytes(values: Array, what: str) -> None:
    if values.ndim != 1 or values.dtype != np.uint8:
        raise FormatError(what, expected="a 1-D uint8 array", got=f"{values.ndim}-D {values.dtype}")


def _check_unsigned(values: Array, what: str) -> None:
    if values.ndim != 1 or values.dtype.kind != "u":
        raise FormatError(
            what, expected="a 1-D array of unsigned integers", got=f"{values.ndim}-D {values.dtype}"
        )
