"""One artifact held against the original, and what is tried when it does not pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.config.model_settings import ModelSettings
from model_quantization.evaluation import Evaluation, Verdict, decide, evaluate
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.latency import Latency
from model_quantization.evaluation.rows.heldout import HeldOut, needs_target, read_rows
from model_quantization.graph.nodes import ModelGraph
from model_quantization.outcome import Outcome
from model_quantization.pipeline.child.candidate import Trial, TrialRequest, ask_artifact
from model_quantization.pipeline.record import write_plan
from model_quantization.planning.encoding import settle
from model_quantization.planning.plan import Plan, make_plan
from model_quantization.planning.search import search_precision

CANDIDATE = "candidate.qma"
LOSSLESS = "lossless.qma"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One artifact, judged."""

    path: Path
    size_bytes: int
    sha256: str
    bit_depth: str
    components: list[dict[str, Any]]
    evaluation: Evaluation | None
    latency: Latency | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Judge:
    """Holds an artifact's answers against the original's, on the same rows, under one policy."""

    record: dict[str, Any]
    settings: ModelSettings
    workspace: Path

    def decide(self, path: Path, components: list[dict[str, Any]], bit_depth: str) -> Attempt:
        """Evaluate the file at `path`, seal the evaluation into it, and decide."""
        artifact = read_artifact(path, self.settings.limits)
        trial, evaluation = self._evaluate(artifact, path)
        sealed = artifact.sealed(
            evaluation.to_json() if evaluation else None, trial.golden if trial else None
        )
        target = path.with_suffix(".sealed.qma")
        target.write_bytes(sealed)
        read_back = read_artifact(target, self.settings.limits)
        verdict = decide(
            evaluation,
            self.settings.gate,
            size_before=self.record["source_size_bytes"],
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
            latency=trial.latency if trial else None,
            verdict=verdict,
        )

    def _evaluate(self, artifact: Artifact, path: Path) -> tuple[Trial | None, Evaluation | None]:
        """The artifact's figures against the original's; nothing without held-out rows."""
        record, settings = self.record, self.settings
        if record["held_out"] is None or record["answered"] is None:
            artifact.check()
            return None, None
        rows = _gate_rows(record, settings)
        original = Answers.from_files(self.workspace, limits=settings.limits)
        task = record["surfaces"][record["answered"]]["task"]
        request = TrialRequest(
            artifact=path,
            answered=record["answered"],
            task=task,
            methods=original.methods,
            held_out=rows.path,
            target=settings.target,
            feature_names=_names(record),
            calibration_rows=settings.calibration_rows,
            trusted=settings.trusted,
            latency_seconds=settings.latency_seconds,
        )
        trial = ask_artifact(request, settings.limits, self.workspace)
        known = ("classification", "regression", "cluster", "outlier")
        # A model that is never asked anything (a clusterer of its training rows) has no task.
        kind: Any = task if task in known and original.methods else "auto"
        return trial, evaluate(original, trial.answers, rows.target, settings.gate, task=kind)

    def rounding_is_to_blame(self, attempt: Attempt) -> bool:
        """Whether a more precise artifact could pass where this one did not."""
        rounded = self.settings.bit_depth != "exact"
        return rounded and attempt.verdict.reason not in ("no_gain", "unverified", "original_nan")


def second_attempt(judge: Judge, first: Attempt, settings: ModelSettings) -> Attempt:
    """After a failed gate: `auto` widens component by component; else the lossless one if asked."""
    lossless = judge.workspace / LOSSLESS
    if settings.bit_depth == "auto":
        artifact = read_artifact(lossless, settings.limits)
        graph = ModelGraph(artifact.root, tuple(artifact))

        def attempt(plan: Plan) -> Attempt:
            path = judge.workspace / CANDIDATE
            return judge.decide(path, write_plan(plan, judge.record, path), plan.precision)

        found = search_precision(
            settle(make_plan(graph, settings.recipe())), attempt, lambda made: made.verdict.publish
        )
        if found is not None:
            return found
    elif settings.on_gate_failure != "exact":
        return first
    exact = judge.decide(lossless, judge.record["lossless_components"], "exact")
    return exact if exact.verdict.publish else first


def attempt_outcome(record: dict[str, Any], attempt: Attempt) -> Outcome:
    """Return the outcome of a model whose last attempt this is."""
    verdict, evaluation = attempt.verdict, attempt.evaluation
    before = Latency.from_json(record["latency"]) if record["latency"] else None
    after = attempt.latency
    figures: dict[str, Any] = {
        "verdict": verdict.to_json(),
        "latency_before": before.to_json() if before else None,
        "latency_after": after.to_json() if after else None,
    }
    if evaluation is not None:
        figures |= evaluation.to_json()
    return Outcome(
        name=record["name"],
        source=record["source"],
        status=verdict.status,
        guarantee=verdict.guarantee,
        reason=verdict.reason,
        note=verdict.note,
        source_sha256=record["source_sha256"],
        source_size_bytes=record["source_size_bytes"],
        family=record["family"],
        model_type=record["model_type"],
        bit_depth=attempt.bit_depth,
        weight_threshold=record["settings"]["weight_threshold"],
        artifact=str(attempt.path) if verdict.publish else None,
        artifact_sha256=attempt.sha256,
        artifact_size_bytes=attempt.size_bytes,
        metric=evaluation.metric if evaluation else "",
        score_before=evaluation.score_before if evaluation else None,
        score_after=evaluation.score_after if evaluation else None,
        score_change=evaluation.change if evaluation else None,
        latency_us_before=before.one_row_p50_us if before else None,
        latency_us_after=after.one_row_p50_us if after else None,
        components=attempt.components,
        evaluation=figures,
        notes=[*record["notes"], *_unused_rows(record)],
    )


def _names(record: dict[str, Any]) -> tuple[str, ...] | None:
    names = record["feature_names"]
    return tuple(names) if names is not None else None


def _gate_rows(record: dict[str, Any], settings: ModelSettings) -> HeldOut:
    """The held-out rows the original answered, read again; never a calibration row."""
    _, gate = read_rows(
        Path(record["held_out"]),
        settings.target,
        _names(record),
        settings.calibration_rows,
        settings.limits,
        needs_target=needs_target(record["surfaces"][record["answered"]]["task"]),
    )
    return gate


def _unused_rows(record: dict[str, Any]) -> list[str]:
    """Why no one was asked the held-out rows that there are, if so."""
    if record["held_out"] is None or record["answered"] is not None:
        return []
    count = len(record["surfaces"])
    return [
        f"the held-out rows were not used: they can only be for one model, this file has {count}"
    ]
