"""The decision of the gate: checks -> a verdict. It raises no exception."""

from __future__ import annotations

import sys
from math import isfinite

from model_quantization.evaluation.checks import Check, CheckName, Finding, held_against
from model_quantization.evaluation.evidence import Evaluation
from model_quantization.evaluation.policy import RELATIVE_ERROR, GatePolicy
from model_quantization.evaluation.verdict import Verdict
from model_quantization.evaluation.words import TRY, inconclusive_note, lost_note, score_text
from model_quantization.outcome import Guarantee, Reason, Status
from model_quantization.version import report_it

_STRENGTH = (Guarantee.EXACT, Guarantee.LABEL_EXACT, Guarantee.NON_INFERIOR)
_REASONS = {
    CheckName.LOSS: Reason.GATE,
    CheckName.SCORE: Reason.GATE,
    CheckName.AGREEMENT: Reason.GATE,
    CheckName.TRANSFORM_ERROR: Reason.GATE,
    CheckName.CLASS_RECALL: Reason.CLASS_RECALL,
    CheckName.RANKING: Reason.RANKING,
    CheckName.PROPER_SCORE: Reason.PROPER_SCORE,
    CheckName.PROBABILITY_SHIFT: Reason.PROBABILITY_SHIFT,
    CheckName.RUINED_ROWS: Reason.RUINED_ROWS,
    CheckName.SCORE_ERROR: Reason.SCORE_ERROR,
    CheckName.RANK_CORRELATION: Reason.RANK_CORRELATION,
}


def decide(
    evaluation: Evaluation | None,
    policy: GatePolicy,
    *,
    size_before: int,
    size_after: int,
    exact_by_construction: bool,
    probe_rows: int = 0,
    probe_note: str = "",
) -> Verdict:
    """The verdict on a quantized model of `size_after` bytes in place of `size_before`.

    In this order: answers that cannot be used, an artifact that rounds nothing and differs, a loss
    beyond a limit, no gain in size, nothing to evaluate on, too few rows to tell, a tier weaker
    than the policy requires; else published.

    Parameters
    ----------
    evaluation : Evaluation or None
        None when there was no held-out data.
    exact_by_construction : bool
        The recipe rounds nothing. Such an artifact is `exact`; if any bit of an answer differs, it
        has failed.
    probe_rows : int
        Probe rows on which artifact and original agree; 0: none.
    probe_note : str
        The result on them, as a clause.
    """
    saved = 1.0 - size_after / size_before if size_before else 0.0
    size = held_against(CheckName.SIZE_REDUCTION, policy.min_size_reduction, saved)
    if evaluation is None or evaluation.task == "none":
        sizes = (size_before, size_after)
        if exact_by_construction and probe_rows and size.passed:
            note = f"rounds nothing; {probe_note}"
            exact = Guarantee.EXACT
            return Verdict(Status.PUBLISHED, exact, exact, True, "", note, (size,))
        return _unverified(evaluation, policy, size, sizes, probe_note)
    return _decide(
        evaluation, policy, (size,), exact_by_construction, sizes=(size_before, size_after)
    )


def decide_on_answers(evaluation: Evaluation, policy: GatePolicy) -> Verdict:
    """The verdict on answers alone, of models whose sizes and recipe are not known."""
    return _decide(evaluation, policy, (), exact=False, sizes=(0, 0))


def _decide(
    evaluation: Evaluation,
    policy: GatePolicy,
    sized: tuple[Check, ...],
    exact: bool,
    sizes: tuple[int, int],
) -> Verdict:
    unusable = _unusable(evaluation, sized)
    if unusable is not None:
        return unusable
    checks = (*evaluation.checks, _rows(evaluation, policy), *sized)
    if exact and not evaluation.bit_identical:
        return _differs(evaluation, checks)
    attained = _attained(evaluation, policy, exact)
    if attained is Guarantee.FALLBACK:
        return _lost(evaluation, checks)
    for size in sized:
        if not size.passed:
            note = _no_gain_note(size, *sizes)
            return _kept(Reason.NO_GAIN, note, checks, attained, status=Status.NO_GAIN)
    if attained is Guarantee.INCONCLUSIVE:
        return _inconclusive(evaluation, policy, checks)
    required = Guarantee(policy.require)
    note = _tier_note(evaluation, attained)
    if _STRENGTH.index(attained) > _STRENGTH.index(required):
        note = (
            f"{attained} was shown ({note}) where the policy requires {required}; {TRY}, or "
            "require less"
        )
        return _kept(Reason.TIER, note, checks, attained)
    return Verdict(Status.PUBLISHED, attained, attained, True, "", note, checks)


def _rows(evaluation: Evaluation, policy: GatePolicy) -> Check:
    """The check of the number of rows; with too few, nothing is proven."""
    rows, least = evaluation.rows, policy.min_rows
    finding = Finding.HELD if rows >= least else Finding.OPEN
    needed = None if rows >= least else least
    return Check(CheckName.ROWS, least, rows, finding, rows_needed=needed)


def _attained(evaluation: Evaluation, policy: GatePolicy, exact: bool) -> Guarantee:
    if evaluation.bit_identical and exact:
        return Guarantee.EXACT
    found = {check.finding for check in evaluation.checks}
    # A value that was not measured passes no limit.
    if Finding.LOST in found or not evaluation.checks or not _is_known(evaluation.loss):
        return Guarantee.FALLBACK
    rows = _rows(evaluation, policy)
    if Finding.OPEN in found or not rows.passed or not _is_known(evaluation.loss_bound):
        return Guarantee.INCONCLUSIVE
    if evaluation.labels_changed == 0 and evaluation.flip_bound <= policy.allowed_drop:
        return Guarantee.LABEL_EXACT
    return Guarantee.NON_INFERIOR


