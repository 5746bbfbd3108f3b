"""The exact recipe keeps every bit of every estimator, through a file and back."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from threadpoolctl import threadpool_limits

import model_quantization as mq
from model_quantization.api import ModelQuantizer
from model_quantization.evaluation.agreement import same_bits
from model_quantization.evaluation.answers import Answers, answer, answerable
from tests.estimators.fitted import CANNOT, Fitted, estimator_names, fitted
from tests.estimators.write_docs import PATH, document


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums of several threads come in any order, and their bits with it."""
    with threadpool_limits(1):
        yield


def _answers(model: Any, item: Fitted) -> Answers:
    np.random.seed(0)  # some draw from the global state whenever they answer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return answer(model, item.rows, answerable(item.model))


def copied(model: Any) -> Any:
    """The model as its pickle gives it back; a deprecated class warns of itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return pickle.loads(pickle.dumps(model))


def _check_equal(expected: Answers, got: Answers) -> None:
    assert got.failed == expected.failed
    assert got.arrays.keys() == expected.arrays.keys()
    for key, array in expected.arrays.items():
        assert same_bits(array, got.arrays[key]), key


def test_more_than_two_hundred_estimators_are_proven() -> None:
    assert len(estimator_names()) >= 200
    assert len(CANNOT) < 5


@pytest.mark.parametrize("name", estimator_names())
def test_answers_are_bit_identical_after_a_round_trip_through_a_file(
    name: str, tmp_path: Path
) -> None:
    item = fitted(name)
    original = copied(item.model)
    quantized, stats = ModelQuantizer(recipe="exact").quantize_model(item.model)
    path = tmp_path / f"{name}.qma"
    path.write_bytes(quantized.artifact.data)
    loaded = mq.load(path)
    assert {line["scheme"] for line in stats["components"]} <= {"exact"}
    expected = _answers(original, item)
    assert expected.arrays or not answerable(original)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        _check_equal(expected, _answers(loaded.restore(), item))
        _check_equal(expected, _answers(loaded, item))


@pytest.mark.skipif(
    not sklearn.__version__.startswith("1.9."), reason="the page is of another scikit-learn"
)
def test_the_page_about_estimators_is_current() -> None:
    current = PATH.read_text(encoding="utf-8")
    assert current == document(), "run: python -m tests.estimators.write_docs"
