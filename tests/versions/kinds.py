"""The kinds of model in the corpus: each made by name, so that every old version can try.

A kind that a version does not know, or cannot fit, is left out of that version's corpus with the
reason; `make_corpus` writes the reasons down.
"""

from __future__ import annotations

import importlib
import inspect
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Maker = Callable[[], Any]
_CHANGED = (
    "ada",
    "bagging",
    "calibrated",
    "chain",
    "columns",
    "density",
    "forest",
    "gb",
    "glm",
    "grid",
    "hist",
    "impute",
    "isolation",
    "knn",
    "lightgbm",
    "linear RidgeClassifier ",
    "logistic",
    "nearest",
    "one vs rest",
    "one-hot",
    "ordinal",
    "prepare function",
    "random search",
    "sgd log",
    "self training",
    "stacking",
    "svc rbf sparse",
    "text tfidf",
    "text pipeline",
    "tree",
    "voting",
    "xgboost",
    "cross",
    "pandas",
    "tuned",
)
# Parameters and values under the names of older versions.
_RENAMED = {"estimator": "base_estimator", "sparse_output": "sparse", "n_features": "n_features"}
_OLD_LOSSES = {"log_loss": ("log", "deviance"), "squared_error": ("squared_loss", "ls")}


@dataclass(frozen=True)
class Kind:
    """One model of the corpus: `make()` is fitted on the rows and the target of these names."""

    name: str
    rows: str
    make: Maker
    target: str | None = None
    prepare: Callable[[Any, Any, Any], Any] | None = None

    @property
    def is_core(self) -> bool:
        """Whether it stands in the small corpus: all that ever changed, and a part of the rest."""
        changed = self.name.startswith(_CHANGED)
        return changed or zlib.crc32(self.name.encode()) % 3 == 0


def made(path: str, *steps: Any, **options: Any) -> Maker:
    """A maker of `package.module:Name(*steps, **options)`; makers among the values are called."""

    def make() -> Any:
        module, _, name = path.partition(":")
        cls = getattr(importlib.import_module(f"sklearn.{module}"), name)
        known = inspect.signature(cls).parameters
        values = {}
        for key, value in options.items():
            right = key if key in known else _RENAMED.get(key, key)
            values[right] = built(value)
        return cls(*[built(step) for step in steps], **values)

    return make


def built(value: Any) -> Any:
    """The value with every maker in it called."""
    if isinstance(value, list):
        return [built(item) for item in value]
    if isinstance(value, tuple):
        return tuple(built(item) for item in value)
    if callable(value) and getattr(value, "__qualname__", "").startswith("made."):
        return value()
    return value


LOGISTIC = "linear_model:LogisticRegression"
TREE = "tree:DecisionTreeClassifier"
SCALER = made("preprocessing:StandardScaler")


def _pipe(*steps: Any) -> Maker:
    named = [(f"step{number}", step) for number, step in enumerate(steps)]
    return made("pipeline:Pipeline", named)


def _linear() -> Iterator[Kind]:
    for solver in ("lbfgs", "liblinear", "saga", "newton-cg"):
        for target in ("two", "three", "text"):
            yield Kind(
                f"logistic {solver} {target}", "numbers", made(LOGISTIC, solver=solver), target
            )
    for form in ("ovr", "multinomial"):
        for target in ("two", "three"):
            logistic = made(LOGISTIC, multi_class=form)
            yield Kind(f"logistic {form} {target}", "numbers", logistic, target)
            several = made("linear_model:LogisticRegressionCV", multi_class=form, Cs=2, cv=2)
            yield Kind(f"logistic cv {form} {target}", "numbers", several, target)
    yield Kind("logistic sparse rows", "sparse", made(LOGISTIC), "three")
    yield Kind("logistic single", "single", made(LOGISTIC), "three")
    yield Kind(
        "logistic l1 sparsified",
        "numbers",
        made(LOGISTIC, penalty="l1", solver="liblinear", C=0.2),
        "two",
        lambda model, rows, truth: model.fit(rows, truth).sparsify(),
    )
    for name, options in {
        "LinearRegression": {},
        "Ridge": {},
        "RidgeCV": {},
        "Lasso": {"alpha": 0.01},
        "ElasticNet": {"alpha": 0.01},
        "LassoCV": {"cv": 2, "n_alphas": 4},
        "Lars": {},
        "LassoLars": {"alpha": 0.01},
        "LassoLarsIC": {},
        "OrthogonalMatchingPursuit": {},
        "BayesianRidge": {},
        "ARDRegression": {},
        "HuberRegressor": {},
        "TheilSenRegressor": {"random_state": 0},
        "RANSACRegressor": {"random_state": 0},
        "PassiveAggressiveRegressor": {"random_state": 0},
        "QuantileRegressor": {"solver": "highs", "alpha": 0.01},
    }.items():
        yield Kind(f"linear {name}", "numbers", made(f"linear_model:{name}", **options), "real")
    for name in ("LinearRegression", "Ridge", "MultiTaskLasso", "MultiTaskElasticNetCV"):
        yield Kind(
            f"linear outputs {name}", "numbers", made(f"linear_model:{name}"), "real_outputs"
        )
    for name in ("PoissonRegressor", "GammaRegressor"):
        yield Kind(f"glm {name}", "numbers", made(f"linear_model:{name}"), "positive")
    for power in (0, 1, 1.5, 2, 3):
        tweedie = made("linear_model:TweedieRegressor", power=power)
        yield Kind(f"glm tweedie {power}", "numbers", tweedie, "positive")
    for link in ("identity", "log"):
        tweedie = made("linear_model:TweedieRegressor", power=0, link=link)
        yield Kind(f"glm tweedie link {link}", "numbers", tweedie, "positive")
    for name in (
        "RidgeClassifier",
        "RidgeClassifierCV",
        "Perceptron",
        "PassiveAggressiveClassifier",
    ):
        for target in ("two", "three", "labels"):
            yield Kind(f"linear {name} {target}", "numbers", made(f"linear_model:{name}"), target)


