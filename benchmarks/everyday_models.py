"""The models that people use every day, each small and quick to fit.

Each is made by a function without arguments and comes with rows to ask it about. The list is the
measure of `benchmarks.everyday`: what answers without scikit-learn, and how quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn import (
    calibration,
    cluster,
    compose,
    covariance,
    cross_decomposition,
    decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    feature_extraction,
    feature_selection,
    frozen,
    gaussian_process,
    impute,
    isotonic,
    kernel_approximation,
    kernel_ridge,
    linear_model,
    mixture,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    random_projection,
    semi_supervised,
    svm,
    tree,
)
from sklearn.datasets import make_classification
from sklearn.experimental import (  # noqa: F401  they make the classes known
    enable_halving_search_cv,
    enable_iterative_imputer,
)
from sklearn.pipeline import make_pipeline, make_union

TRAIN, TEST = 600, 2_000


@cache
def numbers() -> tuple[Any, Any]:
    """Rows of 20 numbers with three classes."""
    rows, labels = make_classification(
        TRAIN + TEST, 20, n_informative=10, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    return rows, labels


@cache
def table() -> tuple[pd.DataFrame, Any]:
    """A table of six numbers and three columns of categories."""
    rows, labels = numbers()
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rows[:, :6], columns=[f"number_{at}" for at in range(6)])
    for name, count in (("city", 12), ("plan", 4), ("device", 6)):
        frame[name] = np.array([f"{name} {at}" for at in range(count)], dtype=object)[
            rng.integers(0, count, len(frame))
        ]
    return frame, labels


@cache
def texts() -> tuple[list[str], Any]:
    """Short messages of three topics."""
    rng = np.random.default_rng(2)
    words = np.array([f"word{at}" for at in range(400)])
    labels = numbers()[1]
    places = (rng.zipf(1.4, (TRAIN + TEST, 12)) + 90 * labels[:, None]) % 400
    return [" ".join(words[row]) for row in places], labels


def _split(data: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    rows, labels = data
    if isinstance(rows, pd.DataFrame):
        return rows.iloc[:TRAIN], labels[:TRAIN], rows.iloc[TRAIN:].reset_index(drop=True)
    return rows[:TRAIN], labels[:TRAIN], rows[TRAIN:]


Made = tuple[Any, Any]
Maker = Callable[[], Made]


def _on(model: Any, data: Callable[[], Any] = numbers, target: str = "labels") -> Maker:
    def make() -> Made:
        rows, labels, asked = _split(data())
        first = numbers()[0][:TRAIN, 0]
        known = {
            "labels": labels,
            "two": (labels > 0).astype(int),
            "number": np.asarray(first * 2.0 + labels, dtype=np.float64),
            "positive": np.exp(np.asarray(first, dtype=np.float64) / 2 + labels),
            "several": np.column_stack([labels > 0, labels > 1]).astype(int),
            "some": np.where(np.arange(len(labels)) % 3 == 0, labels, -1),
        }
        return model().fit(rows, known[target]), asked

    return make


def _columns(encoder: Any, dense: bool = False) -> Any:
    return compose.make_column_transformer(
        (
            make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()),
            [f"number_{at}" for at in range(6)],
        ),
        (encoder, ["city", "plan", "device"]),
        sparse_threshold=0.0 if dense else 1.0,
    )


def _one_hot() -> Any:
    return preprocessing.OneHotEncoder(handle_unknown="ignore")


def _frame(last: Any, dense: bool = False) -> Maker:
    return _on(lambda: make_pipeline(_columns(_one_hot(), dense), last()), table)


def _numeric_table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], Any]:
    def data() -> tuple[Any, Any]:
        frame, labels = table()
        return change(frame), labels

    return data


def _with_bool(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:, :6].assign(member=frame["number_0"] > 0)


def _dummies(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(frame)


def _nullable(frame: pd.DataFrame) -> pd.DataFrame:
    whole = frame.iloc[:, :6].assign(visits=(frame["number_0"] * 10).astype(int))
    return whole.convert_dtypes(dtype_backend="numpy_nullable")


def _arrow(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:, :6].convert_dtypes(dtype_backend="pyarrow")


def _objects(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:, :6].astype(object)


def _gaps() -> tuple[Any, Any]:
    rows, labels = numbers()
    holes = np.random.default_rng(3).random(rows.shape) < 0.05
    return np.where(holes, np.nan, rows), labels


def _mappings() -> tuple[Any, Any]:
    frame, labels = table()
    return frame[["city", "plan", "number_0"]].to_dict("records"), labels


def _cells() -> tuple[Any, Any]:
    frame, labels = table()
    return frame[["city", "plan", "device"]].to_numpy(dtype=object), labels


def _isotonic() -> Made:
    rows, labels, asked = _split(numbers())
    model = isotonic.IsotonicRegression(out_of_bounds="clip")
    return model.fit(rows[:, :1], labels + rows[:, 0]), asked[:, :1]


def _lr(**options: Any) -> Any:
    return linear_model.LogisticRegression(max_iter=500, **options)


def _rf(**options: Any) -> Any:
    return ensemble.RandomForestClassifier(50, random_state=0, **options)


def _hgb() -> Any:
    return ensemble.HistGradientBoostingClassifier(max_iter=30, random_state=0)


def _matern() -> Any:
    kernels = gaussian_process.kernels
    return kernels.ConstantKernel(2.0) * kernels.Matern(4.0, nu=2.5) + kernels.WhiteKernel(0.1)


def _mlp() -> Any:
    return neural_network.MLPClassifier((64, 32), max_iter=60, random_state=0)


def _scaler() -> Any:
    return preprocessing.StandardScaler()


def _log_of_target(inner: Any) -> Any:
    return compose.TransformedTargetRegressor(inner, func=np.log1p, inverse_func=np.expm1)


_SEARCHED = {"logisticregression__C": [0.1, 1.0]}

MODELS: Mapping[str, Maker] = {
    # Trees.
    "RandomForestClassifier": _on(_rf),
    "RandomForestRegressor": _on(
        lambda: ensemble.RandomForestRegressor(50, random_state=0), target="number"
    ),
    "ExtraTreesClassifier": _on(lambda: ensemble.ExtraTreesClassifier(50, random_state=0)),
    "DecisionTreeClassifier": _on(lambda: tree.DecisionTreeClassifier(random_state=0)),
    "GradientBoostingClassifier": _on(lambda: ensemble.GradientBoostingClassifier(random_state=0)),
    "HistGradientBoostingClassifier": _on(_hgb),
    "HistGradientBoostingRegressor": _on(
        lambda: ensemble.HistGradientBoostingRegressor(max_iter=30), target="number"
    ),
    "AdaBoostClassifier": _on(lambda: ensemble.AdaBoostClassifier(random_state=0)),
    "BaggingClassifier of trees": _on(lambda: ensemble.BaggingClassifier(random_state=0)),
    "IsolationForest": _on(lambda: ensemble.IsolationForest(n_estimators=50, random_state=0)),
    "MultiOutput(RF)": _on(lambda: multioutput.MultiOutputClassifier(_rf()), target="several"),
    "Calibrated(RF)": _on(lambda: calibration.CalibratedClassifierCV(_rf(), cv=3)),
    # Linear.
    "LogisticRegression": _on(_lr),
    "scaler + LogisticRegression": _on(lambda: make_pipeline(_scaler(), _lr())),
    "LinearSVC": _on(svm.LinearSVC),
    "Calibrated(LinearSVC)": _on(lambda: calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=3)),
    "LinearRegression": _on(linear_model.LinearRegression, target="number"),
    "Ridge": _on(linear_model.Ridge, target="number"),
    "Lasso": _on(lambda: linear_model.Lasso(0.1), target="number"),
    "ElasticNet": _on(lambda: linear_model.ElasticNet(0.1), target="number"),
    "SGDClassifier": _on(lambda: linear_model.SGDClassifier(random_state=0)),
    "PoissonRegressor": _on(linear_model.PoissonRegressor, target="positive"),
    "LinearDiscriminantAnalysis": _on(discriminant_analysis.LinearDiscriminantAnalysis),
    "QuadraticDiscriminantAnalysis": _on(
        lambda: discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1)
    ),
    "GaussianNB": _on(naive_bayes.GaussianNB),
    "OneVsRest(LR)": _on(lambda: multiclass.OneVsRestClassifier(_lr())),
    "PLSRegression": _on(lambda: cross_decomposition.PLSRegression(4), target="number"),
    "SGDOneClassSVM": _on(lambda: linear_model.SGDOneClassSVM(random_state=0)),
    "EllipticEnvelope": _on(lambda: covariance.EllipticEnvelope(random_state=0)),
    "IsotonicRegression": _isotonic,
    # Networks.
    "scaler + MLP": _on(lambda: make_pipeline(_scaler(), _mlp())),
    "MinMax + RBM + LR": _on(
        lambda: make_pipeline(
            preprocessing.MinMaxScaler(),
            neural_network.BernoulliRBM(16, n_iter=5, random_state=0),
            _lr(),
        )
    ),
    # Kernel machines.
    "SVC rbf": _on(svm.SVC),
    "SVC poly": _on(lambda: svm.SVC(kernel="poly")),
    "SVC linear": _on(lambda: svm.SVC(kernel="linear")),
    "NuSVC": _on(lambda: svm.NuSVC(nu=0.3)),
    "SVC probability": _on(lambda: svm.SVC(probability=True, random_state=0)),
    "SVR": _on(svm.SVR, target="number"),
    "NuSVR": _on(svm.NuSVR, target="number"),
    "SVR linear": _on(lambda: svm.SVR(kernel="linear"), target="number"),
    "OneClassSVM": _on(svm.OneClassSVM),
    "scaler + SVC": _on(lambda: make_pipeline(_scaler(), svm.SVC())),
    "GaussianProcessRegressor": _on(
        lambda: gaussian_process.GaussianProcessRegressor(alpha=0.1, optimizer=None),
        target="number",
    ),
    "GaussianProcessClassifier": _on(
        lambda: gaussian_process.GaussianProcessClassifier(optimizer=None)
    ),
    "KernelRidge": _on(lambda: kernel_ridge.KernelRidge(kernel="rbf"), target="number"),
    "scaler + GaussianProcessRegressor": _on(
        lambda: make_pipeline(
            _scaler(), gaussian_process.GaussianProcessRegressor(_matern(), optimizer=None)
        ),
        target="number",
    ),
    "KernelPCA + LR": _on(lambda: make_pipeline(decomposition.KernelPCA(8, kernel="rbf"), _lr())),
    "Calibrated(SVC)": _on(lambda: calibration.CalibratedClassifierCV(svm.SVC(), cv=3)),
    "Nystroem + SGD": _on(
        lambda: make_pipeline(
            kernel_approximation.Nystroem(random_state=0),
            linear_model.SGDClassifier(random_state=0),
        )
    ),
    "RBFSampler + SGD": _on(
        lambda: make_pipeline(
            kernel_approximation.RBFSampler(random_state=0),
            linear_model.SGDClassifier(random_state=0),
        )
    ),
    # Distances.
    "KNN brute": _on(lambda: neighbors.KNeighborsClassifier(algorithm="brute")),
    "KNN kd_tree": _on(lambda: neighbors.KNeighborsClassifier(algorithm="kd_tree")),
    "KNN ball_tree distance": _on(
        lambda: neighbors.KNeighborsClassifier(algorithm="ball_tree", weights="distance")
    ),
    "KNeighborsRegressor": _on(neighbors.KNeighborsRegressor, target="number"),
    "KNN cosine": _on(lambda: neighbors.KNeighborsClassifier(metric="cosine")),
    "KNN manhattan": _on(lambda: neighbors.KNeighborsClassifier(metric="manhattan")),
    "RadiusNeighborsClassifier": _on(lambda: neighbors.RadiusNeighborsClassifier(16.0)),
    "RadiusNeighborsRegressor": _on(
        lambda: neighbors.RadiusNeighborsRegressor(16.0), target="number"
    ),
    "KernelDensity": _on(neighbors.KernelDensity),
    "LocalOutlierFactor": _on(lambda: neighbors.LocalOutlierFactor(novelty=True)),
    "NearestCentroid": _on(neighbors.NearestCentroid),
    "KMeans": _on(lambda: cluster.KMeans(8, random_state=0)),
    "MiniBatchKMeans": _on(lambda: cluster.MiniBatchKMeans(8, random_state=0)),
    "BisectingKMeans": _on(lambda: cluster.BisectingKMeans(8, random_state=0)),
    "Birch": _on(lambda: cluster.Birch(n_clusters=8)),
    "GaussianMixture": _on(lambda: mixture.GaussianMixture(4, random_state=0)),
    "GaussianMixture, diagonal": _on(
        lambda: mixture.GaussianMixture(4, covariance_type="diag", random_state=0)
    ),
    "BayesianGaussianMixture": _on(
        lambda: mixture.BayesianGaussianMixture(n_components=4, random_state=0)
    ),
    "LabelSpreading": _on(lambda: semi_supervised.LabelSpreading(gamma=0.1), target="some"),
    # Steps before a model.
    "PCA + LR": _on(lambda: make_pipeline(decomposition.PCA(8), _lr())),
    "scaler + PCA + LR": _on(lambda: make_pipeline(_scaler(), decomposition.PCA(8), _lr())),
    "scaler + PCA + SVC": _on(lambda: make_pipeline(_scaler(), decomposition.PCA(8), svm.SVC())),
    "whitening PCA + RF": _on(lambda: make_pipeline(decomposition.PCA(8, whiten=True), _rf())),
    "IncrementalPCA + LR": _on(lambda: make_pipeline(decomposition.IncrementalPCA(8), _lr())),
    "TruncatedSVD + LR": _on(
        lambda: make_pipeline(decomposition.TruncatedSVD(8, random_state=0), _lr())
    ),
    "FastICA + LR": _on(
        lambda: make_pipeline(decomposition.FastICA(8, random_state=0, max_iter=2000), _lr())
    ),
    "FactorAnalysis + LR": _on(lambda: make_pipeline(decomposition.FactorAnalysis(6), _lr())),
    "LDA as a step + RF": _on(
        lambda: make_pipeline(discriminant_analysis.LinearDiscriminantAnalysis(), _rf())
    ),
    "GaussianRandomProjection + LR": _on(
        lambda: make_pipeline(random_projection.GaussianRandomProjection(8, random_state=0), _lr())
    ),
    "Polynomial + Ridge": _on(
        lambda: make_pipeline(preprocessing.PolynomialFeatures(2), linear_model.Ridge()),
        target="number",
    ),
    "Spline + Ridge": _on(
        lambda: make_pipeline(preprocessing.SplineTransformer(), linear_model.Ridge()),
        target="number",
    ),
    "SelectKBest + LR": _on(lambda: make_pipeline(feature_selection.SelectKBest(k=10), _lr())),
    "SelectPercentile + LR": _on(
        lambda: make_pipeline(feature_selection.SelectPercentile(percentile=50), _lr())
    ),
    "VarianceThreshold + RF": _on(
        lambda: make_pipeline(feature_selection.VarianceThreshold(), _rf())
    ),
    "SelectFromModel + HGB": _on(
        lambda: make_pipeline(feature_selection.SelectFromModel(_rf()), _hgb())
    ),
    "SelectFromModel(LR) + LR": _on(
        lambda: make_pipeline(feature_selection.SelectFromModel(_lr()), _lr())
    ),
    "PowerTransformer + LR": _on(lambda: make_pipeline(preprocessing.PowerTransformer(), _lr())),
    "QuantileTransformer + LR": _on(
        lambda: make_pipeline(preprocessing.QuantileTransformer(n_quantiles=200), _lr())
    ),
    "normal QuantileTransformer + LR": _on(
        lambda: make_pipeline(
            preprocessing.QuantileTransformer(n_quantiles=200, output_distribution="normal"),
            _lr(),
        )
    ),
    "Normalizer + LR": _on(lambda: make_pipeline(preprocessing.Normalizer(), _lr())),
    "Binarizer + BernoulliNB": _on(
        lambda: make_pipeline(preprocessing.Binarizer(), naive_bayes.BernoulliNB(binarize=None))
    ),
    "KBins one-hot + LR": _on(
        lambda: make_pipeline(
            preprocessing.KBinsDiscretizer(5, quantile_method="averaged_inverted_cdf"), _lr()
        )
    ),
    "KBins ordinal + LR": _on(
        lambda: make_pipeline(
            preprocessing.KBinsDiscretizer(
                5, encode="ordinal", quantile_method="averaged_inverted_cdf"
            ),
            _lr(),
        )
    ),
    "FunctionTransformer + LR": _on(
        lambda: make_pipeline(preprocessing.FunctionTransformer(np.tanh), _lr())
    ),
    "imputer with indicators + RF": _on(
        lambda: make_pipeline(impute.SimpleImputer(add_indicator=True), _rf()), _gaps
    ),
    "KNNImputer + LR": _on(lambda: make_pipeline(impute.KNNImputer(), _lr()), _gaps),
    "FeatureUnion(PCA, SelectKBest) + LR": _on(
        lambda: make_pipeline(
            make_union(decomposition.PCA(4), feature_selection.SelectKBest(k=5)), _lr()
        )
    ),
    "RandomTreesEmbedding + LR": _on(
        lambda: make_pipeline(ensemble.RandomTreesEmbedding(20, random_state=0), _lr())
    ),
    # Tables.
    "table + LR": _frame(_lr),
    "table + HGB": _frame(_hgb, dense=True),
    "table + RF": _frame(_rf),
    "table + MLP": _frame(_mlp),
    "table + KNN": _frame(neighbors.KNeighborsClassifier, dense=True),
    "ordinal table + HGB": _on(
        lambda: make_pipeline(
            _columns(
                preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
            ),
            _hgb(),
        ),
        table,
    ),
    "table, PCA and the rest + RF": _on(
        lambda: make_pipeline(
            compose.make_column_transformer(
                (decomposition.PCA(2), [f"number_{at}" for at in range(4)]),
                (_one_hot(), ["city", "plan", "device"]),
                remainder="passthrough",
                sparse_threshold=0.0,
            ),
            _rf(),
        ),
        table,
    ),
    "get_dummies table + RF": _on(_rf, _numeric_table(_dummies)),
    "table with bool + LR": _on(_lr, _numeric_table(_with_bool)),
    "nullable table + LR": _on(_lr, _numeric_table(_nullable)),
    "arrow table + LR": _on(_lr, _numeric_table(_arrow)),
    "object table + LR": _on(_lr, _numeric_table(_objects)),
    "one-hot of an array + LR": _on(lambda: make_pipeline(_one_hot(), _lr()), _cells),
    "DictVectorizer + LR": _on(
        lambda: make_pipeline(feature_extraction.DictVectorizer(), _lr()), _mappings
    ),
    # Text.
    "Tfidf + LR": _on(
        lambda: make_pipeline(feature_extraction.text.TfidfVectorizer(), _lr()), texts
    ),
    "Tfidf + MultinomialNB": _on(
        lambda: make_pipeline(
            feature_extraction.text.TfidfVectorizer(), naive_bayes.MultinomialNB()
        ),
        texts,
    ),
    "Tfidf + SVD + LR": _on(
        lambda: make_pipeline(
            feature_extraction.text.TfidfVectorizer(),
            decomposition.TruncatedSVD(16, random_state=0),
            _lr(),
        ),
        texts,
    ),
    "CountVectorizer + LDA": _on(
        lambda: make_pipeline(
            feature_extraction.text.CountVectorizer(),
            decomposition.LatentDirichletAllocation(6, random_state=0, max_iter=3),
        ),
        texts,
    ),
    # Models around a model.
    "GridSearchCV(scaler + LR)": _on(
        lambda: model_selection.GridSearchCV(make_pipeline(_scaler(), _lr()), _SEARCHED, cv=2)
    ),
    "GridSearchCV(RF)": _on(
        lambda: model_selection.GridSearchCV(_rf(), {"max_depth": [4, None]}, cv=2)
    ),
    "GridSearchCV(table + LR)": _on(
        lambda: model_selection.GridSearchCV(
            make_pipeline(_columns(_one_hot()), _lr()), _SEARCHED, cv=2
        ),
        table,
    ),
    "RandomizedSearchCV(LR)": _on(
        lambda: model_selection.RandomizedSearchCV(
            _lr(), {"C": [0.1, 1, 10]}, n_iter=2, cv=2, random_state=0
        )
    ),
    "HalvingGridSearchCV(LR)": _on(
        lambda: model_selection.HalvingGridSearchCV(_lr(), {"C": [0.1, 1]}, cv=2, random_state=0)
    ),
    "TransformedTarget(Ridge)": _on(
        lambda: _log_of_target(linear_model.Ridge()), target="positive"
    ),
    "TransformedTarget(HGB)": _on(
        lambda: _log_of_target(ensemble.HistGradientBoostingRegressor(max_iter=30)),
        target="positive",
    ),
    "TransformedTarget(Ridge, quantiles)": _on(
        lambda: compose.TransformedTargetRegressor(
            linear_model.Ridge(), transformer=preprocessing.QuantileTransformer(n_quantiles=100)
        ),
        target="positive",
    ),
    "RFE": _on(lambda: feature_selection.RFE(_lr(), n_features_to_select=8, step=4)),
    "RFECV": _on(lambda: feature_selection.RFECV(_lr(), cv=2, step=6)),
    "RANSACRegressor": _on(
        lambda: linear_model.RANSACRegressor(random_state=0, residual_threshold=3), target="number"
    ),
    "FixedThresholdClassifier": _on(
        lambda: model_selection.FixedThresholdClassifier(_lr(), threshold=0.3), target="two"
    ),
    "TunedThresholdClassifierCV": _on(
        lambda: model_selection.TunedThresholdClassifierCV(_lr(), cv=2), target="two"
    ),
    "SelfTrainingClassifier": _on(
        lambda: semi_supervised.SelfTrainingClassifier(_lr()), target="some"
    ),
    "FrozenEstimator(RF)": lambda: (
        frozen.FrozenEstimator(_on(_rf)()[0]),
        _on(_rf)()[1],
    ),
    "DummyClassifier": _on(dummy.DummyClassifier),
    "AdaBoost(LR)": _on(lambda: ensemble.AdaBoostClassifier(_lr(), n_estimators=8)),
    "Bagging(LR)": _on(lambda: ensemble.BaggingClassifier(_lr(), max_features=0.6, random_state=0)),
    "Bagging(KNN)": _on(
        lambda: ensemble.BaggingClassifier(neighbors.KNeighborsClassifier(), random_state=0)
    ),
    "Stacking(RF, LR)": _on(
        lambda: ensemble.StackingClassifier([("rf", _rf()), ("lr", _lr())], _lr(), cv=2)
    ),
    "Stacking with passthrough": _on(
        lambda: ensemble.StackingClassifier(
            [("rf", _rf()), ("lr", _lr())], _lr(), cv=2, passthrough=True
        )
    ),
    "Stacking(RF, LR, SVC)": _on(
        lambda: ensemble.StackingClassifier(
            [("rf", _rf()), ("lr", _lr()), ("svc", svm.SVC())], _lr(), cv=2
        )
    ),
    "soft voting": _on(
        lambda: ensemble.VotingClassifier([("rf", _rf()), ("lr", _lr())], voting="soft")
    ),
    "Voting(RF, KNN)": _on(
        lambda: ensemble.VotingClassifier(
            [("rf", _rf()), ("knn", neighbors.KNeighborsClassifier())]
        )
    ),
}
