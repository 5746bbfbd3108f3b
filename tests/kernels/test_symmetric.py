"""Symmetric trees level by level: the kernel against its definition, and what is not symmetric."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.symmetric import (
    LANES,
    Levels,
    levels_of,
    missing_sides,
    split_flags,
    split_levels,
    sum_levels,
)
from model_quantization.kernels.trees.topology import shape
from tests.kernels.agreement import agree


def full_trees(depths: list[int], width: int, seed: int) -> PooledTrees:
    """Random symmetric trees over five features."""
    rng = np.random.default_rng(seed)
    split = np.concatenate([split_flags(depth) for depth in depths]).astype(np.uint8)
    features, thresholds = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for depth in depths:
        level = split_levels(depth)
        features.append(rng.integers(0, 5, depth)[level])
        thresholds.append(rng.normal(size=depth).astype(np.float32).round(1)[level])
    formed = shape(split, len(depths))
    assert formed is not None
    feature = np.concatenate(features).astype(np.uint32)
    leaves = int((split == 0).sum())
    return PooledTrees(
        split,
        *formed,
        feature,
        np.concatenate(thresholds),
        lambda: feature % 2 == 0,
        rng.normal(size=(leaves, width)),
        np.arange(leaves, dtype=np.uint32),
    )


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    depths=st.lists(st.integers(0, 7), min_size=1, max_size=6),
    width=st.integers(1, 3),
    n=st.sampled_from([1, 15, 16, 17, LANES - 1, LANES, LANES + 1, 600]),
    single=st.booleans(),
    seed=st.integers(0, 99),
)
def test_sums_are_those_of_the_definition(
    depths: list[int], width: int, n: int, single: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    trees = full_trees(depths, width, seed)
    levels, missing = levels_of(trees), missing_sides(trees, 5)
    assert levels is not None and missing is not None
    rows: Any = rng.normal(size=(n, 5)).round(1)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[rng.random(rows.shape) < 0.05] = rng.choice([np.inf, -np.inf, 1e300, -0.0])
    start = rng.normal(size=(n, width))
    values = trees.rows[trees.ids].reshape(-1)
    with np.errstate(over="ignore"):
        expected = start + sums_by_definition(rows.astype(np.float32), missing, trees)
        if single:
            rows = rows.astype(np.float32)
    arrays = (levels.depths, levels.features, levels.thresholds, values, width)
    room = np.empty((5, LANES), np.float32), np.empty((width, LANES))
    out = start.copy()
    for first, last in ((0, n // 2), (n // 2, n)):
        agree("sum_levels", rows, missing, *arrays, first, last, *room, start, scratch=(-3, -2))
        sum_levels(rows, missing, *arrays, first, last, *room, out)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)


def sums_by_definition(rows: np.ndarray, missing: np.ndarray, trees: PooledTrees) -> np.ndarray:
    """What the trees add, each walked node by node."""
    found = np.zeros((len(rows), trees.rows.shape[1]))
    rows = np.where(np.isnan(rows), missing, rows)
    rank = np.where(trees.split == 1, np.cumsum(trees.split), np.cumsum(1 - trees.split)) - 1
    starts = np.cumsum(trees.sizes) - trees.sizes
    for row, values in enumerate(rows):
        for start in starts.tolist():
            node = start
            while trees.split[node]:
                at = rank[node]
                left = values[trees.feature[at]] <= trees.threshold[at]
                node = node + 1 if left else start + int(trees.right[node])
            found[row] += trees.rows[trees.ids[rank[node]]]
    return found


def test_full_trees() -> None:
    assert split_flags(2).tolist() == [True, True, False, False, True, False, False]
    assert split_levels(2).tolist() == [0, 1, 1]
    assert split_levels(0).size == 0
    found = levels_of(full_trees([0, 2], 1, 0))
    assert isinstance(found, Levels)
    assert found.depths.tolist() == [0, 2]


@pytest.mark.parametrize("part", ["feature", "threshold"])
def test_levels_that_differ_are_not_symmetric(part: str) -> None:
    trees = full_trees([3], 1, 1)
    values = getattr(trees, part).copy()
    values[-1] += 1
    assert levels_of(replace(trees, **{part: values})) is None


def test_trees_that_are_not_full_are_not_symmetric() -> None:
    trees = full_trees([2], 1, 1)
    split = np.array([1, 1, 1, 0, 0, 0, 0], dtype=np.uint8)
    formed = shape(split, 1)
    assert formed is not None
    assert levels_of(replace(trees, split=split, right=formed[1])) is None


def test_splits_of_a_feature_that_disagree_about_missing_values() -> None:
    trees = full_trees([3], 1, 2)
    left = np.zeros(trees.feature.size, dtype=bool)
    same = replace(trees, feature=np.zeros_like(trees.feature), missing_left=lambda: left)
    found = missing_sides(same, 5)
    assert found is not None
    assert found.tolist() == [np.inf, *[-np.inf] * 4]
    left[0] = True
    assert missing_sides(same, 5) is None
