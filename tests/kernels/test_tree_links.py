"""Links of trees: the kernel and its reference agree on the first fault, or on none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.trees.tree_links import (
    BAD_FEATURE,
    ONE_CHILD,
    OUT_OF_RANGE,
    SOUND,
    TWO_PARENTS,
    first_fault,
)
from tests.kernels.agreement import agree

LEFT = [1, -1, 3, -1, -1]
RIGHT = [2, -1, 4, -1, -1]
FEATURE = [0, -2, 2, -2, -2]


def _columns(*columns: list[int]) -> list[Any]:
    return [np.array(column, dtype=np.int64) for column in columns]


@pytest.mark.parametrize(
    ("column", "node", "value", "fault"),
    [
        (0, 0, 1, (SOUND, 0)),
        (0, 0, 0, (OUT_OF_RANGE, 0)),
        (0, 2, 1, (OUT_OF_RANGE, 2)),
        (0, 2, 5, (OUT_OF_RANGE, 2)),
        (1, 2, 1 << 62, (OUT_OF_RANGE, 2)),
        (1, 2, -7, (OUT_OF_RANGE, 2)),
        (0, 1, -5, (ONE_CHILD, 1)),
        (1, 0, -1, (ONE_CHILD, 0)),
        (1, 0, 1, (TWO_PARENTS, 0)),
        (1, 0, 3, (TWO_PARENTS, 2)),
        (2, 2, 3, (BAD_FEATURE, 2)),
        (2, 2, -1, (BAD_FEATURE, 2)),
        (2, 1, 99, (SOUND, 0)),
    ],
)
def test_each_fault_is_found_where_it_is(
    column: int, node: int, value: int, fault: tuple[int, int]
) -> None:
    columns = _columns(LEFT, RIGHT, FEATURE)
    columns[column][node] = value
    assert first_fault(*columns, 3) == fault
    room = np.empty(5, np.uint8)
    agree("find_fault", *columns, 3, room, scratch=(-1,))


def test_fields_of_a_table_are_read_where_they_lie() -> None:
    nodes = np.zeros(5, dtype=[("left", "<i8"), ("other", "<f4"), ("right", "<i8"), ("f", "<i8")])
    nodes["left"], nodes["right"], nodes["f"] = LEFT, RIGHT, FEATURE
    assert first_fault(nodes["left"], nodes["right"], nodes["f"], 3) == (SOUND, 0)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.data())
def test_kernel_and_reference_agree(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 7))
    link = st.integers(-2, 8)
    column = st.lists(link, min_size=count, max_size=count)
    columns = _columns(data.draw(column), data.draw(column), data.draw(column))
    agree("find_fault", *columns, 4, np.empty(count, np.uint8), scratch=(-1,))
