"""No wrong answer escapes the probe rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model_quantization.estimators.capture import capture
from model_quantization.families import Lowered
from model_quantization.predictor.component import ComponentView
from model_quantization.probes.compare import ProbeReport, fast_difference, report
from model_quantization.probes.questions import probe_rows
from model_quantization.probes.reactions import (
    ask,
    ask_again,
    react,
)
from model_quantization.trust import TrustPolicy
from tests.families.checks import Case, all_cases
from tests.probes.models import LABELS, ROWS, probed, rows_of


@pytest.mark.parametrize("bit_depth", [8, "exact"])
@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_every_example_agrees_with_itself(case: Case, bit_depth: int | str) -> None:
    if not probe_rows(capture(case.example.model, TrustPolicy()), {"": case.example.model}):
        pytest.skip("no probe rows can be made for this kind of input")
    found = probed(case.example.model, bit_depth)
    assert not found.restored or case.rounds_otherwise
    assert not found.differs
    assert found.calls or case.example.name.startswith("mappings")  # neither table nor text


def wrong_predictor(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let every fast linear predictor answer `change(its answer)`."""
    from model_quantization.predictor.component import ComponentView

    lower = ComponentView.lower

    def broken(self: ComponentView, exact: bool) -> Any:
        made = lower(self, exact)
        if not isinstance(made, Lowered):
            return made
        methods = {
            name: (lambda rows, call=call, name=name: _changed(change, name, call(rows)))
            for name, call in made.methods.items()
        }
        return Lowered(
            methods,
            by=made.by,
            names=made.names,
            n_features=made.n_features,
            integers=made.integers,
        )

    monkeypatch.setattr(ComponentView, "lower", broken)


def _changed(change: Any, name: str, found: Any) -> Any:
    return None if found is None else change(name, found)  # None: scikit-learn answers


CHANGES = {
    "another label": lambda name, found: found + 1 if name == "predict" else found,
    "another dtype": lambda name, found: found.astype(np.float32) if name != "predict" else found,
    "a list": lambda name, found: list(found) if name == "predict" else found,
    "one row too few": lambda name, found: found[:-1] if name == "predict" else found,
    "NaN": lambda name, found: found * np.nan if name == "predict_proba" else found,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("bit_depth", [8, "exact"])
def test_a_wrong_fast_answer_is_found(
    bit_depth: int | str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LogisticRegression(max_iter=5000).fit(ROWS, LABELS)
    assert not probed(model, bit_depth).restored
    wrong_predictor(monkeypatch, CHANGES[change])
    found = probed(model, bit_depth)
    assert found.restored
    assert not found.differs


def test_a_last_bit_counts_where_nothing_was_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = np.random.default_rng(4).normal(
        size=(len(LABELS), 400)
    )  # few weights would stay exact at 8 bits, too
    model = LogisticRegression(max_iter=5000).fit(wide, LABELS)
    wrong_predictor(
        monkeypatch,
        lambda name, found: np.nextafter(found, 2.0) if name == "predict_proba" else found,
    )
    assert "predict_proba" in probed(model, "exact").restored
    assert not probed(model, 8).restored


def test_a_restored_estimator_that_differs_is_found() -> None:
    model = LogisticRegression(max_iter=5000).fit(ROWS, LABELS)
    rows, original = ask(model, rows_of(model), thorough=True)
    other = LogisticRegression(max_iter=5000).fit(ROWS, LABELS)
    other.coef_ = other.coef_ * (1 + 1e-15)
    again = ask_again(other, rows, original.calls)
    assert report(original, again, again, fast_methods=(), exact=True).differs
    assert not report(original, again, again, fast_methods=(), exact=False).differs
    other.classes_ = other.classes_ + 1
    again = ask_again(other, rows, original.calls)
    assert "classes_" in report(original, again, again, fast_methods=(), exact=False).differs


def test_an_error_of_another_type_is_a_difference() -> None:
    class Numbers:
        def predict(self, rows: Any) -> Any:
            return np.asarray(rows, dtype=float).sum(axis=1)

    class Other(Numbers):
        def predict(self, rows: Any) -> Any:
            raise KeyError("predict")

    value, error = (react(each, "predict", [[1.0, 2.0]]) for each in (Numbers(), Other()))
    assert error.kind == "KeyError"
    assert error.raised
    assert "expected numpy.ndarray" in fast_difference(value, error, exact=False)
    assert fast_difference(error, value, exact=False)


def test_the_note_says_how_many_rows_agree() -> None:
    note = ProbeReport(rows=64, calls=20, equal=63).note()
    assert note == "asked on 64 probe rows: answers of predict equal on 63"
    found = ProbeReport(64, 2, 3, {"predict": "all rows: 2 of 64 values differ"}, "")
    assert ProbeReport.from_json(found.to_json()) == found
