"""How far answers are apart, and numbers that JSON can hold."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from model_quantization.evaluation.agreement import compare_method
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.checks import finite


@pytest.mark.parametrize("labels", [["a", "b", "c"], [1, 2, 3]], ids=["text", "integers"])
def test_labels_differ_by_rows_and_by_nothing_else(labels: list[object]) -> None:
    before, after = np.array(labels), np.array([labels[0], labels[2], labels[2]])
    found = compare_method(Answers({"predict": before}), Answers({"predict": after}), "predict")
    assert (found.identical, found.rows_changed) == (False, 1)
    assert (found.largest_difference, found.relative_difference, found.mean_shift) == (0, 0, 0)


def test_numbers_differ_by_their_largest_gap_against_the_spread() -> None:
    before = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0], [6.0, 1.0]])
    after = before.copy()
    after[0, 0], after[3, 0] = 1.0, 6.5
    pair = Answers({"transform": before}), Answers({"transform": after})
    found = compare_method(*pair, "transform")
    assert (found.identical, found.rows_changed) == (False, 2)
    assert found.largest_difference == 1.0
    assert found.relative_difference == pytest.approx(1.0 / before.std())
    assert found.mean_shift == pytest.approx(1.5 / 4)
    same = compare_method(pair[0], pair[0], "transform")
    assert (same.identical, same.rows_changed, same.relative_difference) == (True, 0, 0.0)


def test_a_gap_of_less_than_a_millionth_of_the_spread_changes_no_row() -> None:
    before = np.array([0.0, 2.0])  # a spread of one
    for gap, rows in ((0.9e-6, 0), (1.1e-6, 1)):
        after = before + np.array([0.0, gap])
        found = compare_method(Answers({"predict": before}), Answers({"predict": after}), "predict")
        assert (found.rows_changed, found.identical) == (rows, False)


def test_records_hold_finite_numbers_only() -> None:
    largest = sys.float_info.max
    assert finite(float("inf")) == finite(float("nan")) == largest
    assert finite(-float("inf")) == -largest
    assert finite(0.25) == 0.25
    assert finite(None) is None
