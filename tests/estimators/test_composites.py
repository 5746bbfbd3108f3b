"""Models made of models: bit-identical answers after a file, whatever is nested in what."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

import model_quantization as mq
from model_quantization.api import ModelQuantizer, quantize_model_file
from model_quantization.evaluation.agreement import same_bits
from model_quantization.evaluation.answers import answer, answerable
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.predictor.quantized_model import QuantizedModel

ANY_SIZE = GatePolicy(min_size_reduction=-100, publish_unverified=True)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 8))
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
LABELS = np.array(["low", "mid", "high"])[Y]
TARGETS = np.column_stack([X @ np.arange(8), X[:, 0] ** 2])
FRAME = pd.DataFrame(X, columns=[f"x{i}" for i in range(8)]).assign(
    city=np.array(["Oslo", "Rome", "Bonn"])[RNG.integers(0, 3, 150)]
)
NUMBERS = list(FRAME.columns[:8])
TEXTS = ["one fish two fish", "red fish", "blue fish", "old fish new fish"] * 10


def _columns() -> ColumnTransformer:
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        remainder="drop",
    )


MODELS: dict[str, tuple[Any, Any, Any]] = {
    "pipeline in a pipeline": (
        make_pipeline(make_pipeline(StandardScaler(), PCA(5)), make_pipeline(LogisticRegression())),
        X,
        LABELS,
    ),
    "columns of a frame": (make_pipeline(_columns(), LogisticRegression()), FRAME, LABELS),
    "columns by position": (
        make_pipeline(
            ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", "passthrough", slice(2, 5))]),
            Ridge(),
        ),
        X,
        TARGETS,
    ),
    "union": (
        make_pipeline(
            FeatureUnion([("pca", PCA(3)), ("best", SelectKBest(k=2)), ("none", "drop")]),
            SGDClassifier(random_state=0),
        ),
        X,
        LABELS,
    ),
    "grid search": (GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2), X, LABELS),
    "grid search over a pipeline": (
        GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression()),
            {"logisticregression__C": [0.1, 1.0]},
            cv=2,
        ),
        FRAME[NUMBERS],
        LABELS,
    ),
    "stacking": (
        StackingRegressor([("r", Ridge()), ("l", LinearRegression())], cv=2),
        X,
        TARGETS[:, 0],
    ),
    "voting": (
        VotingClassifier([("nb", GaussianNB()), ("lr", LogisticRegression())], voting="soft"),
        X,
        LABELS,
    ),
    "bagging": (BaggingClassifier(LogisticRegression(), 3, random_state=0), X, LABELS),
    "bagged neighbors": (BaggingClassifier(KNeighborsClassifier(), 3, random_state=0), X, LABELS),
    "one versus rest": (OneVsRestClassifier(LogisticRegression()), X, LABELS),
    "calibrated": (CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=2), X, Y > 0),
    "calibrated forest": (
        CalibratedClassifierCV(RandomForestClassifier(5, random_state=0), cv=2),
        X,
        LABELS,
    ),
    "several outputs": (MultiOutputRegressor(Ridge()), X, TARGETS),
    "transformed target": (
        TransformedTargetRegressor(Ridge(), transformer=MinMaxScaler()),
        X,
        TARGETS[:, 0],
    ),
    "target by functions": (
        TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
        X,
        np.abs(TARGETS[:, 0]),
    ),
    "numpy function": (make_pipeline(FunctionTransformer(np.abs), Ridge()), X, TARGETS),
    "text beside columns": (
        make_pipeline(
            make_column_transformer(
                (CountVectorizer(), "city"), (PolynomialFeatures(), NUMBERS), sparse_threshold=1.0
            ),
            LogisticRegression(max_iter=1000),
        ),
        FRAME,
        LABELS,
    ),
    "text": (make_pipeline(TfidfVectorizer(), LogisticRegression()), TEXTS, [0, 1, 2, 1] * 10),
    "passed through": (Pipeline([("s", StandardScaler()), ("end", "passthrough")]), X, None),
    "discriminant in a pipeline": (
        make_pipeline(PCA(6), SelectKBest(k=4), LogisticRegression()),
        X,
        LABELS,
    ),
}


def write(model: Any, folder: Path) -> Path:
    """The model's pickle."""
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    return path


def through_a_file(model: Any, folder: Path, trusted: tuple[str, ...] = ()) -> Any:
    """The model from its exact artifact, made from its pickle as a nightly run does it."""
    record = quantize_model_file(
        write(model, folder), recipe="exact", gate=ANY_SIZE, trusted=trusted
    )
    assert record["status"] in ("unverified", "published"), record  # published: rounds nothing
    return mq.load(record["output_path"], trusted=trusted)


