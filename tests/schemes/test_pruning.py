"""Pruning: small weights become zero where that hardly moves a score, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model_quantization.schemes.pruning import SMALL_SHARE, Spread, count_kept, prunable, prune
from model_quantization.schemes.scheme import Role, Slot

ROWS = Slot(Role.WEIGHT, channel_axis=0)
COLUMNS = Slot(Role.WEIGHT, channel_axis=1)
LAST = Slot(Role.WEIGHT, channel_axis=-1)
FLAT = Slot(Role.WEIGHT)


def test_weights_of_large_features_stay() -> None:
    """The model of a fraud desk: amounts in thousands, so that every weight is small."""
    weights = np.random.default_rng(0).normal(size=(1, 40)) * 2e-4
    spread = Spread(np.full(40, 1000.0), np.array([0.2 * np.sqrt(40)]))
    assert (np.abs(weights) < 0.001).all()
    for given_spread in (spread, None):
        kept = prune(weights, 0.001, ROWS, spread=given_spread) != 0
        assert kept.mean() > 0.9
        assert count_kept(weights, 0.001, ROWS, given_spread) == kept.sum()


def test_a_small_weight_of_one_large_feature_stays() -> None:
    weights = np.array([[5.0, 0.0005, 0.0005]])
    spread = Spread(np.array([0.01, 10_000.0, 1.0]), np.array([5.0]))
    assert prune(weights, 0.001, ROWS, spread=spread).tolist() == [[5.0, 0.0005, 0.0]]
    assert count_kept(weights, 0.001, ROWS, spread) == 1


def test_weights_that_matter_only_together_stay() -> None:
    weights = np.full((1, 10_000), 0.0009)
    assert np.count_nonzero(prune(weights, 0.001, ROWS)) > 9_990


def test_scores_that_cancel_count_by_their_own_spread() -> None:
    """Two features that are nearly one: large weights, and a score that hardly varies."""
    weights = np.array([[100.0, -100.0, 0.0009]])
    spread = Spread(np.array([1.0, 1.0, 1.0]), np.array([0.001]))
    assert prune(weights, 0.001, ROWS, spread=spread)[0, 2] == 0.0009
    assert prune(weights, 0.001, ROWS)[0, 2] == 0.0


def test_small_weights_go_where_they_do_nothing() -> None:
    weights = np.array([[1.0, 0.0009, -0.0009, 0.001]])
    assert prune(weights, 0.001, ROWS).tolist() == [[1.0, 0.0, 0.0, 0.001]]
    assert count_kept(weights, 0.001, ROWS) == 0
    assert prune(weights, 0.0, ROWS) is weights
    assert count_kept(weights, 0.0, ROWS) == 0


def test_each_score_is_held_against_its_own_spread() -> None:
    weights = np.array([[1.0, 0.0005], [0.0008, 0.0005]])
    pruned = [[1.0, 0.0], [0.0008, 0.0005]]
    assert prune(weights, 0.001, ROWS).tolist() == pruned
    assert prune(weights.T, 0.001, COLUMNS).T.tolist() == pruned
    assert prune(np.asfortranarray(weights), 0.001, ROWS).tolist() == pruned
    assert prune(weights[1], 0.001, FLAT).tolist() == pruned[1]


def test_a_constant_score_loses_nothing_that_moves() -> None:
    weights = np.array([[1.0, 0.0005]])
    spread = Spread(np.array([0.0, 1.0]), np.array([0.0]))
    assert prune(weights, 0.001, ROWS, spread=spread).tolist() == weights.tolist()
    still = Spread(np.array([0.0, 0.0]), np.array([0.0]))
    assert prune(weights, 0.001, ROWS, spread=still).tolist() == [[1.0, 0.0]]


def test_nan_stays_and_zeros_are_no_weights_that_were_kept() -> None:
    weights = np.array([[np.nan, 0.0005, 0.0, 1.0]])
    pruned = prune(weights, 0.001, ROWS)
    assert np.isnan(pruned[0, 0])
    assert pruned[0, 1:].tolist() == [0.0, 0.0, 1.0]
    assert count_kept(np.zeros((2, 3)), 0.001, ROWS) == 0


def test_a_spread_of_another_shape_is_not_used() -> None:
    weights = np.array([[1.0, 0.0005]])
    other = Spread(np.ones(3), np.ones(1))
    assert prune(weights, 0.001, ROWS, spread=other).tolist() == [[1.0, 0.0]]


NUMBERS = st.floats(-10, 10, width=32)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_pruning_moves_no_score_by_more_than_a_hundredth_of_its_spread(data: Any) -> None:
    scores, features = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 12))
    weights = data.draw(arrays(np.float64, (scores, features), elements=NUMBERS))
    threshold = data.draw(st.sampled_from([1e-3, 0.1, 1.0, 100.0]))
    spread = None
    if data.draw(st.booleans()):
        positive = st.floats(0, 1e4, width=32)
        spread = Spread(
            data.draw(arrays(np.float64, features, elements=positive)),
            data.draw(arrays(np.float64, scores, elements=positive)),
        )
    pruned = prune(weights, threshold, ROWS, spread=spread)
    gone = (pruned == 0) & (weights != 0)
    assert (np.abs(weights[gone]) < threshold).all()
    assert np.array_equal(pruned[~gone], weights[~gone])
    by_feature = np.ones(features) if spread is None else spread.features
    by_score = np.linalg.norm(weights * by_feature, axis=1) if spread is None else spread.scores
    moved = np.linalg.norm(np.where(gone, weights, 0.0) * by_feature, axis=1)
    assert (moved <= SMALL_SHARE * by_score * (1 + 1e-9)).all()
    kept = (np.abs(weights) < threshold) & (weights != 0) & ~gone
    assert count_kept(weights, threshold, ROWS, spread) == kept.sum()
    # The smallest go first: what is kept below the threshold moves as much as what was pruned.
    effect = np.abs(weights) * by_feature
    for score in range(scores):
        if kept[score].any() and gone[score].any():
            assert effect[score, kept[score]].min() >= effect[score, gone[score]].max()


@pytest.mark.parametrize("slot", [ROWS, COLUMNS])
def test_rows_and_columns_are_one_rule(slot: Slot) -> None:
    weights = np.random.default_rng(0).normal(size=(30, 20)) * 1e-3
    spread = Spread(np.linspace(0, 3, 20), np.linspace(0, 1, 30))
    shown = weights if slot is ROWS else weights.T
    found = prunable(shown, 0.001, slot, spread)
    expected = prunable(weights, 0.001, ROWS, spread)
    assert np.array_equal(found if slot is ROWS else found.T, expected)


def test_scores_along_the_last_axis_are_those_along_the_second() -> None:
    weights = np.random.default_rng(2).normal(size=(50, 3)) * 1e-3
    spread = Spread(np.logspace(-2, 2, 50), np.full(3, 0.02))
    for each in (spread, None):
        expected = prune(weights.T, 0.001, ROWS, spread=each).T
        assert 0 < np.count_nonzero(expected) < expected.size
        np.testing.assert_array_equal(prune(weights, 0.001, LAST, spread=each), expected)
        np.testing.assert_array_equal(prune(weights, 0.001, COLUMNS, spread=each), expected)
