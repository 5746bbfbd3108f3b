"""The figures and checks of one pair of models, for each kind of task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.agreement import ROUNDED, relative_error
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.bootstrap import bootstrap_loss_bound
from model_quantization.evaluation.bounds import flip_bound, rows_needed_interval
from model_quantization.evaluation.checks import Check, CheckName, Finding, held_against
from model_quantization.evaluation.evidence import Evaluation
from model_quantization.evaluation.labels import class_check, flip_check, label_checks
from model_quantization.evaluation.metrics import METRICS, score_of
from model_quantization.evaluation.numbers import (
    correlation_check,
    error_check,
    regression_checks,
    ruined_rows_check,
    scale_of,
)
from model_quantization.evaluation.pairs import Pair
from model_quantization.evaluation.policy import RELATIVE_ERROR
from model_quantization.evaluation.readings import as_text_like, numeric_target, right, values_of
from model_quantization.evaluation.scores import score_blocks, score_checks

_SCORES = ("predict_proba", "decision_function", "score_samples")
_EXACT_MEAN = "exact bound on the mean"


def agreed(evaluation: Evaluation, pair: Pair) -> Evaluation:
    """Labels compared with the original's: each one changed is a loss."""
    flips = pair.changed_rows()
    check = flip_check(CheckName.AGREEMENT, flips, evaluation.rows, pair.policy)
    share = flips / evaluation.rows
    return replace(
        with_checks(evaluation, [check, *score_methods(pair, None)]),
        metric="agreement",
        method="exact binomial",
        score_before=1.0,
        score_after=1.0 - share,
        change=-share,
        loss=share,
        loss_bound=check.value,
        b=flips,
        c=0,
        labels_changed=flips,
        flip_bound=check.value,
    )


def classified(evaluation: Evaluation, pair: Pair, target: NDArray[Any]) -> Evaluation:
    """Labels compared with the target, class by class, and every score behind them."""
    before, after = right(pair.original, target), right(pair.candidate, target)
    name, notes = pair.metric("classification", target)
    flips = pair.changed_rows()
    loss = label_checks(before, after, pair.policy)
    recall, lost = class_check(before, after, _as_labels(target, before), pair.policy)
    checks = [loss, recall, *score_methods(pair, target)]
    one = before.ndim == 1
    evaluation = replace(
        evaluation,
        metric="accuracy",
        method="exact paired binomial",
        score_before=float(before.mean()),
        score_after=float(after.mean()),
        change=float(after.mean() - before.mean()),
        loss=float(before.mean() - after.mean()),
        loss_bound=loss.value,
        b=int((before & ~after).sum()) if one else None,
        c=int((after & ~before).sum()) if one else None,
        labels_changed=flips,
        flip_bound=flip_bound(flips, evaluation.rows, pair.policy.alpha),
        worst_class=lost,
        notes=(*evaluation.notes, *_label_notes(pair.original, target), *notes),
    )
    if name != "accuracy":
        evaluation, check = _resampled(evaluation, pair, target, name)
        checks.append(check)
    return with_checks(evaluation, checks)


def regressed(evaluation: Evaluation, pair: Pair, target: NDArray[Any]) -> Evaluation:
    """Numbers compared with the target, each output by itself."""
    before, after = values_of(pair.original), values_of(pair.candidate)
    truth = numeric_target(target, before)
    deviation = truth.std(axis=0)
    # Nobody needs more digits than a millionth of the spread.
    flips = int((np.abs(before - after) > ROUNDED * scale_of(truth)).any(axis=1).sum())
    name, notes = pair.metric("regression", target)
    if not deviation.any():
        notes = (*notes, "the target is constant")
    metric, rows = METRICS[name], evaluation.rows
    checks = regression_checks(before, after, truth, name, pair.policy)
    loss = next((check for check in checks if check.name is CheckName.LOSS), None)
    evaluation = replace(
        evaluation,
        labels_changed=flips,
        flip_bound=flip_bound(flips, rows, pair.policy.alpha),
        unit=float(deviation.mean()) if metric.in_target_units else 1.0,
        notes=(*evaluation.notes, *notes),
    )
    if loss is None:
        evaluation, check = _resampled(evaluation, pair, target, name)
        checks.append(check)
    else:
        scores = [
            score_of(metric.build(each, target), rows) for each in (pair.original, pair.candidate)
        ]
        evaluation = replace(
            evaluation,
            metric=name,
            method=_EXACT_MEAN,
            score_before=scores[0],
            score_after=scores[1],
            change=scores[1] - scores[0],
            loss=scores[0] - scores[1],
            loss_bound=loss.value * evaluation.unit,
        )
    return with_checks(evaluation, [*checks, *score_methods(pair, None)])


