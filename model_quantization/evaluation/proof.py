"""Answers of two models to the same rows -> the figures that the gate decides on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.agreement import compare_method, not_finite, same_bits
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.distinct import first_of_equals, rows_first, take_rows
from model_quantization.evaluation.evidence import Evaluation
from model_quantization.evaluation.pairs import Pair
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.readings import (
    labels_of,
    numeric_target,
    right,
    rows_of,
    values_of,
)
from model_quantization.evaluation.scoring import agreed, classified, regressed, transformed

Task: TypeAlias = Literal["auto", "classification", "regression", "transform", "cluster", "outlier"]
# In these, NaN is no answer. A transformer may return the NaN that it got.
_ANSWERS_NUMBERS = ("predict", "predict_proba", "decision_function", "score_samples")


def evaluate(
    original: Answers,
    candidate: Answers,
    target: NDArray[Any] | None,
    policy: GatePolicy,
    *,
    task: Task = "auto",
    rows: NDArray[Any] | None = None,
) -> Evaluation:
    """The figures of `candidate` against `original`, paired row by row.

    Parameters
    ----------
    original, candidate : Answers
        To the same rows, through the same methods.
    target : ndarray (n,) or (n, k), or None
        Without one the original's answers are the truth: labels must agree with them, numbers
        come close to them. Clusterers have none; their labels must be equal.
    policy : GatePolicy
        The metric, the level of the bounds, and the limits for `rows_needed`.
    task : str
        `auto` goes by the answers: a model with `classes_` classifies, one that predicts floats
        is a regressor, one that does not predict is a transformer.
    rows : ndarray (n,), optional
        An identifier per row; equal rows count once. Without it every row counts.

    Raises
    ------
    HeldOutError
        The target does not fit what the model predicts.
    """
    kind = task_of(original, target) if task == "auto" else task
    if "predict" not in original.methods and kind != "none":
        kind = "transform"
    if not rows_of(original):
        return Evaluation(rows=0, task=kind, alpha=policy.alpha)
    failed = _failures(original, candidate)
    comparable = [method for method in original.methods if method not in failed]
    agreement = tuple(compare_method(original, candidate, method) for method in comparable)
    shifts = {each.method: each.mean_shift for each in agreement}
    evaluation = Evaluation(
        rows=rows_of(original),
        task=kind,
        alpha=policy.alpha,
        bit_identical=not failed
        and all(each.identical for each in agreement)
        and _same_classes(original, candidate),
        agreement=agreement,
        failed=failed,
        nan_methods=tuple(m for m in comparable if _has_new_nan(original, candidate, m)),
        original_nan=tuple(m for m in _ANSWERS_NUMBERS if _has_nan(original, m)),
        probability_shift=shifts.get("predict_proba", 0.0),
        notes=tuple(f"the original fails at {m}: {why}" for m, why in original.failed.items()),
    )
    if failed or evaluation.nan_methods or evaluation.original_nan:
        return evaluation
    original, candidate = (rows_first(each, evaluation.rows) for each in (original, candidate))
    if rows is not None:
        kept = first_of_equals(rows, _harm(original, candidate, target, kind))
        evaluation = replace(evaluation, rows=len(kept), repeated_rows=evaluation.rows - len(kept))
        if evaluation.repeated_rows:
            original, candidate = take_rows(original, kept), take_rows(candidate, kept)
            target = None if target is None else target[kept]
    pair = Pair(original, candidate, policy)
    if kind == "transform":
        return transformed(evaluation, pair)
    if kind == "regression":
        if target is None:
            return transformed(evaluation, pair)
        return regressed(evaluation, pair, target)
    if kind == "outlier" and target is not None and not np.isin(target, (-1, 1)).all():
        target = None
        note = "the target is not 1 and -1: labels are compared with the original's instead"
        evaluation = replace(evaluation, notes=(*evaluation.notes, note))
    if target is None or kind == "cluster":
        return agreed(evaluation, pair)
    return classified(evaluation, pair, target)


def _harm(
    original: Answers, candidate: Answers, target: NDArray[Any] | None, kind: str
) -> NDArray[np.float64]:
    """How much worse the candidate predicts each row: (n,); zeros where it has no meaning."""
    if "predict" not in original.methods or (target is None and kind == "regression"):
        return np.zeros(rows_of(original))
    if target is None or kind == "cluster":
        changed = labels_of(original) != labels_of(candidate)
        return np.asarray(changed.reshape(len(changed), -1).any(axis=1), dtype=np.float64)
    if kind == "regression":
        before, after = values_of(original), values_of(candidate)
        truth = numeric_target(target, before)
        return np.asarray((np.abs(after - truth) - np.abs(before - truth)).max(axis=1))
    lost = right(original, target).astype(np.int8) - right(candidate, target)
    return np.asarray(lost.reshape(len(lost), -1).max(axis=1), dtype=np.float64)


def task_of(answers: Answers, target: NDArray[Any] | None) -> str:
    """The task of the model that gave these answers."""
    if not answers.methods:
        return "none"
    if "predict" not in answers.methods:
        return "transform"
    if any(key.split("/")[0] == "classes_" for key in answers.arrays):
        return "classification"
    labels = labels_of(answers)
    if labels.dtype.kind == "f":
        return "regression"
    if labels.dtype.kind == "i" and np.isin(labels, (-1, 1)).all():
        return "outlier"
    # Numbers with no classes_ behind them are clusters, unless they are the targets' own.
    known = target is not None and np.isin(labels, target).all()
    return "cluster" if labels.dtype.kind in "iu" and not known else "classification"


def _failures(original: Answers, candidate: Answers) -> dict[str, str]:
    """Methods that only the original answered, or that the candidate answers in another shape."""
    failed: dict[str, str] = {}
    for method in original.methods:
        old, new = original.outputs(method), candidate.outputs(method)
        if not new:
            failed[method] = candidate.failed.get(method, "no answer")
        elif old.keys() != new.keys():
            failed[method] = f"expected outputs {', '.join(old)}, got {', '.join(new)}"
        else:
            for key, array in old.items():
                if array.shape != new[key].shape or _form(array) != _form(new[key]):
                    failed[method] = (
                        f"expected {_form(array)} of shape {array.shape}, "
                        f"got {_form(new[key])} of shape {new[key].shape}"
                    )
    return failed


def _form(output: Any) -> str:
    storage = "sparse " if hasattr(output, "tocsr") else ""
    kind = output.dtype.kind
    return storage + (
        "text" if kind == "U" else "numbers" if kind in "biufc" else str(output.dtype)
    )


def _same_classes(original: Answers, candidate: Answers) -> bool:
    mine, theirs = original.of("classes_"), candidate.of("classes_")
    return mine.keys() == theirs.keys() and all(same_bits(mine[k], theirs[k]) for k in mine)


def _has_nan(answers: Answers, method: str) -> bool:
    """Whether an answer is NaN, or a prediction infinite; log densities may be -inf."""
    for output in answers.outputs(method).values():
        nan, infinite = not_finite(output)
        if nan.any() or (method == "predict" and infinite.any()):
            return True
    return False


def _has_new_nan(original: Answers, candidate: Answers, method: str) -> bool:
    """Whether the candidate has NaN, or an infinity, where the original has a number."""
    old, new = original.outputs(method), candidate.outputs(method)
    for key, output in old.items():
        nan, infinite = not_finite(output)
        new_nan, new_infinite = not_finite(new[key])
        if nan.shape != new_nan.shape:  # sparse, with other entries stored
            if (new_nan | new_infinite).sum() > (nan | infinite).sum():
                return True
        elif ((new_nan & ~nan) | (new_infinite & ~nan & ~infinite)).any():
            return True
    return False
