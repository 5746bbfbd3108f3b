"""AUC, reciprocal ranks and rank correlation: their values, and the bound on what AUC lost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from model_quantization.evaluation.mean_bounds import mean_bound
from model_quantization.evaluation.ranking import (
    area,
    area_differences,
    placements,
    rank_correlation,
    reciprocal_ranks,
)

RNG = np.random.default_rng(0)


def test_areas_are_scikit_learns() -> None:
    positive = RNG.random(500) < 0.3
    scores = np.round(RNG.normal(positive, 1), 1)  # with ties
    assert area(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    wins, loses = placements(scores, positive)
    assert wins.mean() == pytest.approx(loses.mean())
    assert (len(wins), len(loses)) == (positive.sum(), (~positive).sum())


@pytest.mark.parametrize("share", [0.5, 0.9, 0.1])
def test_the_differences_have_the_loss_for_their_mean(share: float) -> None:
    positive = RNG.random(4000) < share
    before = RNG.normal(2.0 * positive, 1)
    after = before + RNG.normal(0, 1, 4000)
    loss = area(before, positive) - area(after, positive)
    found = area_differences(before, after, positive, 0)
    assert found.mean == pytest.approx(loss, abs=0.01)
    assert mean_bound(found, 0.05) > loss
    # One row of the smaller class each, so that they are independent.
    assert found.counts.sum(axis=1) == pytest.approx(min(positive.sum(), (~positive).sum()))


def test_the_bound_on_area_holds_when_a_few_positives_are_ruined() -> None:
    """The loss is known: each positive sinks below all with a chance of 1 %."""
    missed, rows = 0, 400
    for seed in range(150):
        generator = np.random.default_rng(seed)
        positive = np.arange(rows) % 2 == 0
        before = np.where(positive, 1.0, 0.0) + generator.random(rows) / 2
        after = np.where(positive & (generator.random(rows) < 0.01), -1.0, before)
        missed += mean_bound(area_differences(before, after, positive, seed), 0.05) < 0.01
    assert missed <= 0.05 * 150 + 2.5 * np.sqrt(150 * 0.05 * 0.95)


def test_reciprocal_ranks_count_ties_half() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [1.0, 1.0, 1.0], [0.1, 0.2, 0.7]])
    found = reciprocal_ranks(scores, np.array([0, 0, 1, -1]))
    assert found == pytest.approx([1.0, 1 / 2.5, 1 / 2, 0.0])


def test_rank_correlation_is_spearmans() -> None:
    before = RNG.normal(size=300)
    after = np.round(before + RNG.normal(0, 0.5, 300), 1)
    assert rank_correlation(before, after) == pytest.approx(spearmanr(before, after).statistic)
    assert rank_correlation(before, np.zeros(300)) == 0.0
    assert rank_correlation(np.zeros(300), before) is None