def _sgd() -> Iterator[Kind]:
    for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron", "log"):
        for target in ("two", "three"):
            sgd = made("linear_model:SGDClassifier", loss=loss, random_state=0)
            yield Kind(f"sgd {loss} {target}", "numbers", sgd, target)
    averaged = made("linear_model:SGDClassifier", average=True, random_state=0)
    yield Kind("sgd averaged", "numbers", averaged, "three")
    for loss in ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"):
        sgd = made("linear_model:SGDRegressor", loss=loss, random_state=0)
        yield Kind(f"sgd regressor {loss}", "numbers", sgd, "real")
    yield Kind("sgd one class", "numbers", made("linear_model:SGDOneClassSVM", random_state=0))


def _trees() -> Iterator[Kind]:
    small = {"max_depth": 3, "random_state": 0}
    for target in ("two", "three", "text", "outputs"):
        yield Kind(f"tree {target}", "numbers", made(TREE, **small), target)
        for name in ("RandomForestClassifier", "ExtraTreesClassifier"):
            forest = made(f"ensemble:{name}", n_estimators=3, **small)
            yield Kind(f"{name} {target}", "numbers", forest, target)
    for criterion in ("entropy", "log_loss"):
        tree = made(TREE, criterion=criterion, class_weight="balanced", **small)
        yield Kind(f"tree {criterion} balanced", "numbers", tree, "three")
    yield Kind("extra tree", "numbers", made("tree:ExtraTreeClassifier", **small), "three")
    for target in ("real", "real_outputs"):
        yield Kind(f"tree {target}", "numbers", made("tree:DecisionTreeRegressor", **small), target)
        for name in ("RandomForestRegressor", "ExtraTreesRegressor"):
            forest = made(f"ensemble:{name}", n_estimators=3, **small)
            yield Kind(f"{name} {target}", "numbers", forest, target)
    for criterion in ("absolute_error", "poisson", "friedman_mse"):
        tree = made("tree:DecisionTreeRegressor", criterion=criterion, **small)
        yield Kind(f"tree {criterion}", "numbers", tree, "positive")
    gaps = made("ensemble:RandomForestClassifier", n_estimators=3, **small)
    yield Kind("forest gaps", "gaps", gaps, "three")
    yield Kind("tree gaps", "gaps", made("tree:DecisionTreeRegressor", **small), "real")
    out_of_bag = made("ensemble:RandomForestClassifier", n_estimators=8, oob_score=True, **small)
    yield Kind("forest out of bag", "numbers", out_of_bag, "three")
    subsample = made(
        "ensemble:RandomForestClassifier",
        n_estimators=3,
        max_samples=0.5,
        class_weight="balanced_subsample",
        **small,
    )
    yield Kind("forest subsample", "numbers", subsample, "three")
    monotonic = made(
        "ensemble:RandomForestRegressor", n_estimators=3, monotonic_cst=[1, 0, 0, 0, 0], **small
    )
    yield Kind("forest monotonic", "numbers", monotonic, "real")
    for options in ({}, {"contamination": 0.2}, {"max_samples": 20, "max_features": 3}):
        forest = made("ensemble:IsolationForest", n_estimators=4, random_state=0, **options)
        yield Kind(f"isolation {'-'.join(options) or 'plain'}", "numbers", forest)
    embedding = made("ensemble:RandomTreesEmbedding", n_estimators=3, max_depth=2, random_state=0)
    yield Kind("trees embedding", "numbers", embedding)


def _boosting() -> Iterator[Kind]:
    small = {"n_estimators": 3, "max_depth": 2, "random_state": 0}
    for loss, targets in {
        "log_loss": ("two", "three", "text"),
        "deviance": ("two", "three"),
        "exponential": ("two",),
    }.items():
        for target in targets:
            model = made("ensemble:GradientBoostingClassifier", loss=loss, **small)
            yield Kind(f"gb {loss} {target}", "numbers", model, target)
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        model = made("ensemble:GradientBoostingRegressor", loss=loss, **small)
        yield Kind(f"gb {loss}", "numbers", model, "real")
    for init in ("zero", made("linear_model:LinearRegression")):
        model = made("ensemble:GradientBoostingRegressor", init=init, **small)
        yield Kind(f"gb init {init if init == 'zero' else 'linear'}", "numbers", model, "real")
    yield Kind(
        "gb init logistic",
        "numbers",
        made("ensemble:GradientBoostingClassifier", init=made(LOGISTIC), **small),
        "two",
    )
    yield Kind(
        "gb init zero three",
        "numbers",
        made("ensemble:GradientBoostingClassifier", init="zero", **small),
        "three",
    )
    yield Kind(
        "gb init logistic three",
        "numbers",
        made("ensemble:GradientBoostingClassifier", init=made(LOGISTIC), **small),
        "three",
    )
    yield Kind(
        "gb early stop",
        "numbers",
        made("ensemble:GradientBoostingClassifier", n_iter_no_change=2, subsample=0.8, **small),
        "two",
    )
    hist = {"max_iter": 3, "max_depth": 2, "random_state": 0, "min_samples_leaf": 5}
    classifier = "ensemble:HistGradientBoostingClassifier"
    regressor = "ensemble:HistGradientBoostingRegressor"
    for rows in ("numbers", "gaps"):
        for target in ("two", "three", "text"):
            yield Kind(f"hist {rows} {target}", rows, made(classifier, **hist), target)
        yield Kind(f"hist regressor {rows}", rows, made(regressor, **hist), "real")
    for loss in ("absolute_error", "poisson", "gamma"):
        model = made(regressor, loss=loss, **hist)
        yield Kind(f"hist {loss}", "numbers", model, "positive")
    yield Kind(
        "hist quantile", "numbers", made(regressor, loss="quantile", quantile=0.7, **hist), "real"
    )
    mixed = made(classifier, categorical_features=[2, 3], **hist)
    yield Kind("hist categories by number", "mixed", mixed, "three")
    yield Kind(
        "hist regressor categories",
        "mixed",
        made(regressor, categorical_features=[False, False, True, True, True], **hist),
        "real",
    )
    yield Kind(
        "hist categories of a frame",
        "categories",
        made(classifier, categorical_features="from_dtype", **hist),
        "three",
    )
    yield Kind(
        "hist monotonic", "numbers", made(regressor, monotonic_cst=[1, -1, 0, 0, 0], **hist), "real"
    )
    yield Kind(
        "hist early stop",
        "numbers",
        made(classifier, early_stopping=True, n_iter_no_change=2, **hist),
        "three",
    )
    for algorithm in ("SAMME", "SAMME.R", None):
        options = {"algorithm": algorithm} if algorithm else {}
        for target in ("two", "three", "text"):
            for base in ("stump", "tree", "bayes"):
                inner = {
                    "stump": {},
                    "tree": {"estimator": made(TREE, max_depth=2)},
                    "bayes": {"estimator": made("naive_bayes:GaussianNB")},
                }[base]
                model = made(
                    "ensemble:AdaBoostClassifier",
                    n_estimators=4,
                    random_state=0,
                    **options,
                    **inner,
                )
                yield Kind(f"ada {algorithm} {base} {target}", "numbers", model, target)
    for loss in ("linear", "square", "exponential"):
        model = made("ensemble:AdaBoostRegressor", n_estimators=3, loss=loss, random_state=0)
        yield Kind(f"ada regressor {loss}", "numbers", model, "real")


