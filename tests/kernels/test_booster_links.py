"""What boosters make of their sums: compiled and by definition, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.trees import booster_links as links

numbers = st.lists(st.floats(-700, 700), min_size=1, max_size=12)
some = settings(deadline=None, derandomize=True, max_examples=60)


@some
@given(sums=numbers)
@pytest.mark.parametrize("name", ["exponential", "log_one_plus_exp"])
def test_of_each_sum(name: str, sums: list[float]) -> None:
    given_ = np.array(sums)
    expected = getattr(links, f"{name}_reference")(given_)
    getattr(links, name)(given_)
    assert given_.tobytes() == expected.tobytes()


@some
@given(sums=numbers, slope=st.sampled_from([1.0, 0.3, 2.0]))
def test_logistic(sums: list[float], slope: float) -> None:
    given_ = np.array(sums) / 3
    expected = links.logistic_reference(given_, slope)
    links.logistic(given_, slope)
    assert given_.tobytes() == expected.tobytes()


@some
@given(row=st.lists(st.floats(-50, 50), min_size=1, max_size=6), rows=st.integers(1, 3))
def test_normalized_exponentials(row: list[float], rows: int) -> None:
    given_ = np.array([row] * rows) * np.arange(1, rows + 1)[:, None]
    expected = links.normalized_exponentials_reference(given_)
    links.normalized_exponentials(given_)
    assert given_.tobytes() == expected.tobytes()
    assert given_.sum(axis=1) == pytest.approx(1)


@some
@given(row=st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=6))
def test_in_float32(row: list[float]) -> None:
    given_ = np.array([row], dtype=np.float32)
    bound = float(4 * np.finfo(np.float32).eps)
    shares = given_.copy()
    links.normalized_exponentials32(shares)
    expected = links.normalized_exponentials_reference(given_.astype(np.float64))
    # A difference of 80 rounded to float32 is off by 4e-6: so is its exponential, relatively.
    assert shares == pytest.approx(expected, rel=1e-5, abs=1e-37)
    odds = given_.reshape(-1).copy()
    links.logistic32(odds)
    assert odds == pytest.approx(links.logistic32_reference(given_[0]), rel=bound)
    inner = np.clip(odds, 0.01, 0.99)
    back = inner.copy()
    links.log_odds32(back)
    assert back == pytest.approx(np.log(inner / (1 - inner.astype(float))), rel=1e-4, abs=1e-6)
    links.logarithm32(inner)
    assert inner.dtype == back.dtype == np.float32


def test_what_float32_cannot_hold_stays_finite() -> None:
    sums = np.array([-1e4, 1e4, -np.inf], dtype=np.float32)
    links.logistic32(sums)
    assert sums.tolist() == [pytest.approx(2.9926e-39, rel=0.05), 1.0, sums[0]]
