"""Planes of bits: against their reference, against walks, and with thresholds of every kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.compiled import available_sets, compiled_kernels
from model_quantization.kernels.trees import plane_layout
from model_quantization.kernels.trees.bit_planes import LANES, MOST_LEAVES, WORDS
from model_quantization.kernels.trees.grids import CELLS, grids_of
from model_quantization.kernels.trees.leaf_sums import leaf_addends, leaf_table
from model_quantization.kernels.trees.plane_layout import Planes, plane_out
from model_quantization.kernels.trees.tree_layout import Shape
from model_quantization.kernels.trees.tree_sum import Leaves, TreeSum, grouped
from tests.kernels.agreement import agree
from tests.kernels.test_forest_kernels import random_rows, random_shape, reference_sum

few = settings(deadline=None, derandomize=True, max_examples=25)

shapes = st.builds(
    random_shape,
    st.integers(0, 999),
    st.sampled_from([1, 2, 7, 30]),
    st.sampled_from([1, 2, 8, 17, 64, 129, MOST_LEAVES]),
    st.sampled_from([1, 2, 9]),
    whole=st.booleans(),
)
ODD = np.array(
    [0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, 1.0, 1.0000001, 65536.0, -7.5, 1e-20, 0.5],
    dtype=np.float32,
)


def arguments(
    planes: Planes, groups: np.ndarray, last: int, addends: Any, table: Any, cycle: int, start: Any
) -> tuple[Any, ...]:
    return (
        planes.columns, planes.firsts, planes.starts, planes.spans, planes.lows, planes.scales,
        planes.cells, planes.edges, planes.tests, planes.links, planes.splits, groups,
        groups.shape[1], 0, last, addends.payload, addends.values, addends.places, table.ends,
        table.places, table.values, table.width, cycle,
        np.empty(int(planes.starts[-1]) * WORDS, np.uint64),
        np.empty(cycle * LANES, start.dtype), start,
    )  # fmt: skip


def leaf_rows(seed: int, n: int, width: int, kind: str) -> np.ndarray:
    """One number of many at each leaf; votes; numbers of either sign; or fractions with zeros."""
    rng = np.random.default_rng(seed)
    if kind == "votes":
        return np.eye(width)[rng.integers(0, width, n)]
    if kind == "signed":
        return rng.normal(size=(n, width))
    return rng.random((n, width)) * (rng.random((n, width)) < 0.5)


@few
@given(
    shape=shapes,
    n=st.sampled_from([1, 8, 255, 256, 257, 600]),
    width=st.sampled_from([1, 2, 16, 17]),
    cycle=st.sampled_from([1, 3, 40]),
    kind=st.sampled_from(["votes", "signed", "fractions"]),
    dtype=st.sampled_from([np.float32, np.float64]),
    begun=st.booleans(),
)
def test_planes_add_up_as_their_reference(
    shape: Shape, n: int, width: int, cycle: int, kind: str, dtype: type, begun: bool
) -> None:
    columns = int(shape.feature.max(initial=0)) + 1
    rows = random_rows(n, n, columns)
    n_leaves = int((shape.split == 0).sum())
    table = leaf_table(leaf_rows(n, n_leaves, width, kind).astype(dtype))
    addends = leaf_addends(table, np.arange(n_leaves), cycle)
    assert bool(addends.places.size) == (kind == "votes" and 1 < width <= 16 and cycle == 1)
    planes = plane_out(shape, columns, doubled=False)
    assert planes is not None
    start = np.random.default_rng(3).normal(size=(n, cycle * width)).astype(dtype)
    if not begun:
        start[...] = 0.0
    given_ = arguments(planes, grouped(rows)[0], n, addends, table, cycle, start)
    agree("sum_planes", *given_, scratch=(-3, -2))


@few
@given(
    shape=shapes,
    n=st.sampled_from([64, 300]),
    gaps=st.sampled_from([0.0, 0.3]),
    kind=st.sampled_from(["votes", "signed", "fractions"]),
    width=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.float32, np.float64]),
    fortran=st.booleans(),
    seed=st.integers(0, 99),
)
def test_planes_answer_as_walks_do(
    shape: Shape,
    n: int,
    gaps: float,
    kind: str,
    width: int,
    dtype: type,
    fortran: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    columns = int(shape.feature.max(initial=0)) + 1
    # Values on the thresholds, and of every size.
    shape = replace(shape, threshold=rng.choice(ODD, shape.threshold.size))
    rows = rng.choice(ODD, (n, columns)).astype(dtype)
    rows[rng.random(rows.shape) < gaps] = np.nan
    rows = np.asfortranarray(rows) if fortran else rows
    table = leaf_rows(seed, int((shape.split == 0).sum()), width, kind)
    leaves = Leaves(shape, np.arange(len(table)), table)
    sums = TreeSum(lambda: leaves, 1, columns, (int(shape.sizes.max()) + 1) // 2)
    doubled = bool(np.isnan(rows).any())
    groups, _, _ = grouped(rows, doubled=doubled)
    out, walked = np.zeros((n, width)), np.zeros((n, width))
    assert sums.add(groups, n, out, doubled=doubled)
    assert (sums.gap_planes if doubled else sums.planes) is not None
    sums.__dict__["planes"] = sums.__dict__["gap_planes"] = None
    assert sums.add(groups, n, walked, doubled=doubled)
    assert out.tobytes() == walked.tobytes()
    np.testing.assert_array_equal(out, reference_sum(shape, rows, table, 1))


@settings(few, max_examples=100)
@given(
    edges=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=300, unique=True),
    values=st.lists(st.floats(width=32), min_size=1, max_size=20),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_grid_counts_the_edges_below(
    edges: list[float], values: list[float], dtype: type
) -> None:
    table = np.unique(np.array(edges, dtype=dtype) + dtype(0.0))
    # A column before it and an empty one behind it.
    grids = grids_of(np.concatenate([[dtype(3)], table]), np.array([1, len(table), 0]))
    low, scale, before = grids.lows[1], grids.scales[1], grids.before[1]
    padded = np.append(table, np.full(2 * int(grids.spans[1]), np.inf))
    assert grids.spans.tolist()[::2] == [1, 0]
    for x in np.array([*values, *edges], dtype=dtype):
        with np.errstate(all="ignore"):
            at = (x - low) * scale
        rank = int(before[int(min(at, CELLS - 1)) if at > 0 else 0])
        half = int(grids.spans[1])
        while half:
            rank += half if padded[rank + half - 1] < x else 0
            half //= 2
        assert rank == (table < x).sum()


def test_thresholds_at_infinity_keep_their_side() -> None:
    shape = random_shape(5, 9, 20, 2)
    odd = shape.threshold.copy()
    odd[::3], odd[1::5] = np.inf, -np.inf
    shape = replace(shape, threshold=odd)
    rows = random_rows(4, 100, 2)
    rows[:7, 0], rows[5:20, 1] = np.inf, -np.inf
    table = np.random.default_rng(0).normal(size=(int((shape.split == 0).sum()), 1))
    leaves = Leaves(shape, np.arange(len(table)), table)
    sums = TreeSum(lambda: leaves, 1, 2, 20)
    out = np.zeros((100, 1))
    assert sums.add(grouped(rows)[0], 100, out, doubled=False)
    np.testing.assert_array_equal(out, reference_sum(shape, rows, table, 1))
    # Missing values cannot be told from what is below minus infinity.
    assert plane_out(shape, 2, doubled=True) is None
    odd[0] = np.nan
    assert plane_out(replace(shape, threshold=odd), 2, doubled=False) is None


def test_large_trees_and_many_tests_have_no_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    large = random_shape(0, 3, 900, 2)
    assert int(large.sizes.max()) // 2 >= MOST_LEAVES
    assert plane_out(large, 2, doubled=False) is None
    small = random_shape(0, 3, 90, 2)
    assert plane_out(small, 2, doubled=False) is not None
    monkeypatch.setattr(plane_layout, "MOST_TESTS", 5)
    assert plane_out(small, 2, doubled=False) is None


def test_links_that_lead_nowhere_are_refused() -> None:
    shape = random_shape(1, 4, 30, 3)
    planes = plane_out(shape, 3, doubled=False)
    assert planes is not None
    n_leaves = int((shape.split == 0).sum())
    table = leaf_table(np.ones((n_leaves, 1)))
    addends = leaf_addends(table, np.arange(n_leaves), 1)
    groups = grouped(random_rows(0, 9, 3))[0]
    for name, at, value in (
        ("links", (0, 1), MOST_LEAVES * WORDS + 1),
        ("tests", 0, 1 << 31),
        ("columns", 0, 3),
        ("cells", (0, 0), 60000),
        ("spans", 0, 1 << 20),
        ("splits", 1, -1),
        ("starts", 1, 1 << 40),
        ("firsts", 1, -5),
    ):
        broken = getattr(planes, name).copy()
        broken[at] = value
        given_ = arguments(
            replace(planes, **{name: broken}), groups, 9, addends, table, 1, np.zeros((9, 1))
        )
        for chosen in available_sets():
            with pytest.raises(ValueError, match=r"sum_planes"):
                compiled_kernels(chosen)["sum_planes"](*given_)
