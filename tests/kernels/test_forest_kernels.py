"""Each forest kernel against the reference that specifies it, and the packing arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.trees import binning, coarsen, topology, tree_pack
from model_quantization.kernels.trees.leaf_sums import leaf_table, vote_room
from model_quantization.kernels.trees.single_row import (
    ANSWERED,
    MISSING,
    MOST_COLUMNS,
    REFUSED,
    answer_one,
    answer_one_coded,
)
from model_quantization.kernels.trees.tree_layout import Shape, lay_out
from model_quantization.kernels.trees.tree_sum import (
    Leaves,
    TreeSum,
    as_rows,
    block_rows,
    grouped,
    over_rows,
    payloads,
)
from tests.kernels.agreement import agree

few = settings(deadline=None, derandomize=True, max_examples=25)


def random_split(rng: np.random.Generator, leaves: int) -> np.ndarray:
    """The flags of one random tree with that many leaves, in preorder."""
    flags: list[int] = []
    stack = [leaves]
    while stack:
        count = stack.pop()
        flags.append(int(count > 1))
        if count > 1:
            left = int(rng.integers(1, count))
            stack += [count - left, left]
    return np.array(flags, dtype=np.uint8)


def random_shape(
    seed: int, n_trees: int, most_leaves: int, n_columns: int, *, whole: bool = False
) -> Shape:
    rng = np.random.default_rng(seed)
    split = np.concatenate(
        [random_split(rng, int(rng.integers(1, most_leaves + 1))) for _ in range(n_trees)]
    )
    formed = topology.shape(split, n_trees)
    assert formed is not None
    n_splits = int(split.sum())
    gaps = rng.random(n_splits) < 0.5
    values = rng.normal(size=n_splits).round(1 if whole else 6)
    return Shape(
        split,
        *formed,
        rng.integers(0, n_columns, n_splits).astype(np.uint32),
        values.astype(np.float32),
        lambda: gaps,
    )


def random_rows(seed: int, n: int, n_columns: int, gaps: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, n_columns)).round(1).astype(np.float32)
    rows[rng.random(rows.shape) < gaps] = np.nan
    return rows


shapes = st.builds(
    random_shape,
    st.integers(0, 999),
    st.integers(1, 20),
    st.integers(1, 70),
    st.integers(1, 9),
    whole=st.booleans(),
)


# Topology ---------------------------------------------------------------------------------


def shape_by_definition(split: np.ndarray, n_trees: int) -> tuple[Any, ...] | None:
    """`(sizes, right, depth)` by recursion over the definition; None when the flags do not fit."""
    sizes: list[int] = []
    right = np.full(split.size, -1, dtype=np.int32)
    depth = np.zeros(split.size, dtype=np.int32)
    position = 0
    for _ in range(n_trees):
        start = position
        stack: list[tuple[int, int]] = [(-1, 0)]
        while stack:
            parent, level = stack.pop()
            if position >= split.size:
                return None
            if parent >= 0:
                right[parent] = position - start
            depth[position] = level
            if split[position]:
                stack.append((position, level + 1))
                stack.append((-1, level + 1))
            position += 1
        sizes.append(position - start)
    return (np.array(sizes, np.int32), right, depth) if position == split.size else None


@few
@given(seed=st.integers(0, 999), n_trees=st.integers(1, 9), most=st.integers(1, 30))
def test_shape_is_that_of_the_definition(seed: int, n_trees: int, most: int) -> None:
    split = random_shape(seed, n_trees, most, 1).split
    found, expected = topology.shape(split, n_trees), shape_by_definition(split, n_trees)
    assert found is not None
    assert expected is not None
    for mine, theirs in zip((*found, topology.node_depths(split, *found)), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    left = np.where(split == 1, np.arange(split.size) + 1, -1).astype(np.int32)
    end = found[0][0]
    room = np.empty((3, split.size + 2), np.int32)
    agree("count_splits_above", split, *found, room[0, : split.size])
    agree("count_leaves", split, *found, room[0, : split.size])
    links = (left[:end], found[1][:end], room[0, :end], room[1, :end])
    count, _, _, order, _ = agree("preorder", *links, scratch=(3,))
    assert count == end
    assert order.tolist() == list(range(end))


@few
@given(flags=st.lists(st.integers(0, 1), max_size=12), n_trees=st.integers(1, 4))
def test_any_flags_make_trees_or_are_refused(flags: list[int], n_trees: int) -> None:
    split = np.array(flags, dtype=np.uint8)
    found, expected = topology.shape(split, n_trees), shape_by_definition(split, n_trees)
    assert (found is None) == (expected is None)
    sizes, right = np.zeros(n_trees, np.int32), np.empty(split.size, np.int32)
    agree("expand", split, sizes, right, np.empty(split.size + 2, np.int32), scratch=(3,))


@few
@given(data=st.data(), n=st.integers(0, 7))
def test_any_links_have_an_order_or_none(data: st.DataObject, n: int) -> None:
    links = st.lists(st.integers(-2, 8), min_size=n, max_size=n)
    left, right = (np.array(data.draw(links), np.int32) for _ in range(2))
    room = np.zeros(n, np.int32)
    assert agree("preorder", left, right, room, room, scratch=(2, 3))[0] <= n


@pytest.mark.parametrize(
    ("left", "right"),
    [([0], [0]), ([1, -1], [1, -1]), ([1, -1, -1], [9, -1, -1]), ([1, -1], [-1, -1])],
)
def test_links_that_are_no_tree_have_no_preorder(left: list[int], right: list[int]) -> None:
    room = np.empty(len(left), np.int32), np.empty(len(left), np.int32)
    links = np.array(left, np.int32), np.array(right, np.int32)
    assert topology.preorder(*links, *room) == -1


def test_leaves_below_each_node() -> None:
    split = np.array([1, 1, 0, 0, 0, 0], np.uint8)
    sizes, right = np.array([5, 1], np.int32), np.array([4, 3, -1, -1, -1, -1], np.int32)
    leaves = np.empty(6, np.int32)
    agree("count_leaves", split, sizes, right, leaves)
    topology.count_leaves(split, sizes, right, leaves)
    assert leaves.tolist() == [3, 2, 1, 1, 1, 1]


# Answers ----------------------------------------------------------------------------------


def leaves_by_definition(
    split: np.ndarray,
    sizes: np.ndarray,
    right: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    missing_left: np.ndarray,
    rows: np.ndarray,
) -> np.ndarray:
    """The leaf (its number in the forest) of each row in each tree, by definition: (n, n_trees).

    `feature`, `threshold` and `missing_left` have one entry per split, in preorder.
    """
    rank = np.where(split == 1, np.cumsum(split) - 1, np.cumsum(1 - split) - 1)
    out = np.empty((len(rows), sizes.size), dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for row, values in enumerate(rows):
        for tree in range(sizes.size):
            node = starts[tree]
            while split[node]:
                at = rank[node]
                x = values[feature[at]]
                left = missing_left[at] if np.isnan(x) else x <= threshold[at]
                node = node + 1 if left else starts[tree] + right[node]
            out[row, tree] = rank[node]
    return out


def reference_sum(shape: Shape, rows: np.ndarray, table: np.ndarray, cycle: int) -> np.ndarray:
    leaves = leaves_by_definition(
        shape.split,
        shape.sizes,
        shape.right,
        shape.feature.astype(np.int64),
        shape.threshold.astype(np.float64),
        shape.missing_left(),
        rows.astype(np.float64),
    )
    width = table.shape[1]
    out = np.zeros((len(rows), cycle * width))
    for tree in range(leaves.shape[1]):
        column = (tree % cycle) * width
        out[:, column : column + width] += table[leaves[:, tree]]
    return out


@few
@given(
    shape=shapes,
    n=st.sampled_from([1, 7, 8, 70, 300]),
    gaps=st.sampled_from([0.0, 0.3]),
    width=st.sampled_from([1, 3]),
    cycle=st.sampled_from([1, 2]),
    sparse=st.booleans(),
    threads=st.sampled_from([1, 2]),
)
def test_sums_are_those_of_the_reference(
    shape: Shape, n: int, gaps: float, width: int, cycle: int, sparse: bool, threads: int
) -> None:
    columns = int(shape.feature.max(initial=0)) + 1
    rows = random_rows(1, n, columns, gaps)
    rng = np.random.default_rng(2)
    n_leaves = int((shape.split == 0).sum())
    table = rng.random((n_leaves, width)) if sparse else rng.normal(size=(n_leaves, width))
    if sparse:
        table[rng.random(table.shape) < 0.6] = 0.0
    leaves = Leaves(shape, np.arange(n_leaves), table)
    most = (int(shape.sizes.max()) + 1) // 2
    sums = TreeSum(lambda: leaves, cycle, columns, most)
    doubled = bool(np.isnan(rows).any())
    groups, missing, infinite = grouped(rows, doubled=doubled)
    assert (missing, infinite) == (doubled, False)
    out = np.zeros((n, cycle * width))
    assert sums.add(groups, n, out, doubled=doubled, threads=threads)
    np.testing.assert_array_equal(out, reference_sum(shape, rows, table, cycle))
    sums.__dict__["planes"] = sums.__dict__["gap_planes"] = None  # rows are walked then
    again = np.zeros_like(out)
    assert sums.add(groups, n, again, doubled=doubled)
    assert again.tobytes() == out.tobytes()


@few
@given(
    shape=shapes,
    n=st.sampled_from([1, 8, 9, 130, 300]),
    width=st.sampled_from([1, 3]),
    cycle=st.sampled_from([1, 2]),
    dtype=st.sampled_from([np.float32, np.float64]),
    bits=st.sampled_from([12, 32]),
)
def test_each_kernel_adds_up_as_its_reference(
    shape: Shape, n: int, width: int, cycle: int, dtype: type, bits: int
) -> None:
    columns = int(shape.feature.max(initial=0)) + 1
    rng = np.random.default_rng(n)
    rows = random_rows(6, n, columns)
    n_leaves = int((shape.split == 0).sum())
    table = leaf_table(rng.normal(size=(n_leaves, width)).astype(dtype))
    payload = np.arange(n_leaves, dtype=np.uint32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model_quantization.kernels.trees.tree_layout.LINK_BITS", bits)
        nodes = lay_out(shape, payload, columns, doubled=False)
    if nodes is None:
        assert bits < 32
        return
    forest = (nodes.words, nodes.starts, nodes.banks, nodes.bases)
    adding = (table.ends, table.places, table.values, width, cycle)
    groups = grouped(rows)[0]
    start = rng.normal(size=(n, cycle * width)).astype(dtype)
    for first, last in ((0, n // 16 * 8), (n // 16 * 8, n)):
        part = (*forest, groups, columns, first, last, nodes.shift)
        room = (np.empty(64, np.uint32), np.empty(0, np.uint8))
        none = (np.empty((0, 0), np.uint8), np.empty(0, np.uint32), np.empty(0, np.int64))
        agree("sum_block", *part, *none, *adding, *room, start, scratch=(-3, -2))
        ballots = leaf_table(np.eye(3, dtype=dtype)[rng.integers(0, 3, n_leaves)])
        for begin in (np.zeros((n, 3), dtype), np.full((n, 3), -0.0, dtype)):
            voting = (ballots.ends, ballots.places, ballots.values, 3, 1)
            room = (np.empty(64, np.uint32), vote_room(ballots, 1, 64))
            agree("sum_block", *part, *none, *voting, *room, begin, scratch=(-3, -2))
        reached = np.zeros((n, shape.sizes.size), np.int64)
        agree("payload_block", *part, np.empty(64, np.uint32), reached, scratch=(-2,))
    row, one = rows[0].astype(np.float64), start[0]
    assert agree("answer_one", *forest, row, nodes.shift, *adding, 3.0, one)[0] == ANSWERED
    held = (shape.split, shape.sizes, shape.right, shape.feature, shape.threshold, payload)
    values = rng.normal(size=(n_leaves, width))
    assert agree("answer_first", *held, row, values, cycle, 3.0, one)[0] == ANSWERED
    for odd, state in ((np.nan, MISSING), (np.inf, REFUSED), (-1e300, REFUSED)):
        row[-1] = odd
        assert agree("answer_one", *forest, row, nodes.shift, *adding, 3.0, one)[0] == state
        assert agree("answer_first", *held, row, values, cycle, 3.0, one)[0] == state


@few
@given(shape=shapes, shift=st.integers(6, 24), spread=st.sampled_from([1, 7]))
def test_nodes_are_written_as_by_the_reference(shape: Shape, shift: int, spread: int) -> None:
    n, trees, n_leaves = shape.split.size, shape.sizes.size, int((shape.split == 0).sum())
    if int(shape.sizes.max()) + 1 > 1 << shift:
        return
    agree(
        "write_nodes", shape.split, shape.sizes, shape.right, shape.feature,
        shape.threshold.view(np.uint32), np.arange(n_leaves, dtype=np.uint32) * np.uint32(spread),
        shift, np.zeros(n + trees, np.uint64), np.zeros(trees, np.uint64),
        np.zeros(trees, np.uint64), np.zeros(trees, np.uint32), np.empty(2 * n + 4, np.uint64),
        scratch=(-1,),
    )  # fmt: skip


@few
@given(
    n=st.sampled_from([0, 1, 7, 8, 9, 24]),
    columns=st.integers(0, 4),
    dtype=st.sampled_from([np.float32, np.float64]),
    doubled=st.booleans(),
    odd=st.sampled_from([0.0, np.nan, np.inf, 1e300]),
)
def test_rows_are_grouped_as_by_the_reference(
    n: int, columns: int, dtype: type, doubled: bool, odd: float
) -> None:
    rows = random_rows(n, n, columns).astype(dtype)
    with np.errstate(over="ignore"):
        rows[rows > 0.8] = odd
    groups = np.empty((-(-n // 8), columns * (2 if doubled else 1), 8), np.float32)
    agree("group_rows", rows, groups, doubled)


@few
@given(shape=shapes, gaps=st.sampled_from([0.0, 0.3]))
def test_leaves_are_those_of_the_reference(shape: Shape, gaps: float) -> None:
    columns = int(shape.feature.max(initial=0)) + 1
    rows = random_rows(3, 21, columns, gaps)
    doubled = bool(np.isnan(rows).any())
    n_leaves = int((shape.split == 0).sum())
    nodes = lay_out(shape, np.arange(n_leaves) + 5, columns, doubled=doubled)
    assert nodes is not None
    found = payloads(nodes, grouped(rows, doubled=doubled)[0], len(rows))
    expected = leaves_by_definition(
        shape.split,
        shape.sizes,
        shape.right,
        shape.feature.astype(np.int64),
        shape.threshold.astype(np.float64),
        shape.missing_left(),
        rows.astype(np.float64),
    )
    np.testing.assert_array_equal(found, expected + 5)


def test_a_split_at_infinity_divides_what_is_missing() -> None:
    shape = random_shape(0, 1, 2, 1)
    if not shape.split[0]:
        shape = random_shape(1, 1, 2, 1)
    shape.threshold[:] = np.inf
    shape.missing_left()[:] = False
    nodes = lay_out(shape, np.arange(2), 1, doubled=True)
    assert nodes is not None
    rows = np.array([[np.finfo(np.float32).max], [np.nan]], dtype=np.float32)
    assert payloads(nodes, grouped(rows, doubled=True)[0], 2).ravel().tolist() == [0, 1]
    shape.threshold[:] = -np.inf
    assert lay_out(shape, np.arange(2), 1, doubled=True) is None


def test_a_forest_in_several_banks_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = random_shape(4, 30, 40, 5)
    rows = random_rows(5, 40, 5)
    n_leaves = int((shape.split == 0).sum())
    whole = lay_out(shape, np.arange(n_leaves), 5, doubled=False)
    monkeypatch.setattr("model_quantization.kernels.trees.tree_layout.LINK_BITS", 14)
    banked = lay_out(shape, np.arange(n_leaves), 5, doubled=False)
    assert whole is not None
    assert banked is not None
    assert len(np.unique(whole.banks)) == 1 < len(np.unique(banked.banks))
    expected = leaves_by_definition(
        shape.split,
        shape.sizes,
        shape.right,
        shape.feature.astype(np.int64),
        shape.threshold.astype(np.float64),
        shape.missing_left(),
        rows.astype(np.float64),
    )
    groups = grouped(rows)[0]
    for nodes in (whole, banked):
        np.testing.assert_array_equal(payloads(nodes, groups, 40), expected)
    monkeypatch.setattr("model_quantization.kernels.trees.tree_layout.LINK_BITS", 9)
    assert lay_out(shape, np.arange(n_leaves), 5, doubled=False) is None


def test_one_row_walks_eight_trees_of_two_banks_as_the_definition_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape = random_shape(4, 24, 40, 5)
    rows = random_rows(5, 12, 5)
    table = np.random.default_rng(6).normal(size=(int((shape.split == 0).sum()), 2))
    monkeypatch.setattr("model_quantization.kernels.trees.tree_layout.LINK_BITS", 14)
    nodes = lay_out(shape, np.arange(len(table)), 5, doubled=False)
    assert nodes is not None
    eights = nodes.banks.reshape(-1, 8)
    assert (eights[:, 0] != eights[:, -1]).any(), "no eight trees lie across two banks"
    leaves = leaf_table(table)
    forest = (nodes.words, nodes.starts, nodes.banks, nodes.bases)
    adding = (leaves.ends, leaves.places, leaves.values, 2, 1)
    for row, expected in zip(rows, reference_sum(shape, rows, table, 1), strict=True):
        given_ = row.astype(np.float64)
        found = agree("answer_one", *forest, given_, nodes.shift, *adding, 1.0, np.zeros(2))
        assert found[0] == ANSWERED
        np.testing.assert_array_equal(found[-1], expected)


def test_payloads_of_one_tree_may_not_span_too_far() -> None:
    shape = random_shape(1, 1, 9, 1)
    payload = np.arange(int((shape.split == 0).sum())) << 22
    assert lay_out(shape, payload, 1, doubled=False) is None
    assert lay_out(shape, payload // 8, 1, doubled=False) is not None or len(payload) > 8


def test_grouping_says_what_it_met() -> None:
    rows = np.array([[1.0, np.nan], [1e300, 2.0]])
    groups, missing, infinite = grouped(rows)
    assert groups.shape == (1, 2, 8)
    assert (missing, infinite) == (True, True)
    assert groups[0, 0, :2].tolist() == [1.0, np.inf]
    assert (groups[0, :, 2:] == 0).all()


def test_rows_that_fit_are_not_copied() -> None:
    rows = random_rows(0, 4, 3)
    assert as_rows(rows, np.float32) is rows
    odd = [rows.T.copy().T, rows.astype(np.float64), rows.astype(">f4"), rows.view(np.matrix)]
    for other in odd:
        given_ = as_rows(other, np.float32)
        assert type(given_) is np.ndarray
        assert given_.dtype == np.float32
        assert given_.flags.c_contiguous
        np.testing.assert_array_equal(given_, rows)


def test_blocks_and_parts_cover_all_rows() -> None:
    assert block_rows(30, 1 << 10) % 8 == 0
    assert block_rows(10**6, 1 << 10) == 64 < block_rows(1, 1 << 30) == 16384
    seen: list[tuple[int, int]] = []
    over_rows(lambda first, last: seen.append((first, last)), 2000, 3)
    assert sorted(seen) == [(0, 512), (512, 1280), (1280, 2000)]


# Coding of rows ---------------------------------------------------------------------------


@few
@given(
    sizes=st.lists(st.sampled_from([0, 1, 15, 16, 17, 254, 255, 256, 300]), min_size=1, max_size=4),
    doubled=st.booleans(),
    crowded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_coded_rows_are_those_of_the_reference(
    sizes: list[int], doubled: bool, crowded: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tables = [np.sort(rng.choice(2000, size, replace=False) / 8.0) for size in sizes]
    if crowded and sizes[0] > 2:  # all but one in one cell
        tables[0][-1] = 1e12
    rows = rng.integers(-8, 2100, (13, len(sizes))) / 8.0
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[0], rows[1] = np.inf, -np.inf
    table, starts, pivots = binning.pad_table(np.concatenate(tables), np.array(sizes))
    columns = np.arange(len(sizes))
    width = len(sizes)
    out = np.zeros((2, width * (2 if doubled else 1), 8), dtype=np.float32)
    grids = binning.grid_tables(table, np.array(sizes), starts)
    assert len(grids[-1]) in {0, width}
    no_grids = binning.grid_tables(table, np.array([], np.int64), starts)
    given_ = (rows, width, columns, table, starts, pivots, *grids, 0, 13, out, width, doubled)
    searched = (*given_[:6], *no_grids, *given_[10:])
    agree("code_rows", *searched)
    missing = binning.code_rows(*given_)
    agree("code_rows", *given_)
    expected = codes_by_definition(rows, tables)
    found = out.transpose(0, 2, 1).reshape(16, -1)[:13]
    assert missing == np.isnan(rows).any()
    if doubled:
        np.testing.assert_array_equal(
            found[:, :width], np.where(np.isnan(expected), np.inf, expected)
        )
        expected = np.where(np.isnan(expected), -np.inf, expected)
        found = found[:, width:]
    np.testing.assert_array_equal(found, expected)
    # One tree of one split on the last column: the row is coded and walked in one call.
    shape = random_shape(seed, 4, 9, width)
    nodes = lay_out(shape, np.arange(int((shape.split == 0).sum())), width, doubled=doubled)
    leaf = leaf_table(rng.normal(size=(int((shape.split == 0).sum()), 1)))
    assert nodes is not None
    for row in rows:
        agree(
            "answer_one_coded", nodes.words, nodes.starts, nodes.banks, nodes.bases, row, columns,
            table, starts, pivots, width, doubled, nodes.shift, leaf.ends, leaf.places, leaf.values,
            1, 1, np.ones(1),
        )  # fmt: skip


def codes_by_definition(rows: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """How many thresholds of each column are below each value: (n, k), NaN where that is NaN."""
    below = [(table < rows[:, [column]]).sum(axis=1) for column, table in enumerate(tables)]
    return np.where(np.isnan(rows), np.nan, np.stack(below, axis=1))


def test_rows_of_too_many_columns_are_left_to_the_batch() -> None:
    n = MOST_COLUMNS + 1
    none, words = np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    bases, ends = np.zeros(0, np.uint32), np.zeros(1, np.uint32)
    adding = (ends, bases, np.zeros(0), 1, 1)
    out, row = np.zeros(1), np.zeros(n)
    assert answer_one(words, none, none, bases, row, 8, *adding, 1.0, out) == REFUSED
    assert agree("answer_one", words, none, none, bases, row, 8, *adding, 1.0, out)[0] == REFUSED
    edges = (np.zeros(0, np.int64), np.zeros(0), np.zeros(1, np.int64), np.zeros((0, 16)))
    coded = (words, none, none, bases, row, *edges, n, False, 8, *adding, out)
    assert answer_one_coded(*coded) == REFUSED
    assert agree("answer_one_coded", *coded)[0] == REFUSED


@few
@given(seed=st.integers(0, 99))
def test_coded_categories_are_those_of_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 12, (9, 3)).astype(float)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    left, known = (rng.random((2, 4, 256)) < 0.4).astype(np.uint8)
    columns, missing_left = rng.integers(0, 3, 4), rng.integers(0, 2, 4).astype(np.uint8)
    out = np.zeros((2, 5, 8), dtype=np.float32)
    given_ = (rows, 3, columns, left, known, missing_left, 0, 9, out, 40, 1)
    assert binning.code_categories(*given_)
    agree("code_categories", *given_)
    found = out.transpose(0, 2, 1).reshape(16, -1)[:9, 1:]
    for row, values in enumerate(rows):
        for j, feature in enumerate(columns):
            x = values[feature]
            seen = x >= 0 and (left[j, int(x)] or known[j, int(x)])
            assert found[row, j] == 1 - (left[j, int(x)] if seen else missing_left[j])
    rows[3, columns[0]] = 256.0
    assert not binning.code_categories(*given_)


# Packing arithmetic -----------------------------------------------------------------------

doubles = st.floats(allow_nan=False, width=64)


@settings(few, max_examples=300)
@given(value=doubles, x=st.floats(allow_nan=False, width=32))
def test_float32_rows_cannot_tell_the_floor_from_the_value(value: float, x: float) -> None:
    floor = tree_pack.floor_float32(np.array([value]))[0]
    with np.errstate(over="ignore"):
        above = np.nextafter(floor, np.float32(np.inf))
    for row in (np.float32(x), floor, above):
        assert bool(row <= floor) == bool(float(row) <= value)


@settings(few, max_examples=100)
@given(value=doubles)
def test_the_ceiling_is_the_next_float32(value: float) -> None:
    ceiling = tree_pack.ceil_float32(np.array([value]))[0]
    with np.errstate(over="ignore"):
        below = np.nextafter(ceiling, np.float32(-np.inf))
    assert float(below) < value <= float(ceiling) or value == -np.inf


@few
@given(
    n=st.integers(0, 60),
    distinct=st.integers(1, 40),
    n_features=st.integers(1, 5),
    seed=st.integers(0, 99),
    always=st.booleans(),
)
def test_ranks_give_the_thresholds_back(
    n: int, distinct: int, n_features: int, seed: int, always: bool
) -> None:
    rng = np.random.default_rng(seed)
    feature = rng.integers(0, n_features, n).astype(np.uint32)
    threshold = rng.normal(size=distinct)[rng.integers(0, distinct, n)]
    ranked = tree_pack.rank_thresholds(feature, threshold, n_features, always=always)
    if ranked is None:
        assert not always
        return
    back = tree_pack.unrank_thresholds(feature, ranked)
    np.testing.assert_array_equal(back, threshold)
    sizes = ranked.sizes.astype(np.int64)
    room, places = np.zeros(sizes.size + 1, np.int64), np.zeros(n, np.uint32)
    given_ = (
        ranked.ranks.astype(np.uint32),
        feature,
        sizes,
        np.cumsum(sizes) - sizes,
        room,
        places,
    )
    assert agree("place_ranks", *given_, scratch=(4,))[0]
    for bits in (8, 16, 32, 64):
        values = rng.integers(0, 250, n).astype(f"u{bits // 8}")
        agree("undo_order", values, feature, room, np.zeros_like(values), scratch=(2,))
    if n:
        broken = tree_pack.Ranked(ranked.table, ranked.sizes, ranked.ranks + np.uint16(60000))
        assert tree_pack.unrank_thresholds(feature, broken) is None
        assert tree_pack.unrank_thresholds(feature + np.uint32(n_features), ranked) is None


@few
@given(n=st.integers(1, 50), width=st.integers(1, 4), seed=st.integers(0, 99))
def test_a_table_gives_every_bit_of_the_rows_back(n: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.choice([0.0, -0.0, 1.0, np.nan, 1e-300], (n, width))
    table = tree_pack.tabulate_rows(rows)
    if table is not None:
        assert table.rows[table.ids].tobytes() == rows.tobytes()
        assert len(table.rows) <= max(n / 2, 1)


@few
@given(seed=st.integers(0, 999), n_rows=st.integers(1, 9))
def test_sibling_distances_give_the_ids_back(seed: int, n_rows: int) -> None:
    split = random_shape(seed, 5, 20, 1).split
    ids = np.random.default_rng(seed).integers(0, n_rows, int((split == 0).sum()))
    second = tree_pack.second_siblings(split)
    held, distances = tree_pack.pair_siblings(ids, second, n_rows)
    np.testing.assert_array_equal(tree_pack.unpair_siblings(held, distances, split, n_rows), ids)
    streams = (np.append(held, 0).astype(np.uint32), np.append(distances, 0).astype(np.uint32))
    agree("merge_siblings", *streams, split, n_rows, np.zeros(ids.size, np.uint32))
    for wrong in ((held[1:], distances), (held[1:], np.append(distances, 0)), (held[:0], ids)):
        assert tree_pack.unpair_siblings(*wrong, split, n_rows) is None


@few
@given(
    counts=st.lists(st.lists(st.integers(0, 60), min_size=6, max_size=6), min_size=1, max_size=9)
)
def test_counts_give_every_bit_of_the_fractions_back(counts: list[list[int]]) -> None:
    grouped_counts = np.array(counts, dtype=float).reshape(len(counts), 2, 3)
    grouped_counts[..., 0] += 1
    rows = tree_pack.divide_counts(grouped_counts).reshape(len(counts), 6)
    found = tree_pack.leaf_counts(rows, 2)
    assert found is not None
    again = tree_pack.divide_counts(found.reshape(len(counts), 2, 3))
    assert again.tobytes() == rows.reshape(again.shape).tobytes()


def test_weighted_fractions_have_no_counts() -> None:
    assert tree_pack.leaf_counts(np.array([[np.pi / 4, 1 - np.pi / 4]]), 1) is None
    assert tree_pack.leaf_counts(np.array([[-1.0, 2.0]]), 1) is None
    assert tree_pack.divide_counts(np.zeros((1, 3))).tolist() == [[0.0, 0.0, 0.0]]


# Coarsening -------------------------------------------------------------------------------


@few
@given(
    n=st.integers(1, 300),
    levels=st.integers(1, 20),
    n_features=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_coarse_thresholds_are_few_and_keep_their_order(
    n: int, levels: int, n_features: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    feature, threshold = rng.integers(0, n_features, n), rng.normal(size=n).astype(np.float32)
    weight = rng.random(n)
    moved, share = coarsen.coarsen_thresholds(feature, threshold, weight, n_features, levels)
    assert share == np.mean(moved != threshold)
    for one in range(n_features):
        mine, before = moved[feature == one], threshold[feature == one]
        assert len(np.unique(mine)) <= levels
        assert np.isin(mine, before).all()
        assert (np.diff(mine[np.argsort(before)]) >= 0).all()


def test_many_rows_pull_a_level_to_their_threshold() -> None:
    mass = np.full(1000, 1.0)
    mass[137] = 1e6
    chosen = coarsen.choose_levels(mass, 20)
    assert chosen[137] == 137
    even = np.abs(np.arange(1000) - (np.arange(1000) // 50 * 50 + 25))
    assert mass @ np.abs(np.arange(1000) - chosen) < mass @ even


@few
@given(bits=st.sampled_from([8, 16]), centred=st.booleans(), seed=st.integers(0, 99))
def test_leaf_codes_are_within_half_a_step(bits: int, centred: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = np.sort(rng.integers(0, 4, 40))
    tree[:4] = 0, 1, 2, 3
    tree.sort()
    rows = rng.normal(size=(40, 2)) * 10.0 ** rng.integers(-3, 4)
    coded = coarsen.coarsen_leaves(rows, tree, 4, bits, centred=centred)
    assert coded is not None
    codes, scales, centre = coded
    back = coarsen.decode_leaves(codes, scales, centre, tree)
    assert (np.abs(back - rows) <= scales[tree] * 0.5001).all()
    assert codes.dtype.itemsize * 8 == bits


def test_leaves_that_are_not_finite_have_no_codes() -> None:
    rows = np.array([[np.inf], [1.0]])
    tree = np.zeros(2, int)
    assert coarsen.coarsen_leaves(rows, tree, 1, 8, centred=True) is None
    assert coarsen.coarsen_leaves(np.full((2, 1), 1e300), tree, 1, 8, centred=True) is None
