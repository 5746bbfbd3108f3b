"""Clip factors: never worse than no clipping, better where an outlier does not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model_quantization.errors import SchemeError
from model_quantization.schemes.affine import channel_ranges
from model_quantization.schemes.quantize import dequantize_array, quantize_array
from model_quantization.schemes.range_search import search_ranges
from model_quantization.schemes.scheme import Affine, Role, Slot

WEIGHT = Slot(Role.WEIGHT, channel_axis=0)
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(300, 40)) * np.linspace(0.01, 3, 40)
WEIGHTS = RNG.normal(size=(5, 40))
WEIGHTS[:, 0] = 9.0  # large, but its input hardly varies


def output_error(factors: Any, scheme: Affine) -> Any:
    ranges = factors[:, None] * channel_ranges(WEIGHTS, 0)
    decoded = dequantize_array(quantize_array(WEIGHTS, scheme, WEIGHT, ranges=ranges))
    return (((WEIGHTS - decoded) @ INPUTS.T) ** 2).sum(axis=1)


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_output_error_shrinks(symmetric: bool) -> None:
    scheme = Affine(8, symmetric=symmetric)
    gram = INPUTS.T @ INPUTS
    factors = search_ranges(WEIGHTS, gram, 8, symmetric=symmetric)
    assert factors.shape == (5,)
    assert ((factors >= 0.3) & (factors <= 1)).all()
    before, after = output_error(np.ones(5), scheme), output_error(factors, scheme)
    assert (after <= before * (1 + 1e-9)).all()
    assert after.sum() < before.sum()


def test_a_diagonal_is_a_gram_matrix_without_correlation() -> None:
    diagonal = (INPUTS**2).sum(axis=0)
    np.testing.assert_array_equal(
        search_ranges(WEIGHTS, diagonal, 8), search_ranges(WEIGHTS, np.diag(diagonal), 8)
    )


def test_equal_errors_keep_the_whole_range() -> None:
    assert search_ranges(np.zeros((3, 4)), np.eye(4), 8).tolist() == [1, 1, 1]
    assert search_ranges(WEIGHTS, np.zeros(40), 8).tolist() == [1] * 5
    assert search_ranges(np.zeros((0, 4)), np.eye(4), 8).tolist() == []


def test_tiny_and_huge_weights_get_the_same_factors() -> None:
    gram = INPUTS.T @ INPUTS
    expected = search_ranges(WEIGHTS, gram, 8)
    for unit in (2.0**-900, 2.0**900):
        np.testing.assert_array_equal(search_ranges(WEIGHTS * unit, gram, 8), expected)


def test_shapes_that_do_not_fit() -> None:
    for weights, gram in ((WEIGHTS, np.eye(3)), (WEIGHTS[0], np.eye(40)), (WEIGHTS, np.ones(5))):
        with pytest.raises(SchemeError, match="second moments do not fit the weights"):
            search_ranges(weights, gram, 8)


def test_values_that_are_not_finite() -> None:
    gram = np.eye(40)
    gram[0, 0] = np.nan
    with pytest.raises(SchemeError, match="inputs of the calibration are not finite; remove rows"):
        search_ranges(WEIGHTS, gram, 8)
