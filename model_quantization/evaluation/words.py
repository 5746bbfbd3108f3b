"""The gate's sentences: the limit, the value, and the rows needed."""

from __future__ import annotations

from math import isfinite

from model_quantization.evaluation.checks import Check, CheckName, Finding
from model_quantization.evaluation.evidence import Evaluation
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.numerals import as_known, fixed

TRY = "try more bits, a lower weight threshold or the exact recipe"


def score_text(evaluation: Evaluation) -> str:
    """The score before and after, or the error where there is no score."""
    if evaluation.score_before is None or evaluation.score_after is None:
        loss = evaluation.loss if evaluation.loss is not None else float("nan")
        return f"{evaluation.metric.replace('_', ' ')} {_figure(loss)}"
    scores = evaluation.score_before, evaluation.score_after
    before, after = (_score(as_known(evaluation.metric, score)) for score in scores)
    return f"{evaluation.metric} {before} -> {after}"


def lost_note(check: Check, evaluation: Evaluation) -> str:
    """The observed loss."""
    seen = check.value if check.observed is None else check.observed
    rows, limit, at = f"{evaluation.rows:,} rows", f"{check.limit:.4g}", _at(check)
    match check.name:
        case CheckName.LOSS | CheckName.SCORE | CheckName.AGREEMENT:
            text = f"{score_text(evaluation)} on {rows}, a loss of {_figure(seen)}{at}"
            return f"{text} where {limit} is allowed"
        case CheckName.CLASS_RECALL:
            worst = evaluation.worst_class
            recalls = (
                f"from {worst.recall_before:.4g} to {worst.recall_after:.4g} on {worst.rows:,} rows"
                if worst
                else f"by {_figure(seen)}"
            )
            return f"recall of {check.where} fell {recalls}, more than the {limit} that is allowed"
        case CheckName.RANKING:
            return f"{check.note}{at} on {rows}, a loss of {_figure(seen)} where {limit} is allowed"
        case CheckName.PROPER_SCORE:
            return f"{check.note}{at} on {rows}, where a rise of {limit} is allowed"
        case CheckName.PROBABILITY_SHIFT:
            return f"probabilities moved by {_figure(seen)} on average where {limit} is allowed"
        case CheckName.RUINED_ROWS:
            return f"{seen:.2%} of {rows} are ruined{at}, where {check.limit:.2%} are allowed"
        case CheckName.RANK_CORRELATION:
            return f"rank correlation {seen:.4g}{at} on {rows} where {limit} is needed"
        case _:
            return f"relative error {_figure(seen)}{at} on {rows}, where {limit} is allowed"


def inconclusive_note(evaluation: Evaluation, policy: GatePolicy) -> str:
    """The loss that the rows cannot rule out, and the rows needed."""
    if evaluation.rows < policy.min_rows:
        least = max(policy.min_rows, evaluation.rows_needed or 0)
        return f"{evaluation.rows} held-out rows show nothing; at least {least:,} are needed"
    unproven = [check for check in evaluation.checks if check.finding is Finding.OPEN]
    rows = f"{evaluation.rows:,} rows"
    if evaluation.repeated_rows:
        rows = f"{evaluation.rows:,} distinct rows"
    if not unproven:
        note = f"{score_text(evaluation)}, but its loss could not be bounded on {rows}"
    else:
        check = unproven[0]
        bound = _figure(check.value) if isfinite(check.value) else "any size"
        subject = _SUBJECTS.get(check.name, "a loss")
        subject += _at(check) if check.name is not CheckName.CLASS_RECALL else f" of {check.where}"
        rows = f"{check.rows:,} of {rows}" if check.rows else rows
        note = (
            f"{score_text(evaluation)}, but on {rows} {subject} of up to {bound} cannot be ruled "
            f"out where {check.limit:.4g} is allowed"
        )
    if evaluation.rows_needed:
        note += f"; about {evaluation.rows_needed:,} rows would tell"
    return note


_SUBJECTS = {
    CheckName.CLASS_RECALL: "a loss of recall",
    CheckName.RANKING: "a loss of ranking",
    CheckName.PROPER_SCORE: "a rise of the Brier score",
    CheckName.RUINED_ROWS: "a share of ruined rows",
}


def _score(value: float) -> str:
    return fixed(value) if abs(value) < 1_000 else f"{value:,.0f}"


def _figure(value: float) -> str:
    return f"{value:.4g}" if not 1_000 <= abs(value) < 1e9 else f"{value:,.0f}"


def _at(check: Check) -> str:
    return f" at {check.where}" if check.where else ""
