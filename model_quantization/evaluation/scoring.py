"""The score of one pair of models and the bound on what was lost, for each kind of task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.agreement import ROUNDED, column_scale, relative_error
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.bootstrap import bootstrap_loss_bound
from model_quantization.evaluation.bounds import (
    flip_bound,
    loss_bound,
    loss_p_value,
    rows_needed_counts,
    rows_needed_interval,
)
from model_quantization.evaluation.evidence import ClassLoss, Evaluation
from model_quantization.evaluation.metrics import METRICS, score_of
from model_quantization.evaluation.policy import RELATIVE_ERROR, GatePolicy
from model_quantization.evaluation.readings import (
    against,
    as_text_like,
    class_scores,
    labels_of,
    numeric_target,
    right,
    values_of,
)

# Fewer changed rows than this, and a bootstrap cannot see what might as well have happened.
_FEW_FLIPS = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """Comparable answers of two models to the same rows, and the policy that judges them."""

    original: Answers
    candidate: Answers
    policy: GatePolicy

    def changed_rows(self) -> int:
        """Rows with any label that differs."""
        before, after = against(labels_of(self.original), labels_of(self.candidate))
        return int((before != after).reshape(len(before), -1).any(axis=1).sum())

    def metric(self, task: str, target: NDArray[Any]) -> tuple[str, tuple[str, ...]]:
        """The metric asked for, or the task's own where that cannot be computed, and why."""
        own = "accuracy" if task == "classification" else "r2"
        name = self.policy.metric
        if name == "auto":
            return own, ()
        metric = METRICS[name]
        one_output = target.ndim == 1 or target.shape[1] == 1
        if metric.task != task:
            return own, (f"{name} is for {metric.task}: {own} is used",)
        if task == "classification" and not one_output:
            return own, (f"{name} is for one output: {own} is used",)
        if not metric.needs_scores:
            return name, ()
        scores, others = class_scores(self.original), class_scores(self.candidate)
        if scores is None or others is None:
            return own, (f"{name} needs class scores: {own} is used",)
        if name == "log_loss" and "predict_proba" not in self.original.methods:
            return own, (f"log_loss needs predict_proba: {own} is used",)
        if name == "roc_auc" and np.isin(scores[0], as_text_like(target, scores[0])).sum() < 2:
            return own, (f"roc_auc needs two classes among the targets: {own} is used",)
        return name, ()


def agreed(evaluation: Evaluation, pair: Pair, flips: int | None = None) -> Evaluation:
    """Labels held against the original's: each one changed is a loss."""
    rows, alpha = evaluation.rows, pair.policy.alpha
    allowed = pair.policy.allowed("agreement", 1.0)
    flips = pair.changed_rows() if flips is None else flips
    bound = flip_bound(flips, rows, alpha)
    proven = bound <= allowed
    return replace(
        evaluation,
        metric="agreement",
        method="exact binomial",
        score_before=1.0,
        score_after=1.0 - flips / rows,
        change=-flips / rows,
        loss=flips / rows,
        loss_bound=bound,
        b=flips,
        c=0,
        labels_changed=flips,
        flip_bound=bound,
        rows_needed=None if proven else rows_needed_counts(flips, 0, rows, allowed, alpha),
    )


def classified(evaluation: Evaluation, pair: Pair, target: NDArray[Any]) -> Evaluation:
    """Labels held against the target: paired and exact for accuracy, else by bootstrap."""
    rows, alpha = evaluation.rows, pair.policy.alpha
    before, after = right(pair.original, target), right(pair.candidate, target)
    name, notes = pair.metric("classification", target)
    flips = pair.changed_rows()
    evaluation = replace(
        evaluation,
        labels_changed=flips,
        flip_bound=flip_bound(flips, rows, alpha),
        notes=(*evaluation.notes, *_label_notes(pair.original, target), *notes),
    )
    if before.ndim > 1:  # several labels a row: the share of them that is right has no counts
        return _resampled(evaluation, pair, target, name)
    b, c = int((before & ~after).sum()), int((after & ~before).sum())
    worst = _worst_class(before, after, target, pair.policy)
    evaluation = replace(evaluation, b=b, c=c, worst_class=worst)
    if name != "accuracy":
        return _resampled(evaluation, pair, target, name)
    allowed = pair.policy.allowed(name, 1.0)
    bound = loss_bound(b, c, rows, alpha)
    proven = bound <= allowed
    return replace(
        evaluation,
        metric=name,
        method="exact paired binomial",
        score_before=float(before.mean()),
        score_after=float(after.mean()),
        change=(c - b) / rows,
        loss=(b - c) / rows,
        loss_bound=bound,
        rows_needed=None if proven else rows_needed_counts(b, c, rows, allowed, alpha),
    )


