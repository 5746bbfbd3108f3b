"""Kernels of distances: what is nearest, and whether rounding can have chosen it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.distances.coded_scan import room_for
from model_quantization.kernels.distances.known_codes import KnownCodes
from model_quantization.kernels.distances.neighbours import KnownRows, directions, root_of
from model_quantization.kernels.linear.mixtures import digamma
from model_quantization.kernels.linear.nearest import NearestCentre
from model_quantization.kernels.linear.topics import shares_of_topics
from tests.kernels.agreement import agree

quick = settings(deadline=None, derandomize=True, max_examples=40)
seeds = st.integers(0, 1 << 30)
KINDS = ("plain", "whole", "odd")


def numbers(rng: Any, shape: tuple[int, ...], kind: str, dtype: Any = np.float64) -> Any:
    """Numbers of one kind: of whole ones many are equal, of odd ones some are not finite."""
    if kind == "whole":
        return rng.integers(-3, 4, shape).astype(dtype)
    made = rng.normal(size=shape).astype(dtype)
    if kind == "odd" and made.size:
        made.flat[rng.integers(0, made.size, 2)] = rng.choice([np.nan, np.inf, -np.inf], 2)
    return made


@given(seeds, st.integers(1, 5), st.integers(1, 700), st.integers(1, 40), st.sampled_from(KINDS))
@quick
def test_candidates_agree(seed: int, n: int, known: int, count: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    count = min(count, known)
    scores = numbers(rng, (n, known), kind, np.float32)
    slack = (np.abs(rng.normal(size=n)) * rng.choice([0.0, 1.0])).astype(np.float32)
    places = np.zeros((n, count + int(rng.integers(0, 20))), dtype=np.int64)
    agree("fill_candidates", scores, count, slack, places, np.zeros(n, dtype=np.int64))


@given(seeds, st.integers(1, 6), st.integers(1, 30), st.integers(1, 20), st.integers(0, 4))
@quick
def test_distances_agree(seed: int, n: int, known: int, width: int, measure: int) -> None:
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(["plain", "whole"]))
    rows, table = numbers(rng, (n, width), kind), numbers(rng, (known, width), kind)
    most, count = int(rng.integers(1, 30)), int(rng.integers(1, 9))
    candidates = rng.integers(0, known, (n, most))
    found, slack = rng.integers(0, most + 1, n), rng.choice([0.0, 1.0], n)
    to = np.zeros((n, count + int(rng.integers(1, 9))), dtype=np.int64)
    agree(
        "fill_ranked", rows, table, measure, found, candidates, 0.01, count, slack, to,
        np.zeros(to.shape), np.zeros(most), scratch=(-1,),
    )  # fmt: skip
    single = [np.ascontiguousarray(each, dtype=np.float32) for each in (rows, table.T)]
    agree("fill_nearness", *single, measure, np.zeros((n, known), dtype=np.float32))


@given(seeds, st.integers(1, 200), st.integers(1, 300), st.integers(1, 40), st.integers(1, 40))
@quick
def test_neighbours_by_codes_agree(seed: int, n: int, n_known: int, width: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    count = min(count, n_known)
    spread = rng.choice([1e-3, 1.0, 30.0], width)
    known = numbers(rng, (n_known, width), str(rng.choice(["plain", "whole"]))) * spread
    rows = known[rng.integers(0, n_known, n)] + rng.normal(size=(n, width)) * rng.choice([0, 0.3])
    rows[rng.integers(0, n)] = rng.choice([np.nan, np.inf, 1e30, 0.0, 1.0])
    codes = KnownCodes.of(known, 2.0, by_products=bool(rng.integers(0, 2)))
    assert codes is not None
    # Little room, which some rows are refused for, and doubts that are too large for their codes.
    most = count + int(rng.choice([0, 5, 60]))
    columns = count + int(rng.integers(1, 30))
    doubts = codes.lengths * np.float32(rng.choice([1.0, 20.0]))
    agree(
        "fill_nearest_by_codes", rows, codes.middle, codes.steps, codes.zeros, codes.facts,
        codes.groups, codes.heights, doubts, known, 1e-9, count, most, np.zeros(n),
        np.zeros((n, columns), dtype=np.int64), np.zeros((n, columns)),
        np.zeros(room_for(n, width, count, most), dtype=np.int64), scratch=(-1,),
    )  # fmt: skip


@given(seeds, st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(1, 4))
@quick
def test_votes_agree(seed: int, n: int, count: int, more: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    distances = np.sort(rng.integers(0, 5, (n, count + more)).astype(np.float64), axis=1)
    distances[:, count + more - int(rng.integers(0, more)) :] = np.inf
    places, labels = rng.integers(0, 20, distances.shape), rng.integers(0, classes, 20)
    slack = rng.choice([0.0, 1.0], n)
    agree("fill_votes", places, distances, slack, labels, count, np.zeros((n, classes)))


@given(seeds, st.integers(1, 9), st.integers(1, 20))
@quick
def test_queries_agree(seed: int, n: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    rows, middle = rng.normal(size=(n, width)), rng.normal(size=width)
    queries = np.zeros((n, width + 1), dtype=np.float32)
    margins, slack = np.zeros(n, dtype=np.float32), np.zeros(n)
    agree("fill_queries", rows, middle, 1.5, 2.5, 1e-6, 1e-14, queries, margins, slack)


@given(seeds, st.integers(1, 9), st.integers(1, 20), st.integers(1, 9), st.sampled_from(KINDS))
@quick
def test_winners_agree(seed: int, n: int, width: int, count: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    scores = numbers(rng, (n, count), kind)
    slack = rng.choice([0.0, 0.5], n)
    agree("fill_clear_winners", scores, slack, np.zeros(n, dtype=np.int64))
    if kind == "odd":
        return
    # Whole numbers: sums that are the same in any order, so that winners must be, too.
    rows = numbers(rng, (n, width), "whole", rng.choice([np.float32, np.float64]))
    weights, bias = numbers(rng, (count, width), "whole"), numbers(rng, (count,), "whole")
    out, winners = np.zeros((n, count)), np.zeros(n, dtype=np.int64)
    agree("fill_nearest", rows, weights, bias, 0.5, 1e-9, out, winners, rtol=1e-12)
    wide, shift = numbers(rng, (count * 3, width), "whole"), numbers(rng, (count * 3,), "whole")
    along = np.zeros((int(rng.integers(1, 5)), count * 3))
    agree(
        "fill_mixed", rows, wide, shift, bias, 1.5, 2.0, 1e-9, 1.0, along, out, winners,
        rtol=1e-12, scratch=(8,),
    )  # fmt: skip


@given(seeds, st.integers(1, 5), st.integers(1, 20), st.integers(1, 6))
@quick
def test_topics_agree(seed: int, n: int, width: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.poisson(0.7, (n, width)).astype(np.float64)
    if rng.integers(0, 4) == 0:
        rows[0, 0] = rng.choice([-1.0, np.nan, np.inf])
    topics = rng.random((width, count))
    words, room = np.zeros(width + 1, dtype=np.int64), np.zeros(width + 1 + 2 * count)
    agree(
        "fill_topics", rows, topics, 0.3, 15, 1e-3, 1e-9, words, room, np.zeros((n, count)),
        rtol=1e-9, scratch=(6, 7),
    )  # fmt: skip


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "minkowski", "cosine"])
@pytest.mark.parametrize("by_products", [True, False])
def test_neighbours_are_those_of_all_distances(metric: str, by_products: bool) -> None:
    rng = np.random.default_rng(1)
    known, rows = rng.normal(size=(400, 7)) + 5.0, rng.normal(size=(50, 7)) + 5.0
    found = KnownRows(known, metric, 3, by_products=by_products).nearest(rows, 6)
    assert found is not None and not len(found.open_rows()) and found.in_clear_order()
    apart = np.abs(rows[:, None, :] - known[None])
    every = {
        "euclidean": lambda: np.sqrt((apart**2).sum(axis=2)),
        "manhattan": lambda: apart.sum(axis=2),
        "chebyshev": lambda: apart.max(axis=2),
        "minkowski": lambda: np.cbrt((apart**3).sum(axis=2)),
        "cosine": lambda: (
            1.0
            - rows @ known.T / np.linalg.norm(rows, axis=1)[:, None] / np.linalg.norm(known, axis=1)
        ),
    }[metric]()
    np.testing.assert_array_equal(found.places, np.argsort(every, axis=1)[:, :6])
    measure = {"manhattan": 1, "chebyshev": 0, "minkowski": 3}.get(metric, 2)
    shown = root_of(found.distances, measure, cosine=metric == "cosine")
    np.testing.assert_allclose(shown, np.sort(every, axis=1)[:, :6], rtol=1e-9)


@pytest.mark.parametrize("kind", ["plain", "rounded", "clustered", "far"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_codes_find_the_neighbours_of_all_distances(kind: str, metric: str) -> None:
    rng = np.random.default_rng(2)
    known = rng.normal(size=(700, 30)) * np.linspace(0.1, 9.0, 30)
    if kind == "rounded":
        known = np.rint(known * 20) / 20
    elif kind == "clustered":  # most are too close together for codes of the whole spread
        known[5:] *= 0.02
    elif kind == "far":
        known += 3e3
    rows = known[:60] + rng.normal(size=(60, 30)) * known.std(axis=0) * 0.1
    search = KnownRows(known, metric, 2, by_products=True)
    assert search.looks_at_rows is (kind != "clustered" or metric == "cosine")
    found = search.nearest(rows, 6)
    assert found is not None and not len(found.open_rows())
    a, b = (directions(rows), directions(known)) if metric == "cosine" else (rows, known)
    every = ((a[:, None, :] - b[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(found.places, np.argsort(every, axis=1)[:, :6])
    np.testing.assert_allclose(found.distances, np.sort(every, axis=1)[:, :6], rtol=1e-9)
    if search.looks_at_rows:
        assert search.nearest(np.full((2, 30), np.nan), 6) is None


def test_rows_that_codes_cannot_tell_apart_are_scanned_in_single_precision() -> None:
    rng = np.random.default_rng(3)
    known = rng.normal(size=(3000, 8))
    known[:500] = 4.0 + rng.normal(size=(500, 8)) * 0.05
    search = KnownRows(known, "euclidean", 2, by_products=True)
    rows = np.vstack([known[:3], known[600:603]]) + 1e-3
    codes = search._codes
    assert codes is not None
    places, distances = np.zeros((6, 6), dtype=np.int64), np.zeros((6, 6))
    assert codes.fill_nearest(rows, known, 0.0, 5, np.zeros(6), places, distances) == 3
    found = search.nearest(rows, 5)
    assert found is not None
    every = ((rows[:, None, :] - known[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(found.places, np.argsort(every, axis=1)[:, :5])


def test_equal_distances_are_open() -> None:
    known = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [5.0, 5.0]])
    search = KnownRows(known, "euclidean", 2, by_products=True)
    found = search.nearest(np.array([[0.0, 0.0], [4.0, 4.0]]), 2)
    assert found is not None
    assert found.open_rows().tolist() == [0, 1]
    places, may_be = found.could_be_last(np.array([0]))
    assert sorted(places[may_be].tolist()) == [0, 1, 2]
    assert not found.in_clear_order()


def test_more_equal_rows_than_there_is_room_for_are_left_alone() -> None:
    search = KnownRows(np.ones((200, 3)), "euclidean", 2, by_products=True)
    assert search.nearest(np.zeros((2, 3)), 3) is None


@pytest.mark.parametrize("count", [3, 50])  # few go through a kernel, many through BLAS
def test_a_centre_that_rounding_may_have_chosen_is_none(count: int) -> None:
    centres = np.random.default_rng(0).normal(size=(count, 4))
    nearest = NearestCentre.of(centres)
    rows = np.vstack([centres] * 3) + 1e-3
    np.testing.assert_array_equal(nearest.winners(rows), [*range(count)] * 3)
    between = np.vstack([rows, (centres[:1] + centres[1:2]) / 2])
    twice = NearestCentre.of(np.vstack([centres, centres[:1]]))
    assert twice.winners(rows) is None
    assert NearestCentre.of(centres[:2]).winners(between) is None
    assert nearest.winners(np.full((20, 4), np.nan)) is None
    assert nearest.winners(np.full((20, 4), np.inf)) is None


def test_digamma_is_scipys() -> None:
    from scipy.special import digamma as known

    values = np.concatenate([np.geomspace(1e-3, 1e6, 200), np.arange(1, 60) / 2])
    np.testing.assert_allclose(digamma(values), known(values), rtol=1e-13, atol=1e-14)


def test_a_search_that_rounding_may_end_is_none() -> None:
    rows, topics = np.ones((1, 3)), np.array([[0.2, 0.5], [0.1, 0.7], [0.9, 0.3]])
    found = shares_of_topics(rows, topics, 0.5, 5, 0.3)
    assert found is not None and found.sum() == pytest.approx(1.0)
    # The shares of two topics grow from 2 to 3 * 1 + 2 * 0.5: a mean change of 1.
    assert shares_of_topics(rows, topics, 0.5, 5, 1.0) is None
    assert shares_of_topics(-rows, topics, 0.5, 5, 0.3) is None
