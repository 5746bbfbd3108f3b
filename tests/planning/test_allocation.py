"""Hulls, sweeps and nested plans."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_quantization.planning.allocation import Point, hull, nested, sweep, thinned

POINTS = st.lists(
    st.builds(
        Point,
        st.text("abc", max_size=3),
        st.integers(-50, 1000),
        st.floats(0, 10, allow_nan=False),
    ),
    max_size=12,
)


@given(POINTS)
def test_a_hull_saves_more_and_costs_more_at_each_step(points: list[Point]) -> None:
    kept = [Point("", 0, 0.0), *hull(points)]
    slopes = []
    for before, after in pairwise(kept):
        assert after.saved_bytes > before.saved_bytes
        assert after.distortion >= before.distortion
        slopes.append(
            (after.distortion - before.distortion) / (after.saved_bytes - before.saved_bytes)
        )
    assert slopes == sorted(slopes)


@given(POINTS)
def test_no_point_lies_below_the_hull(points: list[Point]) -> None:
    kept = [Point("", 0, 0.0), *hull(points)]
    for point in points:
        for before, after in pairwise(kept):
            if before.saved_bytes <= point.saved_bytes <= after.saved_bytes:
                share = (point.saved_bytes - before.saved_bytes) / (
                    after.saved_bytes - before.saved_bytes
                )
                line = before.distortion + share * (after.distortion - before.distortion)
                assert point.distortion >= line - 1e-9
        assert point.saved_bytes <= kept[-1].saved_bytes or point.saved_bytes <= 0


@given(st.dictionaries(st.sampled_from("pqrs"), POINTS))
def test_a_sweep_is_nested_and_stays_near_the_hulls(measured: dict[str, list[Point]]) -> None:
    steps = sweep(measured)
    for ladder, points in measured.items():
        kept = [Point("", 0, 0.0), *hull(points)]
        saved, distortion = 0, 0.0
        passed = [(0, 0.0)]
        for step in steps:
            if step.ladder == ladder:
                assert step.saved_bytes > 0 and step.distortion >= 0
                saved, distortion = saved + step.saved_bytes, distortion + step.distortion
                passed.append((saved, distortion))
        for before, after in pairwise(kept):
            slope = (after.distortion - before.distortion) / (
                after.saved_bytes - before.saved_bytes
            )
            assert any(saved == after.saved_bytes for saved, _ in passed)
            for saved, distortion in passed:
                if before.saved_bytes <= saved <= after.saved_bytes:
                    line = before.distortion + slope * (saved - before.saved_bytes)
                    hardly = 0.2 * (after.distortion - before.distortion)
                    assert line - 1e-9 <= distortion <= line + hardly + 1e-9
    assert sum(step.saved_bytes for step in steps) == sum(
        hull(points)[-1].saved_bytes for points in measured.values() if hull(points)
    )
    plans = nested(steps)
    assert len(plans) == len(steps) + 1 and plans[0] == {}
    for before, after in pairwise(plans):
        assert before.keys() <= after.keys()
        assert sum(before.get(key) != level for key, level in after.items()) <= 1


def test_a_long_step_is_taken_in_several_where_points_lie_hardly_above_it() -> None:
    points = [
        Point("8", 100, 0.1),
        Point("7", 120, 0.2),  # the hull has 0.18 here
        Point("6", 140, 0.4),  # and 0.26 here
        Point("5", 200, 0.5),
    ]
    assert [point.level for point in hull(points)] == ["8", "5"]
    assert [step.level for step in sweep({"rows": points})] == ["8", "7", "5"]
    cheap = {"rows": points, "terms": [Point("half", 100, 0.3)]}
    assert [step.level for step in sweep(cheap)] == ["8", "half", "7", "5"]


def test_the_cheapest_distortion_per_byte_comes_first() -> None:
    measured = {
        "weights": [Point("8", 100, 0.001), Point("4", 150, 0.1)],
        "rows": [Point("8", 1000, 0.002)],
    }
    assert [(step.ladder, step.level) for step in sweep(measured)] == [
        ("rows", "8"),
        ("weights", "8"),
        ("weights", "4"),
    ]


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=60, unique=True), st.integers(2, 12))
def test_thinned_keeps_both_ends(sizes: list[int], most: int) -> None:
    sizes = sorted(sizes, reverse=True)
    kept = thinned([float(size) for size in sizes], most)
    assert kept[0] == 0 and kept[-1] == len(sizes) - 1
    assert len(kept) == min(most, len(sizes))
    assert list(kept) == sorted(set(kept))


@pytest.mark.parametrize("points", [[], [Point("16", 0, 0.0)], [Point("8", -5, 0.1)]])
def test_what_saves_nothing_is_not_on_the_hull(points: list[Point]) -> None:
    assert hull(points) == ()
