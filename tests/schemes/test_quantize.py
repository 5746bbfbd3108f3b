"""Arrays under schemes: bounds hold, exact is exact, what does not fit is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_quantization.arrays import Array
from model_quantization.errors import SchemeError, UnsupportedComponent
from model_quantization.schemes.pruning import Spread
from model_quantization.schemes.quantize import dequantize_array, quantize_array
from model_quantization.schemes.quantized_array import QuantizedArray
from model_quantization.schemes.scheme import (
    Affine,
    Codebook,
    Exact,
    Float,
    Role,
    Scheme,
    Slot,
)

WEIGHT = Slot(Role.WEIGHT, channel_axis=0)
FLOATS = ("f2", "f4", "f8")
AFFINES = [
    Affine(bits, granularity, symmetric)
    for bits in (8, 16)
    for granularity in ("channel", "array")
    for symmetric in (True, False)
]
SCHEMES: list[Scheme] = [Exact(), Float(16), Float(32), *AFFINES, Codebook(4), Codebook(8)]


@st.composite
def matrices(draw: st.DrawFn) -> Array:
    """Float arrays of any shape and order: plain, huge, subnormal, constant or zero channels."""
    dtype = np.dtype(draw(st.sampled_from(FLOATS)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))
    largest = float(np.finfo(dtype).max)
    elements = draw(
        st.sampled_from(
            (
                st.floats(-1, 1, width=16),
                st.floats(-largest, largest, width=8 * dtype.itemsize),
                st.integers(-3, 3).map(lambda n: n * float(np.finfo(dtype).smallest_subnormal)),
                st.sampled_from((0.0, -0.0, 1.5)),
                st.floats(1000, 1001, width=16),
            )
        )
    )
    array = draw(hnp.arrays(dtype, shape, elements=elements))
    if array.ndim > 1 and array.shape[0] and draw(st.booleans()):
        array[0] = draw(st.sampled_from((0.0, 7.0)))
    return np.asfortranarray(array) if draw(st.booleans()) else array


def slot_for(array: Array, draw_axis: int = 0) -> Slot:
    return Slot(Role.WEIGHT, channel_axis=min(draw_axis, max(array.ndim - 1, 0)))


def check_shape(quantized: QuantizedArray, array: Array) -> Array:
    """What every scheme keeps; gives the decoded array, read through the record."""
    again = QuantizedArray.from_meta(quantized.to_meta(), quantized.parts)
    decoded = dequantize_array(again)
    assert (decoded.shape, decoded.dtype) == (array.shape, array.dtype)
    assert decoded.flags.writeable
    assert decoded.flags.f_contiguous >= array.flags.f_contiguous
    assert decoded.flags.c_contiguous >= array.flags.c_contiguous
    assert all(part.ndim == 1 for part in quantized.parts.values())
    return decoded


@given(matrices(), st.sampled_from(AFFINES), st.integers(0, 2))
@settings(deadline=None, derandomize=True, max_examples=500)
def test_affine_stays_within_its_bound(array: Array, scheme: Affine, axis: int) -> None:
    quantized = quantize_array(array, scheme, slot_for(array, axis))
    decoded = check_shape(quantized, array)
    wide, back = array.astype(np.float64), decoded.astype(np.float64)
    scale = quantized.parts["scale"].astype(np.float64)
    reach = np.abs(wide)
    if quantized.channel_axis is not None:
        others = tuple(k for k in range(array.ndim) if k != quantized.channel_axis)
        scale = np.expand_dims(scale, others)
        reach = reach.max(axis=others, keepdims=True, initial=0.0)
    else:
        scale = scale[0]
        reach = reach.max(initial=0.0)
    eps = float(np.finfo(array.dtype).eps)
    tiny = float(np.finfo(array.dtype).smallest_subnormal)
    # Halves first: the difference of two numbers of 1e308 overflows.
    error = 2 * np.abs(wide / 2 - back / 2)
    assert (error <= scale / 2 * (1 + 2.0**-20) + 2 * eps * reach + tiny).all()
    assert (back[wide == 0] == 0).all()
    assert np.isfinite(back).all()


@given(matrices(), st.sampled_from((Float(16), Float(32))))
@settings(deadline=None, derandomize=True, max_examples=150)
def test_float_is_the_nearest_float(array: Array, scheme: Float) -> None:
    width = min(scheme.bits // 8, array.dtype.itemsize)
    with np.errstate(over="ignore"):
        expected = array.astype(f"f{width}").astype(array.dtype)
    if not np.isfinite(expected).all():
        with pytest.raises(SchemeError, match=f"float{scheme.bits} ends at"):
            quantize_array(array, scheme, WEIGHT)
        return
    decoded = check_shape(quantize_array(array, scheme, WEIGHT), array)
    assert decoded.tobytes("A") == expected.tobytes("A")


def test_float_keeps_nan_and_infinities() -> None:
    array = np.array([np.nan, np.inf, -np.inf, 1.0])
    for scheme in (Float(16), Float(32)):
        decoded = dequantize_array(quantize_array(array, scheme, WEIGHT))
        np.testing.assert_array_equal(decoded, array)


@given(matrices(), st.sampled_from((4, 6, 8)))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_codebook_takes_the_nearest_entry(array: Array, bits: Any) -> None:
    quantized = quantize_array(array, Codebook(bits), WEIGHT)
    decoded = check_shape(quantized, array)
    table = quantized.parts["table"].astype(np.float64)
    assert table.size <= 1 << bits
    if np.unique(array).size <= 1 << bits:
        np.testing.assert_array_equal(decoded, array)
        return
    values = array.ravel().astype(np.float64)
    chosen = 2 * np.abs(decoded.ravel().astype(np.float64) / 2 - values / 2)
    nearest = 2 * np.abs(table[:, None] / 2 - values / 2).min(axis=0)
    eps = float(np.finfo(array.dtype).eps)
    tiny = float(np.finfo(array.dtype).smallest_subnormal)
    assert (chosen <= nearest + 2 * eps * np.abs(values) + tiny).all()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24.0).reshape(2, 3, 4)[:, ::2],
        np.array(3.5),
        np.zeros((0, 3)),
        np.array([np.nan, -0.0, np.inf]),
        np.array(["a", "bc"]),
        np.array([1 + 2j]),
        np.array([True, False]),
        np.array(["2020-01-01"], "M8[D]"),
    ],
)
def test_exact_is_exact(array: Array) -> None:
    quantized = quantize_array(array, Exact(), Slot(Role.STATE))
    decoded = check_shape(quantized, array)
    assert decoded.tobytes("A") == array.tobytes("A" if array.flags.forc else "C")
    decoded[...] = decoded.dtype.type()
    assert dequantize_array(quantized).tobytes("A") == array.tobytes(
        "A" if array.flags.forc else "C"
    )


def test_big_endian_arrays_become_little_endian() -> None:
    array = np.array([1.5, -2.0], ">f8")
    decoded = dequantize_array(quantize_array(array, Exact(), WEIGHT))
    assert decoded.dtype == np.dtype("<f8")
    np.testing.assert_array_equal(decoded, array)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_the_input_is_not_changed_and_the_parts_are_always_the_same(scheme: Scheme) -> None:
    array = np.random.default_rng(0).normal(size=(7, 90))
    before = array.tobytes()
    array.flags.writeable = False
    first = quantize_array(array, scheme, WEIGHT, threshold=0.5)
    second = quantize_array(array, scheme, WEIGHT, threshold=0.5)
    assert array.tobytes() == before
    assert first.to_meta() == second.to_meta()
    assert {k: v.tobytes() for k, v in first.parts.items()} == {
        k: v.tobytes() for k, v in second.parts.items()
    }


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_pruned_arrays_are_stored_sparse(scheme: Scheme, dtype: str, order: Any) -> None:
    array = np.random.default_rng(1).normal(size=(8, 2500)).astype(dtype) + 0.1
    array = np.asarray(array, order=order)
    still = Spread(np.zeros(2500), np.ones(8))  # of features that never change
    quantized = quantize_array(array, scheme, WEIGHT, threshold=2.0, spread=still)
    assert quantized.layout == "sparse"
    decoded = check_shape(quantized, array)
    kept = np.abs(array) >= 2.0
    assert (decoded[~kept] == 0).all()
    step = 0.35 if isinstance(scheme, Codebook) else 0.05
    assert np.abs(decoded[kept] - array[kept]).max() < step


def test_channels_of_one_sided_ranges_keep_pruned_zeros() -> None:
    array = np.random.default_rng(2).uniform(5, 6, size=(4, 50))
    array[:, ::3] = 0.001
    decoded = dequantize_array(
        quantize_array(array, Affine(8, symmetric=False), WEIGHT, threshold=0.01)
    )
    assert (decoded[:, ::3] == 0).all()


def test_arrays_without_zeros_stay_dense() -> None:
    array = np.random.default_rng(2).normal(size=(4, 50))
    assert quantize_array(array, Affine(8), WEIGHT, threshold=0.01).layout == "dense"


def test_constant_channels_come_back_to_the_last_digit() -> None:
    array = np.repeat([[3.7], [0.0], [-1e-40], [1e300]], 5, axis=1)
    for scheme in (Affine(8), Affine(8, symmetric=False), Affine(16)):
        decoded = dequantize_array(quantize_array(array, scheme, WEIGHT))
        np.testing.assert_allclose(decoded, array, rtol=1e-15)


def test_channels_have_their_own_range() -> None:
    array = np.array([[1.0, -0.5, 0.25], [1000.0, -500.0, 250.0]])
    quantized = quantize_array(array, Affine(8), WEIGHT)
    assert quantized.channel_axis == 0
    assert quantized.parts["scale"].dtype == np.float32
    np.testing.assert_allclose(quantized.parts["scale"] * 127, [1, 1000], rtol=1e-6)
    together = quantize_array(array, Affine(8, "array"), WEIGHT)
    assert together.channel_axis is None
    assert together.parts["scale"].size == 1


def test_one_dimensional_arrays_have_one_range() -> None:
    assert quantize_array(np.arange(4.0), Affine(8), WEIGHT).channel_axis is None


def test_scales_beyond_float32_are_float64() -> None:
    quantized = quantize_array(np.array([[1e308, -1e308], [1e-300, 0.0]]), Affine(8), WEIGHT)
    assert quantized.parts["scale"].dtype == np.float64


def test_given_ranges_clip() -> None:
    array = np.array([[1.0, 0.5, 10.0], [1.0, -0.5, -2.0]])
    decoded = dequantize_array(
        quantize_array(array, Affine(8), WEIGHT, ranges=np.array([1.0, 2.0]))
    )
    np.testing.assert_allclose(decoded, [[1, 0.5, 1], [1, -0.5, -2]], atol=0.01)
    pairs = np.array([[0.5, 1.0], [-1.0, 1.0]])
    decoded = dequantize_array(
        quantize_array(array, Affine(8, symmetric=False), WEIGHT, ranges=pairs)
    )
    np.testing.assert_allclose(decoded, [[1, 0.5, 1], [1, -0.5, -1]], atol=0.01)


def test_given_ranges_keep_exact_zeros() -> None:
    array = np.array([[0.0, 5.0, 6.0]])
    decoded = dequantize_array(
        quantize_array(array, Affine(8, symmetric=False), WEIGHT, ranges=np.array([[5.0, 6.0]]))
    )
    assert decoded[0, 0] == 0


@pytest.mark.parametrize(
    "ranges", [np.ones(3), np.array([np.nan, 1]), np.array([[1.0, -1.0], [0, 1]]), np.float64(3)]
)
def test_ranges_that_do_not_fit(ranges: Array) -> None:
    with pytest.raises(SchemeError, match="affine codes cannot be used; expected 2 finite"):
        quantize_array(np.ones((2, 3)), Affine(8), WEIGHT, ranges=ranges, where="x")


# ---- refusals


def test_non_finite_values_are_counted_and_placed() -> None:
    array = np.ones((12, 2))
    array[[0, 4, 9], 1] = np.nan
    with pytest.raises(SchemeError) as caught:
        quantize_array(array, Affine(8), WEIGHT, where="pipeline/clf/coef_")
    assert str(caught.value) == (
        "pipeline/clf/coef_: affine needs finite values, found 3 NaN at rows 0, 4, 9; "
        "set this path to exact in the recipe."
    )
    array[2:7] = np.inf
    with pytest.raises(
        SchemeError, match=r"codebook needs .* 2 NaN and 10 inf at rows 0, 2, 3, \.\.\.;"
    ):
        quantize_array(array, Codebook(8), WEIGHT)
    with pytest.raises(SchemeError, match="found 1 inf; set"):
        quantize_array(np.array(np.inf), Affine(8), WEIGHT)
    with pytest.raises(SchemeError, match="found 1 NaN at row 1;"):
        quantize_array(np.array([0, np.nan]), Affine(8), WEIGHT)


def test_float_overflow_is_counted_and_placed() -> None:
    with pytest.raises(SchemeError) as caught:
        quantize_array(np.array([1.0, 1e6, -1e7]), Float(16), WEIGHT, where="w")
    assert str(caught.value) == (
        "w: float16 ends at 65504, found 2 beyond it at rows 1, 2; "
        "set this path to exact or float32 in the recipe."
    )
    with pytest.raises(SchemeError, match=r"float32 ends at 3\.40282e\+38, found 1 .* exact in"):
        quantize_array(np.array([1e39]), Float(32), WEIGHT)


@pytest.mark.parametrize("scheme", SCHEMES[1:], ids=str)
@pytest.mark.parametrize("dtype", ["i8", "?", "c16", "U3"])
def test_only_exact_takes_what_is_not_floating_point(scheme: Scheme, dtype: str) -> None:
    with pytest.raises(SchemeError, match=f"{scheme.kind} needs floating point; got"):
        quantize_array(np.zeros(3, dtype), scheme, WEIGHT)


def test_slots_that_do_not_tolerate_the_scheme() -> None:
    with pytest.raises(SchemeError, match="t: a threshold does not tolerate int8/channel; set"):
        quantize_array(np.ones(3), Affine(8), Slot(Role.THRESHOLD), where="t")
    slot = Slot(Role.PARAMETER, tolerates=frozenset({"float"}), note="it cancels")
    with pytest.raises(
        SchemeError, match=r"a parameter does not tolerate codebook4 \(it cancels\)"
    ):
        quantize_array(np.ones(3), Codebook(4), slot)


def test_dtypes_that_cannot_be_stored() -> None:
    with pytest.raises(UnsupportedComponent, match="cannot be stored"):
        quantize_array(np.array([None]), Exact(), WEIGHT)


@pytest.mark.parametrize("threshold", [-1.0, float("nan"), float("inf")])
def test_thresholds_that_are_none(threshold: float) -> None:
    with pytest.raises(SchemeError, match="threshold cannot be used; expected a finite number"):
        quantize_array(np.ones(3), Exact(), WEIGHT, threshold=threshold)


def test_only_floating_point_weights_are_pruned() -> None:
    with pytest.raises(SchemeError, match="else than weights cannot be pruned; got role bias"):
        quantize_array(np.ones(3), Exact(), Slot(Role.BIAS), threshold=0.1)
    with pytest.raises(SchemeError, match="not floating point cannot be pruned; got int64"):
        quantize_array(np.ones(3, np.int64), Exact(), WEIGHT, threshold=0.1)


def test_channel_axes_that_the_array_does_not_have() -> None:
    with pytest.raises(SchemeError, match="slot's channel axis; expected 0 to 1, got 2"):
        quantize_array(np.ones((2, 2)), Affine(8), Slot(Role.WEIGHT, channel_axis=2))


def test_weights_may_be_listed_in_the_smaller_order() -> None:
    rng = np.random.default_rng(0)
    weights = np.tile(rng.normal(size=4000), (20, 1))
    weights[:, ::7] += rng.normal(size=(20, 572))
    slot = Slot(Role.WEIGHT, channel_axis=0)
    for array in (weights, np.asfortranarray(weights)):
        own = quantize_array(array, Affine(8), slot)
        free = quantize_array(array, Affine(8), slot, either_order=True)
        assert free.order == "F" and own.order == ("C" if array.flags.c_contiguous else "F")
        assert np.array_equal(dequantize_array(free), dequantize_array(own))
        exact = quantize_array(array, Exact(), slot, either_order=True)
        assert exact.order == own.order
    vectors = Slot(Role.SUPPORT, channel_axis=0)
    assert quantize_array(weights, Affine(8), vectors, either_order=True).order == "C"
