"""Golden rows: which answers are recorded, and when the model is asked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import model_quantization as mq
from model_quantization.errors import EnvironmentMismatch, FormatError, PredictionError
from model_quantization.predictor import restored
from model_quantization.predictor.golden_rows import golden_budget, golden_rows

X, Y = make_classification(60, 5, random_state=0)
FRAME = pd.DataFrame(
    {
        "size": X[:, 0],
        "town": np.array(["Rome", "Oslo", None], dtype=object)[np.arange(60) % 3],
        "kind": pd.Categorical(np.array(["a", "b"])[Y]),
        "rooms": np.arange(60) % 5,
    }
)
BUDGET = 8192


def made(model: Any) -> mq.QuantizedModel:
    return mq.ModelQuantizer(bit_depth="exact").quantize_model(model)[0]


def sealed(model: mq.QuantizedModel, golden: Any) -> bytes:
    return bytes(model.artifact.sealed(None, golden))


def upgraded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries of other versions than those that made every artifact are installed."""
    monkeypatch.setattr(restored, "library_version", lambda name: "99.0")


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        (RandomForestClassifier(3, random_state=0).fit(X, Y), X),
        (KNeighborsClassifier(metric="canberra").fit(X, Y), X),
        (LogisticRegression().fit(X, np.array(["no", "yes"], dtype=object)[Y]), X),
        (StandardScaler().fit(X), X),
        (OneHotEncoder().fit(FRAME[["town", "kind"]]), FRAME[["town", "kind"]]),
        (
            make_pipeline(
                make_column_transformer(
                    (OneHotEncoder(), ["town", "kind"]), remainder="passthrough"
                ),
                LogisticRegression(max_iter=500),
            ).fit(FRAME, Y),
            FRAME,
        ),
        (OneHotEncoder().fit(FRAME[["town"]].to_numpy()), FRAME[["town"]].to_numpy()),
    ],
    ids=["forest", "neighbours", "text labels", "scaler", "frame", "pipeline", "cells"],
)
def test_every_method_that_answers_is_recorded_and_answers_again(model: Any, rows: Any) -> None:
    quantized = made(model)
    golden = golden_rows(quantized, rows, BUDGET)
    assert golden is not None
    names = ("predict", "predict_proba", "decision_function", "score_samples", "transform")
    assert set(golden["answers"]) == {name for name in names if hasattr(model, name)}
    assert mq.load(sealed(quantized, golden)).self_test() is True


def test_answers_that_differ_from_call_to_call_are_not_recorded() -> None:
    model = DummyClassifier(strategy="uniform").fit(X, np.arange(60))
    golden = golden_rows(made(model), X, BUDGET)
    assert golden is not None
    assert set(golden["answers"]) == {"predict_proba"}


def test_small_artifacts_may_carry_some_hundred_bytes() -> None:
    assert golden_budget(1_000) == 250
    assert golden_budget(20_000) == 1_024
    assert golden_budget(1_000_000) == 20_000


def test_a_file_without_held_out_rows_carries_its_first_probe_rows(tmp_path: Path) -> None:
    source = tmp_path / "m.joblib"
    joblib.dump(KNeighborsClassifier(metric="canberra").fit(X, Y), source)
    outcome = mq.quantize_model_file(source, tmp_path / "m.qma", bit_depth="exact")
    assert outcome["output_path"]
    model = mq.load(tmp_path / "m.qma")
    assert set(model.artifact.manifest["golden"]["answers"]) == {"predict", "predict_proba"}
    assert model.self_test() is True


@pytest.mark.parametrize(
    "model",
    [KNeighborsClassifier(metric="canberra"), RandomForestClassifier(20, random_state=0)],
    ids=["restored", "fast"],
)
def test_a_model_in_memory_carries_its_first_probe_rows(model: Any) -> None:
    quantized = mq.load(made(model.fit(X, Y)).artifact.data)
    answered = {name for name in ("predict", "predict_proba") if hasattr(model, name)}
    assert answered <= set(quantized.artifact.manifest["golden"]["answers"])
    assert quantized.self_test() is True


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_the_version_of_a_booster_s_library_is_noted_where_one_is_held(library: str) -> None:
    module = pytest.importorskip(library, reason="the extra `boosters` is not installed")
    kind = "LGBMClassifier" if library == "lightgbm" else "XGBClassifier"
    booster = getattr(module, kind)(n_estimators=2, max_depth=2, n_jobs=1).fit(X, Y)
    held = made(make_pipeline(StandardScaler(), booster).fit(X, Y)).artifact.manifest["libraries"]
    assert held[library] == module.__version__
    plain = made(StandardScaler().fit(X)).artifact.manifest["libraries"]
    assert set(plain) == {"scikit-learn", "numpy"}
    assert held == plain | {library: module.__version__}


def test_after_an_upgrade_fast_methods_are_asked_when_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quantized = made(LogisticRegression().fit(X, Y))
    other = golden_rows(made(LogisticRegression().fit(X, 1 - Y)), X, BUDGET)
    data = sealed(quantized, other)
    assert mq.load(data).predict(X[:2]).shape == (2,)  # not asked where nothing was upgraded
    upgraded(monkeypatch)
    with pytest.raises(PredictionError, match="answers the golden rows differently"):
        mq.load(data)


def test_after_an_upgrade_restored_methods_are_asked_before_they_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quantized = made(KNeighborsClassifier(metric="canberra").fit(X, Y))
    assert "predict" not in quantized.fast_methods
    right = sealed(quantized, golden_rows(quantized, X, BUDGET))
    other = golden_rows(made(KNeighborsClassifier(metric="canberra").fit(X, 1 - Y)), X, BUDGET)
    wrong = sealed(quantized, other)
    upgraded(monkeypatch)
    assert mq.load(right).predict(X[:2]).shape == (2,)
    model = mq.load(wrong)
    for ask in (lambda: model.predict(X[:2]), model.restore):
        with pytest.raises(EnvironmentMismatch, match="does not answer as it did") as caught:
            ask()
        assert "scikit-learn 99.0" in str(caught.value)


@pytest.mark.parametrize(
    "rows",
    [
        {"columns": []},
        {"columns": [{"name": "a", "cells": [1]}, {"name": "a", "cells": [1]}]},
        {"columns": [{"name": "a", "cells": [1]}, {"name": "b", "cells": [1, 2]}]},
        {"columns": [{"name": "a", "cells": [[1]]}]},
        {"columns": [{"name": "a", "cells": ["x"], "categories": ["x", "x"]}]},
        {"columns": [{"name": "a", "cells": [1], "more": 1}]},
        {"columns": [{"name": 1, "cells": [1]}]},
        {"cells": [[1], [1, 2]]},
        {"cells": [1]},
        {"cells": "x"},
        {"other": 1},
        7,
    ],
)
def test_rows_that_are_no_rows_are_refused(rows: Any) -> None:
    quantized = made(LogisticRegression().fit(X, Y))
    golden = golden_rows(quantized, X, BUDGET)
    assert golden is not None
    model = mq.load(sealed(quantized, golden | {"rows": rows}))
    with pytest.raises(FormatError):
        model.self_test()
