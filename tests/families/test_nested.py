"""Models within models: in any nesting, every method answers as the original does."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from model_quantization.api import ModelQuantizer
from model_quantization.evaluation.agreement import same_bits
from model_quantization.graph.methods import PUBLIC_METHODS
from model_quantization.predictor.quantized_model import QuantizedModel
from tests.families.checks import all_cases, check_close, quantized, reaction
from tests.families.nested_models import NestedModel, nested_model

SEEDS = range(40)
# Nothing to compare: they draw random numbers, or need a target.
ASKED = tuple(
    name
    for name in PUBLIC_METHODS
    if name.startswith(("predict", "decision_f", "transform", "apply", "score_samples"))
)


def made(model: object, bit_depth: int | str) -> QuantizedModel:
    found, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(model)
    assert isinstance(found, QuantizedModel)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_every_method_has_the_originals_bits(seed: int) -> None:
    nested = nested_model(seed)
    exact = made(nested.model, "exact")
    for name in ASKED:
        assert hasattr(exact, name) == callable(getattr(nested.model, name, None)), name
        for kind, rows in nested.rows.items() if hasattr(exact, name) else ():
            expected, got = reaction(nested.model, name, rows), reaction(exact, name, rows)
            where = f"seed {seed}: {name} of {kind}: {exact.explain()}"
            assert (got.error, got.warned) == (expected.error, expected.warned), where
            for key, array in (expected.answer or {}).items():
                assert got.answer is not None and same_bits(array, got.answer[key]), where


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_rounded_they_answer_as_the_restored_estimator(seed: int) -> None:
    nested = nested_model(seed)
    rounded = made(nested.model, 8)
    restored = rounded.restore()
    for name in rounded.fast_methods:
        for rows in _some(nested):
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of names: the test above compares them
                check_close(name, getattr(restored, name)(rows), getattr(rounded, name)(rows))


def _some(nested: NestedModel) -> Iterator[object]:
    for kind in ("rows", "one row", "float32"):
        if kind in nested.rows:
            yield nested.rows[kind]


def test_most_of_them_are_fast() -> None:
    """Else the tests above would compare scikit-learn with itself."""
    fast = [bool(made(nested_model(seed).model, "exact").fast_methods) for seed in SEEDS[:20]]
    assert sum(fast) > len(fast) // 2


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_a_predictor_has_no_method_that_its_model_lacks(case) -> None:
    lowered = quantized(case, "exact")._lowered
    if lowered is not None:
        answers = {name for name in lowered.methods if name != "transform"}
        own = {name for name in PUBLIC_METHODS if hasattr(case.example.model, name)}
        if type(case.example.model).__name__ == "LGBMClassifier":
            own.add("decision_function")  # since LightGBM 4.7; the scores are there before
        assert answers <= own
        with pytest.raises(TypeError):
            dataclasses.replace(lowered, methods={})  # type: ignore[type-var]
        with pytest.raises(AttributeError, match="make a new one to set 'by'"):
            lowered.by = "another"  # type: ignore[misc]
        assert not hasattr(lowered, "_replace") and not hasattr(lowered, "__replace__")
