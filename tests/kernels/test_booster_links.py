"""What boosters make of their sums: compiled and by definition, bit for bit in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from model_quantization.kernels.trees import booster_links as links
from tests.kernels.agreement import agree

some = settings(deadline=None, derandomize=True, max_examples=60)
FLOAT32_ULPS = 4 * float(np.finfo(np.float32).eps)

sums = arrays(np.float64, st.integers(1, 40), elements=st.floats(-800, 800))
tables = arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-50, 50))
sums32 = arrays(np.float32, st.integers(1, 40), elements=st.floats(-80, 80, width=32))
tables32 = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-80, 80, width=32)
)


@some
@given(given_=sums)
@pytest.mark.parametrize("name", ["exponential", "log_one_plus_exp"])
def test_of_each_sum(name: str, given_: np.ndarray) -> None:
    agree(name, given_)


@some
@given(given_=sums, slope=st.sampled_from([1.0, 0.3, 2.0]))
def test_logistic(given_: np.ndarray, slope: float) -> None:
    agree("logistic", given_, slope)


@some
@given(given_=tables)
def test_normalized_exponentials(given_: np.ndarray) -> None:
    _, shares = agree("normalized_exponentials", given_)
    assert shares.sum(axis=1) == pytest.approx(1)


@some
@given(given_=sums32, table=tables32)
def test_in_float32(given_: np.ndarray, table: np.ndarray) -> None:
    agree("exponential32", given_, rtol=FLOAT32_ULPS)
    agree("normalized_exponentials32", table, rtol=FLOAT32_ULPS, atol=1e-38)
    _, odds = agree("logistic32", given_, rtol=FLOAT32_ULPS, atol=1e-38)
    inner = np.clip(odds, np.float32(0.01), np.float32(0.99))
    _, back = agree("log_odds32", inner, rtol=FLOAT32_ULPS, atol=1e-6)
    assert back == pytest.approx(np.log(inner / (1 - inner.astype(float))), rel=1e-4, abs=1e-6)
    agree("logarithm32", inner, rtol=FLOAT32_ULPS, atol=1e-7)


def test_what_float32_cannot_hold_stays_finite() -> None:
    given_ = np.array([-1e4, 1e4, -np.inf], dtype=np.float32)
    links.logistic32(given_)
    assert given_.tolist() == [pytest.approx(2.9926e-39, rel=0.05), 1.0, given_[0]]
