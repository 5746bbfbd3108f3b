"""The decision: figures against limits -> a verdict. Never an exception."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from model_quantization.evaluation.evidence import Evaluation
from model_quantization.evaluation.policy import RELATIVE_ERROR, GatePolicy
from model_quantization.outcome import Guarantee, Status

_STRENGTH = (Guarantee.EXACT, Guarantee.LABEL_EXACT, Guarantee.NON_INFERIOR)
_TRY = "try more bits, a lower weight threshold or the exact recipe"


@dataclass(frozen=True, slots=True)
class Check:
    """One limit of the gate, the value held against it, and whether it passed."""

    name: str
    limit: float
    value: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a quantized model.

    Attributes
    ----------
    status : Status
    guarantee : Guarantee
        The tier of what is served: `fallback` wherever the original stays because something was
        lost, failed or not gained.
    attained : Guarantee
        What the evaluation alone showed, whatever the size and the policy.
    publish : bool
    reason : str
        Empty when published; else `no_gain`, `gate`, `class_recall`, `probability_shift`,
        `tier`, `inconclusive`, `unverified`, `nan_answers`, `original_nan` or `failed_method`.
    note : str
        One sentence for a person: the limit, the value, and what to do.
    checks : tuple of Check
        Every limit that was looked at.
    """

    status: Status
    guarantee: Guarantee
    attained: Guarantee
    publish: bool
    reason: str
    note: str
    checks: tuple[Check, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        record = asdict(self)
        record["checks"] = list(record["checks"])
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Verdict:
        """The verdict that `to_json` wrote."""
        values = dict(record)
        values["status"] = Status(values["status"])
        values["guarantee"] = Guarantee(values["guarantee"])
        values["attained"] = Guarantee(values["attained"])
        values["checks"] = tuple(Check(**check) for check in values["checks"])
        return cls(**values)


def decide(
    evaluation: Evaluation | None,
    policy: GatePolicy,
    *,
    size_before: int,
    size_after: int,
    exact_by_construction: bool,
) -> Verdict:
    """The verdict on a quantized model of `size_after` bytes in place of `size_before`.

    In this order: answers that cannot be used, a loss beyond a limit, no gain in size, nothing
    to evaluate on, too few rows to tell, a tier weaker than the policy requires; else published.

    Parameters
    ----------
    evaluation : Evaluation or None
        None when there was no held-out data.
    exact_by_construction : bool
        The recipe rounds nothing. `exact` takes this and bit-identical answers.
    """
    saved = 1.0 - size_after / size_before if size_before else 0.0
    size = Check("size_reduction", policy.min_size_reduction, saved, _at_least(saved, policy))
    if evaluation is None or evaluation.task == "none":
        return _unverified(evaluation, policy, size, (size_before, size_after))
    if (
        not evaluation.rows
        or evaluation.failed
        or evaluation.nan_methods
        or evaluation.original_nan
    ):
        return _unusable(evaluation, size)
    checks = (*_checks(evaluation, policy), size)
    attained = _attained(evaluation, policy, exact_by_construction)
    if attained is Guarantee.FALLBACK:
        return _lost(evaluation, policy, checks)
    if not size.passed:
        note = _no_gain_note(size, size_before, size_after)
        return _kept("no_gain", note, checks, attained, status=Status.NO_GAIN)
    if attained is Guarantee.INCONCLUSIVE:
        return _inconclusive(evaluation, policy, checks)
    required = Guarantee(policy.require)
    if _STRENGTH.index(attained) > _STRENGTH.index(required):
        note = (
            f"{attained} was shown ({_tier_note(evaluation, attained)}) where the policy requires "
            f"{required}; {_TRY}, or require less"
        )
        return _kept("tier", note, checks, attained)
    note = _tier_note(evaluation, attained)
    return Verdict(Status.PUBLISHED, attained, attained, True, "", note, checks)


def _at_least(saved: float, policy: GatePolicy) -> bool:
    return saved >= policy.min_size_reduction


def _checks(evaluation: Evaluation, policy: GatePolicy) -> tuple[Check, ...]:
    allowed = policy.allowed(evaluation.metric, evaluation.unit)
    loss, bound = _known(evaluation.loss), _known(evaluation.loss_bound)
    worst = evaluation.worst_class
    drop = worst.loss if worst and worst.p_value <= policy.alpha else 0.0
    shift, most = evaluation.probability_shift, policy.allowed_probability_shift
    return (
        Check("loss", allowed, loss, loss <= allowed),
        Check("loss_bound", allowed, bound, bound <= allowed),
        Check("rows", policy.min_rows, evaluation.rows, evaluation.rows >= policy.min_rows),
        Check("class_recall", policy.allowed_class_drop, drop, drop <= policy.allowed_class_drop),
        Check("probability_shift", most, shift, shift <= most),
    )


def _known(value: float | None) -> float:
    """The value; one that is not known passes no limit."""
    return value if value is not None and isfinite(value) else sys.float_info.max


def _attained(evaluation: Evaluation, policy: GatePolicy, exact: bool) -> Guarantee:
    if evaluation.bit_identical and exact:
        return Guarantee.EXACT
    loss, bound, rows, recall, shift = _checks(evaluation, policy)
    if not (loss.passed and recall.passed and shift.passed):
        return Guarantee.FALLBACK
    if not rows.passed:
        return Guarantee.INCONCLUSIVE
    if evaluation.labels_changed == 0:
        return Guarantee.LABEL_EXACT
    return Guarantee.NON_INFERIOR if bound.passed else Guarantee.INCONCLUSIVE


def _kept(
    reason: str,
    note: str,
    checks: tuple[Check, ...],
    attained: Guarantee = Guarantee.FALLBACK,
    status: Status = Status.FALLBACK,
) -> Verdict:
    """The original stays."""
    return Verdict(status, Guarantee.FALLBACK, attained, False, reason, note, checks)


def _unverified(
    evaluation: Evaluation | None, policy: GatePolicy, size: Check, sizes: tuple[int, int]
) -> Verdict:
    unverified = Guarantee.UNVERIFIED
    if not size.passed:
        note = _no_gain_note(size, *sizes)
        return _kept("no_gain", note, (size,), unverified, status=Status.NO_GAIN)
    lack = "no held-out data" if evaluation is None else "the model has no method that answers"
    if policy.publish_unverified:
        note = f"published without proof: {lack}"
        return Verdict(Status.UNVERIFIED, unverified, unverified, True, "", note, (size,))
    do = "add a held-out file, or set publish_unverified"
    if evaluation is not None:
        do = "set publish_unverified to use it unproven"
    note = f"original kept: {lack}; {do}"
    return Verdict(Status.UNVERIFIED, unverified, unverified, False, "unverified", note, (size,))


def _unusable(evaluation: Evaluation, size: Check) -> Verdict:
    if evaluation.original_nan:
        names = ", ".join(evaluation.original_nan)
        note = f"the original itself answers NaN or infinity to {names}: retrain or repair it"
        return _kept("original_nan", note, (size,))
    if evaluation.failed:
        method, why = next(iter(evaluation.failed.items()))
        note = f"the quantized model fails at {method} ({why}); report it, and use exact until then"
        return _kept("failed_method", note, (size,))
    if not evaluation.rows:
        return _kept("inconclusive", "no row was answered; add held-out rows", (size,))
    names = ", ".join(evaluation.nan_methods)
    note = f"the quantized model answers NaN or infinity to {names} where the original does not"
    return _kept("nan_answers", f"{note}; {_TRY}", (size,))


def _lost(evaluation: Evaluation, policy: GatePolicy, checks: tuple[Check, ...]) -> Verdict:
    failed = {check.name: check for check in checks if not check.passed}
    worst = evaluation.worst_class
    if "loss" in failed:
        loss = failed["loss"]
        note = (
            f"{_score(evaluation)} on {evaluation.rows:,} rows, a loss of {loss.value:.4g} "
            f"where {loss.limit:.4g} is allowed; {_TRY}"
        )
        return _kept("gate", note, checks)
    if "class_recall" in failed and worst is not None:
        note = (
            f"recall of class {worst.label} fell from {worst.recall_before:.4g} to "
            f"{worst.recall_after:.4g} on {worst.rows:,} rows, more than the "
            f"{policy.allowed_class_drop:.4g} that is allowed; {_TRY}"
        )
        return _kept("class_recall", note, checks)
    note = (
        f"probabilities moved by {evaluation.probability_shift:.4g} on average where "
        f"{policy.allowed_probability_shift:.4g} is allowed; {_TRY}"
    )
    return _kept("probability_shift", note, checks)


def _inconclusive(evaluation: Evaluation, policy: GatePolicy, checks: tuple[Check, ...]) -> Verdict:
    tier = Guarantee.INCONCLUSIVE
    if evaluation.rows < policy.min_rows:
        what = (
            f"{evaluation.rows} held-out rows show nothing; at least {policy.min_rows} are needed"
        )
    else:
        bound = next(check for check in checks if check.name == "loss_bound")
        what = (
            f"{_score(evaluation)}, but on {evaluation.rows:,} rows a loss of up to "
            f"{bound.value:.4g} cannot be ruled out where {bound.limit:.4g} is allowed"
        )
        if evaluation.rows_needed:
            what += f"; about {evaluation.rows_needed:,} rows would tell"
    if policy.publish_inconclusive and policy.require == "non_inferior":
        return Verdict(Status.PUBLISHED, tier, tier, True, "", what, checks)
    do = "add rows, allow a larger drop, or set publish_inconclusive"
    return Verdict(Status.FALLBACK, tier, tier, False, "inconclusive", f"{what}; {do}", checks)


def _no_gain_note(size: Check, before: int, after: int) -> str:
    return (
        f"original kept: the artifact has {after:,} bytes, the original {before:,}, and at least "
        f"{size.limit:.1%} must be saved"
    )


def _score(evaluation: Evaluation) -> str:
    if evaluation.score_before is None or evaluation.score_after is None:
        return f"{evaluation.metric.replace('_', ' ')} {_known(evaluation.loss):.4g}"
    return f"{evaluation.metric} {evaluation.score_before:.4f} -> {evaluation.score_after:.4f}"


def _tier_note(evaluation: Evaluation, tier: Guarantee) -> str:
    rows, sure = f"{evaluation.rows:,} rows", f"{1 - evaluation.alpha:.0%} sure"
    if tier is Guarantee.EXACT:
        return f"every bit of every answer is the same on {rows}"
    if tier is Guarantee.LABEL_EXACT:
        return (
            f"no prediction changed on {rows}: at most {evaluation.flip_bound:.2%} of new ones "
            f"do ({sure})"
        )
    if evaluation.metric == RELATIVE_ERROR:
        return f"outputs are off by at most {evaluation.loss:.2%} of their spread on {rows}"
    return (
        f"{_score(evaluation)} on {rows}: the loss is at most {evaluation.loss_bound:.4f} ({sure})"
    )
