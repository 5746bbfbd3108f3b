"""Kernels of kernel machines: every instruction set against the reference, and scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from model_quantization.kernels.machines.known_rows import KnownRows, Step, is_possible
from model_quantization.kernels.machines.pair_votes import (  # noqa: F401  kernels to ask for
    fill_pair_decisions,
    fill_pair_probabilities,
)
from model_quantization.kernels.machines.short_sums import ShortSums
from model_quantization.kernels.machines.similar_sums import DEPTH, LARGEST_POWER, STEPS
from tests.kernels.agreement import agree

CLOSE = {"rtol": 1e-11, "atol": 1e-11}
CHANGES = (
    Step("scale", -0.7, 0.3),
    Step("exponential", -0.4),
    Step("tangent"),
    Step("root"),
    Step("matern 3"),
    Step("matern 5"),
    Step("power", power=3),
    Step("power", power=6),
    Step("sine squared"),
    Step("logarithm", 1.0),
)
quick = settings(deadline=None, derandomize=True, max_examples=60)


def operands(known: KnownRows) -> tuple[Any, ...]:
    return (known._scales, known._tiles, known._program, known._constants)


@given(st.data())
@quick
def test_sums_of_similarities(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    width = data.draw(st.integers(1, 9))
    counts = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=4))
    scale = data.draw(st.sampled_from([None, rng.uniform(0.5, 2.0, width)]))
    start = data.draw(st.sampled_from(["distances", "products"]))
    steps = [Step(start, scale=scale), Step("scale", 0.2)]
    steps += [Step("distances"), Step("constant", 0.5), Step("multiply"), Step("add")]
    if start == "distances":
        steps.append(data.draw(st.sampled_from(CHANGES)))
    assert is_possible(steps)
    known = KnownRows(steps, rng.normal(size=(sum(counts), width)), counts)
    rows = rng.normal(size=(data.draw(st.integers(0, 5)), width))
    coefficients = known.laid_out(rng.normal(size=(data.draw(st.integers(1, 3)), sum(counts))))
    sums = np.empty((len(rows), len(counts) * len(coefficients)))
    agree("fill_similar_sums", rows, *operands(known), coefficients, known.starts, sums, **CLOSE)
    similar = np.empty((len(rows), int(known.starts[-1])))
    agree("fill_similarities", rows, *operands(known), similar, **CLOSE)


@given(
    st.integers(0, 1 << 30), st.integers(0, 70), st.integers(1, 9),
    st.lists(st.integers(0, 80), min_size=1, max_size=4), st.integers(1, 3),
)  # fmt: skip
@quick
def test_short_sums_agree_and_are_within_their_bound(
    seed: int, n: int, width: int, counts: list[int], columns: int
) -> None:
    rng = np.random.default_rng(seed)
    known = rng.normal(size=(sum(counts) + 1, width)) + 5.0
    counts = [*counts[:-1], counts[-1] + 1]
    weights = rng.normal(size=(columns, len(known)))
    gamma = float(rng.choice([0.01, 0.3, 2.0]))
    short = ShortSums.of(known, weights, counts, gamma)
    assert short is not None
    rows = rng.normal(size=(n, width)) * rng.choice([1.0, 1e3]) + 5.0
    moved, heights = np.zeros((n, width), dtype=np.float32), np.zeros(n, dtype=np.float32)
    _, *_, moved, heights, off = agree(
        "fill_short_rows", rows, short.middle, short.scale, short.reach, 1e-6, short.rest, moved,
        heights, np.zeros(n),
    )  # fmt: skip
    if n and np.isfinite(off).all():
        sums = np.zeros((n, len(counts) * columns))
        agree(
            "fill_short_sums", moved, heights, short.tiles, short.heights, short.coefficients,
            short.starts, sums, rtol=1e-4, atol=1e-4,
        )  # fmt: skip
    found, off = short.sums(rows)
    similar = np.exp(-gamma * cdist(rows, known, "sqeuclidean"))
    start = 0
    for part, count in enumerate(counts):
        own = slice(start, start + count)
        expected = similar[:, own] @ weights[:, own].T
        largest = np.abs(weights[:, own]).sum(axis=1)
        here = found[:, part * columns : (part + 1) * columns]
        with np.errstate(invalid="ignore"):
            bound = off[:, np.newaxis] * largest + 1e-12
        assert (~(np.abs(here - expected) > bound)).all()
        start += count


@pytest.mark.parametrize("step", CHANGES, ids=lambda step: f"{step.name} {step.power}")
def test_each_step_of_large_and_small_numbers(step: Step) -> None:
    known = KnownRows([Step("distances"), step], np.geomspace(1e-9, 30.0, 40)[:, np.newaxis])
    agree(
        "fill_similarities",
        np.zeros((3, 1)),
        *operands(known),
        np.empty((3, 64)),
        rtol=1e-12,
        atol=1e-15,
    )


def test_exponentials_are_those_of_numpy_to_the_last_places() -> None:
    given_ = np.concatenate([np.linspace(-708, 709, 4001), np.linspace(-1, 1, 999)])
    known = KnownRows([Step("products"), Step("exponential", 1.0)], given_[:, np.newaxis])
    found = known.similarities(np.ones((1, 1)))[0]
    np.testing.assert_allclose(found, np.exp(given_), rtol=4e-16)
    beyond = KnownRows([Step("products"), Step("exponential", 1.0)], np.array([[-1e9], [1e9]]))
    low, high = beyond.similarities(np.ones((1, 1)))[0]
    assert 0 <= low < 1e-300 and high > 1e307


def test_sums_are_those_of_scipy_and_numpy() -> None:
    rng = np.random.default_rng(0)
    known, rows = rng.normal(size=(70, 5)), rng.normal(size=(11, 5))
    coefficients = rng.normal(size=(2, 70))
    made = KnownRows([Step("distances"), Step("exponential", -0.3)], known, [20, 50])
    found = made.sums(rows, made.laid_out(coefficients))
    similar = np.exp(-0.3 * cdist(rows, known, "sqeuclidean"))
    expected = [similar[:, :20] @ coefficients[:, :20].T, similar[:, 20:] @ coefficients[:, 20:].T]
    np.testing.assert_allclose(found, np.hstack(expected), rtol=1e-12, atol=1e-13)


def test_programs_that_there_is_no_room_for() -> None:
    assert not is_possible([])
    assert not is_possible([Step("distances")] * 2)
    assert not is_possible([Step("add")])
    assert not is_possible([Step("products"), Step("power", power=LARGEST_POWER + 1)])
    deep = [Step("constant")] * (DEPTH + 1) + [Step("add")] * DEPTH
    assert not is_possible(deep) and is_possible(deep[1:-1])


@pytest.mark.parametrize(
    "program", [[(99, 0)], [(0, 1)], [(12, 0)], [(0, 0), (0, 0)], [(1, 0), (9, 65)], [(1, -1)]]
)
def test_programs_that_do_not_hold_together_are_refused(program: list[tuple[int, int]]) -> None:
    from model_quantization.kernels.compiled import available_sets, compiled_kernels

    steps, constants = np.array(program, np.int64), np.zeros((len(program), 2))
    fixed = (np.zeros((1, 2)), np.ones((1, 2)), np.zeros((2, 32)))
    for chosen in available_sets():
        with pytest.raises(ValueError, match="is_sound"):
            compiled_kernels(chosen)["fill_similarities"](
                *fixed, steps, constants, np.zeros((1, 32))
            )
    assert len(STEPS) == 14


@given(st.integers(2, 5), st.integers(0, 6), st.integers(0, 99))
@quick
def test_votes_and_probabilities_of_pairs(n_classes: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_pairs = n_classes * (n_classes - 1) // 2
    sums = rng.normal(size=(count, n_classes * (n_classes - 1)))
    intercepts, decisions = rng.normal(size=n_pairs), np.empty((count, n_pairs))
    *_, decisions = agree("fill_pair_decisions", sums, intercepts, n_classes, decisions)
    votes, winners = np.empty(n_classes, np.int64), np.empty(count, np.int64)
    doubts = rng.uniform(0, 0.05, n_pairs)
    for magnitudes in (np.ones(1), rng.uniform(1, 2, count)):
        agree(
            "fill_pair_winners",
            *(decisions, magnitudes, doubts, n_classes, votes, winners),
            scratch=(4,),
        )
    room, found = np.empty(n_classes * (n_classes + 1)), np.empty((count, n_classes))
    curves = (rng.normal(size=n_pairs), rng.normal(size=n_pairs))
    *_, found = agree(
        "fill_pair_probabilities",
        *(decisions, *curves, n_classes, room, found),
        scratch=(4,),
        **CLOSE,
    )
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1e-14])
def test_what_is_near_the_border_is_in_doubt(value: float) -> None:
    decisions = np.array([[1.0, -2.0, 3.0], [1.0, value, 3.0]])
    votes, winners = np.empty(3, np.int64), np.empty(2, np.int64)
    doubts = np.full(3, 1e-13)
    sure, *_ = agree(
        "fill_pair_winners", decisions, np.ones(1), doubts, 3, votes, winners, scratch=(4,)
    )
    assert bool(sure) == (value == np.inf)
    sure, *_ = agree(
        "fill_pair_winners", decisions[:1], np.ones(1), doubts, 3, votes, winners[:1], scratch=(4,)
    )
    assert sure