def _neighbours() -> Iterator[Kind]:
    for algorithm in ("kd_tree", "ball_tree", "brute"):
        options = {"n_neighbors": 3, "algorithm": algorithm, "leaf_size": 10}
        for weights in ("uniform", "distance"):
            knn = made("neighbors:KNeighborsClassifier", weights=weights, **options)
            yield Kind(f"knn {algorithm} {weights}", "numbers", knn, "three")
        knn = made("neighbors:KNeighborsRegressor", **options)
        yield Kind(f"knn regressor {algorithm}", "numbers", knn, "real_outputs")
    for metric in ("manhattan", "chebyshev", "minkowski", "canberra", "hamming", "cosine"):
        tree = "ball_tree" if metric not in ("cosine",) else "brute"
        knn = made("neighbors:KNeighborsClassifier", 3, algorithm=tree, metric=metric)
        yield Kind(f"knn metric {metric}", "numbers", knn, "three")
    for metric, extra in (
        ("seuclidean", {"V": [0.5, 1.0, 1.5, 2.0, 0.75]}),
        ("mahalanobis", {"V": np.eye(5)}),
        ("wminkowski", {"p": 3, "w": [0.5, 1.0, 1.5, 2.0, 0.75]}),
        ("minkowski", {"p": 3, "w": [0.5, 1.0, 1.5, 2.0, 0.75]}),
    ):
        for tree in ("ball_tree", "brute"):
            values = {"n_neighbors": 3, "algorithm": tree, "metric": metric, "p": extra.get("p", 2)}
            params = {name: np.array(given) for name, given in extra.items() if name != "p"}
            knn = made("neighbors:KNeighborsClassifier", metric_params=params, **values)
            yield Kind(f"knn {metric} {tree} parameters", "numbers", knn, "three")
    yield Kind(
        "knn minkowski p",
        "numbers",
        made("neighbors:KNeighborsClassifier", 3, algorithm="kd_tree", p=3),
        "three",
    )
    yield Kind("knn outputs", "numbers", made("neighbors:KNeighborsClassifier", 3), "outputs")
    yield Kind("knn sparse", "sparse", made("neighbors:KNeighborsClassifier", 3), "three")
    yield Kind(
        "radius", "numbers", made("neighbors:RadiusNeighborsClassifier", radius=4.0), "three"
    )
    yield Kind(
        "radius regressor",
        "numbers",
        made("neighbors:RadiusNeighborsRegressor", radius=4.0),
        "real",
    )
    yield Kind("nearest centroid", "numbers", made("neighbors:NearestCentroid"), "three")
    yield Kind(
        "nearest centroid manhattan",
        "numbers",
        made("neighbors:NearestCentroid", metric="manhattan"),
        "three",
    )
    yield Kind("density", "numbers", made("neighbors:KernelDensity", bandwidth=0.5))
    yield Kind("outliers novelty", "numbers", made("neighbors:LocalOutlierFactor", 5, novelty=True))
    yield Kind(
        "nca",
        "numbers",
        made("neighbors:NeighborhoodComponentsAnalysis", random_state=0, max_iter=5),
        "three",
    )
    yield Kind("label spreading", "numbers", made("semi_supervised:LabelSpreading"), "three")
    yield Kind(
        "self training",
        "numbers",
        made("semi_supervised:SelfTrainingClassifier", made(LOGISTIC)),
        "three",
    )


