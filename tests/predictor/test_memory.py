"""What an opened model holds, and what it gives back."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from model_quantization.api import ModelQuantizer
from model_quantization.predictor import memory
from model_quantization.predictor.memory import WORTH_IT, give_back


def test_only_what_is_worth_it_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Library:
        def malloc_trim(self, pad: int) -> int:
            asked.append(pad)
            return 1

    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library())
    assert give_back(WORTH_IT) and not give_back(WORTH_IT - 1)
    assert asked == [0]


def test_other_libraries_and_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not give_back(1 << 30)
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("it must not be asked"))
    assert not give_back(1 << 30)


def test_an_opened_model_keeps_no_decoded_arrays() -> None:
    texts = ["red green blue", "green wet", "blue red wet dry", "dry"] * 10
    model: Any = make_pipeline(TfidfVectorizer(), LogisticRegression())
    made, _ = ModelQuantizer(bit_depth=8).quantize_model(model.fit(texts, np.arange(40) % 4))
    made.predict(texts)
    assert made.artifact.release() == 0
    held = made.artifact[0]
    assert made.artifact.release() >= held.nbytes
    assert np.array_equal(made.artifact[0], held)
