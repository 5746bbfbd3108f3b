"""Weights that are trained on for their grid with labelled rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, QuantileRegressor, Ridge, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from model_quantization.estimators.capture import capture
from model_quantization.planning.assigned import Assigner, Refit
from model_quantization.planning.labelled import LabelledRows, trained
from model_quantization.planning.ladders import find_ladders
from model_quantization.planning.packing import prepare_graph
from model_quantization.planning.plan import Plan
from model_quantization.schemes.recipe import recipe_for
from model_quantization.schemes.scheme import Affine
from model_quantization.trust import TrustPolicy

ROWS, LABELS = make_classification(
    400, 40, n_informative=8, n_redundant=6, n_classes=3, class_sep=1.2, random_state=0
)
VALUES = ROWS @ np.arange(40.0) + 3 * np.sin(ROWS[:, 0])
TWO = (LABELS > 0).astype(np.int64)


def plan_of(model: Any, bits: int = 3) -> Plan:
    graph = prepare_graph(capture(model, TrustPolicy())).graph
    recipe = recipe_for("auto", 0.0)
    ladders = find_ladders(graph, recipe)
    levels = {
        one.key: level for one in ladders for level in one.levels if level == f"int{bits}/channel"
    }
    assert levels
    return Assigner(graph, ladders, recipe).plan(levels)


def labelled(path: str, target: np.ndarray[Any, Any], rows: Any = ROWS) -> LabelledRows:
    values = target[:, None].astype(np.float64) if target.dtype.kind == "f" else target
    return LabelledRows({path: np.asarray(rows, dtype=np.float32)}, values)


def fitted(model: Any, target: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(ROWS, target)


MODELS: dict[str, tuple[BaseEstimator, Any, str]] = {
    "two classes": (LogisticRegression(), TWO, "coef_"),
    "three classes": (LogisticRegression(), LABELS, "coef_"),
    "one by one": (SGDClassifier(loss="log_loss", random_state=0), LABELS, "coef_"),
    "scores": (LinearSVC(), LABELS, "coef_"),
    "numbers": (Ridge(), VALUES, "coef_"),
    "network": (MLPClassifier((8,), max_iter=30, random_state=0), LABELS, "coefs_/0"),
    "network of numbers": (
        MLPRegressor(hidden_layer_sizes=(8,), max_iter=30, random_state=0),
        VALUES,
        "coefs_/0",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_weights_stay_on_their_grid_and_come_nearer_to_the_targets(name: str) -> None:
    estimator, target, path = MODELS[name]
    plan = plan_of(fitted(estimator, target))
    found = trained(plan, "", Refit(), labelled(path, np.asarray(target)))
    assert found is not None
    held = {c.path: (a, c) for a, c in zip(plan.graph.arrays, plan.choices, strict=True)}
    for place, reach in found.ranges.items():
        array, choice = held[place]
        assert isinstance(choice.scheme, Affine)
        new = found.arrays[place]
        assert new.shape == array.shape and new.dtype == array.dtype
        scale = reach / 3
        if new.ndim == 2:
            scale = np.expand_dims(scale, 1 - (choice.slot.channel_axis or 0))
        steps = new / scale
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-5)
    again = trained(plan, "", Refit(), labelled(path, np.asarray(target)))
    assert again is not None
    for place, array in found.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[place])


def test_labels_repair_what_rounding_breaks() -> None:
    """On its own training rows a model of 2 bits is right more often after it than before."""
    model = LogisticRegression().fit(ROWS, LABELS)
    plan = plan_of(model, bits=2)
    found = trained(plan, "", Refit(), labelled("coef_", LABELS))
    assert found is not None
    (held,) = (c for c in plan.choices if c.path == "coef_")
    scale = np.abs(model.coef_).max(axis=1, keepdims=True)
    rounded = np.clip(np.rint(model.coef_ / scale), -1, 1) * scale
    assert isinstance(held.scheme, Affine) and held.scheme.bits == 2

    def right(weights: Any, bias: Any) -> float:
        return float(((ROWS @ weights.T + bias).argmax(axis=1) == LABELS).mean())

    before = right(rounded, model.intercept_)
    after = right(found.arrays["coef_"], found.arrays["intercept_"])
    assert after > before + 0.01


def test_the_last_step_of_a_pipeline_is_trained() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)
    path = "steps/logisticregression/coef_"
    rows = model[0].transform(ROWS)
    found = trained(plan_of(model), "", Refit(), labelled(path, LABELS, rows))
    assert found is not None and path in found.arrays


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (LogisticRegression().fit(ROWS, LABELS), labelled("coef_", LABELS + 1)),
        (LogisticRegression().fit(ROWS, LABELS), labelled("elsewhere", LABELS)),
        (LogisticRegression().fit(ROWS, LABELS), labelled("coef_", LABELS, ROWS[:, :5])),
        (QuantileRegressor().fit(ROWS, VALUES), labelled("coef_", VALUES)),
        (OneVsRestClassifier(LogisticRegression()).fit(ROWS, LABELS), labelled("coef_", LABELS)),
    ],
    ids=["other classes", "other rows", "other inputs", "another loss", "another model"],
)
def test_nothing_is_trained_where_labels_do_not_say_how(model: Any, given: LabelledRows) -> None:
    graph = prepare_graph(capture(model, TrustPolicy())).graph
    recipe = recipe_for("auto", 0.0)
    ladders = find_ladders(graph, recipe)
    levels = {one.key: "int4/channel" for one in ladders if "int4/channel" in one.levels}
    assert trained(Assigner(graph, ladders, recipe).plan(levels), "", Refit(), given) is None
