"""Linear models: scores are inputs times weights plus a bias.

This is the family to read before writing another: which classes, what their arrays mean, what
only training needed, and a fast predictor that does what scikit-learn does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.forms import LinearMap, LinearScores
from model_quantization.families.linear.answers import (
    CLASSIFIERS,
    DISCRIMINANT,
    GENERALIZED,
    ONE_CLASS,
    answers_of,
    named,
)
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.linear_scores import ScoredModel
from model_quantization.families.shared.steps import all_finite
from model_quantization.schemes.scheme import Role, Slot

_REGRESSORS = (
    GENERALIZED
    | named("linear_model._base", "LinearRegression")
    | named("linear_model._ridge", "Ridge", "RidgeCV")
    | named("linear_model._bayes", "ARDRegression", "BayesianRidge")
    | named(
        "linear_model._coordinate_descent",
        "ElasticNet",
        "ElasticNetCV",
        "Lasso",
        "LassoCV",
        "MultiTaskElasticNet",
        "MultiTaskElasticNetCV",
        "MultiTaskLasso",
        "MultiTaskLassoCV",
    )
    | named("linear_model._huber", "HuberRegressor")
    | named(
        "linear_model._least_angle", "Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"
    )
    | named("linear_model._omp", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV")
    | named("linear_model._passive_aggressive", "PassiveAggressiveRegressor")
    | named("linear_model._quantile", "QuantileRegressor")
    | named("linear_model._stochastic_gradient", "SGDRegressor")
    | named("linear_model._theil_sen", "TheilSenRegressor")
    | named("svm._classes", "LinearSVR")
)

_WEIGHT = Slot(Role.WEIGHT, channel_axis=0)
_SLOTS = {
    "coef_": _WEIGHT,
    "coef_/data": Slot(Role.WEIGHT),  # after sparsify(): one range, the rows are not told apart
    "intercept_": Slot(Role.BIAS),
    "offset_": Slot(Role.BIAS),
    "classes_": Slot(Role.LABEL),
    # A discriminant analysis holds its projection and class means beside the weights.
    "scalings_": Slot(Role.BASIS, channel_axis=1),
    "means_": Slot(Role.CENTER, channel_axis=1),
    "covariance_": Slot(Role.STATISTIC),
} | slots_for(("xbar_", "priors_", "explained_variance_ratio_"), Slot(Role.STATISTIC))

_PATH = "path of the regularisation search; no method reads it"
_DROPPED = {
    "coefs_paths_": _PATH,
    "coef_path_": _PATH,
    "scores_": "scores of the cross-validation; no method reads them",
    "mse_path_": _PATH,
    "alphas_": _PATH,
    "cv_mse_path_": _PATH,
    "standard_coef_": "weights before averaging; only further training reads them",
    "standard_intercept_": "intercept before averaging; only further training reads it",
    "average_coef": "running average of training",
    "average_intercept": "running average of training",
    "_average_coef": "running average of training",
    "_average_intercept": "running average of training",
    "_standard_coef": "running state of training",
    "_standard_intercept": "running state of training",
    "_loss_function_": "the training loss; only further training reads it",
    "loss_function_": "the training loss; only further training reads it",
    "_expanded_class_weight": "class weights per class; only further training reads them",
    "outliers_": "which training rows were outliers; no method reads it",
    "cv_results_": "scores of the cross-validation; no method reads them",
    "cv_values_": "errors of the cross-validation; no method reads them",
}


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor of a linear model; a few answer another way."""
    codes = component.codes("coef_")
    weights = cache(partial(_weights, component, exact))
    if codes is None and weights() is None:
        return NotFast("its weights are a sparse matrix, or larger than 16 million numbers")
    answers = answers_of(component)
    if answers is None:
        return NotFast("its scores become answers in a way that is not known")
    # What its class calls an intercept is an offset that its answers take away themselves.
    bias = 0.0 if component.type in ONE_CLASS else component.get("intercept_", 0.0)
    one = LinearMap(weights, codes, bias)
    # Generalized models convert integers to floats; the others leave that to the product.
    kept = exact and component.type not in GENERALIZED
    model = ScoredModel(
        LinearScores((one,), answers),
        exact,
        (component.path,),
        classes=component.get("classes_"),
        integers="kept" if kept else "float64",
    )
    lowered = model.lowered()
    return lowered if component.type not in DISCRIMINANT else _with_transform(component, lowered)


