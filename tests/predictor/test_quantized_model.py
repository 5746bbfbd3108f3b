"""The quantized model, held the way scikit-learn and serving code hold it."""

from __future__ import annotations

import copy
import io
import pickle
import threading
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

import model_quantization as mq
from model_quantization.api import ModelQuantizer
from model_quantization.errors import ConfigError, FormatError, IntegrityError
from model_quantization.estimators import restore as restore_module
from model_quantization.predictor.opening import iter_models, model_at
from model_quantization.predictor.quantized_model import QuantizedModel
from tests.families.checks import reaction

X, Y = make_classification(160, 10, n_informative=6, n_classes=3, random_state=0)
LABELS = np.array(["low", "mid", "high"])[Y]
FRAME = pd.DataFrame(X, columns=[f"x{i}" for i in range(10)])


def quantized(model: Any, bit_depth: int | str = "exact") -> QuantizedModel:
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(model)
    assert isinstance(made, QuantizedModel)
    return made


@pytest.fixture(scope="module")
def classifier() -> LogisticRegression:
    return LogisticRegression().fit(FRAME, LABELS)


@pytest.fixture(scope="module")
def model(classifier: LogisticRegression) -> QuantizedModel:
    return quantized(classifier)


# scikit-learn's own machinery ---------------------------------------------------------------


def test_cross_validation_asks_the_one_model_it_is(
    model: QuantizedModel, classifier: LogisticRegression
) -> None:
    for method in ("predict", "predict_proba", "decision_function"):
        held_out = cross_val_predict(model, FRAME, LABELS, cv=3, method=method)
        check_equal(held_out, getattr(classifier, method)(FRAME))
    scores = cross_val_score(model, FRAME, LABELS, cv=3)
    assert scores.shape == (3,) and (scores > 0.5).all()


def check_equal(one: Any, other: Any) -> None:
    """Text is equal, numbers are but for the order of additions: parts of rows came one by one."""
    if np.asarray(other).dtype.kind == "f":
        np.testing.assert_allclose(one, other, rtol=1e-12)
    else:
        np.testing.assert_array_equal(one, other)


def test_it_is_the_last_step_of_a_pipeline(classifier: LogisticRegression) -> None:
    bare = LogisticRegression().fit(StandardScaler().fit_transform(X), LABELS)
    pipeline = make_pipeline(StandardScaler(), quantized(bare)).fit(X, LABELS)
    scaled = pipeline[0].transform(X)
    np.testing.assert_array_equal(pipeline.predict_proba(X), bare.predict_proba(scaled))
    assert pipeline.score(X, LABELS) == bare.score(scaled, LABELS)
    again = clone(pipeline).fit(X, LABELS)
    assert again[-1] is pipeline[-1]
    search = GridSearchCV(pipeline, {"standardscaler__with_std": [True, False]}, cv=2)
    assert set(search.fit(X, LABELS).best_params_) == {"standardscaler__with_std"}


def test_it_is_a_transformer_in_a_pipeline() -> None:
    scaler = StandardScaler().fit(X)
    pipeline = Pipeline([("scale", quantized(scaler)), ("ridge", Ridge())]).fit(X, Y)
    expected = Ridge().fit(scaler.transform(X), Y)
    np.testing.assert_array_equal(pipeline[-1].coef_, expected.coef_)
    assert list(pipeline[0].get_feature_names_out()) == list(scaler.get_feature_names_out())
    frames = pipeline.set_output(transform="pandas")
    assert isinstance(frames[:1].transform(X), pd.DataFrame)


def test_clone_copy_and_fit_give_the_model_itself(model: QuantizedModel) -> None:
    assert clone(model) is model
    assert copy.deepcopy(model) is model
    assert model.fit(X, LABELS) is model
    assert copy.copy(model).artifact.data == model.artifact.data


def test_parameters_are_read_only(model: QuantizedModel, classifier: LogisticRegression) -> None:
    assert model.get_params() == classifier.get_params()
    assert model.C == classifier.C and model.solver == classifier.solver
    assert model.set_params() is model
    with pytest.raises(
        ConfigError,
        match=r"<QuantizedModel LogisticRegression, exact>: a quan"
        r"tized model is fitted for good; got C, tol; set parameters of the",
    ):
        model.set_params(C=2, tol=1)


@pytest.mark.parametrize(
    "original",
    [LogisticRegression(), Ridge(), KMeans(3, n_init=1), IsolationForest(n_estimators=3), PCA(2)],
    ids=lambda item: type(item).__name__,
)
def test_tags_are_the_originals(original: Any) -> None:
    original.fit(X, Y)
    made = quantized(original)
    assert get_tags(made) == get_tags(original)
    for question in (is_classifier, is_regressor, is_clusterer, is_outlier_detector):
        assert question(made) == question(original)


def test_it_counts_as_fitted_whatever_it_is(model: QuantizedModel) -> None:
    check_is_fitted(model)
    check_is_fitted(quantized(KMeans(2, n_init=1).fit(X)))
    with pytest.raises(NotFittedError):
        check_is_fitted(LogisticRegression())