def check_same_answers(original: Any, quantized: QuantizedModel, rows: Any) -> None:
    """The quantized model, and the one restored from it, give the original's bits."""
    assert isinstance(quantized, QuantizedModel)
    expected = answer(original, rows, answerable(original))
    assert expected.arrays and not expected.failed
    for model in (quantized, quantized.restore()):
        got = answer(model, rows, answerable(original))
        assert got.arrays.keys() == expected.arrays.keys() and not got.failed
        for key, array in expected.arrays.items():
            assert same_bits(array, got.arrays[key]), key


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    with threadpool_limits(1):
        yield


@pytest.mark.parametrize("name", MODELS)
def test_composites_are_bit_identical(name: str, tmp_path: Path) -> None:
    model, rows, target = MODELS[name]
    model.fit(rows, target)
    original = pickle.loads(pickle.dumps(model))
    check_same_answers(original, through_a_file(model, tmp_path), rows)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_composites_are_quantized_component_by_component(name: str, bit_depth: int) -> None:
    model, rows, target = MODELS[name]
    quantized, stats = ModelQuantizer(bit_depth=bit_depth).quantize_model(model.fit(rows, target))
    assert stats["components"] or name == "passed through"
    for line in stats["components"]:
        assert line["reason"] and line["scheme"]
    got = answer(quantized, rows, answerable(model))
    assert not got.failed and set(got.methods) == set(answerable(model))


def test_a_mid_step_that_predicts_fast_but_transforms_slowly(tmp_path: Path) -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    model = make_pipeline(LinearDiscriminantAnalysis(), LogisticRegression()).fit(X, LABELS)
    check_same_answers(model, through_a_file(model, tmp_path), X)


def test_sub_estimators_are_shared_as_they_were(tmp_path: Path) -> None:
    voting = VotingClassifier([("nb", GaussianNB()), ("lr", LogisticRegression())]).fit(X, LABELS)
    restored = through_a_file(voting, tmp_path).restore()
    assert voting.estimators_[0] is voting.named_estimators_["nb"]
    assert restored.estimators_[0] is restored.named_estimators_["nb"]
    assert restored.estimators_[1] is restored.named_estimators_["lr"]
    shared = StandardScaler().fit(X)
    twice = Pipeline([("one", shared), ("two", shared)])
    restored = through_a_file(twice, tmp_path).restore()
    assert restored.steps[0][1] is restored.steps[1][1]
    check_same_answers(twice, through_a_file(twice, tmp_path), X)


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda weights: weights.astype(">f8"),
        lambda weights: np.repeat(weights, 2, axis=1)[:, ::2],
        lambda weights: weights[::-1][::-1],
        lambda weights: np.frombuffer(weights.tobytes()).reshape(weights.shape),  # read-only
    ],
    ids=["Fortran", "big-endian", "strided", "reversed twice", "read-only"],
)
def test_arrays_of_every_layout(change: Any, tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, LABELS)
    model.coef_ = change(model.coef_)
    original = pickle.loads(pickle.dumps(model))
    quantized = through_a_file(model, tmp_path)
    np.testing.assert_array_equal(quantized.predict(X), original.predict(X))
    np.testing.assert_allclose(
        quantized.decision_function(X), original.decision_function(X), rtol=1e-14
    )
    restored = quantized.restore().coef_
    np.testing.assert_array_equal(restored, model.coef_)
    assert restored.flags.writeable and restored.dtype == np.float64
    assert restored.flags.f_contiguous == original.coef_.flags.f_contiguous


def test_sparse_weights_stay_sparse(tmp_path: Path) -> None:
    model = SGDClassifier(penalty="l1", alpha=0.05, random_state=0).fit(X, LABELS).sparsify()
    quantized = through_a_file(model, tmp_path)
    check_same_answers(model, quantized, X)
    assert type(quantized.restore().coef_) is type(model.coef_)
    assert same_bits(quantized.predict(csr_array(X)), model.predict(csr_array(X)))


def test_frames_stay_frames(tmp_path: Path) -> None:
    for model in (
        StandardScaler().set_output(transform="pandas"),
        make_pipeline(StandardScaler(), MinMaxScaler()).set_output(transform="pandas"),
    ):
        rows = FRAME[NUMBERS]
        quantized = through_a_file(model.fit(rows), tmp_path)
        expected = model.transform(rows)
        assert isinstance(expected, pd.DataFrame)
        pd.testing.assert_frame_equal(quantized.transform(rows), expected)
        assert list(quantized.feature_names_in_) == NUMBERS
        assert list(quantized.get_feature_names_out()) == list(model.get_feature_names_out())