def _machines() -> Iterator[Kind]:
    for kernel in ("linear", "rbf", "poly", "sigmoid"):
        for rows in ("numbers", "sparse"):
            for target in ("two", "three"):
                yield Kind(
                    f"svc {kernel} {rows} {target}", rows, made("svm:SVC", kernel=kernel), target
                )
    yield Kind("svc ovo", "numbers", made("svm:SVC", decision_function_shape="ovo"), "three")
    yield Kind("svc ties", "numbers", made("svm:SVC", break_ties=True), "three")
    for rows in ("numbers", "sparse"):
        svc = made("svm:SVC", probability=True, random_state=0)
        yield Kind(f"svc probability {rows}", rows, svc, "three")
    yield Kind(
        "svc probability two", "numbers", made("svm:SVC", probability=True, random_state=0), "two"
    )
    yield Kind("nusvc", "numbers", made("svm:NuSVC", nu=0.3), "three")
    for rows in ("numbers", "sparse"):
        yield Kind(f"svr {rows}", rows, made("svm:SVR"), "real")
    yield Kind("nusvr", "numbers", made("svm:NuSVR"), "real")
    yield Kind("one class svm", "numbers", made("svm:OneClassSVM", nu=0.2))
    for target in ("two", "three"):
        yield Kind(f"linear svc {target}", "numbers", made("svm:LinearSVC", random_state=0), target)
    yield Kind("linear svr", "numbers", made("svm:LinearSVR", random_state=0), "real")
    for target in ("two", "three", "labels"):
        net = made("neural_network:MLPClassifier", [4], max_iter=20, random_state=0)
        yield Kind(f"mlp {target}", "numbers", net, target)
    for solver in ("sgd", "lbfgs"):
        net = made("neural_network:MLPClassifier", [4], solver=solver, max_iter=10, random_state=0)
        yield Kind(f"mlp {solver}", "numbers", net, "three")
    for target in ("real", "real_outputs"):
        net = made("neural_network:MLPRegressor", [3], max_iter=20, random_state=0)
        yield Kind(f"mlp regressor {target}", "numbers", net, target)
    yield Kind("rbm", "positive", made("neural_network:BernoulliRBM", 3, n_iter=2, random_state=0))
    yield Kind("kernel ridge", "numbers", made("kernel_ridge:KernelRidge", kernel="rbf"), "real")
    for name, target in (("Regressor", "real"), ("Classifier", "two"), ("Classifier", "three")):
        process = made(f"gaussian_process:GaussianProcess{name}", random_state=0)
        yield Kind(f"gp {name} {target}", "numbers", process, target)

    def kernel() -> Any:
        return (
            made("gaussian_process.kernels:RBF")() + made("gaussian_process.kernels:WhiteKernel")()
        )

    kernel.__qualname__ = "made.kernel"
    yield Kind(
        "gp kernel",
        "numbers",
        made("gaussian_process:GaussianProcessRegressor", kernel=kernel),
        "real",
    )


def _bayes() -> Iterator[Kind]:
    for target in ("two", "three", "text"):
        yield Kind(f"bayes gaussian {target}", "numbers", made("naive_bayes:GaussianNB"), target)
    for name in ("MultinomialNB", "ComplementNB", "BernoulliNB"):
        for target in ("two", "three"):
            yield Kind(f"bayes {name} {target}", "counts", made(f"naive_bayes:{name}"), target)
    yield Kind(
        "bayes categorical", "codes", made("naive_bayes:CategoricalNB", min_categories=4), "three"
    )
    for target in ("two", "three"):
        for name in ("Linear", "Quadratic"):
            model = made(f"discriminant_analysis:{name}DiscriminantAnalysis")
            yield Kind(f"discriminant {name} {target}", "numbers", model, target)
    yield Kind(
        "discriminant shrunk",
        "numbers",
        made("discriminant_analysis:LinearDiscriminantAnalysis", solver="lsqr", shrinkage="auto"),
        "three",
    )
    for strategy in ("prior", "most_frequent", "uniform", "stratified", "constant"):
        extra = {"constant": 1} if strategy == "constant" else {}
        model = made("dummy:DummyClassifier", strategy=strategy, random_state=0, **extra)
        yield Kind(f"dummy {strategy}", "numbers", model, "three")
    for strategy in ("mean", "median", "quantile"):
        extra = {"quantile": 0.3} if strategy == "quantile" else {}
        yield Kind(
            f"dummy {strategy}",
            "numbers",
            made("dummy:DummyRegressor", strategy=strategy, **extra),
            "real",
        )


