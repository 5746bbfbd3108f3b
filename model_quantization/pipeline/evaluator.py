"""One artifact compared with the original, and what is tried when it does not pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.config.model_settings import ModelSettings
from model_quantization.evaluation import Evaluation, GatePolicy, Verdict, decide, evaluate
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.latency import Latency
from model_quantization.evaluation.rows.heldout import HeldOut, needs_target, read_rows
from model_quantization.graph.nodes import ModelGraph
from model_quantization.outcome import Outcome, Reason
from model_quantization.pipeline.ask import Candidate, ask_candidate
from model_quantization.pipeline.child.messages import CandidateRequest, RowsRequest
from model_quantization.pipeline.child.original import import_path
from model_quantization.pipeline.record import HeldOutAnswers, StageRecord, write_artifact
from model_quantization.planning.encoding import ComponentCost
from model_quantization.planning.exact_where_smaller import keep_exact_where_smaller
from model_quantization.planning.plan import Plan, make_plan
from model_quantization.planning.search import search_precision
from model_quantization.predictor.explanation import Explanation

CANDIDATE = "candidate.qma"
LOSSLESS = "lossless.qma"
# Reasons that more bits would not change.
_NOT_BY_ROUNDING = (Reason.NO_GAIN, Reason.UNVERIFIED, Reason.ORIGINAL_NAN)
_TASKS = ("classification", "regression", "cluster", "outlier")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One artifact, evaluated and decided on."""

    path: Path
    size_bytes: int
    sha256: str
    bit_depth: str
    components: tuple[ComponentCost, ...]
    evaluation: Evaluation | None
    latency: Latency | None
    explanations: tuple[Explanation, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Compares artifacts of one model with the original, on the same rows, under one policy."""

    record: StageRecord
    workspace: Path

    @property
    def settings(self) -> ModelSettings:
        """The settings of the model."""
        return self.record.settings

    @property
    def gate(self) -> GatePolicy:
        """The policy for each attempt: `auto` publishes the first of several that passes."""
        attempts = self.record.attempts if self.settings.bit_depth == "auto" else 1
        return self.settings.gate.for_attempts(attempts)

    def decide(self, file: str, components: tuple[ComponentCost, ...], bit_depth: str) -> Attempt:
        """Evaluate the artifact `file` of the workspace, seal the evaluation into it, and decide.

        Parameters
        ----------
        file : str
            `CANDIDATE` or `LOSSLESS`.
        components, bit_depth
            Of this artifact, for the report.
        """
        path = self.workspace / file
        artifact = read_artifact(path, self.settings.limits)
        candidate, evaluation = self._evaluate(artifact, path)
        sealed = artifact.sealed(
            evaluation.figures() if evaluation else None, candidate.golden if candidate else None
        )
        target = path.with_suffix(".sealed.qma")
        target.write_bytes(sealed)
        read_back = read_artifact(target, self.settings.limits)
        verdict = decide(
            evaluation,
            self.gate,
            size_before=self.record.source.size_bytes,
            size_after=len(sealed),
            exact_by_construction=artifact.manifest["model"]["exact"],
        )
        return Attempt(
            path=target,
            size_bytes=len(sealed),
            sha256=read_back.sha256,
            bit_depth=bit_depth,
            components=components,
            evaluation=evaluation,
            latency=candidate.latency if candidate else None,
            explanations=candidate.explanations if candidate else (),
            verdict=verdict,
        )

    def _evaluate(
        self, artifact: Artifact, path: Path
    ) -> tuple[Candidate | None, Evaluation | None]:
        """The artifact's answers and figures; neither when the original answered no rows."""
        answers, settings = self.record.answers, self.settings
        if answers is None:
            artifact.check()
            return None, None
        gate_rows = _gate_rows(answers, settings)
        original = Answers.from_files(self.workspace, limits=settings.limits)
        request = CandidateRequest(
            artifact=path,
            answered=answers.answered,
            task=answers.task,
            methods=original.methods,
            rows=RowsRequest(
                gate_rows.path.absolute(),
                settings.target,
                settings.calibration_rows,
                settings.latency_seconds,
            ),
            feature_names=answers.feature_names,
            trusted=settings.trusted,
            import_path=import_path(settings.trust),
            limits=settings.limits,
            workspace=self.workspace,
        )
        candidate = ask_candidate(request)
        # A model that answers no method (a clusterer of its training rows) has no task.
        task: Any = answers.task if answers.task in _TASKS and original.methods else "auto"
        evaluation = evaluate(
            original,
            candidate.answers,
            gate_rows.target,
            self.gate,
            task=task,
            rows=gate_rows.row_hashes,
        )
        return candidate, evaluation

    def rounding_is_to_blame(self, attempt: Attempt) -> bool:
        """Whether a more precise artifact could pass where this one did not."""
        rounded = self.settings.bit_depth != "exact"
        return rounded and attempt.verdict.reason not in _NOT_BY_ROUNDING


def retry_after_failure(evaluator: Evaluator, first: Attempt) -> Attempt:
    """Return a better attempt after a failed gate, or `first` when there is none.

    `auto` widens component by component. Otherwise the lossless artifact is tried, if asked for.
    """
    record = evaluator.record
    if record.settings.bit_depth == "auto":
        found = _widened(evaluator)
        if found is not None:
            return found
    if record.lossless_components is None:
        return first
    exact = evaluator.decide(LOSSLESS, record.lossless_components, "exact")
    return exact if exact.verdict.publish else first


def _widened(evaluator: Evaluator) -> Attempt | None:
    """The first attempt that passes, from narrow to wide."""
    record, workspace = evaluator.record, evaluator.workspace
    artifact = read_artifact(workspace / LOSSLESS, record.settings.limits)
    graph = ModelGraph(artifact.root, tuple(artifact))

    def attempt(plan: Plan) -> Attempt:
        path = workspace / CANDIDATE
        components = write_artifact(plan, record.source, record.description, path)
        return evaluator.decide(CANDIDATE, components, plan.precision)

    start = keep_exact_where_smaller(make_plan(graph, record.settings.recipe()))
    return search_precision(start, attempt, lambda made: made.verdict.publish)


def attempt_outcome(record: StageRecord, attempt: Attempt) -> Outcome:
    """Return the outcome of a model whose last attempt this is."""
    verdict, evaluation = attempt.verdict, attempt.evaluation
    before = record.answers.latency if record.answers else None
    after = attempt.latency
    figures: dict[str, Any] = {
        "verdict": verdict.to_json(),
        "latency_before": before.to_json() if before else None,
        "latency_after": after.to_json() if after else None,
        "answers": [one.to_json() for one in attempt.explanations],
    }
    if evaluation is not None:
        figures |= evaluation.figures()
    return Outcome(
        name=record.name,
        source=record.source.path,
        status=verdict.status,
        guarantee=verdict.guarantee,
        reason=verdict.reason,
        note=verdict.note,
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
        notes=[*record.description.notes, *_unused_rows(record)],
    )


def _gate_rows(answers: HeldOutAnswers, settings: ModelSettings) -> HeldOut:
    """The held-out rows that the original answered, read again; never a calibration row."""
    _, gate = read_rows(
        answers.held_out,
        settings.target,
        answers.feature_names,
        settings.calibration_rows,
        settings.limits,
        needs_target=needs_target(answers.task),
    )
    return gate


def _unused_rows(record: StageRecord) -> list[str]:
    """Why the held-out rows were asked of no model, if so."""
    if record.held_out is None or record.answers is not None:
        return []
    count = len(record.source.surfaces)
    return [
        f"the held-out rows were not used: they can only be for one model, this file has {count}"
    ]
