"""Errors of codecs: each names its codec and part, and says exactly what was declared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model_quantization.codecs import front_code, front_decode
from model_quantization.codecs.abc import Spec
from model_quantization.codecs.coders.zstd import CODEC as ZSTD
from model_quantization.codecs.registry import REGISTRY
from model_quantization.errors import ArtifactError, CodecError, FormatError, LimitError

SPEC = Spec(np.dtype("<u4"), 40)
FILTERS = {codec.id for codec in REGISTRY.filters()}


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - FILTERS))
def test_a_coder_names_itself(name: str) -> None:
    with pytest.raises(ArtifactError, match=rf"(^|[^A-Za-z]){name}([^A-Za-z]|$)"):
        REGISTRY[name].decode({"unknown": 1}, SPEC, memoryview(b""))


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_a_filter_names_itself(name: str) -> None:
    with pytest.raises(ArtifactError, match=rf"(^|[^A-Za-z]){name}([^A-Za-z]|$)"):
        REGISTRY[name].specs({"unknown": 1}, SPEC)


@pytest.mark.parametrize("dictionary", range(4))
@pytest.mark.parametrize("size", range(4))
@pytest.mark.parametrize("single", [False, True])
def test_a_frame_that_declares_a_size_says_which(dictionary: int, size: int, single: bool) -> None:
    """RFC 8878, 3.1.1.1: window byte, dictionary and content size have lengths of their own."""
    descriptor = bytes([size << 6 | single << 5 | dictionary])
    lengths = (int(single), 2, 4, 8)
    window = b"" if single else b"\xff"
    content = bytes(range(200, 200 + lengths[size]))
    frame = descriptor + window + b"\xff" * (0, 1, 2, 4)[dictionary] + content + b"\xee" * 8
    if frame[0] == 0:
        return  # the frames of this format
    declared = int.from_bytes(content, "little") + 256 * (lengths[size] == 2)
    if declared > SPEC.nbytes:
        with pytest.raises(LimitError, match=rf"at most 160 bytes, got {declared} bytes"):
            ZSTD.decode({}, SPEC, memoryview(frame))
    else:
        with pytest.raises(CodecError, match=f"expected 0x00, got {hex(descriptor[0])}"):
            ZSTD.decode({}, SPEC, memoryview(frame))


def test_a_frame_may_declare_what_its_stream_holds() -> None:
    frame = bytes([1 << 5, 160]) + b"\0" * 8
    with pytest.raises(CodecError, match="a frame header that this format does not use"):
        ZSTD.decode({}, SPEC, memoryview(frame))


@pytest.mark.parametrize(
    ("longest", "dtype"),
    [(1, "u1"), (255, "u1"), (256, "u2"), (65_535, "u2"), (65_536, "u4")],
)
def test_lengths_of_suffixes_are_as_narrow_as_they_can_be(longest: int, dtype: str) -> None:
    texts = ["b" * longest, "c"]
    parts = front_code(texts)
    assert parts["suffix_lengths"].dtype == np.dtype(dtype)
    assert front_decode(parts) == texts


@pytest.mark.parametrize("part", ["prefix", "suffix_lengths", "suffix_bytes"])
def test_a_part_of_another_type_is_named(part: str) -> None:
    parts: dict[str, Any] = front_code(["car", "care"])
    with pytest.raises(FormatError, match=rf"(^|\W){part}(\W|$)"):
        front_decode(parts | {part: parts[part].astype(np.float32)})
