"""Run in the child process: ask coarser artifacts the selection rows, or rows made from the model.

Options are compared by what they do to the final answers, so whole artifacts are asked, one after
the other. Labels of the truth serve only to predict what the gate will find.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Any

import numpy as np

from model_quantization.artifact.reader import read_artifact
from model_quantization.errors import QuantizationError
from model_quantization.evaluation.answers import MODEL_ERRORS, Answers, answer, answerable
from model_quantization.evaluation.bounds import loss_bound
from model_quantization.evaluation.checks import Check, CheckName, Finding
from model_quantization.evaluation.distortion import WORST, Distortion, distortion
from model_quantization.evaluation.numbers import ruined_rows_check
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.proof import evaluate
from model_quantization.evaluation.rows.division import DividedRows
from model_quantization.evaluation.rows.heldout import HeldOut
from model_quantization.loading.sandbox.handler import Handler
from model_quantization.pipeline.child.handover import CALIBRATION, SELECTION
from model_quantization.pipeline.child.messages.measuring import (
    Measured,
    MeasureReply,
    MeasureRequest,
)
from model_quantization.pipeline.child.original import extend_import_path
from model_quantization.pipeline.child.probing import read_questions
from model_quantization.pipeline.child.rows import rows_of
from model_quantization.predictor.opening import model_at, open_model
from model_quantization.probes.forms import all_rows
from model_quantization.trust import TrustPolicy

# These say nothing of a model's size or have no limit that a coarser model comes near.
_NOT_PREDICTED = frozenset({CheckName.ROWS, CheckName.SIZE_REDUCTION, CheckName.FLIPS})
_FAULTS: tuple[type[Exception], ...] = (QuantizationError, *MODEL_ERRORS)
_TASKS = ("classification", "regression", "cluster", "outlier")


@dataclass(frozen=True, slots=True)
class _Question:
    """Rows for the model at a path, and what the original answers."""

    path: str
    rows: Any
    answers: Answers


@Handler
def measure_plans(request: MeasureRequest) -> MeasureReply:
    """Run in the child: measure artifacts against the original's answers."""
    extend_import_path(request.import_path)
    trust = TrustPolicy(frozenset(request.trusted))
    divided = _divided(request)
    selection = divided.selection if divided is not None else None
    fitted = _of_calibration(request, divided) if divided is not None else None
    questions = (
        [_of_selection(request, selection)] if selection is not None else _of_probes(request, trust)
    )
    measured = tuple(
        _measured(request, path, trust, questions, selection, fitted) for path in request.artifacts
    )
    return MeasureReply(measured, sum(len(each.rows) for each in questions))


def _divided(request: MeasureRequest) -> DividedRows | None:
    if request.rows is None or request.expected is None or request.answered is None:
        return None
    return rows_of(request.rows, request.expected, request.limits)


def _of_calibration(request: MeasureRequest, divided: DividedRows) -> _Question | None:
    if not request.fits or divided.calibration is None:
        return None
    original = Answers.from_files(request.workspace, CALIBRATION, request.limits)
    return _Question(request.answered or "", divided.calibration.rows, original)


def _of_selection(request: MeasureRequest, selection: HeldOut) -> _Question:
    original = Answers.from_files(request.workspace, SELECTION, request.limits)
    return _Question(request.answered or "", selection.rows, original)


def _of_probes(request: MeasureRequest, trust: TrustPolicy) -> list[_Question]:
    """The probe rows of each model, answered by the artifact that rounds nothing."""
    reference = open_model(read_artifact(request.reference, request.limits), trust)
    questions = []
    for path, (rows, _) in read_questions(request.probed, request.workspace).items():
        model, given = model_at(reference, path), all_rows(rows)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                questions.append(_Question(path, given, answer(model, given, answerable(model))))
        except _FAULTS:
            continue  # rows that the original does not answer either
    return questions


def _measured(
    request: MeasureRequest,
    artifact: Any,
    trust: TrustPolicy,
    questions: list[_Question],
    selection: HeldOut | None,
    fitted: _Question | None,
) -> Measured:
    corrections: tuple[tuple[float, float], ...] = ()
    try:
        opened = open_model(read_artifact(artifact, request.limits), trust)
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for question in questions:
                model = model_at(opened, question.path)
                given = answer(model, question.rows, question.answers.methods)
                found.append((question.answers, given))
            if fitted is not None:
                model = model_at(opened, fitted.path)
                method = _scores_of(fitted.answers)
                given = answer(model, fitted.rows, (method,)) if method else Answers({}, {})
                corrections = _corrections(fitted.answers, given, method)
    except _FAULTS as error:
        return Measured(Distortion(WORST, 1.0), fault=f"{type(error).__name__}: {error}")
    each = [distortion(original, given) for original, given in found]
    if not each:
        return Measured(Distortion(WORST, 1.0), fault="no rows that the model answers")
    mean = Distortion(sum(one.value for one in each) / len(each), max(one.changed for one in each))
    if request.gate is None or selection is None or request.expected is None:
        return Measured(mean, corrections=corrections)
    return replace(_predicted(request, mean, found[0], selection), corrections=corrections)


