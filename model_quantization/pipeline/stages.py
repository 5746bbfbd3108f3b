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
from dataclasses import replace
from pathlib import Path
from typing import Any

from model_quantization.config.model_settings import ModelSettings
from model_quantization.errors import QuantizationError, WorkerCrashed
from model_quantization.graph.nodes import ModelGraph
from model_quantization.graph.traversal import array_paths
from model_quantization.loading.pickles.scan import scan
from model_quantization.names import model_name
from model_quantization.outcome import Outcome
from model_quantization.pipeline.child.original import InspectionRequest, inspect_file
from model_quantization.pipeline.judge import (
    CANDIDATE,
    LOSSLESS,
    Judge,
    attempt_outcome,
    second_attempt,
)
from model_quantization.pipeline.record import failed_outcome, model_record, write_plan
from model_quantization.planning.calibration import calibrated_ranges
from model_quantization.planning.encoding import settle
from model_quantization.planning.packing import prepare_graph
from model_quantization.planning.plan import make_plan

__all__ = ["ModelSettings", "evaluate_stage", "quantize_file", "quantize_stage"]

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
        record = model_record(name, scanned, inspection, prepared, settings, held_out)
        record["components"] = write_plan(plan, record, workspace / CANDIDATE)
        if settings.bit_depth == "auto" or settings.on_gate_failure == "exact":
            exact = make_plan(graph, settings.recipe("exact"))
            record["lossless_components"] = write_plan(exact, record, workspace / LOSSLESS)
    except WorkerCrashed:
        raise
    except QuantizationError as error:
        record = {"outcome": failed_outcome(name, source, settings, error).to_json()}
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
        judge = Judge(full, settings, workspace)
        attempt = judge.decide(workspace / CANDIDATE, full["components"], full["bit_depth"])
        if not attempt.verdict.publish and judge.rounding_is_to_blame(attempt):
            attempt = second_attempt(judge, attempt, settings)
    except WorkerCrashed:
        raise
    except QuantizationError as error:
        outcome = failed_outcome(full["name"], Path(full["source"]), settings, error)
        outcome = replace(outcome, source_sha256=full["source_sha256"])
    else:
        outcome = attempt_outcome(full, attempt)
    return replace(outcome, seconds=full["seconds"] + time.perf_counter() - started)


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
