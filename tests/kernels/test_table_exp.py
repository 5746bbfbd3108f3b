"""CatBoost's exponential: compiled and by definition, bit for bit; near the true one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.trees.table_exp import (
    HIGHEST,
    LOWEST,
    TABLE,
    table_exponential,
    table_shares,
)
from tests.kernels.agreement import agree


@settings(deadline=None, derandomize=True, max_examples=100)
@given(values=st.lists(st.floats(-708, 709), min_size=1, max_size=20))
def test_exponentials(values: list[float]) -> None:
    given_ = np.array(values)
    _, given_, _ = agree("table_exponential", given_, TABLE)
    assert given_ == pytest.approx([math.exp(value) for value in values], rel=1e-13)


def test_beyond_what_float64_holds() -> None:
    values = np.array([-np.inf, LOWEST, -1e9, HIGHEST, np.inf, 0.0])
    agree("table_exponential", values, TABLE)
    table_exponential(values, TABLE)
    assert values.tolist() == [0.0, 0.0, 0.0, np.inf, np.inf, 1.0]


def test_shares() -> None:
    sums = np.array([[1.0, 3.0, 2.0], [-800.0, 5.0, 5.0]])
    agree("table_shares", sums, TABLE)
    table_shares(sums, TABLE)
    assert sums.sum(axis=1) == pytest.approx(1, rel=1e-15)
    assert sums[1].tolist() == [0.0, 0.5, 0.5]
    assert sums[0] == pytest.approx(np.exp([-2, 0, -1]) / np.exp([-2, 0, -1]).sum(), rel=1e-14)
