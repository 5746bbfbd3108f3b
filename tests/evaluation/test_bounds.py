"""The bounds cover what they say they cover, and are as sharp as the sample sizes promise."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, multinomial

from model_quantization.evaluation.bounds import (
    flip_bound,
    loss_bound,
    loss_p_value,
    rows_needed_counts,
    rows_needed_interval,
    rows_needed_with_one_lost,
)


def test_flip_bound_is_clopper_pearsons():
    assert flip_bound(0, 300) == pytest.approx(0.01, rel=0.01)
    assert flip_bound(3, 100) == pytest.approx(beta.ppf(0.95, 4, 97))
    assert flip_bound(7, 7) == 1.0


def test_without_discordance_the_loss_is_bounded_like_flips():
    for rows in (20, 300, 5000):
        assert loss_bound(0, 0, rows) == pytest.approx(flip_bound(0, rows), rel=0.02)


@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_exact_coverage(alpha):
    """Not simulated but summed: the chance that the bound lies below the true loss."""
    n, most = 30, 20
    bounds = {(b, m - b): loss_bound(b, m - b, n, alpha) for m in range(most) for b in range(m + 1)}
    counts = np.array(list(bounds))
    values = np.array(list(bounds.values()))
    outcomes = np.column_stack([counts, n - counts.sum(axis=1)])
    shares = (0.0, 0.01, 0.04, 0.09, 0.2)
    for p_b, p_c in itertools.product(shares, shares):
        chances = multinomial.pmf(outcomes, n, [p_b, p_c, 1 - p_b - p_c])
        missed = chances[values < p_b - p_c - 1e-6].sum() + max(0.0, 1 - chances.sum())
        assert missed <= alpha + 1e-4, (p_b, p_c, missed)


def test_simulated_coverage_at_the_border_of_the_limit():
    generator = np.random.default_rng(5)
    n, limit = 2000, 0.005
    for discordance in (0.006, 0.02, 0.1):
        shares = [(discordance + limit) / 2, (discordance - limit) / 2, 1 - discordance]
        drawn = generator.multinomial(n, shares, size=400)[:, :2]
        passed = [loss_p_value(int(b), int(c), n, limit) <= 0.05 for b, c in drawn]
        assert np.mean(passed) <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize(("rows", "limit"), [(4950, 0.005), (1240, 0.01)])
def test_the_promised_sample_sizes(rows, limit):
    """At 2 % discordance and no loss: about that many rows, for a proof four times in five."""
    discordant = round(0.02 * rows)
    b = discordant // 2
    assert rows_needed_counts(b, b, rows, limit, 0.05) == pytest.approx(rows, rel=0.05)
    assert loss_bound(b, b, rows) < limit
    drawn = np.random.default_rng(0).multinomial(rows, [0.01, 0.01, 0.98], size=150)
    power = np.mean([loss_p_value(int(b), int(c), rows, limit) <= 0.05 for b, c, _ in drawn])
    assert power > 0.65


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(81, 3000))
def test_more_losses_never_lower_the_bound_more_gains_never_raise_it(b, c, rows):
    bound = loss_bound(b, c, rows)
    assert (b - c) / rows < bound <= flip_bound(b + c, rows, 0.0005)
    assert loss_bound(b + 1, c, rows) >= bound - 2e-6
    assert loss_bound(b, c + 1, rows) <= bound + 2e-6


def test_everything_or_nothing_changed():
    assert loss_bound(50, 0, 50) == pytest.approx(1.0, abs=1e-5)
    assert loss_bound(0, 50, 50) < -0.85
    assert loss_p_value(0, 0, 100, 0.0) > 0.05


def test_rows_needed():
    assert rows_needed_counts(0, 0, 50, 0.005, 0.05) == 598
    assert flip_bound(0, 598) <= 0.005 < flip_bound(0, 597)
    assert rows_needed_counts(5, 0, 100, 0.05, 0.05) is None
    assert rows_needed_interval(0.0, 0.02, 100, 0.01, 0.05) == pytest.approx(
        400 * 1.511**2, rel=0.01
    )
    assert rows_needed_interval(0.02, 0.03, 100, 0.01, 0.05) is None


@pytest.mark.parametrize("rows", [100, 700, 3000])
@pytest.mark.parametrize("loss", [0.005, 0.02])
def test_the_price_of_confining_the_discordance_is_paid(rows, loss):
    """Berger and Boos: the p-value over the confined range, and gamma on top of it.

    With no discordant row the tail is closed: (1 - loss)^n, where all discordance is loss.
    """
    gamma = 0.05 * 0.02
    closed = (1 - loss) ** rows
    p_value = loss_p_value(0, 0, rows, loss)
    if flip_bound(0, rows, gamma / 2) <= loss:
        assert p_value == gamma  # no discordance that large is left in the range
    else:
        assert p_value == pytest.approx(closed + gamma, rel=1e-9)
    assert loss_p_value(0, 0, 100, 0.5) == gamma


@pytest.mark.parametrize("limit", [0.005, 0.01])
@pytest.mark.parametrize("rows", [30, 299, 598, 1000])
def test_the_exact_error_of_publishing(rows, limit):
    """Summed over all outcomes: at a loss of exactly the limit at most 5 % are within the bound."""
    most = 16  # more than 15 lost rows pass nowhere here, and so many are hardly ever won
    outcomes = np.array([(b, c) for b in range(most) for c in range(most) if b + c <= rows])
    within = [loss_p_value(int(b), int(c), rows, limit) <= 0.05 for b, c in outcomes[1:]]
    within = np.array([loss_bound(0, 0, rows) <= limit, *within])
    passed = np.column_stack([outcomes, rows - outcomes.sum(axis=1)])[within]
    for won in (0.0, 1e-4, 1e-3, 3e-3):
        shares = [limit + won, won, 1 - limit - 2 * won]
        error = multinomial.pmf(passed, rows, shares).sum() if len(passed) else 0.0
        unseen = binom.sf(most - 1, rows, won)  # won more often than was looked at
        assert error + unseen <= 0.05, (won, error)


def test_no_change_is_bounded_by_the_bound_on_flips():
    assert loss_bound(0, 0, 598) == flip_bound(0, 598) <= 0.005


@pytest.mark.parametrize(("limit", "rows"), [(0.05, 94), (0.02, 237), (0.01, 475)])
def test_rows_needed_with_one_lost(limit, rows):
    assert rows_needed_with_one_lost(limit, 0.05) == rows
    assert loss_bound(1, 0, rows) <= limit < loss_bound(1, 0, rows - 1)
    assert rows_needed_with_one_lost(1.0, 0.05) == 1
