"""The gate as a function of two models' predictions, for models of any library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model_quantization.displayed import html_line, html_table
from model_quantization.errors import ConfigError
from model_quantization.evaluation.answers import Answers, plain_array
from model_quantization.evaluation.checks import Check, CheckName
from model_quantization.evaluation.evidence import Evaluation
from model_quantization.evaluation.gate import decide_on_answers
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.proof import Task, evaluate
from model_quantization.evaluation.verdict import Verdict
from model_quantization.extras import need
from model_quantization.outcome import Guarantee, Status

_PROBABILITY_ROUNDING = 1e-3  # largest distance of a row's sum of probabilities from 1


@dataclass(frozen=True, slots=True)
class Judgement:
    """The gate's judgement of two models' predictions.

    Attributes
    ----------
    verdict : Verdict
    evaluation : Evaluation
        Every figure behind it.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.arange(1000) % 2
    >>> found = judge_predictions(y, y, y)
    >>> found.published, str(found.guarantee)
    (True, 'label_exact')
    >>> found.check("loss").passed
    True
    """

    verdict: Verdict
    evaluation: Evaluation

    @property
    def published(self) -> bool:
        """Whether the second model may replace the first one."""
        return self.verdict.publish

    @property
    def status(self) -> Status:
        """`published`, or `fallback` when the first model must stay."""
        return self.verdict.status

    @property
    def guarantee(self) -> Guarantee:
        """`label_exact`, `non_inferior`, `inconclusive` or `fallback`."""
        return self.verdict.guarantee

    @property
    def reason(self) -> str:
        """The reason code; empty when published."""
        return self.verdict.reason

    @property
    def note(self) -> str:
        """One sentence: the limit, the value, and the rows needed where they were too few."""
        return self.verdict.note

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every limit that applied, with the value compared with it."""
        return self.verdict.checks

    def check(self, name: CheckName | str) -> Check:
        """The worst check of that name.

        Raises
        ------
        KeyError
            No such limit applied.
        """
        found = [check for check in self.checks if check.name == name]
        if not found:
            raise KeyError(f"no check {name!r}; there are {', '.join(c.name for c in self.checks)}")
        return next((check for check in found if not check.passed), found[0])

    def _repr_html_(self) -> str:
        checks = [
            (check.name, check.finding, _shown(check.value), _shown(check.limit))
            for check in self.checks
        ]
        table = html_table(
            checks,
            head=("check", "finding", "value", "limit"),
            caption=str(self.status) + (f", {self.guarantee}" if self.published else ""),
        )
        return table + (html_line(self.note) if self.note else "")

    def to_json(self) -> dict[str, Any]:
        """Verdict and figures as plain JSON values."""
        return {"verdict": self.verdict.to_json(), "evaluation": self.evaluation.to_json()}