def _is_known(value: float | None) -> bool:
    return value is not None and isfinite(value) and value < sys.float_info.max


def failed_artifact(reason: Reason, note: str) -> Verdict:
    """Return the verdict on an artifact that must not be served, whatever its figures."""
    return _kept(reason, note, (), status=Status.FAILED)


def _kept(
    reason: Reason,
    note: str,
    checks: tuple[Check, ...],
    attained: Guarantee = Guarantee.FALLBACK,
    status: Status = Status.FALLBACK,
) -> Verdict:
    """The original stays."""
    return Verdict(status, Guarantee.FALLBACK, attained, False, reason, note, checks)


def _unverified(
    evaluation: Evaluation | None,
    policy: GatePolicy,
    size: Check,
    sizes: tuple[int, int],
    probe_note: str = "",
) -> Verdict:
    unverified = Guarantee.UNVERIFIED
    if not size.passed:
        note = _no_gain_note(size, *sizes)
        return _kept(Reason.NO_GAIN, note, (size,), unverified, status=Status.NO_GAIN)
    lack = "no held-out data" if evaluation is None else "the model has no method that answers"
    if policy.publish_unverified:
        note = f"published without proof: {lack}{f'; {probe_note}' if probe_note else ''}"
        return Verdict(Status.UNVERIFIED, unverified, unverified, True, "", note, (size,))
    do = "add a held-out file with the model's name (`<model>.parquet`, .csv, .csv.gz or .npz), "
    do += "or set publish_unverified"
    if evaluation is not None:
        do = "set publish_unverified to use it unproven"
    note = f"original kept: {lack}; {do}"
    reason = Reason.UNVERIFIED
    return Verdict(Status.UNVERIFIED, unverified, unverified, False, reason, note, (size,))


def _unusable(evaluation: Evaluation, sized: tuple[Check, ...]) -> Verdict | None:
    if evaluation.original_nan:
        names = ", ".join(evaluation.original_nan)
        note = f"the original itself answers NaN or infinity to {names}: retrain or repair it"
        return _kept(Reason.ORIGINAL_NAN, note, sized)
    if evaluation.failed:
        method, why = next(iter(evaluation.failed.items()))
        note = f"the quantized model fails at {method} ({why}); use exact, and {report_it()}"
        return _kept(Reason.FAILED_METHOD, note, sized)
    if not evaluation.rows:
        return _kept(Reason.INCONCLUSIVE, "no row was answered; add held-out rows", sized)
    if evaluation.nan_methods:
        names = ", ".join(evaluation.nan_methods)
        note = f"the quantized model answers NaN or infinity to {names} where the original does not"
        return _kept(Reason.NAN_ANSWERS, f"{note}; {TRY}", sized)
    return None


def _differs(evaluation: Evaluation, checks: tuple[Check, ...]) -> Verdict:
    """The verdict on an artifact that rounds nothing and differs: it is broken, and has no tier."""
    differing = [each for each in evaluation.agreement if not each.identical]
    if differing:
        seen = ", ".join(
            f"{each.method} by up to {each.largest_difference:.3g} ({each.rows_changed:,} rows "
            "changed)"
            for each in differing
        )
    else:
        seen = "the classes"
    note = f"the artifact rounds nothing, yet its answers differ: {seen}; {report_it()}"
    return _kept(Reason.DIFFERS, note, checks, status=Status.FAILED)


def _lost(evaluation: Evaluation, checks: tuple[Check, ...]) -> Verdict:
    lost = [check for check in checks if check.finding is Finding.LOST]
    if not lost:
        note = f"the loss could not be measured on {evaluation.rows:,} rows; {report_it()}"
        return _kept(Reason.GATE, note, checks)
    return _kept(_REASONS[lost[0].name], f"{lost_note(lost[0], evaluation)}; {TRY}", checks)


def _inconclusive(evaluation: Evaluation, policy: GatePolicy, checks: tuple[Check, ...]) -> Verdict:
    tier = Guarantee.INCONCLUSIVE
    note = inconclusive_note(evaluation, policy)
    if policy.publish_inconclusive and policy.require == "non_inferior":
        return Verdict(Status.PUBLISHED, tier, tier, True, "", note, checks)
    do = "add rows, allow a larger drop, or set publish_inconclusive"
    reason = Reason.INCONCLUSIVE
    return Verdict(Status.FALLBACK, tier, tier, False, reason, f"{note}; {do}", checks)


def _no_gain_note(size: Check, before: int, after: int) -> str:
    return (
        f"original kept: the artifact has {after:,} bytes, the original {before:,}, and at least "
        f"{size.limit:.1%} must be saved"
    )


def _tier_note(evaluation: Evaluation, tier: Guarantee) -> str:
    rows, sure = f"{evaluation.rows:,} rows", f"{1 - evaluation.alpha:.0%} sure"
    if tier is Guarantee.EXACT:
        return f"every bit of every answer is the same on {rows}"
    few = [check.note for check in evaluation.checks if check.finding is Finding.TOO_FEW]
    more = f"; {few[0]}" if few else ""
    if tier is Guarantee.LABEL_EXACT:
        return (
            f"no prediction changed on {rows}: at most {evaluation.flip_bound:.2%} of new ones "
            f"do ({sure}){more}"
        )
    if evaluation.metric == RELATIVE_ERROR:
        return f"outputs are off by at most {evaluation.loss:.2%} of their spread on {rows}"
    return (
        f"{score_text(evaluation)} on {rows}: the loss is at most {evaluation.loss_bound:.4f} "
        f"({sure}){more}"
    )
