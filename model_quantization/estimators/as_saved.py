"""Estimators that answer as an older scikit-learn did, where today's has no way to say it.

Each class is today's scikit-learn class with the methods whose meaning changed. An old file is
read into one of them, an artifact holds their name, and a quantized model answers through them.
`restore()` refuses them: the estimator would no longer be scikit-learn's own.

Imports scikit-learn, so it is imported only where estimators are made.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from sklearn.base import is_regressor
from sklearn.ensemble import AdaBoostClassifier, GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.utils.extmath import softmax
from sklearn.utils.validation import check_is_fitted

from model_quantization.arrays import Array


class _OneVsRestProbabilities:
    """Probabilities of one logistic function per class, divided by their sum.

    The meaning of `multi_class="ovr"`, and of liblinear, for three and more classes; removed in
    scikit-learn 1.8.
    """

    _predict_proba_lr: Any

    def predict_proba(self, X: Any) -> Array:
        """Probabilities, shape (n_rows, n_classes)."""
        probability: Array = self._predict_proba_lr(X)
        return probability

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of the probabilities."""
        return np.log(self.predict_proba(X))


class _SoftmaxOfTwo:
    """Probabilities of two classes as the softmax of (-score, score).

    The meaning of `multi_class="multinomial"` for two classes; removed in scikit-learn 1.8.
    """

    decision_function: Any

    def predict_proba(self, X: Any) -> Array:
        """Probabilities, shape (n_rows, 2)."""
        check_is_fitted(self)
        score = self.decision_function(X)
        both: Array = softmax(np.c_[-score, score], copy=False)
        return both

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of the probabilities."""
        return np.log(self.predict_proba(X))


class OneVsRestLogistic(_OneVsRestProbabilities, LogisticRegression):  # type: ignore[misc, unused-ignore]
    """A logistic regression of one binary problem per class."""


class OneVsRestLogisticCV(_OneVsRestProbabilities, LogisticRegressionCV):  # type: ignore[misc, unused-ignore]
    """A cross-validated logistic regression of one binary problem per class."""


class SoftmaxOfTwoLogistic(_SoftmaxOfTwo, LogisticRegression):  # type: ignore[misc, unused-ignore]
    """A multinomial logistic regression of two classes."""


class SoftmaxOfTwoLogisticCV(_SoftmaxOfTwo, LogisticRegressionCV):  # type: ignore[misc, unused-ignore]
    """A cross-validated multinomial logistic regression of two classes."""


class _SummedAdaBoost(AdaBoostClassifier):  # type: ignore[misc, unused-ignore]
    """An AdaBoost classifier whose score is a sum of one term per estimator over their weights."""

    @abstractmethod
    def _term(self, estimator: Any, weight: float, X: Any) -> Array:
        """The term of one estimator: shape (n_rows, n_classes)."""

    def decision_function(self, X: Any) -> Array:
        """Scores, shape (n_rows,) for two classes, else (n_rows, n_classes)."""
        check_is_fitted(self)
        X = self._check_X(X)
        pairs = zip(self.estimators_, self.estimator_weights_, strict=False)
        total = sum(self._term(estimator, weight, X) for estimator, weight in pairs)
        return self._scores(np.asarray(total), self.estimator_weights_.sum())

    def staged_decision_function(self, X: Any) -> Iterator[Array]:
        """Scores after each estimator."""
        check_is_fitted(self)
        X = self._check_X(X)
        total: Any = 0
        weights = 0.0
        for estimator, weight in zip(self.estimators_, self.estimator_weights_, strict=False):
            weights += weight
            total = total + self._term(estimator, weight, X)
            yield self._scores(np.copy(total), weights)

    def _scores(self, total: Array, weights: float) -> Array:
        total /= weights
        if self.n_classes_ != 2:
            return total
        total[:, 0] *= -1
        score: Array = total.sum(axis=1)
        return score


class ProbabilityAdaBoost(_SummedAdaBoost):
    """AdaBoost by probabilities: `algorithm="SAMME.R"`, the default before scikit-learn 1.6.

    Each estimator gives the centred logarithm of its probabilities (J. Zhu, H. Zou, S. Rosset and
    T. Hastie, "Multi-class AdaBoost", 2009, algorithm 4). Removed in scikit-learn 1.6.
    """

    def _term(self, estimator: Any, weight: float, X: Any) -> Array:
        n_classes = self.n_classes_
        probability = estimator.predict_proba(X)
        np.clip(probability, np.finfo(probability.dtype).eps, None, out=probability)
        logarithm = np.log(probability)
        mean = (1.0 / n_classes) * logarithm.sum(axis=1)[:, np.newaxis]
        centred: Array = (n_classes - 1) * (logarithm - mean)
        return centred


class VotingAdaBoost(_SummedAdaBoost):
    """AdaBoost by votes: `algorithm="SAMME"` before scikit-learn 1.3.

    A class that an estimator did not choose gets 0; since 1.3 it gets a negative vote.
    """

    def _term(self, estimator: Any, weight: float, X: Any) -> Array:
        chosen: Array = (estimator.predict(X) == self.classes_[:, np.newaxis]).T * weight
        return chosen


class LastOfTiesOneVsRest(OneVsRestClassifier):  # type: ignore[misc, unused-ignore]
    """One classifier per class; of equal scores the last class wins, as before scikit-learn 1.8."""

    def predict(self, X: Any) -> Any:
        """The class of the highest score."""
        if self.label_binarizer_.y_type_ != "multiclass":
            return super().predict(X)
        check_is_fitted(self)
        score = np.array([_score(estimator, X) for estimator in self.estimators_])
        last = len(score) - 1 - score[::-1].argmax(axis=0)
        return self.classes_[last]


class UnsharedOneVsRest(LastOfTiesOneVsRest):
    """The same as before scikit-learn 1.7: NaN where no classifier gives its class any chance."""

    def predict_proba(self, X: Any) -> Any:
        """The share of each class, shape (n_rows, n_classes)."""
        shares = super().predict_proba(X)
        if not self.multilabel_:
            shares[~shares.any(axis=1)] = np.nan
        return shares


def _score(estimator: Any, X: Any) -> Array:
    """The score of the class that this binary classifier knows, shape (n_rows,)."""
    if is_regressor(estimator):
        return np.ravel(estimator.predict(X))
    if hasattr(estimator, "decision_function"):
        return np.ravel(estimator.decision_function(X))
    probability: Array = estimator.predict_proba(X)[:, 1]
    return probability


class _Absent:
    """A method that the version which saved the model did not have."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, made: Any, owner: type | None = None) -> NoReturn:
        raise AttributeError(f"the version that saved this model had no {self._name}")


