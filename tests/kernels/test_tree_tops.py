"""The tops of large trees: against their reference, and against walks from the root."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.compiled import available_sets, compiled_kernels
from model_quantization.kernels.trees import tree_sum
from model_quantization.kernels.trees.leaf_sums import leaf_table, vote_room
from model_quantization.kernels.trees.plane_layout import asked_of, plane_room
from model_quantization.kernels.trees.tree_layout import Shape, lay_out
from model_quantization.kernels.trees.tree_sum import Leaves, TreeSum, grouped
from model_quantization.kernels.trees.tree_tops import LEVELS, top_room, tops_of
from tests.kernels.agreement import agree
from tests.kernels.test_bit_planes import leaf_rows
from tests.kernels.test_forest_kernels import random_rows, random_shape

few = settings(deadline=None, derandomize=True, max_examples=25)

shapes = st.builds(
    random_shape,
    st.integers(0, 999),
    st.sampled_from([1, 3, 12]),
    st.sampled_from([1, 2, 40, 700]),
    st.sampled_from([1, 9]),
    whole=st.booleans(),
)


@few
@given(
    shape=shapes,
    n=st.sampled_from([1, 8, 255, 300, 513]),
    doubled=st.booleans(),
    width=st.sampled_from([1, 3]),
    kind=st.sampled_from(["votes", "signed"]),
)
def test_walks_from_the_tops_are_those_of_the_reference(
    shape: Shape, n: int, doubled: bool, width: int, kind: str
) -> None:
    columns = int(shape.feature.max(initial=0)) + 1
    rows = random_rows(n, n, columns, 0.2 if doubled else 0.0)
    n_leaves = int((shape.split == 0).sum())
    nodes = lay_out(shape, np.arange(n_leaves), columns, doubled=doubled)
    assert nodes is not None
    groups = grouped(rows, doubled=doubled)[0]
    tops = tops_of(nodes, groups.shape[1])
    assert tops is not None
    assert int(np.diff(tops.planes.splits).max()) < 1 << LEVELS
    room = top_room(tops, n)
    asked = (*asked_of(tops.planes), groups, groups.shape[1])
    room = agree("number_tops", *asked, 0, n, plane_room(tops.planes), room, scratch=(-2,))[-1]
    table = leaf_table(leaf_rows(n, n_leaves, width, kind))
    forest = (nodes.words, nodes.starts, nodes.banks, nodes.bases, groups, groups.shape[1])
    adding = (table.ends, table.places, table.values, width, 1)
    sums = []
    for started in ((room, tops.slots, tops.roots), (top_room(None, n), tops.slots, tops.roots)):
        scratch = (np.empty(64, np.uint32), vote_room(table, 1, 64))
        given_ = (*forest, 0, n, nodes.shift, *started, *adding, *scratch, np.zeros((n, width)))
        sums.append(agree("sum_block", *given_, scratch=(-3, -2))[-1])
    assert sums[0].tobytes() == sums[1].tobytes()


@few
@given(
    shape=shapes,
    n=st.sampled_from([60, 300]),
    gaps=st.sampled_from([0.0, 0.3]),
    block=st.sampled_from([64, 136, 1000]),
    threads=st.sampled_from([1, 2]),
)
def test_large_forests_answer_alike_with_and_without_tops(
    shape: Shape, n: int, gaps: float, block: int, threads: int
) -> None:
    columns = int(shape.feature.max(initial=0)) + 1
    rows = random_rows(3, n, columns, gaps)
    table = leaf_rows(1, int((shape.split == 0).sum()), 2, "fractions")
    doubled = bool(np.isnan(rows).any())
    groups = grouped(rows, doubled=doubled)[0]
    sums = []
    for fewest in (1, 10**9):
        leaves = Leaves(shape, np.arange(len(table)), table)
        forest = TreeSum(lambda leaves=leaves: leaves, 1, columns, 700)
        out = np.zeros((n, 2))
        with (
            mock.patch.object(tree_sum, "FEWEST_TOPPED_ROWS", fewest),
            mock.patch.object(tree_sum, "CACHED_FOREST_BYTES", 0),
            mock.patch.object(tree_sum, "block_rows", return_value=block),
        ):
            assert forest.add(groups, n, out, doubled=doubled, threads=threads)
        assert ("gap_tops" if doubled else "tops") in forest.__dict__ or fewest > 1
        sums.append(out)
    assert sums[0].tobytes() == sums[1].tobytes()


def test_too_little_room_for_the_tops_is_refused() -> None:
    shape = random_shape(2, 3, 300, 4)
    nodes = lay_out(shape, np.arange(int((shape.split == 0).sum())), 4, doubled=False)
    assert nodes is not None
    tops = tops_of(nodes, 4)
    assert tops is not None
    groups = grouped(random_rows(0, 300, 4))[0]
    asked = (*asked_of(tops.planes), groups, 4, 0, 300, plane_room(tops.planes))
    for room in (np.empty((3, 256), np.uint8), np.empty((2, 512), np.uint8)):
        for chosen in available_sets():
            with pytest.raises(ValueError, match=r"number_tops"):
                compiled_kernels(chosen)["number_tops"](*asked, room)
