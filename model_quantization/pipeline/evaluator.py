"""Compares artifacts with the original, and tries another when one does not pass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from model_quantization.artifact.reader import read_artifact
from model_quantization.config.model_settings import ModelSettings
from model_quantization.evaluation import (
    Evaluation,
    GatePolicy,
    Verdict,
    decide,
    evaluate,
    failed_artifact,
)
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.rows.heldout import HeldOut
from model_quantization.outcome import Guarantee, Outcome, Reason, Status
from model_quantization.pipeline.ask import Candidate, ask_candidate
from model_quantization.pipeline.child.messages.candidate import CandidateRequest
from model_quantization.pipeline.child.original import import_path
from model_quantization.pipeline.child.rows import rows_of
from model_quantization.pipeline.latency import MeasuredLatency
from model_quantization.pipeline.record import (
    HeldOutAnswers,
    PlannedArtifact,
    PrecisionReport,
    StageRecord,
)
from model_quantization.planning.encoding import ComponentCost
from model_quantization.probes.compare import probe_note
from model_quantization.saving_version import reference_of
from model_quantization.version import report_it

CANDIDATE = "candidate.qma"
LOSSLESS = "lossless.qma"
# Reasons that more bits would not change.
_NOT_BY_ROUNDING = (Reason.NO_GAIN, Reason.ORIGINAL_NAN)
# A plan that only saves too little does not end the search: the next ones are smaller.
_PROVEN = (Guarantee.EXACT, Guarantee.LABEL_EXACT, Guarantee.NON_INFERIOR)
_TASKS = ("classification", "regression", "cluster", "outlier")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One artifact with its evaluation and verdict.

    Attributes
    ----------
    candidate : Candidate
        The artifact's answers, to held-out rows and to probe rows.
    row_notes, target_notes : tuple of str
        Remarks on the held-out rows and on their targets.
    before : Attempt or None
        The rounded attempt that this exact one replaces.
    judged : tuple of Attempt
        Every attempt of `auto`, in order.
    notes : tuple of str
        Notes for users of the restored estimator.
    """

    path: Path
    size_bytes: int
    sha256: str
    bit_depth: str
    components: tuple[ComponentCost, ...]
    evaluation: Evaluation | None
    candidate: Candidate
    verdict: Verdict
    row_notes: tuple[str, ...] = ()
    target_notes: tuple[str, ...] = ()
    before: Attempt | None = None
    judged: tuple[Attempt, ...] = ()
    notes: tuple[str, ...] = ()

    def figures(self) -> dict[str, Any]:
        """Return the evidence as JSON values, the attempt before it included."""
        found: dict[str, Any] = {
            "verdict": self.verdict.to_json(),
            "answers": [one.to_json() for one in self.candidate.explanations],
            "probes": {path: one.to_json() for path, one in self.candidate.probes.items()},
        }
        if self.evaluation is not None:
            found |= self.evaluation.figures()
        if self.before is not None:
            found["before"] = {"bit_depth": self.before.bit_depth} | self.before.figures()
        return found


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Compares artifacts of one model with the original, on the same rows, under one policy."""

    record: StageRecord
    workspace: Path
    _read: list[HeldOut] = field(default_factory=list, repr=False, compare=False)

    def _gate_rows(self) -> HeldOut | None:
        """The gate's rows, read once for all attempts."""
        if self.record.answers is not None and not self._read:
            self._read.append(_gate_rows(self.record.answers, self.settings))
        return self._read[0] if self._read else None

    @property
    def settings(self) -> ModelSettings:
        """The settings of the model."""
        return self.record.settings

    @property
    def gate(self) -> GatePolicy:
        """The policy for each attempt.

        Plans of `auto` are judged in a fixed order until one fails, each at the whole level: to
        publish a plan that loses too much, the first such plan must pass (Maurer, Hothorn and
        Lehmacher, in Vollmar, Biometrie in der chemisch-pharmazeutischen Industrie 6, 1995).
        """
        return self.settings.gate

    def decide(self, file: str, components: tuple[ComponentCost, ...], bit_depth: str) -> Attempt:
        """Evaluate the artifact `file` of the workspace, seal the evaluation into it, and decide.

        Parameters
        ----------
        file : str
            `CANDIDATE` or `LOSSLESS`.
        components, bit_depth
            The artifact's components and bit depth, for the report.
        """
        path = self.workspace / file
        artifact = read_artifact(path, self.settings.limits)
        rows = self._gate_rows()
        candidate, evaluation = self._evaluate(path, rows)
        sealed = artifact.sealed(
            evaluation.figures() if evaluation else None,
            candidate.golden,
            {place: found.restored for place, found in candidate.probes.items()},
        )
        target = path.with_suffix(".sealed.qma")
        target.write_bytes(sealed)
        read_back = read_artifact(target, self.settings.limits)
        exact = bool(artifact.manifest["model"]["exact"])
        verdict = _fault(candidate, exact=exact) or decide(
            evaluation,
            self.gate,
            size_before=self.record.source.size_bytes,
            size_after=len(sealed),
            exact_by_construction=exact,
            probe_rows=sum(found.rows for found in candidate.probes.values()),
            probe_note=probe_note(candidate.probes),
        )
        return Attempt(
            path=target,
            size_bytes=len(sealed),
            sha256=read_back.sha256,
            bit_depth=bit_depth,
            components=components,
            evaluation=evaluation,
            candidate=candidate,
            verdict=verdict,
            row_notes=rows.notes if rows else (),
            target_notes=rows.target_notes if rows else (),
        )

    def _evaluate(
        self, path: Path, gate_rows: HeldOut | None
    ) -> tuple[Candidate, Evaluation | None]:
        """The artifact's answers, and figures where the original answered held-out rows."""
        answers, settings = self.record.answers, self.settings
        request = CandidateRequest(
            artifact=path,
            answered=None,
            methods=(),
            rows=None,
            expected=None,
            trusted=settings.trusted,
            import_path=import_path(settings.trust),
            limits=settings.limits,
            workspace=self.workspace,
            probed=self.record.probed,
        )
        if answers is None or gate_rows is None:
            return ask_candidate(request), None
        original = Answers.from_files(self.workspace, limits=settings.limits)
        candidate = ask_candidate(
            replace(
                request,
                answered=answers.answered,
                methods=original.methods,
                rows=answers.request(settings),
                expected=answers.expected,
            )
        )
        if candidate.answers is None:
            return candidate, None
        # A model that answers no method (a clusterer of its training rows) has no task.
        is_known = answers.expected.task in _TASKS and original.methods
        task: Any = answers.expected.task if is_known else "auto"
        with np.errstate(over="ignore", invalid="ignore"):  # such scores are unknown
            evaluation = evaluate(
                original,
                candidate.answers,
                gate_rows.target,
                self.gate,
                task=task,
                rows=gate_rows.row_hashes,
            )
        return candidate, evaluation.without_overflow()

    def rounding_is_to_blame(self, attempt: Attempt) -> bool:
        """Whether a more precise artifact could pass."""
        rounded = self.settings.bit_depth != "exact"
        return rounded and attempt.verdict.reason not in _NOT_BY_ROUNDING


