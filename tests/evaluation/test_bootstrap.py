"""The bootstrap's bound: which quantile, expanded by how much, and that it covers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t

from model_quantization.evaluation.bootstrap import bootstrap_loss_bound
from model_quantization.evaluation.metrics import Weights


def mean_of(values: np.ndarray):
    def score(weights: Weights) -> np.ndarray:
        return np.asarray(weights @ values / weights.sum(axis=1))

    return score


def resampled_losses(losses: np.ndarray, repeats: int, seed: int) -> np.ndarray:
    """The means of the same resamples, drawn here a second time."""
    rows = len(losses)
    drawn = np.random.default_rng(seed).integers(0, rows, size=(repeats, rows))
    return losses[drawn].mean(axis=1)


@pytest.mark.parametrize("rows", [5, 30, 200])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_quantile_is_the_expanded_one(rows: int, alpha: float) -> None:
    """Hesterberg's level: Phi(sqrt(n / (n - 1)) t(n - 1, 1 - alpha)), above 1 - alpha."""
    losses = np.random.default_rng(rows).normal(0.1, 1, rows)
    found = bootstrap_loss_bound(
        mean_of(np.zeros(rows)), mean_of(-losses), rows, repeats=3000, seed=4, alpha=alpha
    )
    level = norm.cdf(np.sqrt(rows / (rows - 1)) * t.ppf(1 - alpha, rows - 1))
    assert level > 1 - alpha
    means = np.sort(resampled_losses(losses, 3000, 4))
    assert found == pytest.approx(np.quantile(means, level, method="higher"), abs=1e-12)
    assert found > np.quantile(means, 1 - alpha)  # the plain percentile is too narrow


def test_it_covers_the_mean_of_few_rows() -> None:
    missed = 0
    for seed in range(400):
        losses = np.random.default_rng(seed).normal(0.0, 1, 10)
        bound = bootstrap_loss_bound(
            mean_of(np.zeros(10)), mean_of(-losses), 10, repeats=400, seed=1, alpha=0.05
        )
        missed += bound < 0.0
    # The plain percentile misses about 9 % here.
    assert missed / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_one_row_bounds_nothing() -> None:
    one = mean_of(np.zeros(1))
    assert bootstrap_loss_bound(one, one, 1, repeats=100, seed=0, alpha=0.05) > 1e300


def test_resamples_in_which_the_score_is_not_defined_say_nothing() -> None:
    def sometimes(weights: Weights) -> np.ndarray:
        return np.where(weights[:, 0] == 0, np.nan, 1.0)

    rows = mean_of(np.zeros(50))
    bound = bootstrap_loss_bound(sometimes, rows, 50, repeats=200, seed=0, alpha=0.05)
    assert bound == 1.0
