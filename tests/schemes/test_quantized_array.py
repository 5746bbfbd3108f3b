"""Records of quantized arrays: hostile ones give named errors before anything is decoded."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.errors import ArtifactError, FormatError, LimitError, SemanticError
from model_quantization.schemes.pruning import Spread
from model_quantization.schemes.quantize import dequantize_array, quantize_array
from model_quantization.schemes.quantized_array import QuantizedArray
from model_quantization.schemes.scheme import Affine, Codebook, Exact, Float, Role, Scheme, Slot

WEIGHT = Slot(Role.WEIGHT, channel_axis=0)
ARRAY = np.random.default_rng(0).normal(size=(3, 40))
STILL = Spread(np.zeros(40), np.ones(3))  # of features that never change: all small weights go
BY_NAME: dict[str, QuantizedArray] = {
    "exact": quantize_array(ARRAY, Exact(), WEIGHT),
    "integers": quantize_array(np.arange(12).reshape(3, 4), Exact(), Slot(Role.INDEX)),
    "float": quantize_array(ARRAY, Float(16), WEIGHT),
    "symmetric": quantize_array(ARRAY, Affine(8), WEIGHT),
    "asymmetric": quantize_array(ARRAY, Affine(16, symmetric=False), WEIGHT),
    "codebook": quantize_array(ARRAY, Codebook(4), WEIGHT),
    "sparse": quantize_array(ARRAY, Affine(8), WEIGHT, threshold=1.5, spread=STILL),
    "sparse_codebook": quantize_array(ARRAY, Codebook(4), WEIGHT, threshold=1.5, spread=STILL),
}


def changed(name: str, meta: dict[str, Any], parts: dict[str, Any]) -> QuantizedArray:
    good = BY_NAME[name]
    return QuantizedArray.from_meta(good.to_meta() | meta, good.parts | parts)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_record_survives_json(name: str) -> None:
    good = BY_NAME[name]
    meta = json.loads(json.dumps(good.to_meta()))
    again = QuantizedArray.from_meta(meta, good.parts)
    assert again.to_meta() == good.to_meta()
    assert dequantize_array(again).tobytes() == dequantize_array(good).tobytes()


def test_the_sparse_examples_are_sparse() -> None:
    assert BY_NAME["sparse"].layout == BY_NAME["sparse_codebook"].layout == "sparse"


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_scales_must_be_positive_and_finite(value: float) -> None:
    with pytest.raises(SemanticError, match="scale that is not positive and finite"):
        changed("symmetric", {}, {"scale": np.array([1, value, 1], np.float32)})


def test_zeros_must_be_finite() -> None:
    with pytest.raises(SemanticError, match="zero that is not finite"):
        changed("asymmetric", {}, {"zero": np.array([1, np.nan, 1])})


def test_codes_beyond_the_codebook() -> None:
    with pytest.raises(SemanticError, match="beyond the codebook; expected less than 16, got 16"):
        changed("codebook", {}, {"codes": np.full(120, 16, np.uint8)})
    with pytest.raises(SemanticError, match="too many entries; expected at most 16, got 17"):
        changed("codebook", {}, {"table": np.arange(17.0)})
    with pytest.raises(SemanticError, match="entry that is not finite"):
        changed("codebook", {}, {"table": np.array([np.nan] * 16)})


def test_positions_beyond_the_end() -> None:
    gaps = BY_NAME["sparse"].parts["gaps"]
    with pytest.raises(SemanticError, match="beyond the end"):
        changed("sparse", {}, {"gaps": np.full(gaps.size, 100, np.uint8)})
    with pytest.raises(SemanticError, match="beyond the end"):
        changed("sparse", {}, {"gaps": np.full(gaps.size, 1 << 63, np.uint64)})
    with pytest.raises(SemanticError, match="more elements than the shape has"):
        changed("sparse", {}, {"gaps": np.zeros(121, np.uint8), "codes": np.zeros(121, np.int8)})


@pytest.mark.parametrize(
    ("name", "meta"),
    [
        ("exact", {"shape": [3, -40]}),
        ("exact", {"shape": [3, True]}),
        ("exact", {"shape": [3, 40.0]}),
        ("exact", {"shape": "3"}),
        ("exact", {"shape": [3, 41]}),
        ("exact", {"shape": [1] * 33}),
        ("exact", {"dtype": "O"}),
        ("exact", {"dtype": "<f4"}),
        ("exact", {"order": "K"}),
        ("exact", {"order": ["C"]}),
        ("exact", {"layout": "csr"}),
        ("exact", {"layout": "sparse"}),
        ("exact", {"channel_axis": 0}),
        ("exact", {"extra": 1}),
        ("exact", {"scheme": "exact"}),
        ("exact", {"scheme": {"kind": "drop"}}),
        ("exact", {"scheme": {"kind": "magic"}}),
        ("exact", {"scheme": {"kind": "exact", "bits": 8}}),
        ("exact", {"scheme": {1: 2}}),
        ("symmetric", {"scheme": {"kind": "affine", "bits": 9}}),
        ("symmetric", {"scheme": {"kind": "affine", "bits": []}}),
        ("symmetric", {"scheme": {"kind": "affine", "bits": 16}}),
        ("symmetric", {"scheme": {"kind": "affine", "bits": 8, "symmetric": 1}}),
        ("symmetric", {"scheme": {"kind": "affine", "bits": 8, "granularity": []}}),
        ("symmetric", {"channel_axis": None}),
        ("symmetric", {"channel_axis": 1}),
        ("symmetric", {"channel_axis": 2}),
        ("symmetric", {"channel_axis": True}),
        ("symmetric", {"dtype": "<i8"}),
        ("integers", {"layout": "sparse"}),
        ("codebook", {"channel_axis": 0}),
        ("sparse", {"layout": "dense"}),
    ],
)
def test_records_that_break_the_grammar(name: str, meta: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        changed(name, meta, {})


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("exact", {"values": np.zeros(119)}),
        ("exact", {"values": ARRAY}),
        ("exact", {"values": [1.0] * 120}),
        ("exact", {"more": np.zeros(1)}),
        ("float", {"values": np.zeros(120)}),
        ("symmetric", {"codes": np.zeros(120, np.uint8)}),
        ("symmetric", {"scale": np.ones(4, np.float32)}),
        ("symmetric", {"scale": np.ones(3, np.int64)}),
        ("symmetric", {"zero": np.ones(3)}),
        ("asymmetric", {"zero": np.ones(1)}),
        ("codebook", {"table": np.zeros(16, np.int64)}),
        ("sparse", {"gaps": np.zeros(1, np.uint8)}),
        ("sparse", {"gaps": np.zeros(10, np.int8)}),
    ],
)
def test_parts_that_do_not_fit(name: str, parts: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        changed(name, {}, parts)


def test_a_record_that_is_no_object() -> None:
    with pytest.raises(FormatError, match="the record of an array is not an object"):
        QuantizedArray.from_meta([], {})


@pytest.mark.parametrize("shape", [[1 << 40, 1 << 40], [0, 1 << 62], [1 << 31, 1]])
def test_shapes_beyond_the_limit(shape: list[int]) -> None:
    with pytest.raises(LimitError):
        changed("sparse", {"shape": shape}, {})


def test_the_limit_can_be_set() -> None:
    good = BY_NAME["exact"]
    with pytest.raises(LimitError, match="an array larger than the limit"):
        QuantizedArray.from_meta(good.to_meta(), good.parts, max_bytes=ARRAY.nbytes - 1)
    QuantizedArray.from_meta(good.to_meta(), good.parts, max_bytes=ARRAY.nbytes)


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 65), 1 << 65), st.floats(), st.text(max_size=3),
    st.lists(st.integers(-3, 1 << 62), max_size=4), st.just({}),
    st.sampled_from(("<f8", "<f2", "<U3", "F", "sparse")),
)  # fmt: skip


@given(st.sampled_from(sorted(BY_NAME)), st.data())
@settings(deadline=None, derandomize=True, max_examples=500)
def test_what_passes_the_checks_decodes(name: str, data: st.DataObject) -> None:
    good = BY_NAME[name]
    meta: dict[str, Any] = json.loads(json.dumps(good.to_meta()))
    parts = dict(good.parts)
    if data.draw(st.booleans()):
        holder = meta["scheme"] if data.draw(st.booleans()) else meta
        holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(JUNK)
    else:
        key = data.draw(st.sampled_from(sorted(parts)))
        part = parts[key].copy()
        raw = part.view(np.uint8)
        raw[data.draw(st.integers(0, raw.size - 1))] ^= data.draw(st.integers(1, 255))
        parts[key] = part
    try:
        quantized = QuantizedArray.from_meta(meta, parts)
    except (ArtifactError, LimitError):
        return
    decoded = dequantize_array(quantized)
    assert (decoded.shape, decoded.dtype.str) == (quantized.shape, quantized.dtype)


def test_schemes_are_read_back_as_they_were() -> None:
    schemes: list[Scheme] = [Exact(), Float(32), Affine(16, "array", False), Codebook(6)]
    for scheme in schemes:
        good = quantize_array(ARRAY, scheme, WEIGHT)
        assert QuantizedArray.from_meta(good.to_meta(), good.parts).scheme == scheme
