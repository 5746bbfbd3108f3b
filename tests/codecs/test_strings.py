"""Strings: all of Unicode and lone surrogates come back; hostile arrays give named errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_quantization.codecs import (
    decode_strings,
    encode_strings,
    front_code,
    front_decode,
    strings,
)
from model_quantization.errors import ArtifactError, FormatError, LimitError, SemanticError

TEXTS = st.lists(st.text(st.characters(codec=None), max_size=8), max_size=30)


@given(TEXTS)
@example(["\ud83d", "\ude00"])
@example(["\ud83d\ude00", "é", "", "\x00"])
@settings(deadline=None, derandomize=True, max_examples=300)
def test_strings_come_back(texts: list[str]) -> None:
    blob, lengths = encode_strings(texts)
    assert (blob.dtype, lengths.dtype) == (np.uint8, np.uint32)
    assert decode_strings(blob, lengths) == texts


@given(TEXTS, st.booleans())
@example(["a" * 300, "a" * 300, "a" * 299 + "b"], False)
@example(["x" * 70_000], False)
@example(["é", "è", "éa"], False)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_front_coded_strings_come_back(texts: list[str], in_order: bool) -> None:
    ordered = sorted(texts) if in_order else texts
    assert front_decode(front_code(ordered)) == ordered


def test_front_coding_stores_what_differs() -> None:
    parts = front_code(["car", "care", "cart", "dog"])
    assert parts["prefix"].tolist() == [0, 3, 3, 0]
    assert parts["suffix_lengths"].tolist() == [3, 1, 1, 3]
    assert parts["suffix_bytes"].tobytes() == b"caretdog"
    assert {name: part.dtype.str for name, part in parts.items()} == {
        "prefix": "|u1",
        "suffix_lengths": "|u1",
        "suffix_bytes": "|u1",
    }


def test_a_string_too_long_to_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strings, "LONGEST_STRING", 3)
    with pytest.raises(LimitError, match="a string too long to store"):
        encode_strings(["four"])


def u8(text: bytes) -> Any:
    return np.frombuffer(text, np.uint8)


@pytest.mark.parametrize(
    ("blob", "lengths", "error", "message"),
    [
        (u8(b"abc"), np.array([2], np.uint32), SemanticError, "do not add up"),
        (u8(b"abc"), np.array([2, 2], np.uint32), SemanticError, "do not add up"),
        (u8(b""), np.array([1 << 63, 1 << 63], np.uint64), SemanticError, "do not add up"),
        (u8("é".encode()), np.array([1, 1], np.uint32), SemanticError, "cuts a character"),
        (u8(b"\xff"), np.array([1], np.uint32), SemanticError, "not UTF-8"),
        (u8(b"\xc3"), np.array([1], np.uint32), SemanticError, "not UTF-8"),
        (u8(b"a"), np.array([1], np.int32), FormatError, "unsigned integers"),
        (u8(b"a"), np.array([1.0]), FormatError, "unsigned integers"),
        (u8(b"a").astype(np.int8), np.array([1], np.uint32), FormatError, "1-D uint8"),
        (u8(b"a").reshape(1, 1), np.array([1], np.uint32), FormatError, "1-D uint8"),
    ],
)
def test_hostile_strings(blob: Any, lengths: Any, error: type[ArtifactError], message: str) -> None:
    with pytest.raises(error, match=message):
        decode_strings(blob, lengths)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"prefix": u8(b"\1\0")}, SemanticError, "longer than the string before"),
        ({"prefix": u8(b"\0\4")}, SemanticError, "longer than the string before"),
        ({"prefix": u8(b"\0")}, FormatError, "another number of prefixes than of suffixes"),
        ({"prefix": np.zeros(2)}, FormatError, "1-D uint8"),
        ({"suffix_lengths": np.array([3, 2], np.uint8)}, SemanticError, "do not add up"),
        ({"suffix_lengths": np.array([3, 1])}, FormatError, "unsigned integers"),
        ({"suffix_bytes": u8(b"car\xff")}, SemanticError, "not UTF-8"),
        ({"extra": u8(b"")}, FormatError, "front-coded strings"),
    ],
)
def test_hostile_front_coding(changes: Any, error: type[ArtifactError], message: str) -> None:
    with pytest.raises(error, match=message):
        front_decode(front_code(["car", "care"]) | changes)


def test_front_coded_text_is_held_to_the_limit() -> None:
    parts = front_code(["a" * 255] * 100)
    with pytest.raises(LimitError, match="at most 1000 bytes, got 25500"):
        front_decode(parts, max_bytes=1000)


@given(st.data())
@settings(deadline=None, derandomize=True, max_examples=200)
def test_mutated_parts_give_strings_or_an_error_of_our_tree(data: st.DataObject) -> None:
    parts = front_code(["straße", "strasse", "straßen", "zug", "zugabe", "zügig"])
    name = data.draw(st.sampled_from(sorted(parts)))
    part = parts[name].copy()
    part[data.draw(st.integers(0, part.size - 1))] = data.draw(st.integers(0, 255))
    try:
        front_decode(parts | {name: part})
    except ArtifactError:
        return
