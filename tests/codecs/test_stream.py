"""Streams: every bit comes back, the same bytes each time, hostile bytes give named errors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.arrays import Array
from model_quantization.codecs import EncodedStream, decode_stream, encode_stream
from model_quantization.codecs.filters.palette import CODEC as PALETTE
from model_quantization.errors import (
    ArtifactError,
    CodecError,
    FormatError,
    LimitError,
    SemanticError,
    UnsupportedComponent,
)
from tests.codecs.pipelines import arrays, bits, encode_with

RANDOM = np.random.default_rng(0)


def decode(encoded: EncodedStream, **changes: Any) -> Array:
    fields = {
        "pipeline": encoded.pipeline,
        "dtype": encoded.dtype,
        "count": encoded.count,
        "data": encoded.data,
        "max_bytes": 1 << 24,
    }
    return decode_stream(**(fields | changes))


@given(arrays(), st.sampled_from(("fast", "best")))
@settings(deadline=None, derandomize=True, max_examples=400)
def test_every_bit_comes_back(values: Array, effort: Any) -> None:
    before = values.tobytes()
    encoded = encode_stream(values, effort=effort)
    decoded = decode(encoded)
    assert values.tobytes() == before
    assert decoded.dtype == values.dtype.newbyteorder("<")
    assert decoded.flags.writeable
    assert bits(decoded) == bits(values)
    assert json.loads(json.dumps(encoded.pipeline)) == list(encoded.pipeline)


@given(arrays())
@settings(deadline=None, derandomize=True, max_examples=50)
def test_the_same_values_give_the_same_bytes(values: Array) -> None:
    assert encode_stream(values) == encode_stream(values.copy())


@given(arrays())
@settings(deadline=None, derandomize=True, max_examples=100)
def test_exactly_its_own_size_is_enough_to_decode(values: Array) -> None:
    encoded = encode_stream(values)
    assert bits(decode(encoded, max_bytes=values.nbytes)) == bits(values)


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.normal(size=60_000),
        RANDOM.normal(size=60_000).astype(np.float32).astype(np.float64),
        np.round(RANDOM.normal(size=60_000), 1),
        RANDOM.integers(0, 50_000, 80_000),
        np.cumsum(RANDOM.integers(0, 3, 80_000)),
        np.where(RANDOM.random(60_000) < 0.05, RANDOM.normal(size=60_000), 0.0),
        RANDOM.geometric(0.2, 600_000).astype(np.uint8),
        RANDOM.random(600_000) < 0.5,
    ],
)
def test_long_streams_come_back_and_shrink(values: Array) -> None:
    encoded = encode_stream(values)
    assert len(encoded.data) < values.nbytes
    assert bits(decode(encoded)) == bits(values)


def test_more_numbers_than_one_pcodec_chunk_holds() -> None:
    values = (np.arange((1 << 20) + 5, dtype=np.uint64) * 2654435761 % 251).astype(np.uint8)
    encoded = encode_with(("pcodec",), values)
    assert bits(decode(encoded)) == bits(values)


def test_special_floats_keep_sign_and_payload() -> None:
    for width, unsigned in (("f2", "u2"), ("f4", "u4"), ("f8", "u8")):
        info = np.finfo(width)
        patterns = np.array(
            [-0.0, 0.0, np.inf, -np.inf, np.nan, info.max, info.tiny, info.smallest_subnormal],
            width,
        )
        # Quiet and signalling NaN of several payloads, both signs.
        nans = np.array([np.inf, -np.inf], width).view(unsigned)[:, None] + np.arange(
            1, 40, dtype=unsigned
        )
        values = np.concatenate([patterns, nans.reshape(-1).view(width)])
        for repeats in (1, 50):
            array = np.tile(values, repeats)
            assert bits(decode(encode_stream(array))) == bits(array)


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (np.zeros(500), "constant"),
        (np.arange(3, dtype=np.int8), "raw"),
        (np.zeros(0), "raw"),
        (RANDOM.integers(0, 200, 500), "narrow"),
        (RANDOM.integers(0, 200, 500).astype(np.float64), "demote"),
        (RANDOM.choice(RANDOM.normal(size=20), 2_000), "palette"),
    ],
)
def test_the_obvious_encoding_is_found(values: Array, first: str) -> None:
    assert encode_stream(values).pipeline[0]["id"] == first


def test_integers_at_both_ends_of_their_range() -> None:
    for dtype in ("i8", "u8", "i4", "u2"):
        info = np.iinfo(dtype)
        for values in ([info.min, info.max], [info.min] * 60 + [info.min + 1], [info.max - 3] * 9):
            array = np.array(values * 7, dtype)
            assert bits(decode(encode_stream(array))) == bits(array)


@pytest.mark.bad_input(49)
def test_strided_and_read_only_input() -> None:
    values = np.arange(200.0)[::2]
    values.flags.writeable = False
    assert bits(decode(encode_stream(values))) == bits(np.ascontiguousarray(values))


@pytest.mark.parametrize(
    "values",
    [
        np.array([None], object),
        np.zeros(3, np.longdouble),
        np.zeros(2, [("a", "f8")]),
        np.zeros(2, "V5"),
    ],
)
def test_dtypes_without_words_are_refused(values: Array) -> None:
    with pytest.raises(UnsupportedComponent, match="cannot be stored"):
        encode_stream(values)


def test_only_one_dimension() -> None:
    with pytest.raises(CodecError, match="one-dimensional array; got 2 dimensions"):
        encode_stream(np.zeros((2, 2)))


def test_unknown_effort() -> None:
    with pytest.raises(ValueError, match="effort must be"):
        encode_stream(np.zeros(2), effort="most")  # type: ignore[arg-type]


# ---- hostile input


def test_a_frame_that_declares_more_than_its_stream_is_a_limit_error() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=True
    )
    bomb = zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(512 << 20))
    with pytest.raises(LimitError, match="declares more"):
        decode_stream(({"id": "zstd"},), "|u1", 100, bomb, max_bytes=1 << 30)


@pytest.mark.parametrize("size", [1, 200, 300, 70_000])
def test_a_frame_that_declares_its_true_size_is_refused_too(size: int) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, source_size=size, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=True
    )
    frame = zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(size))
    with pytest.raises(CodecError, match="header that this format does not use"):
        decode_stream(({"id": "zstd"},), "|u1", size, frame, max_bytes=1 << 30)


def test_a_frame_with_a_huge_window_is_refused() -> None:
    frame = b"\x00" + bytes([17 << 3]) + b"\x01\x00\x00"
    with pytest.raises(CodecError, match="do not decode"):
        decode_stream(({"id": "zstd"},), "|u1", 10, frame, max_bytes=100)


def test_counts_beyond_the_limit_are_refused_before_decoding() -> None:
    for pipeline in (({"id": "constant", "value": "00" * 8},), ({"id": "pcodec"},)):
        with pytest.raises(LimitError, match="larger than the limit"):
            decode_stream(pipeline, "<f8", 1 << 60, b"", max_bytes=1 << 20)


@pytest.mark.parametrize("count", [-1, True, 1.0, "3", None])
def test_counts_that_are_not_counts(count: Any) -> None:
    with pytest.raises(FormatError, match="count"):
        decode_stream(({"id": "raw"},), "<f8", count, b"", max_bytes=100)


@pytest.mark.parametrize(
    "dtype",
    ["O", "|O", "V2147483647", "<f16", ">f8", "f8", "<U0", "2f8", "<M8[xx]", "<f8,<f8", 8, None,
     "<U99999999999", "|S999999999999", "|b2", "<i1", "<M8[0s]"],
)  # fmt: skip
def test_dtypes_that_are_not_canonical(dtype: Any) -> None:
    with pytest.raises(FormatError, match="not a dtype"):
        decode_stream(({"id": "raw"},), dtype, 1, b"", max_bytes=100)


def test_unknown_codec_lists_those_there_are() -> None:
    with pytest.raises(CodecError, match=r"expected one of bitpack, .*zstd, got 'lz4'"):
        decode_stream(({"id": "lz4"},), "|u1", 1, b"", max_bytes=100)
    with pytest.raises(CodecError, match="unknown codec"):
        decode_stream(({"id": ["raw"]},), "|u1", 1, b"", max_bytes=100)


RAW = {"id": "raw"}
TABLE = {"bytes": 8, "count": 1, "steps": [RAW]}
NESTED = [{"id": "palette", "table": TABLE}, RAW]
GAPS = {"bytes": 1, "count": 1, "steps": [RAW]}


@pytest.mark.parametrize(
    ("pipeline", "dtype"),
    [
        ([], "|u1"),
        ([RAW] * 7, "|u1"),
        ("raw", "|u1"),
        (["raw"], "|u1"),
        ([{}], "|u1"),
        ([RAW, RAW], "|u1"),
        ([{"id": "delta", "first": 0}], "|u1"),
        ([{"id": "raw", "level": 3}], "|u1"),
        ([{"id": "delta", "first": True}, RAW], "<i8"),
        ([{"id": "delta", "first": 1 << 63}, RAW], "<i8"),
        ([{"id": "delta", "first": 1.0}, RAW], "<i8"),
        ([{"id": "delta"}, RAW], "<i8"),
        ([{"id": "delta", "first": 0}, RAW], "<f8"),
        ([{"id": "narrow", "dtype": "<u8", "offset": 0}, RAW], "<i8"),
        ([{"id": "narrow", "dtype": ["|u1"], "offset": 0}, RAW], "<i8"),
        ([{"id": "narrow", "dtype": "<u4", "offset": 0}, RAW], "<i4"),
        ([{"id": "narrow", "dtype": "|u1", "offset": 1 << 70}, RAW], "<i8"),
        ([{"id": "narrow", "dtype": "|u1", "offset": 0}, RAW], "<f8"),
        ([{"id": "demote", "dtype": "<f8"}, RAW], "<f8"),
        ([{"id": "demote", "dtype": "<f2"}, RAW], "<i8"),
        ([{"id": "shuffle"}, RAW], "|u1"),
        ([{"id": "bitpack", "bits": 3}, RAW], "|u1"),
        ([{"id": "bitpack", "bits": 1}, RAW], "<u2"),
        ([{"id": "palette", "table": 3}, RAW], "<f8"),
        ([{"id": "palette", "table": TABLE | {"count": 0}}, RAW], "<f8"),
        ([{"id": "palette", "table": TABLE | {"count": 1 << 40}}, RAW], "<f8"),
        ([{"id": "palette", "table": TABLE | {"bytes": -1}}, RAW], "<f8"),
        ([{"id": "palette", "table": TABLE | {"more": 1}}, RAW], "<f8"),
        ([{"id": "palette", "table": TABLE | {"steps": 1}}, RAW], "<f8"),
        (
            [{"id": "palette", "table": TABLE | {"steps": NESTED}}, RAW],
            "<f8",
        ),
        ([{"id": "sparse", "dtype": "|u1", "value": "00" * 8, "gaps": 1}, RAW], "<f8"),
        ([{"id": "sparse", "dtype": "<i8", "value": "00" * 8, "gaps": GAPS}, RAW], "<f8"),
        ([{"id": "sparse", "dtype": "|u1", "value": "0", "gaps": GAPS}, RAW], "<f8"),
        ([{"id": "constant", "value": "zz" * 8}], "<f8"),
        ([{"id": "constant", "value": 0}], "<f8"),
        ([{"id": "constant", "value": "AB" * 8}], "<f8"),
    ],
)  # fmt: skip
def test_pipelines_that_break_the_grammar(pipeline: Any, dtype: str) -> None:
    with pytest.raises(FormatError):
        decode_stream(pipeline, dtype, 3, bytes(40), max_bytes=1000)


@pytest.mark.parametrize(
    ("pipeline", "data", "error"),
    [
        ([{"id": "palette", "table": TABLE}, RAW], bytes(8) + b"\0\1\0", SemanticError),
        ([{"id": "palette", "table": TABLE | {"bytes": 99}}, RAW], bytes(11), CodecError),
        (
            [{"id": "sparse", "dtype": "|u1", "value": "00" * 8, "gaps": GAPS}, RAW],
            b"\3" + bytes(8),
            SemanticError,
        ),
        (
            [
                {
                    "id": "sparse",
                    "dtype": "<u8",
                    "value": "00" * 8,
                    "gaps": {"bytes": 16, "count": 2, "steps": [RAW]},
                },
                RAW,
            ],
            b"\xff" * 16 + bytes(16),
            SemanticError,
        ),
        ([{"id": "constant", "value": "00" * 8}], b"x", CodecError),
        ([RAW], bytes(23), CodecError),
        ([RAW], bytes(25), CodecError),
        ([{"id": "zstd"}], b"", CodecError),
        ([{"id": "pcodec"}], b"", CodecError),
        ([{"id": "lzma"}], b"", CodecError),
    ],
)
def test_values_and_lengths_that_make_no_sense(
    pipeline: Any, data: bytes, error: type[ArtifactError]
) -> None:
    with pytest.raises(error):
        decode_stream(pipeline, "<f8", 3, data, max_bytes=1000)


def test_narrow_beyond_its_dtype_is_a_semantic_error() -> None:
    step = {"id": "narrow", "dtype": "|u1", "offset": (1 << 63) - 1}
    with pytest.raises(SemanticError, match="beyond <i8"):
        decode_stream([step, RAW], "<i8", 1, b"\1", max_bytes=100)


def test_bools_and_code_points_are_checked() -> None:
    with pytest.raises(SemanticError, match="neither 0 nor 1"):
        decode_stream([RAW], "|b1", 1, b"\2", max_bytes=100)
    with pytest.raises(SemanticError, match="beyond Unicode"):
        decode_stream([RAW], "<U1", 1, b"\0\0\xff\0", max_bytes=100)


def test_bits_after_the_last_item_are_refused() -> None:
    with pytest.raises(CodecError, match="after the last item"):
        decode_stream([{"id": "bitpack", "bits": 1}, RAW], "|u1", 3, b"\xf8", max_bytes=100)


def test_intermediate_arrays_are_held_to_the_limit() -> None:
    table = {"bytes": 0, "count": 1, "steps": [{"id": "constant", "value": "00" * 8}]}
    with pytest.raises(LimitError, match="a step of a pipeline"):
        decode_stream([{"id": "palette", "table": table}, RAW], "<f8", 0, b"", max_bytes=7)


SEEDS = [
    (("pcodec",), RANDOM.normal(size=300)),
    (("pcodec",), RANDOM.integers(0, 9, 300)),
    (("zstd",), RANDOM.integers(0, 9, 300).astype(np.uint8)),
    (("lzma",), RANDOM.integers(0, 9, 300).astype(np.uint8)),
    (("delta", "narrow", "zstd"), np.cumsum(RANDOM.integers(0, 9, 300))),
    (("palette", "pcodec"), RANDOM.choice(RANDOM.normal(size=9), 300)),
    (("sparse", "pcodec"), np.where(RANDOM.random(300) < 0.1, RANDOM.normal(size=300), 0)),
    (("bitpack", "raw"), RANDOM.random(300) < 0.5),
    (("shuffle", "lzma"), RANDOM.normal(size=300)),
]


@pytest.mark.parametrize("seed", range(len(SEEDS)))
@given(st.data())
@settings(deadline=None, derandomize=True, max_examples=150)
def test_mutated_bytes_give_values_or_an_error_of_our_tree(seed: int, data: st.DataObject) -> None:
    encoded = encode_with(*SEEDS[seed])
    mutated = bytearray(encoded.data)
    match data.draw(st.sampled_from(("flip", "cut", "grow", "start"))):
        case "flip":
            mutated[data.draw(st.integers(0, len(mutated) - 1))] ^= data.draw(st.integers(1, 255))
        case "cut":
            del mutated[data.draw(st.integers(0, len(mutated) - 1)) :]
        case "grow":
            mutated += data.draw(st.binary(min_size=1, max_size=9))
        case "start":
            mutated[:8] = data.draw(st.binary(min_size=8, max_size=8))
    try:
        decoded = decode(encoded, data=bytes(mutated))
    except (ArtifactError, LimitError):
        return
    assert decoded.size == encoded.count


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 65), 1 << 65), st.floats(), st.text(max_size=3),
    st.lists(st.integers(), max_size=2), st.just({}), st.sampled_from(("|u1", "<u8", "raw")),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(len(SEEDS)))
@given(st.data())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_mutated_pipelines_give_values_or_an_error_of_our_tree(
    seed: int, data: st.DataObject
) -> None:
    encoded = encode_with(*SEEDS[seed])
    pipeline = json.loads(json.dumps(encoded.pipeline))
    places = [(step, key) for step in pipeline for key in step]
    places += [
        (value, key) for step in pipeline for value in step.values()
        if isinstance(value, dict) for key in value
    ]  # fmt: skip
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(JUNK)
    try:
        decode(encoded, pipeline=pipeline)
    except (ArtifactError, LimitError):
        return


def test_a_palette_is_refused_by_its_first_part_only_where_the_whole_has_too_many() -> None:
    few = RANDOM.choice(RANDOM.normal(size=1000), 300_000)
    found = PALETTE.encode(few)
    assert found is not None and found.sides["table"].size == 1000
    many = RANDOM.normal(size=300_000)
    assert PALETTE.encode(many) is None
    assert PALETTE.encode(np.concatenate([few, many])) is None  # the first part has few
    late = np.concatenate([RANDOM.permutation(60_000).astype(float), np.zeros(240_000)])
    found = PALETTE.encode(late)
    assert found is not None and found.sides["table"].size == 60_000
