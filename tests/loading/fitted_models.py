"""Small fitted models of every kind scikit-learn has, made anew on each call, always the same."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances
from sklearn.utils.estimator_checks import _enforce_estimator_tags_X, _enforce_estimator_tags_y
from threadpoolctl import threadpool_limits

TEXTS = ["the cat sat on the mat", "a dog ran in the park", "cats and dogs", "no dog sat"] * 10
LABELS_ONLY = {"LabelBinarizer", "LabelEncoder"}


def _data_of(name: str, estimator: Any) -> tuple[Any, ...]:
    features, labels = make_blobs(n_samples=60, centers=3, n_features=5, random_state=0)
    if name in {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer"}:
        return (TEXTS,)
    if name == "DictVectorizer":
        return ([{"city": "Rome", "rooms": 2}, {"city": "Oslo", "rooms": 3}],)
    if name in LABELS_ONLY:
        return (labels,)
    if name == "MultiLabelBinarizer":
        return ([("a", "b"), ("b",), ("c",)],)
    if name == "SparseCoder":
        features = features[:, : estimator.dictionary.shape[1]]
    return (
        _enforce_estimator_tags_X(estimator, features.copy()),
        _enforce_estimator_tags_y(estimator, labels.copy()),
    )


def fit_every_estimator(per_class: int = 1) -> Iterator[tuple[str, Any]]:
    """Yield (name, fitted estimator) for up to `per_class` configurations of each class."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    for name, cls in all_estimators():
        if name == "FrozenEstimator":
            inner = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
            yield name, FrozenEstimator(inner)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for estimator, _ in zip(_instances(cls), range(per_class), strict=False):
                try:
                    with threadpool_limits(1):  # threads cost more than these fits
                        estimator.fit(*_data_of(name, estimator))
                except (ValueError, TypeError) as error:
                    if per_class == 1:
                        raise AssertionError(f"{name} does not fit: {error}") from error
                    continue
                yield name, estimator


def _instances(cls: type) -> Iterator[Any]:
    try:
        yield from _construct_instances(cls)
    except SkipTest:  # scikit-learn before 1.8 does not say how to make a SparseCoder
        return


def fit_composites() -> list[tuple[str, Any]]:
    """(name, fitted model) of models that hold other models, functions or containers."""
    with threadpool_limits(1):
        return list(_composites())


def _composites() -> Iterator[tuple[str, Any]]:
    from scipy import sparse
    from sklearn import ensemble, linear_model, multiclass, naive_bayes, neighbors, svm, tree
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.cluster import Birch
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, f_classif
    from sklearn.gaussian_process import GaussianProcessClassifier, kernels
    from sklearn.metrics import f1_score, make_scorer
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import FeatureUnion, make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    X, y = make_blobs(n_samples=60, centers=3, n_features=5, random_state=0)
    logistic = linear_model.LogisticRegression()
    scaled = make_pipeline(StandardScaler(), SelectKBest(f_classif, k=2), logistic)
    folds = StratifiedKFold(3, shuffle=True, random_state=np.random.RandomState(1))
    grid = {"C": [0.1, 1.0], "class_weight": [None, "balanced"]}
    search = GridSearchCV(logistic, grid, cv=folds, scoring=make_scorer(f1_score, average="macro"))
    several = GridSearchCV(
        svm.SVC(), {"C": [1, 2]}, scoring=["accuracy", "f1_macro"], refit="accuracy"
    )
    pair = [("lr", logistic), ("tree", tree.DecisionTreeClassifier(random_state=0))]
    kernel = kernels.ConstantKernel(1.0) * kernels.RBF(1.0) + kernels.WhiteKernel(1e-2)
    columns = ColumnTransformer(
        [("log", FunctionTransformer(np.log1p), [0]), ("hot", OneHotEncoder(dtype=np.float32), [1])]
    )
    target = TransformedTargetRegressor(linear_model.Ridge(), func=np.cbrt, inverse_func=np.square)
    sparse_lr = linear_model.LogisticRegression().fit(X, y).sparsify()
    yield "pipeline", scaled.fit(X, y)
    yield "union", FeatureUnion([("a", StandardScaler()), ("b", SelectKBest(k=1))]).fit(X, y)
    yield "search", search.fit(X, y)
    yield "search of several scores", several.fit(X, y)
    yield "stacking", ensemble.StackingClassifier(pair, cv=2).fit(X, y)
    yield "voting", ensemble.VotingClassifier(pair, voting="soft").fit(X, y)
    yield (
        "calibrated",
        CalibratedClassifierCV(naive_bayes.GaussianNB(), method="isotonic").fit(X, y),
    )
    yield "bagging", ensemble.BaggingClassifier(logistic, 3, random_state=0).fit(X, y)
    yield "one vs rest", multiclass.OneVsRestClassifier(svm.LinearSVC()).fit(X, y)
    yield "gp kernel", GaussianProcessClassifier(kernel).fit(X[:20], y[:20])
    yield "columns", columns.fit(np.abs(X.round()))
    yield "target", target.fit(X, y)
    yield "sparse coefficients", sparse_lr
    yield "birch", Birch(threshold=0.1, branching_factor=5, n_clusters=None).fit(X)
    for metric in ("haversine", "minkowski", "mahalanobis", "manhattan"):
        extra = {"V": np.eye(2)} if metric == "mahalanobis" else None
        for algorithm in ("ball_tree", "brute"):
            for dtype in (np.float64, np.float32):
                knn = neighbors.KNeighborsClassifier(
                    3, algorithm=algorithm, metric=metric, metric_params=extra
                )
                yield f"knn {metric} {algorithm}", knn.fit(X[:, :2].astype(dtype), y)
    for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"):
        yield f"sgd {loss}", linear_model.SGDClassifier(loss=loss, random_state=0).fit(X, y)
    for loss in ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"):
        yield f"sgd {loss}", linear_model.SGDRegressor(loss=loss, random_state=0).fit(X, y)
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield f"gb {loss}", ensemble.GradientBoostingRegressor(loss=loss, n_estimators=2).fit(X, y)
    for loss in ("log_loss", "exponential"):
        boosted = ensemble.GradientBoostingClassifier(loss=loss, n_estimators=2)
        yield f"gb {loss}", boosted.fit(X[y < 2], y[y < 2])
    for loss in ("squared_error", "absolute_error", "gamma", "poisson", "quantile"):
        hist = ensemble.HistGradientBoostingRegressor(loss=loss, max_iter=2, quantile=0.5)
        yield f"hist {loss}", hist.fit(X, y + 1.0)
    words = make_pipeline(TfidfVectorizer(dtype=np.float32), logistic)
    yield "text", words.fit(TEXTS, [0, 1] * 20)
    yield "text in a dict", {"model": words, "labels": ["a", "b"], "seen": {1, 2}, "span": (1, 2)}
    for kind in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil"):
        yield f"sparse {kind}", getattr(sparse, f"{kind}_matrix")(np.eye(3))
        yield f"sparse array {kind}", getattr(sparse, f"{kind}_array")(np.eye(3))
