"""Scores of a model's answers, as functions of row weights.

A metric, given answers and targets, returns a function from weights (repeats, n) to scores
(repeats,): ones give the score, and bootstrap counts give all resampled scores in a few vectorised
operations. A higher score is better; errors are negated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.readings import (
    against,
    as_text_like,
    class_scores,
    labels_of,
    numeric_target,
    right,
    values_of,
)

Weights: TypeAlias = NDArray[np.float64]
WeightedScore: TypeAlias = Callable[[Weights], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One score: the kind of task it is for, and how to build its weighted form.

    Attributes
    ----------
    task : {"classification", "regression"}
    build : callable
        (answers, target) -> `WeightedScore`.
    needs_scores : bool
        Whether it looks at `predict_proba` or `decision_function` besides labels.
    in_target_units : bool
        Whether the score is in the unit of the target.
    """

    task: Literal["classification", "regression"]
    build: Callable[[Answers, NDArray[Any]], WeightedScore]
    needs_scores: bool = False
    in_target_units: bool = False


def _accuracy(answers: Answers, target: NDArray[Any]) -> WeightedScore:
    share = right(answers, target).reshape(len(target), -1).mean(axis=1)
    return lambda weights: weights @ share / weights.sum(axis=1)


def _class_counts(answers: Answers, target: NDArray[Any]) -> Callable[[Weights], NDArray[Any]]:
    """Weights -> (3, k, repeats): per label, rows that have it, get it, and rightly get it."""
    from scipy.sparse import csr_array

    truth, labels = against(target, labels_of(answers))
    known, codes = np.unique(np.concatenate([truth, labels]), return_inverse=True)
    of, given = codes[: len(truth)], codes[len(truth) :]
    row = np.arange(len(truth))

    def counter(code: NDArray[Any], rows: NDArray[Any]) -> Any:
        return csr_array((np.ones(len(rows)), (code, rows)), shape=(len(known), len(truth)))

    hit = of == given
    counters = (counter(of, row), counter(given, row), counter(of[hit], row[hit]))
    return lambda weights: np.stack([each @ weights.T for each in counters])


def _balanced_accuracy(answers: Answers, target: NDArray[Any]) -> WeightedScore:
    counts = _class_counts(answers, target)

    def score(weights: Weights) -> NDArray[np.float64]:
        of, _, hit = counts(weights)
        recall = np.divide(hit, of, out=np.zeros_like(hit), where=of > 0)
        return np.asarray(recall.sum(axis=0) / (of > 0).sum(axis=0))

    return score


def _f1_macro(answers: Answers, target: NDArray[Any]) -> WeightedScore:
    counts = _class_counts(answers, target)

    def score(weights: Weights) -> NDArray[np.float64]:
        of, given, hit = counts(weights)
        either = of + given
        f1 = np.divide(2 * hit, either, out=np.zeros_like(hit), where=either > 0)
        return np.asarray(f1.sum(axis=0) / (either > 0).sum(axis=0))

    return score


def _roc_auc(answers: Answers, target: NDArray[Any]) -> WeightedScore:
    """Area under the ROC curve; for more than two classes the mean of each against the rest."""
    found = class_scores(answers)
    if found is None:
        raise ValueError("roc_auc needs predict_proba or decision_function")
    classes, scores = found
    truth = as_text_like(target, classes)
    if len(classes) == 2:
        return _binary_auc(scores[:, 1], truth == classes[1])
    each = [_binary_auc(scores[:, j], truth == label) for j, label in enumerate(classes)]

    def score(weights: Weights) -> NDArray[np.float64]:
        areas = np.stack([area(weights) for area in each])
        known = np.isfinite(areas)  # a resample may miss a class
        return np.asarray(np.where(known, areas, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))

    return score


def _binary_auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> WeightedScore:
    order = np.argsort(scores, kind="stable")
    ranked, wins = scores[order], positive[order]
    below = np.searchsorted(ranked, ranked[wins], side="left")
    upto = np.searchsorted(ranked, ranked[wins], side="right")
    loses = np.where(wins, 0.0, 1.0)

    def score(weights: Weights) -> NDArray[np.float64]:
        """Share of (positive, negative) pairs in the right order, ties counting half."""
        in_order = weights[:, order]
        winning, losing = in_order[:, wins], in_order * loses
        seen = np.zeros((len(weights), len(order) + 1))
        np.cumsum(losing, axis=1, out=seen[:, 1:])
        pairs = (winning * (seen[:, below] + seen[:, upto])).sum(axis=1) / 2
        possible = winning.sum(axis=1) * losing.sum(axis=1)
        missing = np.full_like(pairs, np.nan)
        return np.asarray(np.divide(pairs, possible, out=missing, where=possible > 0))

    return score


