"""Kernels of linear models: the references against their formulas, the compiled against them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import model_quantization.kernels.linear.linear_rows  # noqa: F401  (kernels to ask for)
from model_quantization.kernels.linear import linear
from model_quantization.kernels.linear.linear import (
    flat_scores,
    fold_affine,
    is_usable,
    kernel_operands,
    label_indices,
    linear_rows,
    linear_scores,
    logistic,
    one_vs_rest,
    softmax,
    suits_kernel,
)
from tests.kernels.agreement import agree

RNG = np.random.default_rng(0)
quick = settings(deadline=None, derandomize=True, max_examples=60)
numbers = st.floats(-50, 50, allow_nan=False)


def matrices(rows: Any = (1, 19), columns: Any = (1, 13)) -> st.SearchStrategy[Any]:
    shapes = st.tuples(st.integers(*rows), st.integers(*columns))
    return shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=numbers))


@pytest.mark.parametrize("dtypes", ["fff", "ffd", "fdd", "dff", "ddd"])
@pytest.mark.parametrize("shape", [(7,), (7, 3)])
def test_scores_have_the_dtype_and_bits_of_the_plain_formula(
    dtypes: str, shape: tuple[int, ...]
) -> None:
    rows = RNG.normal(size=(5, 7)).astype(dtypes[0])
    weights = RNG.normal(size=shape).astype(dtypes[1])
    bias = RNG.normal(size=shape[1:] or (1,)).astype(dtypes[2])
    expected = rows @ weights + bias
    got = linear_scores(rows, weights, bias)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(linear_scores(rows, weights, 0.0), rows @ weights + 0.0)


def test_a_lone_column_becomes_flat() -> None:
    assert flat_scores(np.ones((4, 1))).shape == (4,)
    assert flat_scores(np.ones((4, 2))).shape == (4, 2)
    assert flat_scores(np.ones(4)).shape == (4,)


@given(matrices())
@quick
def test_softmax_sums_to_one_and_keeps_the_order(scores: Any) -> None:
    found = softmax(scores.copy())
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    shifted = softmax(scores + 7.0)
    np.testing.assert_allclose(found, shifted, rtol=1e-6, atol=1e-12)
    assert ((found >= 0) & (found <= 1)).all()


def test_softmax_does_not_overflow() -> None:
    np.testing.assert_array_equal(softmax(np.array([[1e4, 0.0, -1e4]])), [[1.0, 0.0, 0.0]])


def test_logistic_is_the_formula() -> None:
    scores = np.array([-800.0, -2.0, 0.0, 2.0, 800.0])
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(logistic(scores), 1 / (1 + np.exp(-scores)), rtol=1e-15)


def test_one_versus_rest() -> None:
    np.testing.assert_array_equal(one_vs_rest(np.array([0.0, 0.0])), np.full((2, 2), 0.5))
    scores = np.array([[0.0, 0.0], [-2000.0, -2000.0], [3.0, -3.0]])
    found = one_vs_rest(scores)
    np.testing.assert_array_equal(found[0], [0.5, 0.5])
    np.testing.assert_array_equal(found[1], [0.5, 0.5])  # nothing is likely: shared out
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_labels_are_signs_or_the_largest_and_the_first_of_equals_wins() -> None:
    np.testing.assert_array_equal(label_indices(np.array([-1.0, 0.0, 1e-300])), [0, 0, 1])
    np.testing.assert_array_equal(label_indices(np.array([[1.0, 1.0], [0.0, 2.0]])), [0, 1])


@given(matrices(columns=(4, 4)), st.booleans())
@quick
def test_folding_a_scaler_is_the_same_map(rows: Any, flat: bool) -> None:
    weights = RNG.normal(size=4 if flat else (4, 3))
    scale, shift, bias = RNG.uniform(0.1, 3, 4), RNG.normal(size=4), 0.5
    folded, moved = fold_affine(weights, bias, scale, shift)
    np.testing.assert_allclose(
        linear_scores(rows, folded, moved),
        linear_scores(rows * scale + shift, weights, bias),
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("columns", range(1, 13))
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 33])
def test_compiled_scores_equal_the_reference_to_rounding(
    dtype: str, columns: int, count: int
) -> None:
    rows = RNG.normal(size=(count, 17)).astype(dtype)
    weights, bias = RNG.normal(size=(17, columns)), RNG.normal(size=columns)
    operands = kernel_operands(weights, bias)
    found = linear_rows().row_scores(rows, *operands)
    bound = 17 * np.finfo(float).eps * (np.abs(rows) @ np.abs(weights) + np.abs(bias))
    assert (np.abs(found - linear_scores(rows, weights, bias)) <= bound).all()
    assert is_usable(found)


@given(matrices(rows=(1, 9), columns=(5, 5)), st.integers(1, 7))
@quick
def test_compiled_answers_equal_their_references(rows: Any, columns: int) -> None:
    weights = np.random.default_rng(columns).normal(size=(5, columns))
    operands = kernel_operands(weights, 0.25)
    scores = linear_scores(rows, weights, 0.25)
    kernels = linear_rows()
    close = {"rtol": 1e-8, "atol": 1e-10}
    np.testing.assert_allclose(
        kernels.row_softmax(rows, *operands), softmax(scores.copy()), **close
    )
    np.testing.assert_allclose(
        kernels.row_one_vs_rest(rows, *operands), one_vs_rest(flat_scores(scores)), **close
    )
    winners = kernels.row_winners(rows, *operands)
    mine = kernels.row_scores(rows, *operands)
    np.testing.assert_array_equal(winners, label_indices(flat_scores(mine)))


@pytest.mark.parametrize("width", [1, 3, 4, 7, 8, 9, 15, 30, 113, 120])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_instruction_set_gives_the_reference_to_rounding(width: int, dtype: Any) -> None:
    for count in (1, 4, 9):
        for columns in (1, 3, 5, 11):
            rows = RNG.normal(size=(count, width)).astype(dtype)
            weights, bias = RNG.normal(size=(columns, width)), RNG.normal(size=columns)
            scores, pairs = np.zeros((count, columns)), np.zeros((count, 2 if columns == 1 else 0))
            close = {"rtol": 1e-12, "atol": 1e-12}
            agree("fill_row_scores", rows, weights, bias, scores, **close)
            agree("fill_row_softmax", rows, weights, bias, scores, **close)
            agree("fill_row_one_vs_rest", rows, weights, bias, scores, pairs, **close)
            winners = np.zeros(count, np.int64)
            agree("fill_row_winners", rows, weights, bias, scores, winners, scratch=(3,))


def test_one_dimensional_weights_are_one_column() -> None:
    weights, bias = kernel_operands(np.arange(3.0), 2.0)
    assert weights.shape == (1, 3) and bias.tolist() == [2.0]
    found = linear_rows().row_scores(np.ones((2, 3)), weights, bias)
    np.testing.assert_array_equal(found, [[5.0], [5.0]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("place", [0, 3, 8])
def test_one_odd_number_makes_the_whole_answer_unusable(
    value: float, weight: float, place: int
) -> None:
    rows = np.ones((9, 2))
    rows[place, 1] = value
    operands = kernel_operands(np.array([[1.0, 1.0], [weight, weight]]), np.zeros(2))
    for kernel in ("row_scores", "row_softmax", "row_one_vs_rest", "row_winners"):
        assert not is_usable(getattr(linear_rows(), kernel)(rows, *operands)), kernel
    single = kernel_operands(np.array([1.0, weight]), 0.0)
    for kernel in ("row_scores", "row_one_vs_rest", "row_winners"):
        assert not is_usable(getattr(linear_rows(), kernel)(rows, *single)), kernel


def test_which_products_suit_the_kernel() -> None:
    few, many = np.ones((linear.KERNEL_ROWS, 4)), np.ones((linear.KERNEL_ROWS + 1, 4))
    narrow = np.ones((linear.KERNEL_COLUMNS, 4))
    wide = np.ones((linear.KERNEL_COLUMNS + 1, 4))
    assert suits_kernel(few, wide) and suits_kernel(many, narrow) and not suits_kernel(many, wide)
    assert not suits_kernel(np.asfortranarray(few), narrow)
    assert not suits_kernel(few, narrow.astype(np.float32))
