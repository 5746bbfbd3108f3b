"""Codes with their scales: for predictors that compute with codes instead of weights."""

from __future__ import annotations

import numpy as np
import pytest

from model_quantization.schemes.quantize import dequantize_array, quantize_array, stored_codes
from model_quantization.schemes.scheme import Affine, Exact, Role, Slot

WEIGHT = Slot(Role.WEIGHT, channel_axis=0)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("density", [1.0, 0.05])
@pytest.mark.parametrize("shape", [(5, 300), (1500,)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_scale_times_code_is_the_dequantized_array(order, density, shape, dtype):
    rng = np.random.default_rng(0)
    array = np.asarray(rng.normal(size=shape) * (rng.random(shape) < density), dtype, order=order)
    slot = WEIGHT if array.ndim == 2 else Slot(Role.WEIGHT)
    quantized = quantize_array(array, Affine(8), slot)
    assert quantized.layout == ("dense" if density == 1.0 else "sparse")
    stored = stored_codes(quantized)
    codes, scale = stored.dense(), stored.scale.astype(np.float64)
    assert codes.dtype == np.int8
    assert codes.flags.f_contiguous
    assert stored.scale.dtype == dtype
    assert (stored.n_features, stored.n_outputs) == (shape[-1], 5 if len(shape) == 2 else 1)
    values = (codes.T.astype(np.float64) * scale).T.astype(dtype)
    assert np.array_equal(values, dequantize_array(quantized))


def test_arrays_that_are_no_codes_by_rows_have_none():
    array = np.random.default_rng(0).normal(size=(8, 40))
    for scheme, slot in (
        (Exact(), WEIGHT),
        (Affine(8, symmetric=False), Slot(Role.LOG_PROBABILITY, channel_axis=0)),
        (Affine(8), Slot(Role.WEIGHT, channel_axis=1)),
    ):
        assert stored_codes(quantize_array(array, scheme, slot)) is None