def _log_loss(answers: Answers, target: NDArray[Any]) -> WeightedScore:
    """Minus the mean negative log probability of the true label, in nats."""
    classes, chances = answers.arrays["classes_"], answers.arrays["predict_proba"]
    chances = np.asarray(chances, dtype=np.float64)
    least = np.finfo(np.float64).eps
    total = chances.sum(axis=1, keepdims=True)
    chances = np.clip(chances / np.where(total > 0, total, 1), least, 1 - least)
    is_class = as_text_like(target, classes)[:, np.newaxis] == classes[np.newaxis]
    # A label that the model never saw has no column: its probability is 0.
    true = np.where(
        is_class.any(axis=1), chances[np.arange(len(target)), is_class.argmax(1)], least
    )
    logs = np.log(true)
    return lambda weights: weights @ logs / weights.sum(axis=1)


def _r2(answers: Answers, target: NDArray[Any]) -> WeightedScore:
    """1 - squared error / squared deviation, the mean over outputs."""
    values = values_of(answers)
    truth = numeric_target(target, values)
    errors = (values - truth) ** 2
    centred = truth - truth.mean(axis=0)  # the sums below do not cancel then

    def score(weights: Weights) -> NDArray[np.float64]:
        total = weights.sum(axis=1, keepdims=True)
        missed = weights @ errors
        spread = weights @ centred**2 - (weights @ centred) ** 2 / total
        flat = spread <= np.finfo(np.float64).eps * (weights @ centred**2)
        share = np.divide(missed, spread, out=(missed > 0).astype(np.float64), where=~flat)
        return np.asarray((1 - share).mean(axis=1))

    return score


def _neg_mae(answers: Answers, target: NDArray[Any]) -> WeightedScore:
    values = values_of(answers)
    errors = np.abs(values - numeric_target(target, values)).mean(axis=1)
    return lambda weights: -(weights @ errors) / weights.sum(axis=1)


def _neg_rmse(answers: Answers, target: NDArray[Any]) -> WeightedScore:
    values = values_of(answers)
    errors = (values - numeric_target(target, values)) ** 2
    return lambda weights: (
        -np.sqrt(weights @ errors / weights.sum(axis=1, keepdims=True)).mean(axis=1)
    )


def _sklearn_labels(name: str, **options: Any) -> Callable[[Answers, NDArray[Any]], WeightedScore]:
    def build(answers: Answers, target: NDArray[Any]) -> WeightedScore:
        truth, labels = against(target, labels_of(answers))
        return _one_by_one(name, truth, labels, 1.0, options)

    return build


def _sklearn_values(name: str, sign: float) -> Callable[[Answers, NDArray[Any]], WeightedScore]:
    def build(answers: Answers, target: NDArray[Any]) -> WeightedScore:
        values = values_of(answers)
        return _one_by_one(name, numeric_target(target, values), values, sign, {})

    return build


def _one_by_one(
    name: str, truth: NDArray[Any], given: NDArray[Any], sign: float, options: dict[str, Any]
) -> WeightedScore:
    """A metric of scikit-learn without a vectorised form: called for every resample."""
    import sklearn.metrics

    metric = getattr(sklearn.metrics, name)

    def score(weights: Weights) -> NDArray[np.float64]:
        scores = []
        for counts in weights.astype(np.int64):
            rows = np.repeat(np.arange(len(truth)), counts)
            scores.append(sign * float(metric(truth[rows], given[rows], **options)))
        return np.array(scores)

    return score


METRICS: dict[str, Metric] = {
    "accuracy": Metric("classification", _accuracy),
    "balanced_accuracy": Metric("classification", _balanced_accuracy),
    "f1_macro": Metric("classification", _f1_macro),
    "f1_weighted": Metric(
        "classification", _sklearn_labels("f1_score", average="weighted", zero_division=0.0)
    ),
    "matthews_corrcoef": Metric("classification", _sklearn_labels("matthews_corrcoef")),
    "roc_auc": Metric("classification", _roc_auc, needs_scores=True),
    "log_loss": Metric("classification", _log_loss, needs_scores=True),
    "r2": Metric("regression", _r2),
    "neg_mae": Metric("regression", _neg_mae, in_target_units=True),
    "neg_rmse": Metric("regression", _neg_rmse, in_target_units=True),
    "neg_median_absolute_error": Metric(
        "regression", _sklearn_values("median_absolute_error", -1.0), in_target_units=True
    ),
}


def score_of(weighted: WeightedScore, rows: int) -> float:
    """The score itself: every row counts once."""
    return float(weighted(np.ones((1, rows)))[0])
