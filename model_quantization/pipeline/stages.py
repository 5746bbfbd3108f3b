"""One model, start to finish.

::

    file -> scan -> load -> graph -> plan -> encode -> artifact file -> read back -> predictor
                                                                           |
                            held-out data  ->  evaluate -> gate -> publish | fall back -> report

`quantize_stage` is the first half of that line, `evaluate_stage` the second; `quantize_file` is
both. Only files lie between them, one of them a JSON record, so that the two can run as two tasks.
Two rules hold everywhere: only a child process unpickles, and the evaluation opens the written
file; it never uses an object in memory.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

from model_quantization.config.model_settings import ModelSettings
from model_quantization.errors import InputRefused, QuantizationError, WorkerCrashed
from model_quantization.loading.pickles.scan import ScannedFile, scan
from model_quantization.names import model_name
from model_quantization.outcome import Outcome, Status, failed_outcome
from model_quantization.pipeline.ask import ask_original
from model_quantization.pipeline.child.handover import Original, read_spreads
from model_quantization.pipeline.child.latency import sha256_of
from model_quantization.pipeline.child.messages.latency import OriginalFile
from model_quantization.pipeline.child.messages.rows import RowsRequest
from model_quantization.pipeline.child.probing import PROBES
from model_quantization.pipeline.evaluator import (
    CANDIDATE,
    LOSSLESS,
    Evaluator,
    attempt_outcome,
    judge_in_order,
    retry_after_failure,
)
from model_quantization.pipeline.latency import measured_latency
from model_quantization.pipeline.precision.choosing import PLAN, choose_plans
from model_quantization.pipeline.precision.exploring import Exploring
from model_quantization.pipeline.record import (
    FirstStage,
    HeldOutAnswers,
    Source,
    Staged,
    StageRecord,
    describe,
    rows_request,
    write_artifact,
)
from model_quantization.planning.assigned import Assigner
from model_quantization.planning.calibration import calibrated_ranges
from model_quantization.planning.encoding import ComponentCost
from model_quantization.planning.exact_where_smaller import keep_exact_where_smaller
from model_quantization.planning.ladders import find_ladders
from model_quantization.planning.packing import prepare_graph
from model_quantization.planning.plan import make_plan
from model_quantization.records import ErrorRecord

__all__ = ["ModelSettings", "evaluate_stage", "quantize_file", "quantize_stage"]

RECORD = "record.json"


def quantize_file(
    source: Path,
    staging: Path,
    settings: ModelSettings,
    held_out: Path | None,
    calibration: Path | None = None,
    refit: Path | None = None,
) -> Outcome:
    """Return the outcome of one model file; its artifact, if any, is left in `staging`.

    Parameters
    ----------
    source : Path
        A pickle, joblib or skops file. It is read, never changed.
    staging : Path
        Directory for this model's files; `staging/<name>` is made anew.
    settings : ModelSettings
    held_out : Path or None
        Rows to evaluate on; None: the outcome is `unverified`.
    calibration : Path, optional
        Rows on which `auto` chooses, so that the gate keeps all of its own; targets are not needed.
    refit : Path, optional
        Labelled rows that the model was trained on: `auto` trains weights with them for their grid.

    Raises
    ------
    WorkerCrashed, OSError
        Transient failures, worth retrying: the child was killed, the disk is full. Everything
        that is wrong with the model itself is an outcome, not an exception.
    """
    return evaluate_stage(quantize_stage(source, staging, settings, held_out, calibration, refit))


def quantize_stage(
    source: Path,
    staging: Path,
    settings: ModelSettings,
    held_out: Path | None,
    calibration: Path | None = None,
    refit: Path | None = None,
) -> Staged:
    """Scan, load, plan and encode; return the value that `evaluate_stage` takes.

    See `quantize_file` for parameters and exceptions.
    """
    started = time.perf_counter()
    staged = Staged(model_name(source.name), source, _fresh_directory(staging, source.name))
    record, failure = None, None
    try:
        rows = rows_request(settings, held_out, calibration, refit) if held_out else None
        record = _write_candidate(staged, settings, rows)
    except WorkerCrashed:
        raise
    except QuantizationError as error:
        failure = _failure(staged, settings, error)
    _remove_originals(staged.workspace, record)
    end = FirstStage(record, failure, seconds=time.perf_counter() - started)
    (staged.workspace / RECORD).write_text(json.dumps(end.to_json()), encoding="utf-8")
    return staged


def _write_candidate(
    staged: Staged, settings: ModelSettings, rows: RowsRequest | None
) -> StageRecord:
    """The first half of the line: from the model's file to a written artifact, or several."""
    workspace, recipe = staged.workspace, settings.recipe()
    scanned = scan(staged.source, settings.trust, settings.limits, workspace)
    kept = _kept(scanned, settings) if rows else None
    original = ask_original(scanned, settings.trust, settings.limits, rows, workspace)
    prepared = prepare_graph(original.graph)
    if original.error is not None:
        raise original.error
    source, description = _source(scanned, original), describe(prepared)
    answers = _answers(rows, original, kept)
    lossless = precision = None
    if settings.bit_depth == "auto" or settings.on_gate_failure == "exact":
        exact = make_plan(prepared.graph, settings.recipe("exact"))
        lossless = write_artifact(exact, source, description, workspace / LOSSLESS)
    components: tuple[ComponentCost, ...] = ()
    if settings.bit_depth == "auto":
        spreads = read_spreads(workspace)
        assigner = Assigner(prepared.graph, find_ladders(prepared.graph, recipe), recipe, spreads)
        precision = choose_plans(
            Exploring(
                graph=prepared.graph,
                assigner=assigner,
                source=source,
                description=description,
                settings=settings,
                answers=answers,
                methods=original.answers.methods if original.answers else (),
                probed=original.probed,
                workspace=workspace,
                lossless=workspace / LOSSLESS,
                inputs=original.inputs,
                labelled=original.labelled,
            )
        )
    else:
        ranges = calibrated_ranges(prepared.graph, original.grams, recipe)
        plan = make_plan(prepared.graph, recipe, ranges, read_spreads(workspace))
        plan = keep_exact_where_smaller(plan)
        components = write_artifact(plan, source, description, workspace / CANDIDATE)
    return StageRecord(
        name=staged.name,
        source=source,
        description=description,
        settings=settings,
        held_out=rows.held_out if rows else None,
        answers=answers,
        components=components,
        lossless_components=lossless,
        precision=precision,
        probed=original.probed,
    )


