"""Scalers alone: as one pass over a copy of the rows, to the bit, or left to scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from model_quantization.api import ModelQuantizer
from model_quantization.arrays import Array
from model_quantization.families.forms import Affine
from model_quantization.families.scaler import FAMILY
from tests.families.checks import check_same_bits

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(50, 6)) * np.logspace(-3, 9, 6) + np.arange(6)
ROWS[:, 2] = 4.0  # a column that does not vary

SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    MinMaxScaler(),
    MinMaxScaler(feature_range=(-3, 7)),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False, quantile_range=(10, 90)),
]


def quantized(model: Any, depth: int | str) -> Any:
    return ModelQuantizer(depth).quantize_model(model)[0]


@pytest.mark.parametrize("depth", ["exact", 8, 16, 32])
@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_it_is_exact_at_every_depth(scaler: Any, depth: int | str) -> None:
    made = quantized(scaler.fit(ROWS), depth)
    assert made.fast_methods == ("transform",)
    before = ROWS.copy()
    for rows in (ROWS, ROWS[:1], np.asfortranarray(ROWS), ROWS[::2], ROWS.tolist()):
        check_same_bits("transform", scaler.transform(rows), made.transform(rows))
    np.testing.assert_array_equal(ROWS, before)
    narrow = ROWS.astype(np.float32)
    if depth == "exact":
        check_same_bits("transform", scaler.transform(narrow), made.transform(narrow))
    else:
        np.testing.assert_allclose(made.transform(narrow), scaler.transform(narrow), rtol=1e-4)


def test_missing_values_pass_through_and_infinities_do_not() -> None:
    scaler = StandardScaler().fit(ROWS)
    made, holed = quantized(scaler, 8), ROWS.copy()
    holed[3, 1] = np.nan
    check_same_bits("transform", scaler.transform(holed), made.transform(holed))
    holed[3, 1] = np.inf
    with pytest.raises(ValueError, match="Input X contains infinity"):
        made.transform(holed)


def test_sparse_rows_and_other_directions_are_scikit_learns() -> None:
    scaler = MaxAbsScaler().fit(ROWS)
    made, rows = quantized(scaler, 8), csr_array(ROWS)
    check_same_bits("transform", scaler.transform(rows), made.transform(rows))
    check_same_bits("inverse", scaler.inverse_transform(ROWS), made.inverse_transform(ROWS))
    with pytest.raises(ValueError, match="Cannot center sparse matrices"):
        quantized(StandardScaler().fit(ROWS), 8).transform(rows)


def test_statistics_are_never_rounded() -> None:
    stamps = RNG.uniform(1.7e9, 1.8e9, size=(60, 40))
    _, stats = ModelQuantizer(8).quantize_model(StandardScaler().fit(stamps))
    assert stats["components"][0]["scheme"] == "exact"
    assert "float32 is off by seconds" in stats["components"][0]["reason"]


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_scale_and_shift_are_the_same_map(scaler: Any) -> None:
    made = quantized(scaler.fit(ROWS), 8)
    form = made._lowered.form
    assert isinstance(form, Affine)
    scale, shift = form.scale, form.shift
    expected: Array = scaler.transform(ROWS)
    np.testing.assert_allclose(ROWS * scale + shift, expected, rtol=1e-6, atol=1e-6)
    assert FAMILY.name == "scaler"