def test_repr_and_dir(model: QuantizedModel, classifier: LogisticRegression) -> None:
    size = f"{len(model.artifact.data) / 1000:.1f} KB"
    assert repr(model) == (
        f"<QuantizedModel LogisticRegression, exact, {size}, rounds nothing, not evaluated; "
        "fast: predict, predict_proba, predict_log_proba, decision_function>"
    )
    assert repr(quantized(classifier, 8)).startswith("<QuantizedModel LogisticRegression, 8 bits, ")
    wide = LogisticRegression().fit(np.tile(X, (1, 200)), Y)
    assert ", rounded, not evaluated; fast: " in repr(quantized(wide, 8))
    assert repr(quantized(SVR().fit(X, Y))).endswith("; fast: nothing>")
    assert {"coef_", "classes_", "predict_proba", "restore", "C"} <= set(dir(model))
    assert not {"transform", "partial_fit"} & set(dir(model))


def test_it_has_the_methods_of_its_original_and_no_other() -> None:
    margin = quantized(SVC().fit(X, Y))
    assert not hasattr(margin, "predict_proba") and hasattr(margin, "decision_function")
    with pytest.raises(AttributeError, match="object has no attribute 'predict_proba'"):
        _ = margin.predict_proba
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = margin.nonsense
    assert not hasattr(quantized(Ridge().fit(X, Y)), "set_output")
    assert hasattr(quantized(StandardScaler().fit(X)), "set_output")
    for name in ("partial_fit", "fit_transform", "fit_predict"):
        assert not hasattr(quantized(KMeans(2, n_init=1).fit(X)), name)


def test_attributes_are_the_originals(
    model: QuantizedModel, classifier: LogisticRegression
) -> None:
    np.testing.assert_array_equal(model.coef_, classifier.coef_)
    np.testing.assert_array_equal(model.feature_names_in_, classifier.feature_names_in_)
    assert model.n_features_in_ == 10
    assert model.path == ""
    with pytest.raises(ValueError, match="read-only"):
        model.coef_[0, 0] = 1.0


def test_a_function_or_class_among_the_parameters_is_itself() -> None:
    assert quantized(FunctionTransformer(np.abs).fit(X)).func is np.abs
    made = quantized(OneHotEncoder(dtype=np.float32).fit(Y.reshape(-1, 1)))
    assert made.dtype is np.float32


# Feature names ------------------------------------------------------------------------------

FITTED_ON_FRAMES = {
    "classifier": LogisticRegression(),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "passthrough": make_pipeline("passthrough", StandardScaler(), LogisticRegression()),
    "nested": make_pipeline(make_pipeline(StandardScaler()), LogisticRegression()),
    "transformer": StandardScaler(),
    "slow": KNeighborsClassifier(),
}
INPUTS = {
    "the frame": FRAME,
    "an array": X,
    "a list": X[:3].tolist(),
    "other names": FRAME.rename(columns={"x0": "z"}),
    "other order": FRAME[FRAME.columns[::-1]],
    "a column more": FRAME.assign(more=1.0),
    "a column less": FRAME.drop(columns="x3"),
    "numbered columns": pd.DataFrame(X),
    "a short array": X[:, 1:],
    "NaN in an array": np.where(X > 2, np.nan, X),
    "NaN in the frame": FRAME.where(FRAME < 2),
    "whole numbers": FRAME.astype(int),
    "mixed types": FRAME.astype({"x0": int, "x1": bool, "x2": np.float32}),
    "text cells": FRAME.astype(str),
    "no rows": FRAME[:0],
}


@cache
def fitted_on_frame(name: str) -> tuple[Any, QuantizedModel]:
    original = clone(FITTED_ON_FRAMES[name]).fit(FRAME, LABELS)
    return original, quantized(original)


@pytest.mark.parametrize("name", FITTED_ON_FRAMES)
@pytest.mark.parametrize("kind", INPUTS)
def test_warnings_and_errors_about_names_are_the_originals(name: str, kind: str) -> None:
    original, made = fitted_on_frame(name)
    for method in ("predict", "predict_proba", "transform"):
        assert hasattr(made, method) == hasattr(original, method)
        if hasattr(original, method):
            expected, got = (reaction(each, method, INPUTS[kind]) for each in (original, made))
            assert (got.error, got.warned) == (expected.error, expected.warned)
            for key, array in (expected.answer or {}).items():
                np.testing.assert_array_equal(got.answer[key], array)


def test_a_frame_given_to_a_model_without_names_warns_as_ever() -> None:
    original = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, LABELS)
    expected, got = (reaction(each, "predict", FRAME) for each in (original, quantized(original)))
    assert got.warned == expected.warned != ()


# Answers that the fast predictor does not give ----------------------------------------------