def _scores_of(original: Answers) -> str:
    """The method whose answers are the scores of a linear model; empty for other models."""
    for method in ("decision_function", "predict"):
        outputs = original.outputs(method)
        if len(outputs) == 1 and next(iter(outputs.values())).dtype.kind == "f":
            return method
    return ""


def _corrections(original: Answers, given: Answers, method: str) -> tuple[tuple[float, float], ...]:
    """Factor and shift of each output that bring the scores nearest to the original's."""
    old, new = (next(iter(each.outputs(method).values()), None) for each in (original, given))
    if old is None or new is None or np.shape(old) != np.shape(new):
        return ()
    wanted, scores = (np.asarray(each, np.float64).reshape(len(each), -1) for each in (old, new))
    if not (np.isfinite(wanted).all() and np.isfinite(scores).all()) or len(scores) < 2:
        return ()
    centred = scores - scores.mean(axis=0)
    spread = (centred**2).sum(axis=0)
    together = (centred * (wanted - wanted.mean(axis=0))).sum(axis=0)
    factor = np.where(spread > 0, together / np.where(spread > 0, spread, 1.0), 1.0)
    shift = wanted.mean(axis=0) - factor * scores.mean(axis=0)
    return tuple(zip(factor.tolist(), shift.tolist(), strict=True))


def _predicted(
    request: MeasureRequest, mean: Distortion, found: tuple[Answers, Answers], selection: HeldOut
) -> Measured:
    """The measurement with the bounds to expect on the gate's rows.

    The width of a bound shrinks with the root of the rows.
    """
    assert request.gate is not None and request.expected is not None
    if selection.target is None and request.expected.needs_target:
        return _without_target(mean, _moved(*found, request.gate), request)
    task: Any = request.expected.task
    evaluation = evaluate(
        *found,
        selection.target,
        request.gate,
        task=task if task in _TASKS and found[0].methods else "auto",
        rows=selection.row_hashes,
    )
    if evaluation.failed or evaluation.nan_methods:
        why = next(iter(evaluation.failed.values()), "NaN where the original answers a number")
        return Measured(mean, fault=why)
    narrower = sqrt(max(evaluation.rows, 1) / max(request.gate_rows, 1))
    margins = {
        check.name: _margin(check, narrower)
        for check in evaluation.checks
        if check.name not in _NOT_PREDICTED and check.finding is not Finding.TOO_FEW
    }
    worst = max(margins, key=lambda name: (margins[name], name), default=None)
    bound = None
    if evaluation.loss is not None and evaluation.loss_bound is not None:
        bound = evaluation.loss + (evaluation.loss_bound - evaluation.loss) * narrower
    return Measured(
        mean,
        loss=evaluation.loss,
        loss_bound=bound,
        margin=margins[worst] if worst is not None else None,
        worst=str(worst or ""),
    )


def _without_target(mean: Distortion, moved: float, request: MeasureRequest) -> Measured:
    """The bounds to expect where the truth is not known.

    Of changed labels half are losses. Of answers that move far, a few more get worse than better.
    """
    assert request.gate is not None
    gate, rows = request.gate, request.gate_rows
    if rows < 1 or gate.allowed_drop <= 0:
        return Measured(mean)
    lost = ceil(mean.changed * rows / 2)
    loss = loss_bound(lost, max(lost - 1, 0), rows, gate.alpha)
    worse, better = ceil(0.6 * moved * rows), int(0.4 * moved * rows)
    ruined = loss_bound(worse, better, rows, gate.alpha)
    worst = CheckName.LOSS if loss >= ruined else CheckName.RUINED_ROWS
    return Measured(
        mean,
        loss_bound=loss,
        margin=min(max(loss, ruined) / gate.allowed_drop, WORST),
        worst=str(worst),
    )


def _moved(original: Answers, given: Answers, gate: GatePolicy) -> float:
    """The share of rows whose answers move by more than the gate's part of their spread."""
    for method in ("predict_proba", "decision_function", "predict"):
        shares = [0.0]
        for key, old in original.outputs(method).items():
            new = given.outputs(method).get(key)
            if old.dtype.kind != "f" or new is None or new.shape != old.shape:
                break
            check = ruined_rows_check(old, new, key, gate)
            shares.append(check.observed or 0.0)
        if len(shares) > 1:
            return max(shares)
    return 0.0


def _margin(check: Check, narrower: float) -> float:
    """The bound to expect in parts of the limit."""
    value, limit = check.value, check.limit
    observed = value if check.observed is None else check.observed
    if check.name is CheckName.RANK_CORRELATION:
        value, observed, limit = 1 - value, 1 - observed, 1 - limit
    expected = observed + (value - observed) * narrower
    return min(expected / limit, WORST) if limit > 0 else (0.0 if expected <= 0 else WORST)