def transformed(evaluation: Evaluation, pair: Pair) -> Evaluation:
    """Numbers of every method compared with the original's, where there is no target.

    Outputs that are not floats (codes, neighbours) are labels: they must agree.
    """
    checks, errors = [], [0.0]
    changed = {each.method: each.rows_changed for each in evaluation.agreement}
    for method in pair.original.methods:
        if method in _SCORES:
            continue
        for key, old in pair.original.outputs(method).items():
            new = pair.candidate.outputs(method)[key]
            if old.dtype.kind in "fc":
                checks += _number_checks(key, old, new, pair)
                errors.append(relative_error(old, new))
            else:
                flips = _rows_changed(old, new)
                checks.append(
                    flip_check(CheckName.AGREEMENT, flips, evaluation.rows, pair.policy, key)
                )
    for method in _SCORES:
        errors += [
            relative_error(old, pair.candidate.outputs(method)[key])
            for key, old in pair.original.outputs(method).items()
        ]
    checks += score_methods(pair, None, transforms=False)
    flips = max(changed.values(), default=0)
    labels = next((check for check in checks if check.name is CheckName.AGREEMENT), None)
    figures: dict[str, Any] = {
        "metric": RELATIVE_ERROR,
        "method": "observed error",
        "change": -max(errors),
        "loss": max(errors),
        "loss_bound": max(errors),
    }
    if labels is not None:
        share = labels.observed or 0.0
        figures = {
            "metric": "agreement",
            "method": "exact binomial",
            "score_before": 1.0,
            "score_after": 1.0 - share,
            "change": -share,
            "loss": share,
            "loss_bound": labels.value,
        }
    evaluation = replace(
        evaluation,
        labels_changed=flips,
        flip_bound=flip_bound(flips, evaluation.rows, pair.policy.alpha),
        **figures,
    )
    return with_checks(evaluation, checks)


def score_methods(
    pair: Pair, target: NDArray[Any] | None, *, transforms: bool = True
) -> list[Check]:
    """The checks of every method besides `predict`.

    With a target, scores of classes are compared with it; other answers with the original's.
    """
    checks: list[Check] = []
    for method in pair.original.methods:
        if method == "transform" and transforms:
            for key, old in pair.original.outputs(method).items():
                checks += _number_checks(key, old, pair.candidate.outputs(method)[key], pair)
        if method in _SCORES:
            checks += _score_method(pair, method, target)
    return checks


def _score_method(pair: Pair, method: str, target: NDArray[Any] | None) -> list[Check]:
    checks: list[Check] = []
    judged: list[Check] = []
    if target is not None:
        for block in score_blocks(pair.original, pair.candidate, method, target):
            judged += score_checks(block, pair.policy)
    checks += judged
    ranked = any(check.name is CheckName.RANKING for check in judged)
    for key, old in pair.original.outputs(method).items():
        new = pair.candidate.outputs(method)[key]
        if method == "predict_proba":
            shift = float(np.abs(np.asarray(old) - np.asarray(new)).mean(axis=0).max())
            limit = pair.policy.allowed_probability_shift
            checks.append(held_against(CheckName.PROBABILITY_SHIFT, limit, shift, where=key))
        if not judged:
            checks.append(ruined_rows_check(old, new, key, pair.policy))
        if method != "predict_proba" or not judged:
            limit = pair.policy.allowed_score_error
            checks.append(error_check(CheckName.SCORE_ERROR, limit, old, new, key))
        if method != "predict_proba" or not ranked:
            single = ranked and target is not None and target.ndim == 1
            found = correlation_check(old, new, key, pair.policy, of_classes=single)
            checks += [] if found is None else [found]
    return checks


def _number_checks(key: str, old: Any, new: Any, pair: Pair) -> list[Check]:
    if old.dtype.kind not in "fc":
        flips = _rows_changed(old, new)
        return [flip_check(CheckName.AGREEMENT, flips, old.shape[0], pair.policy, key)]
    limit = pair.policy.allowed_transform_error
    return [
        error_check(CheckName.TRANSFORM_ERROR, limit, old, new, key),
        ruined_rows_check(old, new, key, pair.policy),
    ]


def _rows_changed(old: Any, new: Any) -> int:
    if hasattr(old, "tocsr"):
        return int((np.asarray((old != new).sum(axis=1)).ravel() > 0).sum())
    return int(np.asarray(old != new).reshape(len(old), -1).any(axis=1).sum())


def _resampled(
    evaluation: Evaluation, pair: Pair, target: NDArray[Any], name: str
) -> tuple[Evaluation, Check]:
    """Scores of any metric, the bound by paired bootstrap.

    A bootstrap cannot show what did not happen among few rows. So it is never the only proof, and
    for labels its bound is at least the exact one of accuracy.
    """
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
    if metric.task == "classification" and evaluation.loss_bound is not None:
        bound = max(bound, evaluation.loss_bound)
    allowed = policy.allowed(name, evaluation.unit)
    check = held_against(
        CheckName.SCORE if metric.task == "classification" else CheckName.LOSS,
        allowed,
        bound,
        observed=loss,
        where=name,
        rows_needed=rows_needed_interval(loss, bound, rows, allowed, policy.alpha),
    )
    found = replace(
        evaluation,
        metric=name,
        method="paired bootstrap",
        score_before=scores[0],
        score_after=scores[1],
        change=-loss,
        loss=loss,
        loss_bound=bound,
    )
    return found, check


def with_checks(evaluation: Evaluation, checks: list[Check]) -> Evaluation:
    """The evaluation with its checks, and the rows that the open ones need."""
    open_ = [check.rows_needed for check in checks if check.finding is Finding.OPEN]
    known = [rows for rows in open_ if rows is not None]
    needed = max(known) if open_ and len(known) == len(open_) else None
    return replace(evaluation, checks=tuple(checks), rows_needed=needed)


def _as_labels(target: NDArray[Any], before: NDArray[np.bool_]) -> NDArray[Any]:
    return target.reshape(before.shape)


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
            count = int(unseen.sum())
            are = "target is a label" if count == 1 else "targets are labels"
            notes.append(f"{count:,} held-out {are} that the model never saw")
    return notes
