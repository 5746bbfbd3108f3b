"""The bound on a mean holds for every number of rows and however heavy the tail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from model_quantization.evaluation.mean_bounds import (
    Differences,
    mean_bound,
    mean_p_value,
    times_the_rows,
)


@pytest.mark.parametrize("rows", [30, 100, 300, 1000])
@pytest.mark.parametrize("mean", [0.002, 0.005, 0.02])
def test_exact_error_of_rare_ruins(rows: int, mean: float) -> None:
    """Summed, not simulated: rows lose everything with a small chance, which no average shows."""
    bounds = [
        mean_bound(Differences(np.array([0.0, 1.0]), np.array([[rows - k, float(k)]]), 1.0), 0.05)
        for k in range(rows + 1)
        if k < 40
    ]
    missed = sum(binom.pmf(k, rows, mean) for k, bound in enumerate(bounds) if bound < mean)
    assert missed <= 0.05


@pytest.mark.parametrize("rows", [30, 100, 1000, 5000])
def test_heavy_tails(rows: int) -> None:
    generator = np.random.default_rng(rows)
    many = np.minimum(generator.lognormal(-5, 2, 400_000), 1.0)
    missed = 0
    for _ in range(150):
        drawn = many[generator.integers(0, len(many), rows)]
        missed += mean_bound(Differences.of(drawn, 1.0), 0.05) < many.mean()
    assert missed <= 0.05 * 150 + 2.5 * np.sqrt(150 * 0.05 * 0.95)


def test_nothing_lost_is_bounded_like_flips() -> None:
    for rows in (100, 1000, 100_000):
        bound = mean_bound(Differences.of(np.zeros(rows), 0.5), 0.05)
        assert 0.5 * 3.0 / rows < bound < 0.5 * 3.7 / rows


def test_rounding_up_of_many_rows_raises_the_bound_a_little() -> None:
    drawn = np.random.default_rng(1).normal(0, 0.1, 4096)
    exact = mean_bound(Differences.of(drawn, 1.0), 0.05)
    rounded = mean_bound(Differences.of(np.repeat(drawn, 2), 1.0), 0.05)
    twice = Differences.of(drawn, 1.0)
    doubled = mean_bound(Differences(twice.values, 2 * twice.counts, 1.0), 0.05)
    assert doubled <= rounded + 1e-6 < exact
    assert rounded - doubled < 1 / 4096
    assert mean_bound(Differences.of(np.zeros(5000), 1.0), 0.05) < 3.7 / 5000


def test_more_losses_never_lower_the_bound() -> None:
    @settings(deadline=None, derandomize=True, max_examples=40)
    @given(
        st.lists(st.floats(-1, 1), min_size=5, max_size=60),
        st.integers(0, 4),
        st.floats(0, 1),
    )
    def check(values: list[float], place: int, more: float) -> None:
        before = np.array(values)
        after = before.copy()
        after[place] += more
        bounds = [mean_bound(Differences.of(each, 1.0), 0.05) for each in (before, after)]
        assert bounds[0] <= bounds[1] + 2e-4
        assert bounds[0] > before.mean() - 1e-4
        assert bounds[1] <= 1.0

    check()


def test_values_beyond_the_cap_count_as_the_cap() -> None:
    capped = Differences.of(np.array([9.0, 0.0, -9.0, 0.0]), 0.5)
    assert capped.mean == 0.0 and capped.values.max() == 1.0
    assert mean_p_value(capped, 0.5) == 0.0  # no mean exceeds the cap
    assert mean_p_value(capped, -1.0) == 1.0


def test_times_the_rows() -> None:
    none = Differences.of(np.zeros(100), 1.0)
    times = times_the_rows(none, 0.01, 0.05)
    assert times is not None and times * 100 == pytest.approx(361, rel=0.05)
    more = Differences(none.values, none.counts * times, 1.0)
    assert mean_p_value(more, 0.01) <= 0.05
    assert times_the_rows(Differences.of(np.full(9, 0.1), 1.0), 0.1, 0.05) is None