def evaluate_stage(staged: Staged) -> Outcome:
    """Read the written artifact back, evaluate it on the held-out rows, and decide.

    Parameters
    ----------
    staged : Staged
        The value that `quantize_stage` returned.

    Raises
    ------
    WorkerCrashed, OSError
        As `quantize_file` says.
    """
    started = time.perf_counter()
    text = (staged.workspace / RECORD).read_text(encoding="utf-8")
    first = FirstStage.from_json(json.loads(text))
    record = first.record
    if record is None:
        assert first.failure is not None, "a first stage ends with a record or a failure"
        return replace(first.failure, seconds=first.seconds)
    try:
        evaluator = Evaluator(record, staged.workspace)
        if record.precision is not None:
            attempt = judge_in_order(evaluator, record.precision)
        else:
            attempt = evaluator.decide(CANDIDATE, record.components, record.bit_depth)
        if not attempt.verdict.publish and evaluator.rounding_is_to_blame(attempt):
            attempt = retry_after_failure(evaluator, attempt)
        found = attempt.candidate.answers
        latency = measured_latency(record, attempt.path, found.methods if found else ())
        outcome = attempt_outcome(record, attempt, latency)
    except WorkerCrashed:
        raise
    except QuantizationError as error:
        outcome = _failure(staged, record.settings, error)
        outcome = replace(outcome, source_sha256=record.source.sha256)
    return replace(outcome, seconds=first.seconds + time.perf_counter() - started)


def _source(scanned: ScannedFile, original: Original) -> Source:
    return Source(
        path=str(scanned.source),
        sha256=scanned.sha256,
        size_bytes=scanned.size_bytes,
        sklearn_version=original.sklearn_version,
        surfaces=original.surfaces,
    )


def _answers(
    rows: RowsRequest | None, original: Original, kept: OriginalFile | None
) -> HeldOutAnswers | None:
    if rows is None or original.answered is None:
        return None
    return HeldOutAnswers(
        held_out=rows.held_out,
        answered=original.answered,
        expected=original.expected,
        original=kept,
        calibration=rows.calibration,
        refit=rows.refit,
        division=original.division,
    )


def _kept(scanned: ScannedFile, settings: ModelSettings) -> OriginalFile | None:
    """The original, if latency is measured; else None."""
    if not settings.latency_seconds:
        return None
    names = tuple(sorted(scanned.names))
    return OriginalFile(scanned.snapshot, scanned.format, names, sha256_of(scanned.snapshot))


def _failure(staged: Staged, settings: ModelSettings, error: QuantizationError) -> Outcome:
    """The outcome of a model after an error; the original stays."""
    source = staged.source
    return failed_outcome(
        staged.name,
        source,
        error,
        status=Status.REFUSED if isinstance(error, InputRefused) else Status.FAILED,
        source_size_bytes=source.lstat().st_size if source.exists() else 0,
        bit_depth=settings.bit_depth,
        weight_threshold=settings.weight_threshold,
        evaluation={"error": ErrorRecord.of(error).to_json()},
    )


def _fresh_directory(staging: Path, name: str) -> Path:
    path = staging.absolute() / name
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700)
    return path


def _remove_originals(workspace: Path, record: StageRecord | None) -> None:
    """Keep what the evaluation needs; the snapshot and the raw arrays are large."""
    keep = {CANDIDATE, LOSSLESS, "answers.npz", "answers.json"}
    if record is not None and record.answers is not None and record.answers.original is not None:
        keep.add(record.answers.original.snapshot.name)
    for path in workspace.iterdir():
        if path.name not in keep and not path.name.startswith((PROBES, PLAN)) and path.is_file():
            path.unlink()