def judge_in_order(evaluator: Evaluator, precision: PrecisionReport) -> Attempt:
    """Return the last attempt that passes before the first that fails; the first, if none passes.

    Parameters
    ----------
    evaluator : Evaluator
    precision : PrecisionReport
        Its plans were fixed before the gate's rows were used, the safest first.
    """
    settings, record = evaluator.settings, evaluator.record
    budget = settings.budget_bytes(record.source.size_bytes)
    best: Attempt | None = None
    tried: list[Attempt] = []
    for plan in precision.plans:
        if _too_large(plan, evaluator) and plan is not precision.plans[-1]:
            continue  # only its size, which no row decides, fails
        found = evaluator.decide(plan.file, plan.components, plan.precision)
        found = replace(found, notes=plan.notes)
        if budget is not None and found.verdict.publish and found.size_bytes > budget:
            found = replace(found, verdict=_over_budget(found.verdict, found.size_bytes, budget))
        tried.append(found)
        if found.verdict.publish:
            best = found
        elif not (found.verdict.status is Status.NO_GAIN and found.verdict.attained in _PROVEN):
            break
    if not tried:
        assert record.lossless_components is not None, "`auto` always writes the exact artifact"
        return evaluator.decide(LOSSLESS, record.lossless_components, "exact")
    chosen = best or tried[0]
    return replace(chosen, judged=tuple(tried))


def _too_large(plan: PlannedArtifact, evaluator: Evaluator) -> bool:
    before = evaluator.record.source.size_bytes
    return bool(before) and 1 - plan.size_bytes / before < evaluator.gate.min_size_reduction


def _over_budget(verdict: Verdict, size_bytes: int, budget: int) -> Verdict:
    return replace(
        verdict,
        status=Status.FALLBACK,
        guarantee=Guarantee.FALLBACK,
        publish=False,
        reason=Reason.BUDGET,
        note=f"original kept: the artifact has {size_bytes:,} bytes and the budget is {budget:,}; "
        "allow more bytes, or a larger drop of the score",
    )


def retry_after_failure(evaluator: Evaluator, first: Attempt) -> Attempt:
    """Return the lossless attempt after a failed gate, if asked for; else `first`."""
    record = evaluator.record
    if evaluator.settings.budget_bytes(record.source.size_bytes) is not None:
        return _for_lack_of_budget(evaluator, first)
    if record.lossless_components is None:
        return first
    exact = evaluator.decide(LOSSLESS, record.lossless_components, "exact")
    if not exact.verdict.publish:
        return first
    why = first.verdict.note.removeprefix("original kept: ").partition(";")[0]
    note = f"{exact.verdict.note}; exact in place of {first.bit_depth} bits: {why}"
    return replace(exact, verdict=replace(exact.verdict, note=note), before=first)


