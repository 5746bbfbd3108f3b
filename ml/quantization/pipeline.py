"""One model, start to finish.

::

    file -> scan -> load -> graph -> plan -> encode -> artifact file -> read back -> predictor
                                                                           |
                            held-out data  ->  evaluate -> gate -> publish | fall back -> report

`quantize_stage` is the first half of that line, `evaluate_stage` the second; `quantize_file` is
both. Between them lie only files and one JSON record, so that the two can run as two tasks. Two
rules hold everywhere: only a child process unpickles, and what is evaluated is the written file,
read back, never an object in memory.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ml.quantization.answers import Answers
from ml.quantization.artifact.reader import Artifact, read_artifact
from ml.quantization.artifact.writer import build_artifact
from ml.quantization.calibration import calibrated_ranges
from ml.quantization.discovery import model_name
from ml.quantization.encoding import component_costs, encode, settle
from ml.quantization.errors import InputRefused, QuantizationError, WorkerCrashed
from ml.quantization.evaluation import Evaluation, Verdict, decide, evaluate
from ml.quantization.evaluation.latency import Latency
from ml.quantization.graph import ModelGraph, array_paths, model_type
from ml.quantization.heldout import HeldOut
from ml.quantization.loading.handover import Inspection
from ml.quantization.loading.inspection import (
    InspectionRequest,
    inspect_file,
    needs_target,
    read_rows,
)
from ml.quantization.loading.scan import ScannedFile, scan
from ml.quantization.loading.trial import Trial, TrialRequest, ask_artifact
from ml.quantization.outcome import Guarantee, Outcome, Status
from ml.quantization.plan import Plan, family_summary, make_plan
from ml.quantization.precision import search_precision
from ml.quantization.prepare import PreparedGraph, prepare_graph
from ml.quantization.settings import ModelSettings

__all__ = ["ModelSettings", "evaluate_stage", "quantize_file", "quantize_stage"]

CANDIDATE = "candidate.qma"
LOSSLESS = "lossless.qma"
RECORD = "record.json"


def quantize_file(
    source: Path, staging: Path, settings: ModelSettings, held_out: Path | None
) -> Outcome:
    """Return what became of one model file; its artifact, if any, is left in `staging`.

    Parameters
    ----------
    source : Path
        A pickle or joblib file. It is read, never changed.
    staging : Path
        Directory for this model's files; `staging/<name>` is made anew.
    settings : ModelSettings
    held_out : Path or None
        Rows to evaluate on; None: the outcome is `unverified`.

    Raises
    ------
    WorkerCrashed, OSError
        What may pass when tried again: the child was killed, the disk is full. Everything that
        is wrong with the model itself is an outcome, not an exception.
    """
    return evaluate_stage(quantize_stage(source, staging, settings, held_out))


def quantize_stage(
    source: Path, staging: Path, settings: ModelSettings, held_out: Path | None
) -> dict[str, Any]:
    """Scan, load, plan and encode; return a small record for `evaluate_stage`.

    See `quantize_file` for parameters and exceptions.
    """
    started = time.perf_counter()
    workspace = _fresh_directory(staging.absolute() / source.name)
    name = model_name(source.name)
    try:
        scanned = scan(source, settings.trust, settings.limits, workspace)
        inspection = inspect_file(
            scanned, settings.trust, settings.limits, _request(settings, held_out), workspace
        )
        prepared = prepare_graph(inspection.graph)
        graph = prepared.graph
        ranges = calibrated_ranges(graph, _paths(graph), inspection.grams, settings.recipe())
        plan = settle(make_plan(graph, settings.recipe(), ranges))
        record = _record(name, scanned, inspection, prepared, settings, held_out)
        record["components"] = _write(plan, record, workspace / CANDIDATE)
        if settings.bit_depth == "auto" or settings.on_gate_failure == "exact":
            exact = make_plan(graph, settings.recipe("exact"))
            record["lossless_components"] = _write(exact, record, workspace / LOSSLESS)
    except WorkerCrashed:
        raise
    except QuantizationError as error:
        record = {"outcome": _failed(name, source, settings, error).to_json()}
    _remove_originals(workspace)
    record["seconds"] = time.perf_counter() - started
    (workspace / RECORD).write_text(json.dumps(record), encoding="utf-8")
    return {"name": name, "source": str(source), "workspace": str(workspace)}


def evaluate_stage(record: dict[str, Any]) -> Outcome:
    """Read the written artifact back, evaluate it on the held-out rows, and decide.

    Parameters
    ----------
    record : dict
        What `quantize_stage` returned.

    Raises
    ------
    WorkerCrashed, OSError
        As `quantize_file` says.
    """
    started = time.perf_counter()
    workspace = Path(record["workspace"])
    full = json.loads((workspace / RECORD).read_text(encoding="utf-8"))
    if "outcome" in full:
        return replace(Outcome.from_json(full["outcome"]), seconds=full["seconds"])
    settings = ModelSettings.from_json(full["settings"])
    try:
        judge = _Judge(full, settings, workspace)
        attempt = judge.decide(workspace / CANDIDATE, full["components"], full["bit_depth"])
        if not attempt.verdict.publish and judge.rounding_is_to_blame(attempt):
            attempt = _second_attempt(judge, attempt, settings)
    except WorkerCrashed:
        raise
    except QuantizationError as error:
        outcome = _failed(full["name"], Path(full["source"]), settings, error)
        outcome = replace(outcome, source_sha256=full["source_sha256"])
    else:
        outcome = _outcome(full, attempt)
    return replace(outcome, seconds=full["seconds"] + time.perf_counter() - started)


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
class _Judge:
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


def _second_attempt(judge: _Judge, first: Attempt, settings: ModelSettings) -> Attempt:
    """After a failed gate: `auto` widens component by component; else the lossless one if asked."""
    lossless = judge.workspace / LOSSLESS
    if settings.bit_depth == "auto":
        artifact = read_artifact(lossless, settings.limits)
        graph = ModelGraph(artifact.root, tuple(artifact))

        def attempt(plan: Plan) -> Attempt:
            path = judge.workspace / CANDIDATE
            return judge.decide(path, _write(plan, judge.record, path), plan.precision)

        found = search_precision(
            settle(make_plan(graph, settings.recipe())), attempt, lambda made: made.verdict.publish
        )
        if found is not None:
            return found
    elif settings.on_gate_failure != "exact":
        return first
    exact = judge.decide(lossless, judge.record["lossless_components"], "exact")
    return exact if exact.verdict.publish else first


def _write(plan: Plan, record: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Write the plan's artifact to `path`; return where its bytes went, by component."""
    data, parts = build_artifact(encode(plan), artifact_header(plan, record))
    path.write_bytes(data)
    return [cost.to_json() for cost in component_costs(plan, parts, record["packed_bytes"])]