def _preparing() -> Iterator[Kind]:
    for name, options in {
        "StandardScaler": {},
        "MinMaxScaler": {},
        "MaxAbsScaler": {},
        "RobustScaler": {},
        "Normalizer": {},
        "Binarizer": {},
        "PolynomialFeatures": {},
        "SplineTransformer": {"n_knots": 3},
        "PowerTransformer": {},
        "KernelCenterer": {},
    }.items():
        yield Kind(f"prepare {name}", "numbers", made(f"preprocessing:{name}", **options))
    for distribution in ("uniform", "normal"):
        yield Kind(
            f"prepare quantiles {distribution}",
            "numbers",
            made(
                "preprocessing:QuantileTransformer",
                n_quantiles=20,
                output_distribution=distribution,
                random_state=0,
            ),
        )
    yield Kind(
        "prepare box-cox", "positive", made("preprocessing:PowerTransformer", method="box-cox")
    )
    yield Kind("prepare minmax clip", "numbers", made("preprocessing:MinMaxScaler", clip=True))
    for encode in ("onehot", "ordinal", "onehot-dense"):
        for strategy in ("quantile", "kmeans"):
            yield Kind(
                f"prepare bins {encode} {strategy}",
                "numbers",
                made("preprocessing:KBinsDiscretizer", n_bins=3, encode=encode, strategy=strategy),
            )
    for func in (np.log1p, np.abs, None):
        shown = getattr(func, "__name__", "nothing")
        function = made("preprocessing:FunctionTransformer", func)
        yield Kind(f"prepare function {shown}", "positive", function)
    for strategy in ("mean", "median", "most_frequent", "constant"):
        for indicator in (False, True):
            imputer = made("impute:SimpleImputer", strategy=strategy, add_indicator=indicator)
            yield Kind(f"impute {strategy}{' indicator' * indicator}", "gaps", imputer)
    yield Kind("impute strings", "strings", made("impute:SimpleImputer", strategy="most_frequent"))
    for indicator in (False, True):
        knn = made("impute:KNNImputer", n_neighbors=3, add_indicator=indicator)
        yield Kind(f"impute neighbours{' indicator' * indicator}", "gaps", knn)
        iterative = made(
            "impute:IterativeImputer", max_iter=2, random_state=0, add_indicator=indicator
        )
        yield Kind(f"impute iterative{' indicator' * indicator}", "gaps", iterative)
    yield Kind(
        "impute iterative forest",
        "gaps",
        made(
            "impute:IterativeImputer",
            made("tree:DecisionTreeRegressor", max_depth=2),
            max_iter=1,
            random_state=0,
        ),
    )
    yield Kind("missing indicator", "gaps", made("impute:MissingIndicator", features="all"))
    for rows in ("codes", "strings"):
        for options in (
            {},
            {"handle_unknown": "ignore"},
            {"drop": "first"},
            {"drop": "if_binary"},
            {"sparse_output": False},
            {"min_frequency": 15, "handle_unknown": "infrequent_if_exist"},
            {"max_categories": 3},
        ):
            shown = " ".join(f"{key}={value}" for key, value in options.items())
            yield Kind(
                f"one-hot {rows} {shown}", rows, made("preprocessing:OneHotEncoder", **options)
            )
        for options in (
            {},
            {"handle_unknown": "use_encoded_value", "unknown_value": -1},
            {"max_categories": 3},
        ):
            shown = " ".join(f"{key}={value}" for key, value in options.items())
            yield Kind(
                f"ordinal {rows} {shown}", rows, made("preprocessing:OrdinalEncoder", **options)
            )
        for kind in ("continuous", "auto"):
            yield Kind(
                f"target encoder {rows} {kind}",
                rows,
                made("preprocessing:TargetEncoder", target_type=kind, random_state=0),
                "real",
            )
    yield Kind(
        "target encoder classes",
        "strings",
        made("preprocessing:TargetEncoder", random_state=0),
        "three",
    )
    yield Kind("labels encoder", "labels", made("preprocessing:LabelEncoder"))
    yield Kind("labels binarizer", "labels", made("preprocessing:LabelBinarizer"))
    yield Kind("labels sets", "sets", made("preprocessing:MultiLabelBinarizer"))
    for kind in ("f_classif", "mutual_info_classif"):
        score = lambda kind=kind: getattr(  # noqa: E731
            importlib.import_module("sklearn.feature_selection"), kind
        )
        score.__qualname__ = "made.score"
        yield Kind(
            f"select best {kind}",
            "numbers",
            made("feature_selection:SelectKBest", score, k=3),
            "three",
        )
    yield Kind("select variance", "numbers", made("feature_selection:VarianceThreshold", 0.5))
    yield Kind(
        "select from model",
        "numbers",
        made("feature_selection:SelectFromModel", made(TREE, max_depth=2)),
        "three",
    )
    for name in ("RFE", "RFECV", "SequentialFeatureSelector"):
        yield Kind(
            f"select {name}", "numbers", made(f"feature_selection:{name}", made(LOGISTIC)), "three"
        )


def _reducing() -> Iterator[Kind]:
    for name, options in {
        "PCA": {"n_components": 2, "whiten": True},
        "TruncatedSVD": {"n_components": 2},
        "IncrementalPCA": {"n_components": 2},
        "KernelPCA": {"n_components": 2, "kernel": "rbf"},
        "FastICA": {"n_components": 2, "random_state": 0},
        "FactorAnalysis": {"n_components": 2},
        "SparsePCA": {"n_components": 2, "random_state": 0, "max_iter": 5},
        "DictionaryLearning": {"n_components": 2, "random_state": 0, "max_iter": 3},
        "MiniBatchDictionaryLearning": {"n_components": 2, "random_state": 0},
    }.items():
        yield Kind(f"reduce {name}", "numbers", made(f"decomposition:{name}", **options))
    yield Kind("reduce PCA full", "numbers", made("decomposition:PCA"))
    for name in ("NMF", "MiniBatchNMF", "LatentDirichletAllocation"):
        model = made(f"decomposition:{name}", n_components=2, random_state=0, max_iter=5)
        yield Kind(f"reduce {name}", "counts", model)
    for name in ("PLSRegression", "PLSCanonical", "CCA", "PLSSVD"):
        yield Kind(
            f"cross {name}",
            "numbers",
            made(f"cross_decomposition:{name}", n_components=1),
            "real_outputs",
        )
    for name, options in {
        "KMeans": {"n_init": 1},
        "MiniBatchKMeans": {"n_init": 1},
        "BisectingKMeans": {},
        "Birch": {},
        "MeanShift": {},
        "AffinityPropagation": {},
        "FeatureAgglomeration": {},
    }.items():
        seed = {} if name in ("Birch", "MeanShift", "FeatureAgglomeration") else {"random_state": 0}
        yield Kind(f"cluster {name}", "numbers", made(f"cluster:{name}", **options, **seed))
    for shape in ("full", "tied", "diag", "spherical"):
        mixture = made("mixture:GaussianMixture", 2, covariance_type=shape, random_state=0)
        yield Kind(f"mixture {shape}", "numbers", mixture)
    yield Kind(
        "mixture bayesian",
        "numbers",
        made("mixture:BayesianGaussianMixture", 2, random_state=0, max_iter=20),
    )
    for name in ("EllipticEnvelope", "EmpiricalCovariance", "LedoitWolf", "MinCovDet"):
        seed = {"random_state": 0} if name in ("EllipticEnvelope", "MinCovDet") else {}
        yield Kind(f"covariance {name}", "numbers", made(f"covariance:{name}", **seed))
    for name in ("GaussianRandomProjection", "SparseRandomProjection"):
        model = made(f"random_projection:{name}", n_components=3, random_state=0)
        yield Kind(f"project {name}", "numbers", model)
    for name in ("RBFSampler", "Nystroem"):
        model = made(f"kernel_approximation:{name}", n_components=3, random_state=0)
        yield Kind(f"kernel {name}", "numbers", model)
    yield Kind("kernel chi2", "positive", made("kernel_approximation:AdditiveChi2Sampler"))
    yield Kind("manifold isomap", "numbers", made("manifold:Isomap", n_neighbors=8, n_components=2))
    yield Kind(
        "isotonic", "column", made("isotonic:IsotonicRegression", out_of_bounds="clip"), "real"
    )


