"""The answers of each class of linear model from its scores, with scikit-learn's operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forms import Answer, Kernel
from model_quantization.kernels.linear.linear import (
    flat_scores,
    label_indices,
    log_nonzero,
    modified_huber,
    one_vs_rest,
    softmax,
)


def named(module: str, *names: str) -> frozenset[str]:
    """The exact names of classes of one module of scikit-learn."""
    return frozenset(f"sklearn.{module}:{name}" for name in names)


_LOGISTIC = named("linear_model._logistic", "LogisticRegression", "LogisticRegressionCV")
# Logistic regressions that answer as scikit-learn before 1.8: `estimators.as_saved`.
_AS_SAVED = "model_quantization.estimators.as_saved"
_OLD_ONE_VS_REST = frozenset(f"{_AS_SAVED}:OneVsRestLogistic{ending}" for ending in ("", "CV"))
_OLD_SOFTMAX = frozenset(f"{_AS_SAVED}:SoftmaxOfTwoLogistic{ending}" for ending in ("", "CV"))
_SGD = named("linear_model._stochastic_gradient", "SGDClassifier")
DISCRIMINANT = named("discriminant_analysis", "LinearDiscriminantAnalysis")
ONE_CLASS = named("linear_model._stochastic_gradient", "SGDOneClassSVM")
CLASSIFIERS = (
    _LOGISTIC
    | _OLD_ONE_VS_REST
    | _OLD_SOFTMAX
    | _SGD
    | DISCRIMINANT
    | named("linear_model._ridge", "RidgeClassifier", "RidgeClassifierCV")
    | named("linear_model._passive_aggressive", "PassiveAggressiveClassifier")
    | named("linear_model._perceptron", "Perceptron")
    | named("svm._classes", "LinearSVC")
)
GENERALIZED = named(
    "linear_model._glm.glm", "PoissonRegressor", "GammaRegressor", "TweedieRegressor"
)


def answers_of(component: Component) -> dict[str, Answer] | None:
    """The answer of each method; None when the model answers in another way."""
    if component.type in CLASSIFIERS:
        return _classifier_answers(component)
    if component.type in ONE_CLASS:
        return _one_class_answers(component)
    if component.type not in GENERALIZED:
        return {"predict": _as_they_are(component)}
    link = component.get("_base_loss")
    kind = link["link"].type if isinstance(link, Component) and "link" in link else ""
    if kind.endswith(":LogLink"):
        return {"predict": _answer(lambda scores: np.exp(scores.reshape(-1)))}
    return {"predict": _as_they_are(component)} if kind.endswith(":IdentityLink") else None


def _one_class_answers(component: Component) -> dict[str, Answer] | None:
    """Scores beyond an offset are inliers."""
    offset = component.get("offset_")
    if not isinstance(offset, np.ndarray) or offset.shape != (1,):
        return None

    def decision(scores: Array) -> Array:
        return np.asarray((scores.reshape(len(scores), -1) - offset).ravel())

    def labels(scores: Array) -> Array:
        found = (decision(scores) >= 0).astype(np.int32)
        found[found == 0] = -1
        return found

    return {
        "decision_function": _answer(decision),
        "score_samples": _answer(lambda scores: decision(scores) + offset),
        "predict": _answer(labels),
    }


def _answer(
    of_scores: Callable[[Array], Array],
    kernel: Kernel = "row_scores",
    finish: Callable[[Array], Array] | None = None,
) -> Answer:
    """The answer of a single map; a kernel that gives scores is finished as the scores are."""
    return Answer(lambda scores: of_scores(scores[0]), kernel, finish or of_scores)


def _as_they_are(component: Component) -> Answer:
    """Scores in the shape that the weights give them: one dimension for one-dimensional ones.

    Sparse ones, of models of a single output only, answer in one dimension in any shape.
    """
    coef = component.get("coef_")
    if isinstance(coef, np.ndarray) and coef.ndim == 2:
        return _answer(lambda scores: scores)
    return _answer(lambda scores: scores.reshape(-1))


def _classifier_answers(component: Component) -> dict[str, Answer] | None:
    decision = {"decision_function": _answer(flat_scores)}
    binarizer = component.get("_label_binarizer")
    # Before scikit-learn 1.8 a RidgeClassifier had its classes there only.
    owner = component if "classes_" in component else binarizer
    classes = owner["classes_"] if isinstance(owner, Component) else component["classes_"]
    if isinstance(binarizer, Component) and binarizer.get("y_type_", "").startswith("multilabel"):
        if binarizer.get("sparse_input_"):
            return None
        return decision | {"predict": _answer(lambda s: (flat_scores(s) > 0).astype(np.int64))}
    winners = _answer(
        lambda scores: classes.take(label_indices(flat_scores(scores))),
        "row_winners",
        classes.take,
    )
    return decision | {"predict": winners} | _probabilities(component, len(classes))


def _probabilities(component: Component, n_classes: int) -> dict[str, Answer]:
    """How this classifier turns scores into probabilities; none when it does not, or otherwise."""
    if component.type in DISCRIMINANT:
        return _proba(_EACH if n_classes <= 2 else _TOGETHER, log_nonzero)
    if component.type in _OLD_ONE_VS_REST:
        return _proba(_EACH)
    if component.type in _OLD_SOFTMAX:
        return _proba(_answer(lambda scores: softmax(np.c_[-scores, scores])))
    if component.type in _LOGISTIC:
        asked = component.get("multi_class", "auto") not in ("auto", "deprecated")
        if asked or (component.get("solver") == "liblinear" and n_classes > 2):
            return {}  # one versus rest, or softmax: that depends on scikit-learn's version
        return _proba(_EACH if n_classes <= 2 else _TOGETHER)
    if component.type in _SGD and component.get("loss") == "log_loss":
        return _proba(_EACH)
    if component.type in _SGD and component.get("loss") == "modified_huber":
        return _proba(_answer(lambda scores: modified_huber(flat_scores(scores))))
    return {}


_EACH = _answer(
    lambda scores: one_vs_rest(flat_scores(scores)), "row_one_vs_rest", lambda found: found
)
_TOGETHER = _answer(softmax, "row_softmax", lambda found: found)


def _proba(answer: Answer, logarithm: Callable[[Array], Array] = np.log) -> dict[str, Answer]:
    """Probabilities, and their logarithms."""
    finish = answer.finish or (lambda found: found)
    logs = Answer(
        lambda scores: logarithm(answer.of_scores(scores)),
        answer.kernel,
        lambda found: logarithm(finish(found)),
    )
    return {"predict_proba": answer, "predict_log_proba": logs}
