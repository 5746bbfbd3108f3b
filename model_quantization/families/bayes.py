"""Naive Bayes models: log-probabilities per class and feature, added up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import (
    Component,
    Example,
    Family,
    slots_for,
)
from model_quantization.families.forms import text_step
from model_quantization.families.lowered import Lowered, Method, NotFast, behind_text
from model_quantization.kernels.linear.bayes import (
    bernoulli_terms,
    gaussian_likelihood,
    log_normalized,
)
from model_quantization.schemes.scheme import Role, Slot

_MODULE = "sklearn.naive_bayes"
_GAUSSIAN = f"{_MODULE}:GaussianNB"
_MULTINOMIAL = f"{_MODULE}:MultinomialNB"
_COMPLEMENT = f"{_MODULE}:ComplementNB"
_BERNOULLI = f"{_MODULE}:BernoulliNB"
_CATEGORICAL = f"{_MODULE}:CategoricalNB"

# Log-probabilities of one class lie in one range; -inf (a feature never seen, without smoothing)
# has no code, and the plan keeps an array that holds it exact.
_LOG = Slot(Role.LOG_PROBABILITY, channel_axis=0)
_SLOTS = {
    "feature_log_prob_": _LOG,
    "feature_log_prob_/*": _LOG,
    "var_": Slot(Role.STATISTIC, note="a variance near zero has no 8-bit code"),
    "theta_": Slot(Role.STATISTIC, note="differences from the means are divided by variances"),
    "classes_": Slot(Role.LABEL),
} | slots_for(("class_prior_", "class_log_prior_", "epsilon_"), Slot(Role.STATISTIC))

_COUNTS = "counts of the training rows; only partial_fit reads them"
_DROPPED = {"feature_count_": _COUNTS, "feature_all_": _COUNTS, "category_count_": _COUNTS}

_BY = "sums of log-probabilities"

# Rows or documents, and in how many threads (only documents are worth several).
Joint = Callable[[Any, int | None], Array | None]


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor; joint log-likelihoods are equal bit for bit to scikit-learn's."""
    if component.type == _GAUSSIAN:
        prior, mean, variance = (component[n] for n in ("class_prior_", "theta_", "var_"))

        def gaussian(rows: Array, n_jobs: int | None) -> Array | None:
            finite = np.isfinite(rows).all()
            return gaussian_likelihood(rows, prior, mean, variance) if finite else None

        return _lowered(component, gaussian, mean.shape[1])
    if component.type == _CATEGORICAL:
        return _categorical(component)
    return _discrete(component)


def _lowered(component: Component, joint: Joint, width: int) -> Lowered:
    return Lowered(
        _methods(component["classes_"], joint),
        by=_BY,
        names=(component.path,),
        n_features=width,
        integers="kept",
        classes=component["classes_"],
        decides_by="predict_proba",
    )


def _methods(classes: Array, joint: Joint) -> dict[str, Method]:
    """Every public method in terms of the joint log-likelihood; scikit-learn treats NaN."""

    def method(answer: Callable[[Array], Array]) -> Method:
        def call(rows: Any, n_jobs: int | None = None) -> Array | None:
            likelihood = joint(rows, n_jobs)
            if likelihood is None or np.isnan(likelihood).any():
                return None
            return answer(likelihood)

        return call

    return {
        "predict": method(lambda likelihood: classes.take(likelihood.argmax(axis=1))),
        "predict_joint_log_proba": method(lambda likelihood: likelihood),
        "predict_log_proba": method(log_normalized),
        "predict_proba": method(lambda likelihood: np.exp(log_normalized(likelihood))),
    }


def _discrete(component: Component) -> Lowered | NotFast:
    """Multinomial, complement and Bernoulli models: a product with the weights, plus a bias."""
    weights = component["feature_log_prob_"]
    bias: Array | None = component["class_log_prior_"]
    threshold: float | None = None
    if component.type == _COMPLEMENT and len(component["classes_"]) > 1:
        bias = None
    if component.type == _BERNOULLI:
        with np.errstate(divide="ignore", invalid="ignore"):
            weights, bias = bernoulli_terms(weights, component["class_log_prior_"])
        threshold = component["binarize"]
        if threshold is not None and (not isinstance(threshold, int | float) or threshold < 0):
            return NotFast("absent values count as present, below a negative threshold")
    transposed = weights.T

    def joint(rows: Array, n_jobs: int | None) -> Array | None:
        if not np.isfinite(rows).all():
            return None
        counted = rows if threshold is None else (rows > threshold).astype(rows.dtype)
        likelihood: Array = counted @ transposed
        return likelihood if bias is None else likelihood + bias

    def absorb(previous: Lowered) -> Lowered | None:
        from model_quantization.kernels.text.term_weights import hold_weights

        step = text_step(previous.form)
        if step is None or step.n_columns != weights.shape[1]:
            return None
        limit = None if threshold is None else float(threshold)
        score = step.scorer(hold_weights(transposed), threshold=limit)
        if score is None:
            return None

        def from_text(documents: Any, n_jobs: int | None) -> Array | None:
            likelihood = score(documents, n_jobs)
            return likelihood if bias is None or likelihood is None else likelihood + bias

        return behind_text(
            previous,
            _methods(component["classes_"], from_text),
            by=_BY,
            names=(component.path,),
            classes=component["classes_"],
            decides_by="predict_proba",
        )

    return Lowered(
        _methods(component["classes_"], joint),
        by=_BY,
        names=(component.path,),
        n_features=weights.shape[1],
        absorb=absorb,
        integers="kept",
        classes=component["classes_"],
        decides_by="predict_proba",
    )


def _categorical(component: Component) -> Lowered:
    tables = list(component["feature_log_prob_"])
    prior = component["class_log_prior_"]
    limits = np.array([table.shape[1] for table in tables])

    def joint(rows: Array, n_jobs: int | None) -> Array | None:
        if not ((rows >= 0) & (rows < limits)).all():
            return None  # NaN, infinity, or a category that was never seen
        codes = rows.astype(np.int64)
        likelihood: Array = np.zeros((len(codes), len(prior)))
        for index, table in enumerate(tables):
            likelihood += table[:, codes[:, index]].T
        likelihood += prior
        return likelihood

    return _lowered(component, joint, len(tables))


def examples() -> Iterable[Example]:
    """One of each model, with text labels and with a class whose feature never occurs."""
    from sklearn.naive_bayes import (
        BernoulliNB,
        CategoricalNB,
        ComplementNB,
        GaussianNB,
        MultinomialNB,
    )

    rng = np.random.default_rng(0)
    rows = rng.poisson(1.0, size=(120, 40)).astype(np.float64)
    labels = np.array(["low", "middle", "high"])[rows[:, :6].sum(axis=1).astype(int) % 3]
    for model in (
        GaussianNB(),
        MultinomialNB(),
        ComplementNB(),
        BernoulliNB(binarize=1.0),
        CategoricalNB(),
    ):
        yield Example(type(model).__name__, model.fit(rows, labels), rows)


FAMILY = Family(
    name="bayes",
    types=frozenset({_GAUSSIAN, _MULTINOMIAL, _COMPLEMENT, _BERNOULLI, _CATEGORICAL}),
    slots=_SLOTS,
    dropped=_DROPPED,
    lower=lower,
    examples=examples,
)
