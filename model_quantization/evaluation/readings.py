"""Answers read as labels, values or class scores, in a form that compares with targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.errors import HeldOutError
from model_quantization.evaluation.answers import Answers


def rows_of(answers: Answers) -> int:
    """The number of rows answered; 0 when no method answered."""
    for method in answers.methods:
        for output in answers.outputs(method).values():
            return int(output.shape[0]) if len(output.shape) else 0
    return 0


def labels_of(answers: Answers) -> NDArray[Any]:
    """The result of `predict`, dense: (n,) or (n, k); a single column becomes (n,)."""
    outputs = answers.outputs("predict").values()
    dense = [np.asarray(o.toarray() if hasattr(o, "toarray") else o) for o in outputs]
    labels = dense[0] if len(dense) == 1 else np.column_stack(dense)
    return _without_lone_column(labels)


def values_of(answers: Answers) -> NDArray[np.float64]:
    """The result of a regressor's `predict`, as float64 (n, k)."""
    labels = labels_of(answers)
    return np.asarray(labels, dtype=np.float64).reshape(len(labels), -1)


def against(target: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Target and labels in one shape and one form: if either is text, both become text.

    A file may hold the labels "0" and "1" as numbers where the model knows them as text.

    Raises
    ------
    HeldOutError
        The shapes differ.
    """
    target = _without_lone_column(target)
    if target.shape != labels.shape:
        raise _misfit(labels.shape, target.shape)
    return as_text_like(target, labels), as_text_like(labels, target)


def as_text_like(values: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """`values`, as text when only `other` is text; whole floats are written like integers."""
    if other.dtype.kind != "U" or values.dtype.kind == "U":
        return values
    if values.dtype.kind == "f" and np.array_equal(values, np.trunc(values)):
        values = values.astype(np.int64)
    return values.astype(np.str_)


def right(answers: Answers, target: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each label is the target's: bool, (n,) or (n, k)."""
    truth, labels = against(target, labels_of(answers))
    return np.asarray(labels == truth, dtype=np.bool_)


def numeric_target(target: NDArray[Any], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The target of a regressor as float64 (n, k).

    Raises
    ------
    HeldOutError
        It is not numbers, or has another shape than the predictions.
    """
    try:
        numbers = np.asarray(target, dtype=np.float64).reshape(len(target), -1)
    except ValueError as error:
        raise HeldOutError(
            "the target of a regressor has values that are not numbers",
            got=str(error),
            do="correct the target column",
        ) from error
    if numbers.shape != values.shape:
        raise _misfit(values.shape, numbers.shape)
    return numbers


def class_scores(answers: Answers) -> tuple[NDArray[Any], NDArray[np.float64]] | None:
    """Labels (k,) and their scores (n, k), or None when a model has no such scores.

    Probabilities where the model gives them, else the decision function.
    """
    classes = answers.arrays.get("classes_")
    for method in ("predict_proba", "decision_function"):
        scores = answers.arrays.get(method)
        if classes is None or scores is None or classes.ndim != 1:
            continue
        if scores.ndim == 1 and len(classes) == 2:
            scores = np.column_stack([-scores, scores])
        if scores.ndim == 2 and scores.shape[1] == len(classes):
            return classes, np.asarray(scores, dtype=np.float64)
    return None


def _without_lone_column(values: NDArray[Any]) -> NDArray[Any]:
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _misfit(expected: tuple[int, ...], got: tuple[int, ...]) -> HeldOutError:
    return HeldOutError(
        "the targets do not fit the model's predictions",
        expected=f"shape {expected}",
        got=f"{got}",
        do="name as many target columns as the model predicts",
    )