class NearestOfCentroids(NearestCentroid):  # type: ignore[misc, unused-ignore]
    """Nearest centroids as before scikit-learn 1.6, which added scores that need training data."""

    decision_function = _Absent()
    predict_proba = _Absent()
    predict_log_proba = _Absent()

    def predict(self, X: Any) -> Any:
        """The class of the nearest centroid."""
        from sklearn.metrics.pairwise import pairwise_distances_argmin
        from sklearn.utils.validation import validate_data

        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        nearest = pairwise_distances_argmin(X, self.centroids_, metric=self.metric)
        return self.classes_[nearest]


class HighestScoreRidgeCV(RidgeClassifierCV):  # type: ignore[misc, unused-ignore]
    """Ridge of multilabel targets that answers the label of the highest score, as before 1.0."""

    def predict(self, X: Any) -> Any:
        """The number of the label with the highest score, shape (n_rows,)."""
        return self.classes_[self.decision_function(X).argmax(axis=1)]


class UncentredGradientBoosting(GradientBoostingClassifier):  # type: ignore[misc, unused-ignore]
    """Boosting of three and more classes that starts at another model's log-probabilities.

    Since scikit-learn 1.4 their mean over the classes is taken off.
    """

    def _raw_predict_init(self, X: Any) -> Array:
        self._check_initialized()
        X = self.estimators_[0, 0]._validate_X_predict(X, check_input=True)
        eps = np.finfo(np.float32).eps
        probability = np.clip(self.init_.predict_proba(X), eps, 1 - eps)
        start: Array = np.log(probability).astype(np.float64)
        return start
