"""Pipelines: folded into one where the arithmetic allows it, step by step where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PowerTransformer,
    StandardScaler,
)

from model_quantization.api import ModelQuantizer
from model_quantization.loading.pickles.migrations.steps import installed
from tests.families.checks import check_close, check_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 40))
Y = (X[:, 0] > 0).astype(int)


def quantized(model: Any, depth: int | str = 8) -> Any:
    return ModelQuantizer(depth).quantize_model(model)[0]


FAST = {
    "folded": make_pipeline(StandardScaler(), LogisticRegression()),
    "with a step that does nothing": make_pipeline("passthrough", StandardScaler(), None, Ridge()),
    "nested": make_pipeline(make_pipeline(StandardScaler()), make_pipeline(LogisticRegression())),
    "of scalers": make_pipeline(StandardScaler(), MinMaxScaler()),
    "that ends with nothing": Pipeline([("scale", StandardScaler()), ("end", "passthrough")]),
    "of one step": make_pipeline(LogisticRegression()),
    "of a step that changes numbers": make_pipeline(PowerTransformer(), LogisticRegression()),
    "that ends with a choice": make_pipeline(StandardScaler(), SelectKBest(k=3)),
    "with a step that predicts, too": make_pipeline(LinearDiscriminantAnalysis(), Ridge()),
    "of linear steps": make_pipeline(
        StandardScaler(), SelectKBest(k=20), PCA(5), MinMaxScaler(), LogisticRegression()
    ),
    "of linear steps before a network": make_pipeline(
        SelectKBest(k=20),
        PCA(5),
        MLPRegressor(hidden_layer_sizes=(4,), max_iter=2000, random_state=0),
    ),
    "that begins with a function": make_pipeline(
        FunctionTransformer(np.tanh), LogisticRegression()
    ),
    "that transforms by distances": make_pipeline(KMeans(3, n_init=1), Ridge()),
}
SLOW = {
    "an unknown step": make_pipeline(NMF(2, max_iter=2000), LogisticRegression()),
    "nothing but steps that do nothing": make_pipeline("passthrough"),
}


# Powers were computed in another order before scikit-learn 1.8.
ROUND_OTHERWISE: set[str] = (
    {"of a step that changes numbers"} if installed("sklearn") < (1, 8) else set()
)


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_answers_are_those_of_the_steps_one_by_one(name: str) -> None:
    rows = np.abs(X) if name == "an unknown step" else X
    model = (FAST | SLOW)[name].fit(rows, Y)
    for depth in ("exact", 8):
        made = quantized(model, depth)
        assert bool(made.fast_methods) is (name in FAST)
        for method in ("predict", "predict_proba", "decision_function", "transform"):
            assert hasattr(made, method) == hasattr(model, method)
            if hasattr(model, method):
                got = getattr(made, method)(rows)
                check_close(method, getattr(made.restore(), method)(rows), got)
                if depth == "exact" and name not in ROUND_OTHERWISE:
                    check_same_bits(method, getattr(model, method)(rows), got)


def test_steps_can_be_looked_at() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    made = quantized(model, "exact")
    assert list(made.named_steps) == ["standardscaler", "logisticregression"]
    np.testing.assert_array_equal(made.named_steps.logisticregression.coef_, model[-1].coef_)
    assert made.n_features_in_ == 40 and list(made.classes_) == [0, 1]


def test_a_cache_directory_is_only_a_parameter(tmp_path: Any) -> None:
    model = Pipeline([("s", StandardScaler()), ("r", Ridge())], memory=str(tmp_path)).fit(X, Y)
    made = quantized(model, "exact")
    check_same_bits("predict", model.predict(X), made.predict(X))
    assert made.restore().memory == str(tmp_path)
