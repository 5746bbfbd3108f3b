"""Networks in short numbers: every instruction set against the reference, bounds against sums."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.compiled import available_sets, compiled_kernels
from model_quantization.kernels.linear import coded_layers
from model_quantization.kernels.linear.coded_layers import CodedLayers
from model_quantization.kernels.linear.layer_bounds import (
    DOUBLE,
    SINGLE,
    bounds_of_codes,
    bounds_of_floats,
    largest_stretch,
    norms_of,
)
from model_quantization.kernels.linear.layers import forward
from model_quantization.kernels.linear.likelihoods import fill_likelihoods
from tests.kernels.agreement import agree

quick = settings(deadline=None, derandomize=True, max_examples=60)
sizes = st.lists(st.integers(1, 37), min_size=2, max_size=4)


def network(seed: int, widths: list[int]) -> tuple[list[Any], list[Any], list[Any]]:
    rng = np.random.default_rng(seed)
    codes = [rng.integers(-127, 128, size, dtype=np.int8) for size in pairwise(widths)]
    scales = [rng.uniform(0.001, 0.02, each.shape[1]) for each in codes]
    return codes, scales, [rng.normal(size=each.shape[1]) for each in codes]


def arguments(layers: CodedLayers, rows: Any, doubts: Any, sums: str, block: int) -> list[Any]:
    widest = -(-int(layers.shapes[:, :2].max()) // 16) * 16
    planes = np.zeros((block * (2 if sums == "d" else 1), widest), np.int16)
    values = np.zeros((block, widest), sums)
    scores = np.empty((len(rows), int(layers.shapes[-1, 1])))
    affine = np.stack([np.full(rows.shape[1], 0.7), np.full(rows.shape[1], -0.2)])
    winners = np.empty(len(rows), np.int64)
    return [
        rows, affine, layers.shapes, layers.codes, layers.outer[sums], doubts,
        len(layers.shapes) - 1, planes, values, scores, np.empty(len(rows)), winners,
    ]  # fmt: skip


@given(st.data())
@quick
def test_coded_layers_are_the_same_everywhere(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 1000))
    codes, scales, biases = network(seed, data.draw(sizes))
    layers = CodedLayers.of(codes, scales, biases)
    assert layers is not None
    rng = np.random.default_rng(seed)
    kind = data.draw(st.sampled_from([np.float32, np.float64]))
    count = data.draw(st.integers(0, 9))
    size = data.draw(st.sampled_from([0.0, 1e-40, 1.0, 1e6, 1e30]))
    rows = (rng.normal(size=(count, len(codes[0]))) * size).astype(kind)
    doubts = rng.uniform(0, data.draw(st.sampled_from([1e-9, 0.3])), len(codes) + 2)
    sums = data.draw(st.sampled_from("fd"))
    given_ = arguments(layers, rows, doubts, sums, data.draw(st.integers(1, 7)))
    given_[6] = data.draw(st.integers(0, len(codes)))
    if data.draw(st.booleans()):
        given_[-1] = given_[-1][:0]
    agree("fill_coded_layers", *given_, scratch=(7, 8))


@given(st.data())
@quick
def test_coded_scores_are_within_their_bounds(data: st.DataObject) -> None:
    seed, cut = data.draw(st.integers(0, 1000)), data.draw(st.booleans())
    codes, scales, biases = network(seed, data.draw(sizes))
    layers = CodedLayers.of(codes, scales, biases)
    assert layers is not None
    rng = np.random.default_rng(seed)
    width = len(codes[0])
    rows = rng.normal(size=(8, width)) * data.draw(st.sampled_from([1e-3, 1.0, 1e3]))
    affine = np.stack([rng.uniform(0.5, 2.0, width), rng.normal(size=width)])
    weights = [code * scale for code, scale in zip(codes, scales, strict=True)]
    hidden = "relu" if cut else "identity"
    expected = forward(rows * affine[0] + affine[1], weights, biases, hidden, "identity")
    norms = norms_of(weights, biases)
    for sums, unit in (("f", SINGLE), ("d", DOUBLE)):
        doubts = bounds_of_codes(norms, hidden, layers.limits(sums), unit, DOUBLE)
        winners = np.empty(len(rows), np.int64)
        scores, slack, unclear = layers.scores(
            rows, affine, doubts, cut=cut * (len(codes) - 1), type_of_sums=sums, winners=winners
        )
        errors = scores - expected
        apart = np.maximum(np.ptp(errors, axis=1), np.abs(errors).max(axis=1))
        assert (apart <= slack).all()
        clear = winners >= 0
        assert unclear == np.count_nonzero(~clear)
        best = expected.argmax(axis=1) if expected.shape[1] > 1 else expected[:, 0] > 0
        np.testing.assert_array_equal(winners[clear], best[clear])
        if sums == "d" and expected.shape[1] > 1:
            assert slack.max() < 1e-4 * (1.0 + np.abs(expected).max())


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("sums", ["f", "d"])
def test_rows_that_are_not_finite_are_in_doubt(odd: float, sums: str) -> None:
    codes, scales, biases = network(3, [20, 18, 3])
    layers = CodedLayers.of(codes, scales, biases)
    assert layers is not None
    rows = np.zeros((3, 20))
    rows[1, 19], rows[2, 2] = odd, odd
    for chosen in (*available_sets(), "reference"):
        given_ = arguments(layers, rows, np.full(4, 1e-9), sums, 2)
        if chosen == "reference":
            coded_layers.fill_coded_layers(*given_)
        else:
            compiled_kernels(chosen)["fill_coded_layers"](*given_)
        if abs(odd) != 1e200 or sums == "f":
            assert given_[-1].tolist()[1:] == [-1, -1]
        assert given_[-1][0] >= 0


def test_the_largest_codes_do_not_wrap_round() -> None:
    codes = [np.full((520, 3), 127, np.int8), np.full((3, 2), -128, np.int8)]
    layers = CodedLayers.of(codes, [np.full(3, 1e-3), np.ones(2)], [np.zeros(3), np.arange(2.0)])
    assert layers is not None and layers.shapes[:, 2].tolist() == [14, 15]
    rows = np.ones((2, 520))
    expected = rows.sum(axis=1)[:, np.newaxis] * 0.127 * -384 + np.arange(2)
    affine = np.stack([np.ones(520), np.zeros(520)])
    for sums in "fd":
        found = layers.scores(rows, affine, np.zeros(4), cut=1, type_of_sums=sums)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4 if sums == "f" else 1e-8)


def test_codes_that_fit_no_kernel_are_refused() -> None:
    many = [np.full((100_000, 1), 127, np.int8)]
    assert CodedLayers.of(many, [np.ones(1)], [np.zeros(1)]) is None
    few = [np.ones((2, 1), np.int8)]
    assert CodedLayers.of(few, [np.full(1, np.nan)], [np.zeros(1)]) is None
    assert CodedLayers.of(few, [np.ones(1)], [np.full(1, 1e300)]) is None


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (1, np.ones((2, 5))),
        (2, np.array([[6, 4, 15], [5, 2, 15]])),
        (2, np.array([[6, 4, 16], [4, 2, 15]])),
        (2, np.array([[6, 1 << 62, 15], [1 << 62, 2, 15]])),
        (2, np.empty((0, 3), np.int64)),
        (3, np.zeros(5, np.int8)),
        (4, np.zeros((2, 16), np.float32)),
        (5, np.zeros(3)),
        (7, np.zeros((1, 16), np.int16)),
        (7, np.zeros((2, 8), np.int16)),
        (8, np.zeros((0, 16), np.float32)),
        (9, np.zeros((3, 3))),
        (10, np.zeros(1)),
        (11, np.zeros(2, np.int64)),
    ],
)
def test_arguments_that_do_not_fit_are_refused(place: int, wrong: Any) -> None:
    codes, scales, biases = network(1, [6, 4, 2])
    layers = CodedLayers.of(codes, scales, biases)
    assert layers is not None
    given_ = arguments(layers, np.ones((3, 6)), np.zeros(4), "f", 2)
    given_[place] = wrong
    for chosen in available_sets():
        with pytest.raises(ValueError):
            compiled_kernels(chosen)["fill_coded_layers"](*given_)


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 40))
@quick
def test_stretches_are_bounds_and_near(seed: int, rows: int, columns: int) -> None:
    weight = np.random.default_rng(seed).normal(size=(rows, columns))
    largest = np.linalg.norm(weight, 2)
    assert largest <= largest_stretch(weight) <= 1.2 * largest
    assert largest_stretch(np.zeros((rows, columns))) == 0.0


@given(st.integers(0, 1000), sizes, st.sampled_from(["identity", "relu", "tanh", "logistic"]))
@quick
def test_float32_scores_are_within_their_bounds(seed: int, widths: list[int], hidden: str) -> None:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=size) for size in pairwise(widths)]
    biases = [rng.normal(size=weight.shape[1]) for weight in weights]
    rows = rng.normal(size=(6, widths[0])) * 3
    fixed, growing = bounds_of_floats(norms_of(weights, biases), hidden, SINGLE, DOUBLE)
    exact = forward(rows, weights, biases, hidden, "identity")
    short = forward(
        rows.astype(np.float32),
        [weight.astype(np.float32) for weight in weights],
        [bias.astype(np.float32) for bias in biases],
        hidden,
        "identity",
    )
    errors = short - exact
    apart = np.maximum(np.ptp(errors, axis=1), np.abs(errors).max(axis=1))
    assert (apart <= fixed + growing * np.linalg.norm(rows, axis=1)).all()


@given(st.data())
@quick
def test_likelihoods(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    count, classes = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 12))
    scores = rng.normal(size=(count, classes)) * data.draw(st.sampled_from([1e-3, 1.0, 400.0]))
    slack = rng.uniform(size=count) * data.draw(st.sampled_from([0.0, 1e-8, 3.0]))
    doubtful = np.empty(count, np.uint8)
    agree("fill_likelihoods", scores, slack, 2.5e-7, doubtful, rtol=1e-14, atol=1e-300)


def test_probabilities_that_are_not_in_doubt_are_near() -> None:
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(400, 5)) * 9
    slack = 10.0 ** rng.uniform(-9, 0.5, 400)
    near = exact + rng.uniform(-0.5, 0.5, exact.shape) * slack[:, np.newaxis]
    doubtful = np.empty(400, np.uint8)
    unclear = fill_likelihoods(near, slack, 1e-4, doubtful)
    assert 0 < unclear < 400
    fill_likelihoods(exact, np.zeros(400), 1.0, np.empty(400, np.uint8))
    off = np.abs(near - exact).max(axis=1) / exact.max(axis=1)
    assert (off[doubtful == 0] <= 1.0001e-4).all()


def test_whole_numbers_are_added_up_without_rounding() -> None:
    codes, scales, biases = network(5, [33, 2])
    layers = CodedLayers.of(codes, [np.ones(2)], [np.zeros(2)])
    assert layers is not None and scales and biases
    rows = np.random.default_rng(5).integers(-(2**29), 2**29, (4, 33)).astype(np.float64)
    rows[:, 0] = layers.limits("d")[0]
    affine = np.stack([np.ones(33), np.zeros(33)])
    found = layers.scores(rows, affine, np.zeros(3), cut=0, type_of_sums="d")[0]
    for row, scores in zip(rows.tolist(), found.tolist(), strict=True):
        for column, score in enumerate(scores):
            exact = sum(
                Fraction(value) * int(code)
                for value, code in zip(row, codes[0][:, column], strict=True)
            )
            assert math.isclose(score, float(exact), rel_tol=1e-15)
