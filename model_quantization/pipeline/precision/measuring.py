"""The size of a plan, and what a child process measures of its artifact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from model_quantization.artifact.writer import (
    EncodedModel,
    Encoder,
    StreamCache,
    build_artifact,
    raw_stream,
)
from model_quantization.errors import QuantizationError, SchemeError
from model_quantization.loading.sandbox.confinement import Access
from model_quantization.pipeline.child.handlers import ask_child
from model_quantization.pipeline.child.measuring import measure_plans
from model_quantization.pipeline.child.messages.measuring import MeasureReply, MeasureRequest
from model_quantization.pipeline.child.original import import_path
from model_quantization.pipeline.precision.exploring import Candidate, Exploring, Tried
from model_quantization.pipeline.record import artifact_header
from model_quantization.planning.encoding import encode
from model_quantization.planning.plan import Plan

_BATCH_BYTES: Final = 256 << 20  # of artifacts that lie on disk at once


def sized(exploring: Exploring, candidate: Candidate, quick: StreamCache) -> int:
    """Return the size in bytes of a candidate's artifact.

    Raises
    ------
    SchemeError
        Values that a scheme of the candidate cannot hold.
    """
    return len(_written(exploring, _encoded(exploring, candidate), quick.encode))


def _encoded(exploring: Exploring, candidate: Candidate) -> tuple[Plan, EncodedModel]:
    plan = exploring.assigner.plan(candidate.levels, candidate.refit)
    return plan, encode(plan, exploring.rounded.rounded)


def _written(exploring: Exploring, encoded: tuple[Plan, EncodedModel], encoder: Encoder) -> bytes:
    plan, model = encoded
    header = artifact_header(plan, exploring.source, exploring.description)
    return build_artifact(model, header, encoder)[0]


def try_plans(
    exploring: Exploring,
    candidates: Sequence[Candidate],
    quick: StreamCache,
    *,
    judged: bool = False,
) -> tuple[list[Tried], int]:
    """Return each plan that can be encoded with its size and measurement, and the number of rows.

    Parameters
    ----------
    exploring : Exploring
    candidates : sequence of Candidate
    quick : StreamCache
        Of artifacts that are only measured.
    judged : bool
        Whether each is evaluated as the gate does, to predict the gate.

    Raises
    ------
    WorkerCrashed, WorkerTimeout
        The child that measures died, or was stopped at its time limit.
    QuantizationError
        The child measured another number of artifacts than it was given.
    """
    tried: list[Tried] = []
    waiting: list[tuple[Candidate, int, Path]] = []
    rows = held = 0

    def flush() -> None:
        nonlocal rows, held
        if waiting:
            reply = _measure(exploring, [path for _, _, path in waiting], judged=judged)
            rows = reply.rows
            for (candidate, size, path), found in zip(waiting, reply.measured, strict=True):
                tried.append(Tried(candidate, size, found))
                path.unlink()
        waiting.clear()
        held = 0

    for number, candidate in enumerate(candidates):
        try:
            encoded = _encoded(exploring, candidate)
        except SchemeError:
            continue  # values that this scheme cannot hold
        size = len(_written(exploring, encoded, quick.encode))
        data = _written(exploring, encoded, raw_stream)
        path = exploring.workspace / f"option-{number:03d}.qma"
        path.write_bytes(data)
        waiting.append((candidate, size, path))
        held += len(data)
        if held > _BATCH_BYTES:
            flush()
    flush()
    return tried, rows


def _measure(exploring: Exploring, artifacts: list[Path], *, judged: bool) -> MeasureReply:
    settings, answers = exploring.settings, exploring.answers
    chooses = answers is not None and answers.division is not None and answers.division.selection
    rows = None
    if answers is not None and chooses:
        rows = answers.request(settings)
    request = MeasureRequest(
        reference=exploring.lossless,
        artifacts=tuple(artifacts),
        answered=answers.answered if answers is not None and chooses else None,
        methods=exploring.methods,
        rows=rows,
        expected=answers.expected if answers is not None and chooses else None,
        gate=settings.gate if judged and chooses else None,
        fits=bool(judged and chooses),
        gate_rows=answers.division.gate if answers is not None and answers.division else 0,
        probed=exploring.probed,
        trusted=settings.trusted,
        import_path=import_path(settings.trust),
        limits=exploring.limits,
        workspace=exploring.workspace,
    )
    files = map(str, (exploring.lossless, *artifacts))
    reads = (*files, *(rows.files if rows else ()), *request.import_path)
    reply = ask_child(
        measure_plans, request, exploring.limits, Access(str(exploring.workspace), reads)
    )
    if len(reply.measured) != len(artifacts):
        raise QuantizationError(
            "the child measured another number of artifacts than it was given",
            expected=str(len(artifacts)),
            got=str(len(reply.measured)),
            do="do not use this file: what answered was taken over, or is broken",
        )
    return reply