def test_set_output_gives_frames_and_leaves_predictions_fast() -> None:
    original = StandardScaler().fit(FRAME)
    made = quantized(original)
    assert made.fast_methods == ("transform",)
    assert isinstance(made.transform(FRAME), np.ndarray)
    assert made.set_output(transform="pandas") is made
    assert made.fast_methods == ()
    pd.testing.assert_frame_equal(
        made.transform(FRAME), clone(original).set_output(transform="pandas").fit_transform(FRAME)
    )
    pipeline = quantized(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, LABELS))
    assert pipeline.set_output(transform="pandas").fast_methods[0] == "predict"


def test_the_configuration_of_scikit_learn_asks_for_frames() -> None:
    made = quantized(StandardScaler().fit(FRAME))
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(made.transform(FRAME), pd.DataFrame)
    assert isinstance(made.transform(FRAME), np.ndarray)


def test_other_arguments_reach_the_estimator() -> None:
    bayes = BayesianRidge().fit(X, Y)
    for one, other in zip(
        quantized(bayes).predict(X, return_std=True), bayes.predict(X, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        quantized(bayes).predict(X, nonsense=1)
    with pytest.raises(TypeError, match="X"):
        quantized(bayes).predict()


def test_methods_beyond_predict() -> None:
    near = KNeighborsClassifier(3).fit(X, Y)
    for one, other in zip(quantized(near).kneighbors(X[:4]), near.kneighbors(X[:4]), strict=True):
        np.testing.assert_array_equal(one, other)
    boosted = GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, Y)
    stages = quantized(boosted).staged_predict(X)
    assert isinstance(stages, Iterator)
    for one, other in zip(stages, boosted.staged_predict(X), strict=True):
        np.testing.assert_array_equal(one, other)
    pca = PCA(3).fit(X)
    np.testing.assert_array_equal(
        quantized(pca).inverse_transform(X[:, :3]), pca.inverse_transform(X[:, :3])
    )
    assert quantized(boosted).score(X, Y) == boosted.score(X, Y)


# Threads and processes ----------------------------------------------------------------------


def test_the_estimator_is_restored_once_whoever_asks_first(
    classifier: LogisticRegression, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, calls = quantized(classifier), []
    make = restore_module.restore
    monkeypatch.setattr(
        restore_module, "restore", lambda *of, **how: (calls.append(1), make(*of, **how))[1]
    )
    barrier, results = threading.Barrier(8), []

    def ask() -> None:
        barrier.wait()
        results.append(made.score(FRAME, LABELS))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]
    assert results == [classifier.score(FRAME, LABELS)] * 8
    assert made.restore() is not made.restore()


def test_it_pickles_as_its_artifacts_bytes(model: QuantizedModel) -> None:
    model.score(FRAME, LABELS)  # the restored estimator is not pickled along
    for protocol in range(2, 6):
        assert len(pickle.dumps(model, protocol)) < len(model.artifact.data) * 1.5 + 500
    file = io.BytesIO()
    joblib.dump({"model": model}, file)
    file.seek(0)
    again = joblib.load(file)["model"]
    np.testing.assert_array_equal(again.predict(FRAME), model.predict(FRAME))


# Opening ------------------------------------------------------------------------------------


def test_load_takes_a_path_a_text_or_bytes(model: QuantizedModel, tmp_path: Path) -> None:
    path = tmp_path / "model.qma"
    path.write_bytes(model.artifact.data)
    for source in (path, str(path), model.artifact.data):
        np.testing.assert_array_equal(mq.load(source).predict(FRAME), model.predict(FRAME))
    assert mq.QuantizedModel is QuantizedModel
    with pytest.raises(
        AttributeError, match="module 'model_quantization' has no attribute 'nonsense'"
    ):
        _ = mq.nonsense


def test_load_names_what_is_wrong(model: QuantizedModel, tmp_path: Path) -> None:
    path = tmp_path / "model.qma"
    path.write_bytes(b"")
    with pytest.raises(FormatError, match=r"model\.qma"):
        mq.load(path)
    changed = bytearray(model.artifact.data)
    changed[-3] ^= 1
    with pytest.raises(IntegrityError):
        mq.load(bytes(changed))
    with pytest.raises(OSError, match="missing"):
        mq.load(tmp_path / "missing.qma")


def test_models_are_found_by_their_path() -> None:
    made, _ = ModelQuantizer().quantize_model({"a": [Ridge().fit(X, Y)], "b": PCA(2).fit(X)})
    assert [model.path for model in iter_models(made)] == ["a/0", "b"]
    assert model_at(made, "a/0") is made["a"][0]
    with pytest.raises(KeyError, match="nonsense"):
        model_at(made, "nonsense")


def test_a_model_without_golden_rows_has_no_self_test(model: QuantizedModel) -> None:
    assert model.self_test() is False


def test_documents_that_can_be_read_only_once() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["one fish two fish", "red fish blue fish"] * 5
    original = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [0, 1] * 5)
    made = quantized(original, 8)
    for form in (iter, tuple, np.array, pd.Series):
        np.testing.assert_array_equal(made.predict(form(texts)), original.predict(texts))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made.predict(text for text in texts).shape == (10,)