def artifact_header(plan: Plan, record: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest's fixed part: nothing in it differs between two runs on one input."""
    return {
        "producer": {"name": "model-quantization", "version": version("model-quantization")},
        "libraries": {"scikit-learn": record["sklearn_version"], "numpy": version("numpy")},
        "source": {
            "name": Path(record["source"]).name,
            "sha256": record["source_sha256"],
            "size_bytes": record["source_size_bytes"],
        },
        "model": {
            "type": record["model_type"],
            "family": record["family"],
            "surfaces": record["surfaces"],
            "exact": plan.exact,
        },
        "recipe": plan.recipe.to_json(),
        "residue": dict(record["residue"]),
        "notes": list(record["notes"]),
    }


def describe_graph(prepared: PreparedGraph) -> dict[str, Any]:
    """Return the parts of a record that follow from the graph."""
    graph = prepared.graph
    return {
        "packed_bytes": prepared.packed_bytes,
        "family": family_summary(graph),
        "model_type": model_type(graph),
        "residue": dict(graph.residue),
        "notes": list(graph.notes),
    }


def _record(
    name: str,
    scanned: ScannedFile,
    inspection: Inspection,
    prepared: PreparedGraph,
    settings: ModelSettings,
    held_out: Path | None,
) -> dict[str, Any]:
    if inspection.error is not None:
        raise inspection.error
    return {
        "name": name,
        "source": str(scanned.source),
        "source_sha256": scanned.sha256,
        "source_size_bytes": scanned.size_bytes,
        "bit_depth": "8" if settings.bit_depth == "auto" else settings.bit_depth,
        "settings": settings.to_json(),
        "held_out": str(held_out) if held_out else None,
        "answered": inspection.answered,
        "feature_names": inspection.feature_names,
        "surfaces": inspection.surfaces,
        "sklearn_version": inspection.sklearn_version,
        "latency": inspection.latency.to_json() if inspection.latency else None,
        **describe_graph(prepared),
    }


def _outcome(record: dict[str, Any], attempt: Attempt) -> Outcome:
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


def _unused_rows(record: dict[str, Any]) -> list[str]:
    """Why no one was asked the held-out rows that there are, if so."""
    if record["held_out"] is None or record["answered"] is not None:
        return []
    count = len(record["surfaces"])
    return [
        f"the held-out rows were not used: they can only be for one model, this file has {count}"
    ]


def _failed(name: str, source: Path, settings: ModelSettings, error: QuantizationError) -> Outcome:
    refused = isinstance(error, InputRefused)
    return Outcome(
        name=name,
        source=str(source),
        status=Status.REFUSED if refused else Status.FAILED,
        guarantee=Guarantee.FALLBACK,
        reason=error.code,
        note=str(error),
        source_size_bytes=source.lstat().st_size if source.exists() else 0,
        bit_depth=settings.bit_depth,
        weight_threshold=settings.weight_threshold,
        evaluation={"error": {"name": type(error).__name__, "fields": error.fields()}},
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


def _request(settings: ModelSettings, held_out: Path | None) -> InspectionRequest:
    return InspectionRequest(
        held_out, settings.target, settings.calibration_rows, settings.latency_seconds
    )


def _paths(graph: ModelGraph) -> dict[str, int]:
    return {path: index for index, path in array_paths(graph).items()}


def _fresh_directory(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700)
    return path


def _remove_originals(workspace: Path) -> None:
    """Keep what the evaluation needs; the snapshot and the raw arrays are large."""
    keep = {CANDIDATE, LOSSLESS, "answers.npz", "answers.json"}
    for path in workspace.iterdir():
        if path.name not in keep and path.is_file():
            path.unlink()
