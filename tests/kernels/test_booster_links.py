"""What boosters make of their sums: compiled and by definition, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.quantization.kernels import booster_links as links

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
