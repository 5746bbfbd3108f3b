"""The default limits admit the families' own examples at 16 bits, on 1,000 rows."""

from __future__ import annotations

import warnings
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from model_quantization.api import ModelQuantizer
from model_quantization.evaluation import CheckName, Finding
from model_quantization.evaluation.answers import Answers, answer, answerable
from model_quantization.evaluation.predictions import judge_answers
from tests.families.checks import Case, all_cases

ROWS = 1000
LEAST_OF_A_CLASS = 185  # rows that prove a ranking where nothing moved
METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform")


def numeric_cases() -> list[Case]:
    """The cases with an answer that the gate compares: neighbours alone have none."""
    return [
        case
        for case in all_cases()
        if case.is_numeric and not {*METHODS}.isdisjoint(answerable(case.example.model))
    ]


def rows_between(rows: np.ndarray) -> np.ndarray:
    """1,000 rows on the lines between the example's own: nowhere out of its domain."""
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, len(rows), (2, ROWS))
    share = generator.random((ROWS, 1))
    return np.asarray(share * rows[first] + (1 - share) * rows[second], dtype=np.float64)


def truth_about(answers: Answers) -> Any:
    """What the original answers, with noise: nine labels of ten, and numbers nearly."""
    if "predict" not in answers.methods:
        return None
    labels = np.asarray(answers.arrays.get("predict"))
    generator = np.random.default_rng(1)
    if labels.dtype.kind == "f" and "classes_" not in answers.arrays:
        return labels + 0.3 * labels.std(axis=0) * generator.normal(size=labels.shape)
    noisy = labels.copy()
    wrong = generator.random(ROWS) < 0.1
    noisy[wrong] = labels[generator.permutation(ROWS)][wrong]
    return noisy


@cache
def judged(case: Case) -> Any:
    model = case.example.model
    rows = rows_between(np.asarray(case.example.rows, dtype=np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the models, about rows of their own making
        quantized, _ = ModelQuantizer(bit_depth=16, weight_threshold=0.0).quantize_model(model)
        methods = [method for method in answerable(model) if method in METHODS]
        original, candidate = answer(model, rows, methods), answer(quantized, rows, methods)
    return judge_answers(original, candidate, truth_about(original))


def sampled() -> list[Any]:
    """The cases, of which each family's first three are no longer proof."""
    seen: Counter[str] = Counter()
    found = []
    for case in numeric_cases():
        seen[case.family] += 1
        longer = (pytest.mark.slow,) if seen[case.family] > 3 else ()
        found.append(pytest.param(case, id=str(case), marks=longer))
    return found


@pytest.mark.parametrize("case", sampled())
def test_sixteen_bits_pass(case: Case) -> None:
    found = judged(case)
    missed = [check for check in found.checks if check.finding in (Finding.LOST, Finding.OPEN)]
    if missed and all(
        check.name is CheckName.RANKING and (check.rows or ROWS) < LEAST_OF_A_CLASS
        for check in missed
    ):
        # No test could tell: a rare class among the example's rows.
        assert all(check.note.endswith("are too few to tell") for check in missed)
        assert case.example.name == "binary"
        return
    assert found.published, (found.note, missed)
