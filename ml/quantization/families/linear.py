"""Linear models: scores are inputs times weights plus a bias.

This is the family to read before writing another: which classes, what their arrays mean, what
only training needed, and a fast predictor that does what scikit-learn does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from math import isfinite
from typing import Any, Literal, TypeAlias

import numpy as np

from ml.quantization.families.family import (
    Component,
    Example,
    Family,
    Lowered,
    Method,
    slots_for,
)
from ml.quantization.graph import Array
from ml.quantization.kernels.linear import (
    flat_scores,
    fold_affine,
    is_usable,
    kernel_operands,
    label_indices,
    linear_rows,
    linear_scores,
    one_vs_rest,
    softmax,
    suits_kernel,
)
from ml.quantization.scheme import Role, Slot


def _named(module: str, *names: str) -> frozenset[str]:
    return frozenset(f"sklearn.{module}:{name}" for name in names)


_LOGISTIC = _named("linear_model._logistic", "LogisticRegression", "LogisticRegressionCV")
_SGD = _named("linear_model._stochastic_gradient", "SGDClassifier")
_DISCRIMINANT = _named("discriminant_analysis", "LinearDiscriminantAnalysis")
_RIDGE_CLASSIFIERS = _named("linear_model._ridge", "RidgeClassifier", "RidgeClassifierCV")
_CLASSIFIERS = (
    _LOGISTIC
    | _SGD
    | _DISCRIMINANT
    | _RIDGE_CLASSIFIERS
    | _named("linear_model._passive_aggressive", "PassiveAggressiveClassifier")
    | _named("linear_model._perceptron", "Perceptron")
    | _named("svm._classes", "LinearSVC")
)
_GENERALIZED = _named(
    "linear_model._glm.glm", "PoissonRegressor", "GammaRegressor", "TweedieRegressor"
)
_REGRESSORS = (
    _GENERALIZED
    | _named("linear_model._base", "LinearRegression")
    | _named("linear_model._ridge", "Ridge", "RidgeCV")
    | _named("linear_model._bayes", "ARDRegression", "BayesianRidge")
    | _named(
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
    | _named("linear_model._huber", "HuberRegressor")
    | _named(
        "linear_model._least_angle", "Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"
    )
    | _named("linear_model._omp", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV")
    | _named("linear_model._passive_aggressive", "PassiveAggressiveRegressor")
    | _named("linear_model._quantile", "QuantileRegressor")
    | _named("linear_model._stochastic_gradient", "SGDRegressor")
    | _named("linear_model._theil_sen", "TheilSenRegressor")
    | _named("svm._classes", "LinearSVR")
)

_WEIGHT = Slot(Role.WEIGHT, channel_axis=0)
_SLOTS = {
    "coef_": _WEIGHT,
    "coef_/data": Slot(Role.WEIGHT),  # after sparsify(): one range, the rows are not told apart
    "intercept_": Slot(Role.BIAS),
    "classes_": Slot(Role.LABEL),
    # A discriminant analysis holds its projection and class means beside the weights.
    "scalings_": Slot(Role.BASIS, channel_axis=1),
    "means_": Slot(Role.CENTER, channel_axis=1),
    "covariance_": Slot(Role.STATISTIC),
} | slots_for(("xbar_", "priors_", "explained_variance_ratio_"), Slot(Role.STATISTIC))

_PATH = "path of the regularisation search; no method reads it"
_RESIDUE = {
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


def lower(component: Component, exact: bool) -> Lowered | None:
    """The fast predictor of a linear model, or None for the few that answer another way."""
    codes = component.codes("coef_")
    # Codes are enough behind text: the weights, eight times as large, may never be needed.
    weights = cache(partial(_weights, component, exact))
    if codes is None and weights() is None:
        return None
    answers = _answers(component)
    if answers is None:
        return None
    model = _Linear(weights, component.get("intercept_", 0.0), answers, exact, (component.path,))

    def absorb(previous: Lowered) -> Lowered | None:
        if previous.text is not None:
            return _behind_text(previous, codes, model)
        return _behind_scaler(previous, model)

    return model.lowered(_width(codes, weights), absorb)


@dataclass(frozen=True, slots=True)
class _Answer:
    """How scores become one method's answer.

    `of_scores` is the whole way in numpy. In one compiled call: `kernel` of `linear_rows` gives
    what `finish` then makes the answer of.
    """

    of_scores: Callable[[Array], Array]
    kernel: Literal["row_scores", "row_softmax", "row_one_vs_rest", "row_winners"]
    finish: Callable[[Array], Array]


Answers: TypeAlias = dict[str, _Answer]
Weights: TypeAlias = Callable[[], Any]
Codes: TypeAlias = tuple[Array, Array] | None


@dataclass(frozen=True, slots=True)
class _Linear:
    """`answers(rows @ weights + bias)`; weights are (n_features,) or (n_features, n_outputs)."""

    weights: Weights
    bias: Any
    answers: Answers
    exact: bool
    names: tuple[str, ...]

    def lowered(
        self, n_features: int, absorb: Callable[[Lowered], Lowered | None] | None = None
    ) -> Lowered:
        """The predictor of rows."""
        methods = {name: self._method(answer) for name, answer in self.answers.items()}
        return Lowered(methods, n_features=n_features, absorb=absorb, names=self.names)

    def _method(self, answer: _Answer) -> Method:
        by_blas = self._by_blas(answer)
        if self.exact:
            return by_blas
        kernel: Callable[..., Array] = getattr(linear_rows(), answer.kernel)
        operands = cache(lambda: kernel_operands(self.weights(), self.bias))

        def call(rows: Array) -> Array | None:
            weights, bias = operands()
            if suits_kernel(rows, weights):
                found = kernel(rows, weights, bias)
                return answer.finish(found) if is_usable(found) else None
            return by_blas(rows)

        return call

    def _by_blas(self, answer: _Answer) -> Callable[[Array], Array | None]:
        def call(rows: Array) -> Array | None:
            scores = linear_scores(rows, self.weights(), self.bias)
            # A NaN or infinity in a row reaches every score of the row (also through a zero
            # weight): the sum of the few scores tells as much as a look at the many inputs.
            return answer.of_scores(scores) if isfinite(np.add.reduce(scores, axis=None)) else None

        return call


def _width(codes: Codes, weights: Weights) -> int:
    width: int = codes[0].shape[-1] if codes else weights().shape[0]
    return width


def _behind_scaler(previous: Lowered, model: _Linear) -> Lowered | None:
    """The scaler folded into weights and bias; not to the bit, so not when that is asked for."""
    if model.exact or previous.affine is None:
        return None
    weights, bias = fold_affine(model.weights(), model.bias, *previous.affine)
    names = previous.names + model.names
    return replace(model, weights=lambda: weights, bias=bias, names=names).lowered(len(weights))


def _behind_text(previous: Lowered, codes: Codes, model: _Linear) -> Lowered | None:
    """The predictor from documents to answers; its scores have the bits of the sparse product."""
    step = previous.text
    width = _width(codes, model.weights)
    if step is None or step.n_columns != width:
        return None
    held, scale = codes or (model.weights().T, None)
    by_term = np.ascontiguousarray(held.reshape(-1, width).T)
    channels, is_flat = by_term.shape[1], held.ndim == 1
    score = step.scorer(by_term, None if scale is None else np.broadcast_to(scale, channels))
    if score is None:
        return None

    def method(answer: _Answer) -> Method:
        def call(documents: Any) -> Array | None:
            scores = score(documents)
            if scores is None:
                return None
            scores = scores + model.bias
            return answer.of_scores(scores.reshape(-1) if is_flat else scores)

        return call

    methods = {name: method(answer) for name, answer in model.answers.items()}
    return Lowered(methods, input="text", names=previous.names + model.names)


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
    dense = np.zeros((rows, columns))
    owner = np.repeat(np.arange(rows), np.diff(coef["indptr"]))
    dense[owner, coef["indices"]] = coef["data"]
    return dense.T


def _answers(component: Component) -> Answers | None:
    """What each method makes of the scores; None when the model answers in another way."""
    if component.type in _CLASSIFIERS:
        return _classifier_answers(component)
    if component.type not in _GENERALIZED:
        return {"predict": _as_they_are(component)}
    link = component.get("_base_loss")
    kind = link["link"].type if isinstance(link, Component) and "link" in link else ""
    if kind.endswith(":LogLink"):
        return {"predict": _Answer(np.exp, "row_scores", lambda found: np.exp(found.reshape(-1)))}
    return {"predict": _as_they_are(component)} if kind.endswith(":IdentityLink") else None


def _as_they_are(component: Component) -> _Answer:
    """Scores in the shape that the weights give them: one dimension for one-dimensional ones.

    Sparse ones, of models of a single output only, answer in one dimension in any shape.
    """
    coef = component.get("coef_")
    if isinstance(coef, np.ndarray) and coef.ndim == 2:
        return _Answer(lambda s: s, "row_scores", lambda s: s)
    return _Answer(lambda s: s.reshape(-1), "row_scores", lambda s: s.reshape(-1))


def _classifier_answers(component: Component) -> Answers | None:
    classes = component["classes_"]
    binarizer = component.get("_label_binarizer")
    if isinstance(binarizer, Component) and binarizer.get("y_type_", "").startswith("multilabel"):
        return None
    answers = {
        "decision_function": _Answer(flat_scores, "row_scores", flat_scores),
        "predict": _Answer(
            lambda scores: classes.take(label_indices(flat_scores(scores))),
            "row_winners",
            classes.take,
        ),
    }
    proba = _probabilities(component, len(classes))
    if proba is not None:
        answers["predict_proba"] = proba
        answers["predict_log_proba"] = _Answer(
            lambda scores: np.log(proba.of_scores(scores)),
            proba.kernel,
            np.log,
        )
    return answers


def _probabilities(component: Component, n_classes: int) -> _Answer | None:
    """How this classifier turns scores into probabilities; None when it does not, or otherwise."""
    each = _Answer(lambda s: one_vs_rest(flat_scores(s)), "row_one_vs_rest", lambda found: found)
    if component.type in _LOGISTIC:
        asked = component.get("multi_class", "auto") not in ("auto", "deprecated")
        if asked or (component.get("solver") == "liblinear" and n_classes > 2):
            return None  # one versus rest, or softmax: that depends on scikit-learn's version
        return each if n_classes <= 2 else _Answer(softmax, "row_softmax", lambda found: found)
    if component.type in _SGD and component.get("loss") == "log_loss":
        return each
    return None


def examples() -> Iterable[Example]:
    """One fitted model of each shape: binary, multi-class, multi-target, sparse, generalized."""
    from sklearn.datasets import make_classification, make_regression
    from sklearn.linear_model import (
        LogisticRegression,
        PoissonRegressor,
        Ridge,
        SGDClassifier,
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
    yield Example("sparse", LinearSVC(penalty="l1", C=0.1).fit(rows, names).sparsify(), rows)
    yield Example("multi-target", Ridge().fit(rows, targets), rows)
    yield Example("generalized", PoissonRegressor().fit(rows, labels), rows)


FAMILY = Family(
    name="linear",
    types=_CLASSIFIERS | _REGRESSORS,
    slots=_SLOTS,
    residue=_RESIDUE,
    lower=lower,
    examples=examples,
)