def _fault(candidate: Candidate, *, exact: bool) -> Verdict | None:
    """The verdict on an artifact that does not open, or that answers probe rows wrongly."""
    if candidate.unreadable:
        note = f"the artifact does not open ({candidate.unreadable}); {report_it()}"
        return failed_artifact(Reason.UNREADABLE, note)
    for path, found in candidate.probes.items():
        if found.differs:
            where = f"{path}: " if path else ""
            promise = "rounds nothing yet differs" if exact else "answers in another form"
            note = f"the artifact {promise} on probe rows: {where}{found.differs}; {report_it()}"
            return failed_artifact(Reason.DIFFERS, note)
    return None


def _for_lack_of_budget(evaluator: Evaluator, first: Attempt) -> Attempt:
    """The failed attempt of a run with a budget: nothing larger is published in its place."""
    verdict = first.verdict
    if verdict.reason == Reason.BUDGET:
        return first
    note = f"{verdict.note}; nothing within the budget of bytes passes the gate"
    return replace(first, verdict=replace(verdict, reason=Reason.BUDGET, note=note))


def attempt_outcome(record: StageRecord, attempt: Attempt, latency: MeasuredLatency) -> Outcome:
    """Return the outcome of a model whose last attempt this is."""
    verdict, evaluation = attempt.verdict, attempt.evaluation
    before, after = latency.before, latency.after
    figures = latency.figures() | attempt.figures()
    if record.precision is not None:
        figures["precision"] = precision_figures(record, attempt)
    return Outcome(
        name=record.name,
        source=record.source.path,
        status=verdict.status,
        guarantee=verdict.guarantee,
        reason=verdict.reason,
        note="; ".join(
            filter(
                None,
                (
                    verdict.note,
                    reference_of(record.description.notes),
                    *attempt.target_notes,
                    latency.note,
                ),
            )
        ),
        source_sha256=record.source.sha256,
        source_size_bytes=record.source.size_bytes,
        family=record.description.family,
        model_type=record.description.model_type,
        bit_depth=attempt.bit_depth,
        weight_threshold=record.settings.weight_threshold,
        artifact=str(attempt.path) if verdict.publish else None,
        artifact_sha256=attempt.sha256,
        artifact_size_bytes=attempt.size_bytes,
        metric=evaluation.metric if evaluation else "",
        score_before=evaluation.score_before if evaluation else None,
        score_after=evaluation.score_after if evaluation else None,
        score_change=evaluation.change if evaluation else None,
        latency_us_before=before.one_row_p50_us if before else None,
        latency_us_after=after.one_row_p50_us if after else None,
        components=[cost.to_json() for cost in attempt.components],
        evaluation=figures,
        notes=[
            *record.description.notes,
            *attempt.notes,
            *attempt.row_notes,
            *_unused_rows(record),
        ],
    )


def precision_figures(record: StageRecord, attempt: Attempt) -> dict[str, Any]:
    """Return the record of `auto`: the curve, the judged plans, the sensitivity of each part."""
    assert record.precision is not None
    figures = record.precision.to_json()
    judged = (attempt.before or attempt).judged
    for plan, found in zip(_judged_plans(record.precision, judged), judged, strict=True):
        evaluation = found.evaluation
        plan_figures = figures["plans"][plan]
        plan_figures["judged"] = {
            "published": found.verdict.publish,
            "reason": str(found.verdict.reason),
            "size_bytes": found.size_bytes,
            "loss": evaluation.loss if evaluation else None,
            "loss_bound": evaluation.loss_bound if evaluation else None,
        }
    for plan_figures in (*figures["plans"], *figures["curve"]):
        del plan_figures["components"], plan_figures["file"]
    figures["budget_bytes"] = record.settings.budget_bytes(record.source.size_bytes)
    figures["allowed_drop"] = record.settings.gate.allowed_drop
    return figures


def _judged_plans(precision: PrecisionReport, judged: tuple[Attempt, ...]) -> list[int]:
    """The index of each attempt's plan."""
    places = {plan.file.removesuffix(".qma"): at for at, plan in enumerate(precision.plans)}
    return [places[found.path.name.removesuffix(".sealed.qma")] for found in judged]


def _gate_rows(answers: HeldOutAnswers, settings: ModelSettings) -> HeldOut:
    """The held-out rows that the original answered, read again; never one that chose anything."""
    return rows_of(answers.request(settings), answers.expected, settings.limits).gate


def _unused_rows(record: StageRecord) -> list[str]:
    """Why no model answered the held-out rows; empty if one did."""
    if record.held_out is None or record.answers is not None:
        return []
    count = len(record.source.surfaces)
    return [
        f"the held-out rows were not used: they can only be for one model, this file has {count}"
    ]