def _with_transform(component: Component, lowered: Lowered) -> Lowered:
    """A discriminant analysis, which also lays rows along the directions that part its classes."""
    solver, directions, mean = (component.get(name) for name in ("solver", "scalings_", "xbar_"))
    most = component.get("_max_components")
    is_known = isinstance(directions, np.ndarray) and directions.ndim == 2 and type(most) is int
    if not is_known or len(directions) != lowered.n_features:
        return lowered
    centre = getattr(mean, "shape", None) if solver == "svd" else (lowered.n_features,)
    if solver not in ("svd", "eigen") or centre != (lowered.n_features,) or most < 1:
        return lowered

    def transform(rows: Array) -> Array | None:
        if not all_finite(rows):
            return None
        found = (rows - mean) @ directions if solver == "svd" else rows @ directions
        return np.asarray(found[:, :most])

    return Lowered(
        {**lowered.methods, "transform": transform},
        by=lowered.by,
        names=lowered.names,
        n_features=lowered.n_features,
        n_columns=min(most, directions.shape[1]),
        form=lowered.form,
        absorb=lowered.absorb,
        integers=lowered.integers,
        takes=lowered.takes,
        classes=lowered.classes,
        decides_by=lowered.decides_by,
    )


def _weights(component: Component, exact: bool) -> Array | None:
    """The weights, (n_features,) or (n_features, n_outputs), laid out as scikit-learn has them."""
    coef = component.get("coef_")
    if isinstance(coef, np.ndarray):
        return coef.T if coef.ndim == 2 else coef
    if exact or coef is None or "indptr" not in coef:
        return None  # a sparse product adds in another order than a dense one
    rows, columns = (1, *coef["_shape"])[-2:]  # one-dimensional for a single output
    if rows * columns > 1 << 24:
        return None
    starts, count = coef["indptr"], len(coef["data"])
    if len(starts) != rows + 1 or (starts[0], starts[-1]) != (0, count):
        raise ValueError(f"its sparse weights have other rows than {rows} of {count} numbers")
    if (starts[1:] < starts[:-1]).any():
        raise ValueError("the rows of its sparse weights are not in order")
    dense = np.zeros((rows, columns))
    owner = np.repeat(np.arange(rows), np.diff(starts))
    dense[owner, coef["indices"]] = coef["data"]
    return dense.T


def examples() -> Iterable[Example]:
    """One fitted model of each shape: binary, multi-class, multi-target, sparse, generalized."""
    from sklearn.datasets import make_classification, make_regression
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import (
        LogisticRegression,
        PoissonRegressor,
        Ridge,
        SGDClassifier,
        SGDOneClassSVM,
    )
    from sklearn.svm import LinearSVC

    rows, labels = make_classification(
        240, 40, n_informative=12, n_classes=4, n_clusters_per_class=1, random_state=0
    )
    names = np.array(["north", "east", "south", "west"])[labels]
    _, targets = make_regression(240, 40, n_targets=3, random_state=0)
    yield Example("multi-class", LogisticRegression(max_iter=200).fit(rows, names), rows)
    yield Example("binary", LogisticRegression().fit(rows, labels > 1), rows)
    yield Example(
        "one-vs-rest", SGDClassifier(loss="log_loss", random_state=0).fit(rows, labels), rows
    )
    yield Example(
        "sparse", LinearSVC(penalty="l1", C=0.1, random_state=0).fit(rows, names).sparsify(), rows
    )
    yield Example("multi-target", Ridge().fit(rows, targets), rows)
    yield Example("generalized", PoissonRegressor().fit(rows, labels), rows)
    yield Example("one class", SGDOneClassSVM(random_state=0).fit(rows), rows)
    discriminant = LinearDiscriminantAnalysis()
    yield Example("discriminant", discriminant.fit(rows, names), rows)
    eigen = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.2, n_components=2)
    yield Example("shrunk discriminant", eigen.fit(rows, labels), rows)


FAMILY = Family(
    name="linear",
    types=CLASSIFIERS | _REGRESSORS | ONE_CLASS,
    slots=_SLOTS,
    dropped=_DROPPED,
    lower=lower,
    examples=examples,
)