def regressed(evaluation: Evaluation, pair: Pair, target: NDArray[Any]) -> Evaluation:
    """Numbers held against the target, by paired bootstrap."""
    before, after = values_of(pair.original), values_of(pair.candidate)
    truth = numeric_target(target, before)
    deviation = truth.std(axis=0)
    # A millionth of the spread is the last digit anyone reads; without spread, of the size.
    scale = column_scale(np.where(deviation > 0, deviation, np.abs(truth).max(axis=0)))
    flips = int((np.abs(before - after) > ROUNDED * scale).any(axis=1).sum())
    name, notes = pair.metric("regression", target)
    if not deviation.any():
        notes = (*notes, "the target is constant")
    evaluation = replace(
        evaluation,
        labels_changed=flips,
        flip_bound=flip_bound(flips, evaluation.rows, pair.policy.alpha),
        unit=float(deviation.mean()) if METRICS[name].in_target_units else 1.0,
        notes=(*evaluation.notes, *notes),
    )
    return _resampled(evaluation, pair, target, name)


def transformed(evaluation: Evaluation, pair: Pair, method: str) -> Evaluation:
    """Numbers of `method` held against the original's: the error of the worst output column.

    A model that lacks the method is judged by all it answers. Outputs that are not floats (codes,
    neighbours) are labels: they must agree.
    """
    asked = (method,) if method in pair.original.methods else pair.original.methods
    outputs = [
        (old, pair.candidate.outputs(each)[key])
        for each in asked
        for key, old in pair.original.outputs(each).items()
    ]
    flips = max(each.rows_changed for each in evaluation.agreement if each.method in asked)
    if any(old.dtype.kind not in "fc" for old, _ in outputs):
        return agreed(evaluation, pair, flips)
    error = max(relative_error(old, new) for old, new in outputs)
    return replace(
        evaluation,
        metric=RELATIVE_ERROR,
        method="observed error",
        change=-error,
        loss=error,
        loss_bound=error,
        labels_changed=flips,
        flip_bound=flip_bound(flips, evaluation.rows, pair.policy.alpha),
    )


def _resampled(evaluation: Evaluation, pair: Pair, target: NDArray[Any], name: str) -> Evaluation:
    """Scores of any metric, the bound by paired bootstrap."""
    metric, rows, policy = METRICS[name], evaluation.rows, pair.policy
    before, after = metric.build(pair.original, target), metric.build(pair.candidate, target)
    scores = score_of(before, rows), score_of(after, rows)
    loss = scores[0] - scores[1]
    bound = 0.0
    if not evaluation.bit_identical:
        bound = bootstrap_loss_bound(
            before,
            after,
            rows,
            repeats=policy.bootstrap_repeats,
            seed=policy.seed,
            alpha=policy.alpha,
        )
    if metric.task == "classification" and not metric.needs_scores:
        few = evaluation.labels_changed < _FEW_FLIPS
        bound = max(bound, evaluation.flip_bound) if few else bound
    allowed = policy.allowed(name, evaluation.unit)
    proven = bound <= allowed
    return replace(
        evaluation,
        metric=name,
        method="paired bootstrap",
        score_before=scores[0],
        score_after=scores[1],
        change=-loss,
        loss=loss,
        loss_bound=bound,
        rows_needed=None
        if proven
        else rows_needed_interval(loss, bound, rows, allowed, policy.alpha),
    )


def _label_notes(original: Answers, target: NDArray[Any]) -> list[str]:
    if target.ndim > 1:
        return []
    notes = []
    if len(np.unique(target)) == 1:
        notes.append(f"every held-out target is {target[0]}: only one class was tested")
    classes = original.arrays.get("classes_")
    if classes is not None and classes.ndim == 1:
        unseen = ~np.isin(as_text_like(target, classes), as_text_like(classes, target))
        if unseen.any():
            notes.append(
                f"{int(unseen.sum())} held-out targets are labels that the model never saw"
            )
    return notes


def _worst_class(
    before: NDArray[np.bool_], after: NDArray[np.bool_], target: NDArray[Any], policy: GatePolicy
) -> ClassLoss | None:
    """The class with the least p-value among those that lost more recall than allowed."""
    limit = policy.allowed_class_drop
    known, codes = np.unique(target, return_inverse=True)
    codes = codes.ravel()
    totals = np.bincount(codes, minlength=len(known))
    b = np.bincount(codes[before & ~after], minlength=len(known))
    c = np.bincount(codes[after & ~before], minlength=len(known))
    worst: ClassLoss | None = None
    for k in np.flatnonzero((b - c) / totals > limit):
        # The roles are swapped: the hypothesis is that recall fell by no more than the limit.
        p_value = loss_p_value(int(c[k]), int(b[k]), int(totals[k]), -limit, policy.alpha)
        p_value = min(1.0, p_value * len(known))
        if worst is None or p_value < worst.p_value:
            mine = codes == k
            recalls = float(before[mine].mean()), float(after[mine].mean())
            worst = ClassLoss(str(known[k]), int(totals[k]), *recalls, p_value)
    return worst