def _texts() -> Iterator[Kind]:
    words = "feature_extraction.text"
    for name, options in {
        "CountVectorizer": {},
        "TfidfVectorizer": {},
        "HashingVectorizer": {"n_features": 64},
    }.items():
        yield Kind(f"text {name}", "texts", made(f"{words}:{name}", **options))
    for name, options in {
        "pairs": {"ngram_range": (1, 2), "max_features": 40},
        "characters": {"analyzer": "char_wb", "ngram_range": (2, 3), "max_features": 60},
        "sublinear": {"sublinear_tf": True, "norm": "l1"},
        "without idf": {"use_idf": False},
        "not smooth": {"smooth_idf": False},
        "single": {"dtype": np.float32},
        "stop words": {"stop_words": "english", "strip_accents": "unicode"},
        "rare words": {"min_df": 3, "max_df": 0.5},
    }.items():
        yield Kind(f"text tfidf {name}", "texts", made(f"{words}:TfidfVectorizer", **options))
    tfidf = made(f"{words}:TfidfVectorizer")
    counts = made(f"{words}:CountVectorizer")
    yield Kind("text transformer", "texts", _pipe(counts, made(f"{words}:TfidfTransformer")))
    for name, last in {
        "logistic": made(LOGISTIC),
        "linear svc": made("svm:LinearSVC", random_state=0),
        "bayes": made("naive_bayes:MultinomialNB"),
        "sgd": made("linear_model:SGDClassifier", random_state=0),
        "ridge": made("linear_model:RidgeClassifier"),
        "forest": made(
            "ensemble:RandomForestClassifier", n_estimators=3, max_depth=3, random_state=0
        ),
        "liblinear": made(LOGISTIC, solver="liblinear"),
    }.items():
        yield Kind(f"text pipeline {name}", "texts", _pipe(tfidf, last), "text")
    yield Kind(
        "text pipeline two steps",
        "texts",
        _pipe(counts, made(f"{words}:TfidfTransformer"), made(LOGISTIC)),
        "text",
    )
    yield Kind(
        "text svd",
        "texts",
        _pipe(tfidf, made("decomposition:TruncatedSVD", 3, random_state=0), made(LOGISTIC)),
        "three",
    )
    union = made(
        "pipeline:FeatureUnion",
        [("words", tfidf), ("signs", made(f"{words}:CountVectorizer", analyzer="char"))],
    )
    yield Kind("text union", "texts", _pipe(union, made(LOGISTIC)), "three")
    yield Kind(
        "text grid",
        "texts",
        made(
            "model_selection:GridSearchCV",
            _pipe(tfidf, made(LOGISTIC)),
            {"step1__C": [0.5, 2.0]},
            cv=2,
        ),
        "text",
    )
    yield Kind("bags", "bags", made("feature_extraction:DictVectorizer"))
    yield Kind(
        "bags pipeline",
        "bags",
        _pipe(made("feature_extraction:DictVectorizer"), made(TREE, max_depth=3, random_state=0)),
        "three",
    )


def _columns() -> Iterator[Kind]:
    hot = made("preprocessing:OneHotEncoder", handle_unknown="ignore")
    dense = made("preprocessing:OneHotEncoder", sparse_output=False)
    ordinal = made("preprocessing:OrdinalEncoder")
    for remainder in ("drop", "passthrough", "scaler"):
        rest = SCALER if remainder == "scaler" else remainder
        for shown, encoder in (("sparse", hot), ("dense", dense)):
            by_number = made(
                "compose:ColumnTransformer", [("hot", encoder, [2, 3])], remainder=rest
            )
            yield Kind(f"columns numbers {remainder} {shown}", "mixed", by_number)
            by_name = made(
                "compose:ColumnTransformer", [("hot", encoder, ["colour", "town"])], remainder=rest
            )
            yield Kind(f"columns names {remainder} {shown}", "frame", by_name)
        both = made(
            "compose:ColumnTransformer",
            [
                ("scaled", SCALER, ["size"]),
                ("coded", ordinal, ["town"]),
                ("gone", "drop", ["colour"]),
            ],
            remainder=rest,
        )
        last = made(LOGISTIC, max_iter=500)
        yield Kind(f"columns pipeline {remainder}", "frame", _pipe(both, last), "three")
    mask = made(
        "compose:ColumnTransformer",
        [("hot", hot, [False, False, True, True, False]), ("kept", "passthrough", slice(0, 1))],
    )
    yield Kind("columns mask and slice", "mixed", mask)
    selector = made("compose:make_column_selector", dtype_include=object)
    chosen = made("compose:ColumnTransformer", [("hot", hot, selector)], remainder="passthrough")
    yield Kind(
        "columns selector",
        "frame",
        _pipe(
            chosen,
            made("ensemble:RandomForestClassifier", n_estimators=3, max_depth=3, random_state=0),
        ),
        "three",
    )
    inner = _pipe(made("impute:SimpleImputer"), SCALER)
    yield Kind(
        "columns inner pipeline",
        "frame",
        _pipe(
            made(
                "compose:ColumnTransformer",
                [("numbers", inner, ["size", "weight"]), ("hot", hot, ["colour"])],
                remainder="drop",
            ),
            made(
                "ensemble:GradientBoostingClassifier", n_estimators=2, max_depth=2, random_state=0
            ),
        ),
        "two",
    )


