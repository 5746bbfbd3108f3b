"""Models over several models: fused behind text and scalers, thresholds, names, odd children."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from model_quantization.api import ModelQuantizer
from model_quantization.families.forms import LinearScores
from model_quantization.kernels.linear.calibrators import logits_of, platt, scaled, stairs
from model_quantization.kernels.linear.multiclass import nearest_codes, pairwise_votes
from model_quantization.loading.pickles.migrations.steps import installed
from model_quantization.predictor.quantized_model import QuantizedModel
from model_quantization.schemes.recipe import recipe_for
from model_quantization.schemes.scheme import Exact, Role
from tests.families.checks import check_close, check_same_bits

RNG = np.random.default_rng(0)
X, Y = make_classification(
    180, 40, n_informative=8, n_classes=3, n_clusters_per_class=1, random_state=0
)
SEVERAL = np.column_stack([Y > 0, Y == 2]).astype(int)
WORDS = np.array("red green blue old new big small round flat dry wet loud calm".split())  # noqa: SIM905
TEXTS = [" ".join(WORDS[RNG.integers(0, 13, 7)]) for _ in range(120)]
TOPICS = np.array([text.count("red") + text.count("wet") for text in TEXTS]).clip(0, 2)
MODELS = [
    CalibratedClassifierCV(LinearSVC(), cv=3),
    CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=3),
    OneVsRestClassifier(LogisticRegression()),
    OneVsRestClassifier(CalibratedClassifierCV(LinearSVC(), cv=2)),
    OneVsOneClassifier(LinearSVC()),
    OutputCodeClassifier(LinearSVC(), random_state=0),
    MultiOutputClassifier(LogisticRegression()),
    MultiOutputRegressor(Ridge()),
    RidgeClassifier(),
]
if installed("sklearn") >= (1, 8):
    MODELS.append(CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=3))


def quantized(model: Any, bit_depth: int | str) -> QuantizedModel:
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(model)
    assert isinstance(made, QuantizedModel)
    return made


def targets_of(model: Any, labels: np.ndarray) -> np.ndarray:
    if isinstance(model, MultiOutputClassifier | MultiOutputRegressor | RidgeClassifier):
        return np.column_stack([labels > 0, labels > 1]).astype(int)
    return labels


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_behind_text_they_are_one_predictor(model: Any) -> None:
    whole = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), model)
    whole.fit(TEXTS, targets_of(model, TOPICS))
    for bit_depth in ("exact", 8, 16):
        made = quantized(whole, bit_depth)
        lowered = made._lowered
        assert lowered is not None and lowered.input == "text"
        assert "predict" in made.fast_methods
        restored = made.restore()
        for texts in (TEXTS, TEXTS[:1], ["", "red \u00fcber wet", "nothing known"]):
            for method in made.fast_methods:
                answer = lowered.methods[method](texts)
                if answer is not None:  # undecided codes are the restored estimator's
                    check_same_bits(method, getattr(restored, method)(texts), answer)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_behind_a_scaler_they_take_it_in(model: Any) -> None:
    rows = X * np.logspace(-1, 1, 40)
    whole = make_pipeline(StandardScaler(), model).fit(rows, targets_of(model, Y))
    made, exact = quantized(whole, 16), quantized(whole, "exact")
    assert made._lowered is not None and isinstance(made._lowered.form, LinearScores)
    for method in made.fast_methods:
        check_close(method, getattr(made.restore(), method)(rows), getattr(made, method)(rows))
        check_same_bits(method, getattr(whole, method)(rows), getattr(exact, method)(rows))


def test_children_with_their_own_vectorizers_answer_one_by_one() -> None:
    inner = make_pipeline(TfidfVectorizer(), LinearSVC())
    model = CalibratedClassifierCV(inner, cv=2).fit(np.array(TEXTS, dtype=object), TOPICS)
    made = quantized(model, "exact")
    assert made._lowered is not None and made._lowered.input == "text"
    check_same_bits("predict_proba", model.predict_proba(TEXTS), made.predict_proba(TEXTS))


def test_what_has_no_fast_child_is_restored() -> None:
    kernel = OneVsRestClassifier(SVC()).fit(X, Y)
    mixed = CalibratedClassifierCV(RandomForestClassifier(5, random_state=0), cv=2).fit(X, Y)
    assert quantized(kernel, "exact").fast_methods == ()
    assert "predict_proba" in quantized(mixed, "exact").fast_methods
    check_same_bits("predict", kernel.predict(X), quantized(kernel, "exact").predict(X))


def test_a_chain_sees_the_answers_before() -> None:
    logistic = LogisticRegression(max_iter=500)
    for feeding in ("predict", "predict_proba", "decision_function"):
        chain = ClassifierChain(logistic, order=[1, 0], chain_method=feeding).fit(X, SEVERAL)
        made = quantized(chain, "exact")
        for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
            assert method in made.fast_methods
            check_same_bits(method, getattr(chain, method)(X), getattr(made, method)(X))


def test_calibrators_and_codes_are_never_rounded() -> None:
    from model_quantization.estimators.capture import capture
    from model_quantization.planning.packing import prepare_graph
    from model_quantization.planning.plan import make_plan
    from model_quantization.trust import TrustPolicy

    steep = CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=2)
    steep.fit(np.tile(X, (4, 1)) + RNG.normal(size=(720, 40)), np.tile(Y, 4))
    coded = OutputCodeClassifier(LinearSVC(), code_size=20, random_state=0).fit(X, Y)
    for model, role, name in (
        (steep, Role.CALIBRATION, "_thresholds_"),
        (coded, Role.LABEL, "code_book_"),
    ):
        graph = prepare_graph(capture(model, TrustPolicy())).graph
        plan = make_plan(graph, recipe_for("8"))
        found = [choice for choice in plan.choices if choice.path.endswith(name)]
        assert found
        assert all(c.slot.role is role and c.scheme == Exact() for c in found)
    made = quantized(steep, 8).restore()
    for mine, theirs in zip(
        made.calibrated_classifiers_, steep.calibrated_classifiers_, strict=True
    ):
        for one, other in zip(mine.calibrators, theirs.calibrators, strict=True):
            assert np.array_equal(one.y_thresholds_, other.y_thresholds_)


@pytest.mark.parametrize(
    "model",
    [
        OneVsRestClassifier(LogisticRegression()),
        CalibratedClassifierCV(LinearSVC(), cv=2),
        MultiOutputClassifier(LogisticRegression()),
        OneVsOneClassifier(LinearSVC()),
    ],
    ids=str,
)
def test_warnings_about_names_are_those_of_the_original(model: Any) -> None:
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(40)])
    model.fit(frame, targets_of(model, Y))
    made = quantized(model, "exact")
    check_same_bits("predict", model.predict(frame), made.predict(frame))
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        model.predict(X)
    with warnings.catch_warnings(record=True) as got:
        warnings.simplefilter("always")
        made.predict(X)
    assert [str(one.message) for one in got] == [str(one.message) for one in expected]


def test_small_variances_keep_directions_exact() -> None:
    rows = RNG.normal(size=(180, 6)) * np.logspace(-1, 1, 6)
    model = QuadraticDiscriminantAnalysis().fit(rows, Y)
    restored = quantized(model, 8).restore()
    assert all(map(np.array_equal, restored.rotations_, model.rotations_))


# Kernels ----------------------------------------------------------------------------------


def test_votes_of_pairs() -> None:
    labels = np.array([[0, 0, 1], [1, 1, 0]])
    confidences = np.array([[-1.0, -2.0, 0.5], [3.0, 1.0, -1.0]])
    votes = pairwise_votes(labels, confidences, 3)
    assert votes.argmax(axis=1).tolist() == [0, 1]
    np.testing.assert_allclose(votes[0], [2 + 3 / 12, -1.5 / 7.5, 1 - 1.5 / 7.5])


def test_undecided_codes_have_no_answer() -> None:
    codes = np.array([[0, 0, 1], [1, 1, 0]])
    found = nearest_codes(np.array([[0.1, 0.0, 0.8], [0.9, 0.9, 0.1]]), codes)
    assert found is not None and found.tolist() == [0, 1]
    assert nearest_codes(np.array([[0.5, 0.5, 0.5]]), codes) is None
    only = nearest_codes(np.ones((2, 3)), codes[:1])
    assert only is not None and only.tolist() == [0, 0]


def test_calibrators_of_odd_values_are_not_treated() -> None:
    at = np.array([0.0, 1.0])
    assert platt("1", 0.0) is None and platt(1.0, True) is None and scaled(None) is None
    assert stairs(at.astype(np.float32), at, 0.0, 1.0) is None
    assert stairs(at, at[:1], 0.0, 1.0) is None
    single = stairs(at[:1], at[1:], 0.0, 0.0)
    assert single is not None and single(np.array([-1.0, 2.0])).tolist() == [1.0, 1.0]
    warm = scaled(np.array(2.0))
    assert warm is not None and warm(np.zeros((1, 4))).tolist() == [[0.25] * 4]


def test_probabilities_become_logarithms_and_scores_stay() -> None:
    even = np.full((3, 2), 0.5)
    assert np.array_equal(logits_of(even), np.log(even + 1e-12))
    assert logits_of(even * 3) is not None and np.array_equal(logits_of(even * 3), even * 3)
    assert logits_of(np.array([[2.0]])).tolist() == [[-2.0, 2.0]]
