"""Models around one model: which methods they have, whom they warn of, and where the border is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier
from sklearn.feature_selection import RFE
from sklearn.linear_model import LogisticRegression, RANSACRegressor, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import LinearSVC

from model_quantization.api import ModelQuantizer
from tests.families.checks import check_same_bits, reaction

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = (X[:, 0] > 0).astype(int)
NUMBERS = np.exp(X[:, 0])
FRAME = pd.DataFrame(X, columns=list("abcd"))


def quantized(model: Any) -> Any:
    return ModelQuantizer(recipe="exact").quantize_model(model)[0]


def search(inner: Any) -> Any:
    return GridSearchCV(inner, {}, cv=2)


WRAPPERS = {
    "search": search(make_pipeline(StandardScaler(), LogisticRegression())),
    "search of scores": search(LinearSVC()),
    "self-training": SelfTrainingClassifier(LogisticRegression()),
    "elimination": RFE(LogisticRegression(), n_features_to_select=2),
    "threshold": FixedThresholdClassifier(LogisticRegression()),
    "tuned": TunedThresholdClassifierCV(LogisticRegression(), cv=2, thresholds=9),
    "inliers": RANSACRegressor(random_state=0, residual_threshold=2.0),
    "target": TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    "bagging": BaggingClassifier(LogisticRegression(), n_estimators=3, random_state=0),
    "dummy": DummyClassifier(),
}
INPUTS = {
    "frame": FRAME,
    "array": X,
    "other order": FRAME[list("bacd")],
    "other names": FRAME.add_prefix("x"),
    "a column short": X[:, 1:],
    "missing": np.where(X > 2, np.nan, X),
    "integers": (X * 4).astype(np.int64),
    "list": X[:3].tolist(),
    "nothing": X[:0],
}


@pytest.mark.parametrize("fitted_on", ["frame", "array"])
@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_answers_warns_and_refuses_as_the_original(name: str, fitted_on: str) -> None:
    target = NUMBERS if name in ("inliers", "target") else Y
    target = np.where(np.arange(120) % 3 == 0, -1, Y) if name == "self-training" else target
    model = WRAPPERS[name].fit(INPUTS[fitted_on], target)
    made = quantized(model)
    assert "predict" in made.fast_methods
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        assert hasattr(made, method) == hasattr(model, method), method
        for kind, rows in INPUTS.items() if hasattr(model, method) else ():
            expected, got = reaction(model, method, rows), reaction(made, method, rows)
            where = f"{method} of {kind}"
            assert (got.error, got.warned) == (expected.error, expected.warned), where
            for key, array in (expected.answer or {}).items():
                assert got.answer is not None
                check_same_bits(where, array, got.answer[key])


def test_a_search_that_kept_no_model_has_no_predict() -> None:
    model = GridSearchCV(LogisticRegression(), {}, cv=2, refit=False).fit(X, Y)
    made = quantized(model)
    assert not made.fast_methods
    for method in ("predict", "transform"):
        assert hasattr(made, method) == hasattr(model, method)


@pytest.mark.parametrize("label", [None, 0, 1])
@pytest.mark.parametrize("inner", [LogisticRegression(), LinearSVC()], ids=["shares", "scores"])
def test_a_score_that_is_the_threshold_reaches_it(label: Any, inner: Any) -> None:
    fitted = inner.fit(X, Y)
    scores = (
        fitted.predict_proba(X)[:, 1]
        if hasattr(fitted, "predict_proba")
        else fitted.decision_function(X)
    )
    for border in (float(scores[3]), "auto"):
        model = FixedThresholdClassifier(inner, threshold=border, pos_label=label).fit(X, Y)
        made = quantized(model)
        assert "predict" in made.fast_methods
        check_same_bits("predict", model.predict(X), made.predict(X))


@pytest.mark.parametrize("scoring", ["balanced_accuracy", "f1", "recall", "matthews_corrcoef"])
def test_a_threshold_tuned_to_any_metric(scoring: str) -> None:
    model = TunedThresholdClassifierCV(LogisticRegression(), scoring=scoring, cv=2, thresholds=9)
    made = quantized(model.fit(X, Y))
    check_same_bits("predict", model.predict(X), made.predict(X))


TARGETS = {
    "logarithm": {"func": np.log, "inverse_func": np.exp},
    "root": {"func": np.sqrt, "inverse_func": np.square},
    "powers": {"transformer": PowerTransformer()},
    "plain powers": {"transformer": PowerTransformer(standardize=False)},
    "quantiles": {"transformer": QuantileTransformer(n_quantiles=30)},
    "two scalers": {"transformer": make_pipeline(StandardScaler(), StandardScaler())},
}


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_transformed_back(name: str) -> None:
    model = TransformedTargetRegressor(Ridge(), **TARGETS[name]).fit(X, NUMBERS)
    made = quantized(model)
    assert "predict" in made.fast_methods
    for rows in (X, X[:1]):
        check_same_bits("predict", model.predict(rows), made.predict(rows))


def test_a_target_without_a_fast_way_back_is_restored() -> None:
    model = TransformedTargetRegressor(
        Ridge(), transformer=QuantileTransformer(n_quantiles=30, output_distribution="normal")
    ).fit(X, NUMBERS)
    made = quantized(model)
    assert "predict" not in made.fast_methods
    assert "no fast way back" in made.explain().methods[0].why
    check_same_bits("predict", model.predict(X), made.predict(X))