def _shown(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def judge_predictions(
    y_true: Any,
    before: Any,
    after: Any,
    *,
    scores_before: Any = None,
    scores_after: Any = None,
    rows: Any = None,
    task: Literal["classification", "regression"] = "classification",
    classes: Any = None,
    gate: GatePolicy | None = None,
) -> Judgement:
    """Judge whether the predictions `after` may replace the predictions `before`.

    The pipeline judges artifacts by the same code. All bounds hold at level 1 - `gate.alpha`; see
    docs/proof.md for each.

    Parameters
    ----------
    y_true : array-like (n,) or (n, outputs), or None
        The truth: labels, or numbers for a regression. Without it the predictions `before` count as
        the truth: each change is a loss.
    before, after : array-like, shaped as `y_true`
        Predictions of the first model and of the one that would replace it.
    scores_before, scores_after : array-like (n,) or (n, classes), optional
        Scores of a classification: probabilities where each row of `scores_before` is one (between
        0 and 1, and 1 in all), else a decision function. (n,) scores the second of two classes.
        With several outputs of labels 0 and 1: (n, outputs), scoring label 1.
    rows : array-like (n,), optional
        What identifies each row. Equal ones count once: a copy of a row is no further evidence.
    task : {"classification", "regression"}
    classes : array-like (classes,), optional
        Labels of the score columns, in order; by default the sorted labels that occur.
    gate : GatePolicy, optional
        The limits; by default the documented ones.

    Returns
    -------
    Judgement
        Its `status`, `guarantee`, `note` and `checks`.

    Raises
    ------
    ConfigError
        Arrays that do not fit each other, or hold NaN; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.arange(1000) % 2
    >>> judge_predictions(y, y, y).guarantee
    <Guarantee.LABEL_EXACT: 'label_exact'>
    >>> judge_predictions(y[:100], y[:100], y[:100]).status
    <Status.FALLBACK: 'fallback'>
    """
    need("judging predictions", "sklearn", "scipy")
    if task not in ("classification", "regression"):
        raise _misfit("task", "classification or regression", repr(task))
    truth = None if y_true is None else _labels_or_numbers("y_true", y_true, task, None)
    first = _labels_or_numbers("before", before, task, truth)
    second = _labels_or_numbers("after", after, task, first if truth is None else truth)
    identifiers = None if rows is None else _identifiers(rows, len(first))
    old: dict[str, NDArray[Any]] = {"predict": first}
    new: dict[str, NDArray[Any]] = {"predict": second}
    if (scores_before is None) != (scores_after is None):
        lack = "scores_before" if scores_before is None else "scores_after"
        raise _misfit(lack, "scores of both models, or of neither", "None")
    if scores_before is not None:
        if task == "regression":
            raise _misfit("scores_before", "no scores for a regression", "scores")
        given = [each for each in (truth, first, second) if each is not None]
        method, both, known = _scores(scores_before, scores_after, given, classes)
        old |= {method: both[0], "classes_": known}
        new |= {method: both[1], "classes_": known}
    return judge_answers(Answers(old), Answers(new), truth, gate, task=task, rows=identifiers)


def judge_answers(
    before: Answers,
    after: Answers,
    target: NDArray[Any] | None,
    gate: GatePolicy | None = None,
    *,
    task: Task = "auto",
    rows: NDArray[Any] | None = None,
) -> Judgement:
    """The same for all answers of two models; see `evaluate` for parameters and errors."""
    policy = gate or GatePolicy()
    evaluation = evaluate(before, after, target, policy, task=task, rows=rows)
    return Judgement(decide_on_answers(evaluation, policy), evaluation)


def _labels_or_numbers(name: str, given: Any, task: str, like: NDArray[Any] | None) -> NDArray[Any]:
    array = plain_array(given)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise _misfit(name, "shape (n,) or (n, outputs), with at least one row", f"{array.shape}")
    if like is not None and array.shape != like.shape:
        raise _misfit(name, f"the shape of y_true, {like.shape}", f"{array.shape}")
    if task == "regression" and array.dtype.kind not in "biuf":
        raise _misfit(name, "numbers for a regression", f"{array.dtype}")
    _check_finite(name, array)
    return array


def _check_finite(name: str, array: NDArray[Any]) -> None:
    if array.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
        if len(bad):
            raise _misfit(name, "finite numbers", f"NaN or infinity at row {bad[0]}")


def _identifiers(rows: Any, count: int) -> NDArray[Any]:
    identifiers = plain_array(rows)
    if identifiers.ndim != 1 or len(identifiers) != count:
        raise _misfit("rows", f"one identifier per row, shape ({count},)", f"{identifiers.shape}")
    return identifiers


def _scores(
    before: Any, after: Any, labels: list[NDArray[Any]], classes: Any
) -> tuple[str, tuple[NDArray[np.float64], NDArray[np.float64]], NDArray[Any]]:
    """The method that gave the scores, the scores, and their classes."""
    first, second = (
        _score_array(name, given, len(labels[0]))
        for name, given in (("scores_before", before), ("scores_after", after))
    )
    if first.shape != second.shape:
        raise _misfit(
            "scores_after", f"the shape of scores_before, {first.shape}", f"{second.shape}"
        )
    if labels[0].ndim == 2:
        if first.shape != labels[0].shape or not all(
            np.isin(each, (0, 1)).all() for each in labels
        ):
            raise _misfit(
                "scores_before",
                "for several outputs: labels 0 and 1, and one score for each",
                f"labels of shape {labels[0].shape}, scores of shape {first.shape}",
            )
        return _method(first, several=True), (first, second), np.arange(first.shape[1])
    known = _classes(classes, labels)
    columns = 2 if first.ndim == 1 else first.shape[1]
    if columns != len(known):
        raise _misfit(
            "scores_before",
            f"one column for each of {len(known)} classes ({', '.join(map(str, known[:5]))}...)",
            f"{columns}",
            "pass classes= with the labels of the columns",
        )
    method = _method(first)
    if first.ndim == 1 and method == "predict_proba":
        first, second = (np.column_stack([1 - each, each]) for each in (first, second))
    return method, (first, second), known


def _score_array(name: str, given: Any, count: int) -> NDArray[np.float64]:
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _misfit(name, "numbers", str(error)) from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2) or len(array) != count:
        raise _misfit(name, f"shape ({count},) or ({count}, classes)", f"{array.shape}")
    _check_finite(name, array)
    return array


def _classes(given: Any, labels: list[NDArray[Any]]) -> NDArray[Any]:
    if given is None:
        return np.unique(np.concatenate(labels))
    known = plain_array(given)
    if known.ndim != 1 or len(np.unique(known)) != len(known):
        raise _misfit("classes", "distinct labels, shape (classes,)", f"{known.shape}")
    return known


def _method(scores: NDArray[np.float64], *, several: bool = False) -> str:
    """Whether scores are probabilities; the first model's decide, as the second's may be wrong."""
    between = bool(((scores >= 0) & (scores <= 1)).all())
    if scores.ndim == 1 or several:
        return "predict_proba" if between else "decision_function"
    whole = bool((np.abs(scores.sum(axis=1) - 1) <= _PROBABILITY_ROUNDING).all())
    return "predict_proba" if between and whole else "decision_function"


def _misfit(where: str, expected: str, got: str, do: str = "correct the argument") -> ConfigError:
    return ConfigError(
        "the predictions cannot be judged", where=where, expected=expected, got=got, do=do
    )
