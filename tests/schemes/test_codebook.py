"""Codebooks: optimal where that can be checked, near it elsewhere, zeros untouched."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_quantization.arrays import Array
from model_quantization.schemes import codebook
from model_quantization.schemes.codebook import fit_codebook, nearest_codes
from model_quantization.schemes.pruning import Spread
from model_quantization.schemes.quantize import dequantize_array, quantize_array
from model_quantization.schemes.scheme import Codebook, Role, Slot

WEIGHT = Slot(Role.WEIGHT)


def loss(values: Array, table: Array, weights: Array | None = None) -> float:
    error = (values - table.astype(np.float64)[nearest_codes(values, table)]) ** 2
    return float(np.sum(error if weights is None else weights * error))


def least_loss(values: Array, weights: Array, size: int) -> float:
    """The least loss of all ways to cut the sorted values into `size` runs."""
    order = np.argsort(values)
    values, weights = values[order], weights[order]
    best = np.inf
    for cuts in combinations(range(1, values.size), size - 1):
        total = 0.0
        for part, mass in zip(np.split(values, cuts), np.split(weights, cuts), strict=True):
            total += float((mass * (part - np.average(part, weights=mass)) ** 2).sum())
        best = min(best, total)
    return best


@given(
    hnp.arrays(np.float64, st.integers(4, 8), elements=st.floats(-10, 10, width=16), unique=True),
    st.data(),
)
@settings(deadline=None, derandomize=True, max_examples=80)
def test_short_arrays_get_the_best_codebook(values: Array, data: st.DataObject) -> None:
    weights = data.draw(
        hnp.arrays(np.float64, values.shape, elements=st.floats(0.125, 4, width=16))
    )
    table = fit_codebook(values, 3, importance=weights)
    assert loss(values, table, weights) <= least_loss(values, weights, 3) * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("size", [16, 64])
def test_long_arrays_get_nearly_the_best(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for values in (
        rng.normal(size=900),
        rng.standard_t(3, size=900),
        rng.exponential(size=900),
        rng.standard_cauchy(900),
    ):
        iterated = loss(values, fit_codebook(values, size))
        with monkeypatch.context() as patch:
            patch.setattr(codebook, "EXACT_UP_TO", 1000)
            exact = loss(values, fit_codebook(values, size))
        assert exact <= iterated * (1 + 1e-6)
        assert iterated <= exact * 1.25


def test_importance_moves_the_entries() -> None:
    values = np.concatenate([np.linspace(0, 1, 50), np.linspace(10, 11, 50)])
    favoured = np.where(values > 5, 1000.0, 1.0)
    table = fit_codebook(values, 16, importance=favoured)
    assert (table > 5).sum() > (table < 5).sum()


def test_importance_of_zero_everywhere_counts_as_none() -> None:
    values = np.linspace(0, 1, 50)
    unweighted = loss(values, fit_codebook(values, 4))
    zeros = np.zeros(50)
    assert loss(values, fit_codebook(values, 4, importance=zeros)) == pytest.approx(unweighted)


def test_exact_zeros_stay_where_pruning_is_on() -> None:
    values = np.random.default_rng(0).normal(size=2000) + 0.3
    values[np.abs(values) < 0.2] = 0.1
    still = Spread(np.where(values == 0.1, 0.0, 1.0), np.ones(1))
    decoded = dequantize_array(
        quantize_array(values, Codebook(4), WEIGHT, threshold=0.15, spread=still)
    )
    assert (decoded[values == 0.1] == 0.0).all()


def test_few_distinct_values_are_kept_exactly() -> None:
    values = np.array([0.1, -0.0, 1e300, 0.1, 5e-324])
    decoded = dequantize_array(quantize_array(values, Codebook(4), WEIGHT))
    np.testing.assert_array_equal(decoded, values)


def test_entries_are_float32_unless_they_need_more() -> None:
    rng = np.random.default_rng(0)
    assert fit_codebook(rng.normal(size=99), 16).dtype == np.float32
    assert fit_codebook(rng.normal(size=99) * 1e300, 16).dtype == np.float64
    assert fit_codebook(rng.normal(size=99).astype(np.float16), 16).dtype == np.float16


def test_entries_too_far_apart_for_a_difference_are_told_apart_in_the_middle() -> None:
    table = np.array([-1.5e308, 1.0e308])
    values = np.array([-1.4e308, -0.26e308, -0.24e308, 0.9e308])
    assert nearest_codes(values, table).tolist() == [0, 0, 1, 1]