def _composites() -> Iterator[Kind]:
    logistic, tree = made(LOGISTIC), made(TREE, max_depth=2, random_state=0)
    forest = made("ensemble:RandomForestClassifier", n_estimators=2, max_depth=2, random_state=0)
    regressor = made("tree:DecisionTreeRegressor", max_depth=2, random_state=0)
    ridge = made("linear_model:Ridge")
    pair = [("a", logistic), ("b", tree), ("c", made("naive_bayes:GaussianNB"))]
    for method in ("sigmoid", "isotonic"):
        for inner, shown in ((made("svm:LinearSVC", random_state=0), "svc"), (forest, "forest")):
            for target in ("two", "three"):
                for together in (True, False):
                    model = made(
                        "calibration:CalibratedClassifierCV",
                        inner,
                        method=method,
                        cv=2,
                        ensemble=together,
                    )
                    shown_as = "" if together else " one"
                    yield Kind(
                        f"calibrated {method} {shown} {target}{shown_as}", "numbers", model, target
                    )
    yield Kind("calibrated prefit", "numbers", _prefit, "three")
    for voting in ("soft", "hard"):
        for target in ("two", "text"):
            model = made("ensemble:VotingClassifier", pair, voting=voting)
            yield Kind(f"voting {voting} {target}", "numbers", model, target)
    yield Kind(
        "voting regressor",
        "numbers",
        made("ensemble:VotingRegressor", [("a", ridge), ("b", regressor)]),
        "real",
    )
    for target in ("two", "three"):
        model = made("ensemble:StackingClassifier", pair, cv=2)
        yield Kind(f"stacking {target}", "numbers", model, target)
    yield Kind(
        "stacking forest passthrough",
        "numbers",
        made("ensemble:StackingClassifier", pair, final_estimator=forest, passthrough=True, cv=2),
        "three",
    )
    yield Kind(
        "stacking regressor",
        "numbers",
        made("ensemble:StackingRegressor", [("a", ridge), ("b", regressor)], cv=2),
        "real",
    )
    for inner, shown in ((logistic, "logistic"), (tree, "tree")):
        model = made(
            "ensemble:BaggingClassifier", inner, n_estimators=3, max_features=0.8, random_state=0
        )
        yield Kind(f"bagging {shown}", "numbers", model, "three")
        for name in ("OneVsRestClassifier", "OneVsOneClassifier", "OutputCodeClassifier"):
            seed = {"random_state": 0} if name == "OutputCodeClassifier" else {}
            yield Kind(
                f"{name} {shown}", "numbers", made(f"multiclass:{name}", inner, **seed), "three"
            )
    yield Kind(
        "one vs rest stumps with ties",
        "numbers",
        made("multiclass:OneVsRestClassifier", made(TREE, max_depth=1)),
        "three",
    )
    yield Kind(
        "one vs rest text labels with ties",
        "codes",
        made("multiclass:OneVsRestClassifier", made(TREE, max_depth=2)),
        "text",
    )
    yield Kind(
        "one vs rest labels", "numbers", made("multiclass:OneVsRestClassifier", logistic), "labels"
    )
    yield Kind(
        "one vs rest svc",
        "numbers",
        made("multiclass:OneVsRestClassifier", made("svm:LinearSVC", random_state=0)),
        "three",
    )
    yield Kind(
        "bagging regressor",
        "numbers",
        made("ensemble:BaggingRegressor", regressor, n_estimators=3, random_state=0),
        "real",
    )
    yield Kind(
        "outputs classifier",
        "numbers",
        made("multioutput:MultiOutputClassifier", logistic),
        "outputs",
    )
    yield Kind(
        "outputs forest", "numbers", made("multioutput:MultiOutputClassifier", forest), "outputs"
    )
    yield Kind(
        "outputs regressor",
        "numbers",
        made(
            "multioutput:MultiOutputRegressor",
            made("ensemble:GradientBoostingRegressor", n_estimators=2, max_depth=2, random_state=0),
        ),
        "real_outputs",
    )
    yield Kind(
        "chain classifier", "numbers", made("multioutput:ClassifierChain", logistic), "labels"
    )
    yield Kind(
        "chain regressor", "numbers", made("multioutput:RegressorChain", ridge), "real_outputs"
    )
    yield Kind(
        "grid logistic",
        "numbers",
        made("model_selection:GridSearchCV", logistic, {"C": [0.1, 1.0]}, cv=2),
        "three",
    )
    yield Kind(
        "grid forest",
        "numbers",
        made(
            "model_selection:GridSearchCV", forest, {"max_depth": [1, 2]}, cv=2, scoring="accuracy"
        ),
        "three",
    )
    yield Kind(
        "grid scores",
        "numbers",
        made(
            "model_selection:GridSearchCV",
            logistic,
            {"C": [0.1, 1.0]},
            cv=2,
            refit="roc_auc",
            scoring=["accuracy", "roc_auc", "neg_log_loss"],
        ),
        "two",
    )
    yield Kind(
        "random search",
        "numbers",
        made(
            "model_selection:RandomizedSearchCV",
            logistic,
            {"C": [0.1, 1.0, 10.0]},
            n_iter=2,
            cv=2,
            random_state=0,
        ),
        "three",
    )
    yield Kind("random search distribution", "numbers", _search_of_distributions, "three")
    yield Kind("halving", "numbers", _halving, "three")
    for name, last, target in (
        ("logistic", logistic, "three"),
        ("svc", made("svm:SVC"), "three"),
        ("forest", forest, "three"),
        ("knn", made("neighbors:KNeighborsClassifier", 3), "three"),
        ("ridge", ridge, "real"),
        (
            "gb",
            made("ensemble:GradientBoostingRegressor", n_estimators=2, max_depth=2, random_state=0),
            "real",
        ),
        ("hist", made("ensemble:HistGradientBoostingClassifier", max_iter=2, max_depth=2), "three"),
        ("ada", made("ensemble:AdaBoostClassifier", n_estimators=3, random_state=0), "three"),
        ("mlp", made("neural_network:MLPRegressor", [3], max_iter=10, random_state=0), "real"),
    ):
        yield Kind(f"pipeline {name}", "numbers", _pipe(SCALER, last), target)
    yield Kind(
        "pipeline imputed",
        "gaps",
        _pipe(made("impute:SimpleImputer", add_indicator=True), SCALER, forest),
        "three",
    )
    yield Kind("pipeline passthrough", "numbers", _pipe("passthrough", SCALER, logistic), "three")
    yield Kind(
        "pipeline selected",
        "numbers",
        _pipe(made("feature_selection:SelectKBest", k=3), made("decomposition:PCA", 2), logistic),
        "two",
    )
    yield Kind(
        "union",
        "numbers",
        made(
            "pipeline:FeatureUnion",
            [("a", SCALER), ("b", made("decomposition:PCA", 2)), ("c", "passthrough")],
        ),
    )
    yield Kind(
        "target transformed",
        "numbers",
        made("compose:TransformedTargetRegressor", ridge, func=np.log, inverse_func=np.exp),
        "positive",
    )
    yield Kind(
        "target scaled",
        "numbers",
        made("compose:TransformedTargetRegressor", ridge, transformer=SCALER),
        "real",
    )
    yield Kind(
        "calibrated pipeline",
        "numbers",
        made("calibration:CalibratedClassifierCV", _pipe(SCALER, logistic), cv=2),
        "three",
    )
    yield Kind(
        "voting of samme",
        "numbers",
        made(
            "ensemble:VotingClassifier",
            [
                ("a", made("ensemble:AdaBoostClassifier", n_estimators=3, random_state=0)),
                ("b", logistic),
            ],
            voting="soft",
        ),
        "three",
    )
    yield Kind(
        "grid of ovr",
        "numbers",
        made(
            "model_selection:GridSearchCV",
            made(LOGISTIC, multi_class="ovr"),
            {"C": [0.1, 1.0]},
            cv=2,
        ),
        "three",
    )
    yield Kind(
        "bagging of ovr",
        "numbers",
        made(
            "ensemble:BaggingClassifier",
            made(LOGISTIC, multi_class="ovr"),
            n_estimators=2,
            random_state=0,
        ),
        "three",
    )
    yield Kind(
        "tuned threshold",
        "numbers",
        made("model_selection:TunedThresholdClassifierCV", logistic, cv=2, random_state=0),
        "two",
    )
    yield Kind(
        "fixed threshold",
        "numbers",
        made("model_selection:FixedThresholdClassifier", logistic, threshold=0.3),
        "two",
    )
    yield Kind(
        "pandas output",
        "frame",
        made("compose:ColumnTransformer", [("s", SCALER, ["size"])], remainder="passthrough"),
        None,
        lambda model, rows, _: model.set_output(transform="pandas").fit(rows[["size", "rooms"]]),
    )
    for name, first in (("lightgbm", "LGBM"), ("xgboost", "XGB")):
        small = {"n_estimators": 3, "max_depth": 2, "random_state": 0}
        for rows in ("numbers", "gaps"):
            for kind, target in (
                ("Classifier", "two"),
                ("Classifier", "three"),
                ("Regressor", "real"),
            ):
                model = _booster(name, f"{first}{kind}", **small)
                yield Kind(f"{name} {kind} {rows} {target}", rows, model, target)
    yield Kind(
        "lightgbm text labels",
        "numbers",
        _booster("lightgbm", "LGBMClassifier", n_estimators=2),
        "text",
    )
    yield Kind(
        "lightgbm categories",
        "categories",
        _booster("lightgbm", "LGBMClassifier", n_estimators=2),
        "two",
    )
    yield Kind(
        "xgboost pipeline",
        "numbers",
        _pipe(SCALER, _booster("xgboost", "XGBRegressor", n_estimators=2)),
        "real",
    )
    yield Kind(
        "lightgbm pipeline",
        "numbers",
        _pipe(SCALER, _booster("lightgbm", "LGBMRegressor", n_estimators=2)),
        "real",
    )


def _booster(module: str, name: str, **options: Any) -> Maker:
    def make() -> Any:
        quiet = {"verbose": -1, "min_child_samples": 5} if module == "lightgbm" else {}
        return getattr(importlib.import_module(module), name)(**options, **quiet, n_jobs=1)

    make.__qualname__ = "made.booster"
    return make


def _prefit() -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression

    from tests.versions.rows import rows, targets

    inner = LogisticRegression().fit(rows("numbers", fitted=True), targets("three"))
    try:
        from sklearn.frozen import FrozenEstimator
    except ImportError:
        return CalibratedClassifierCV(inner, cv="prefit")
    return CalibratedClassifierCV(FrozenEstimator(inner), cv=2)


def _search_of_distributions() -> Any:
    from scipy.stats import loguniform
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RandomizedSearchCV

    return RandomizedSearchCV(
        LogisticRegression(), {"C": loguniform(0.1, 10.0)}, n_iter=2, cv=2, random_state=0
    )


def _halving() -> Any:
    importlib.import_module("sklearn.experimental.enable_halving_search_cv")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import HalvingGridSearchCV

    return HalvingGridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, random_state=0)


def all_kinds() -> list[Kind]:
    """Every kind, each name once."""
    groups = (
        _linear,
        _sgd,
        _trees,
        _boosting,
        _neighbours,
        _machines,
        _bayes,
        _preparing,
        _reducing,
        _texts,
        _columns,
        _composites,
    )
    kinds = [kind for group in groups for kind in group()]
    names = [kind.name for kind in kinds]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"kinds of the same name: {sorted(repeated)}")
    return kinds
