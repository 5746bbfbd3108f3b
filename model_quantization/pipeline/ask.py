"""Requests to the child process: a model file's content, an artifact's answers, their times.

Replies are untrusted data: a loaded file may have taken over the child.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_quantization.evaluation.answers import Answers
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import ScannedFile
from model_quantization.loading.sandbox.confinement import Access
from model_quantization.pipeline.child.candidate import STEM, answer_rows
from model_quantization.pipeline.child.handlers import ask_child
from model_quantization.pipeline.child.handover import Original, read_answers, read_original
from model_quantization.pipeline.child.latency import measure
from model_quantization.pipeline.child.messages.candidate import CandidateRequest
from model_quantization.pipeline.child.messages.latency import LatencyReply, LatencyRequest
from model_quantization.pipeline.child.messages.original import OriginalRequest
from model_quantization.pipeline.child.messages.rows import RowsRequest
from model_quantization.pipeline.child.original import import_path, inspect
from model_quantization.predictor.explanation import Explanation
from model_quantization.probes.compare import ProbeReport
from model_quantization.trust import TrustPolicy

__all__ = ["Candidate", "ask_candidate", "ask_latency", "ask_original"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """The answers of a written artifact.

    Attributes
    ----------
    answers : Answers or None
        Answers to the held-out rows, if there are any.
    golden : dict or None
        A few rows and answers for the artifact's self-test.
    explanations : tuple of Explanation
        One per model in the artifact: which predictor answers each method.
    probes : mapping of str to ProbeReport
        Path of each probed estimator -> what its probe rows showed.
    unreadable : str
        Why the artifact does not open; empty when it does.
    """

    answers: Answers | None
    golden: dict[str, Any] | None
    explanations: tuple[Explanation, ...]
    probes: Mapping[str, ProbeReport]
    unreadable: str


def ask_original(
    scanned: ScannedFile,
    trust: TrustPolicy,
    limits: Limits,
    rows: RowsRequest | None,
    workspace: Path,
) -> Original:
    """Load a scanned file in a child process and return its content as data.

    Raises
    ------
    WorkerCrashed, WorkerTimeout
        The child died, or was stopped at its time limit.
    QuantizationError
        An error that the child found in the model.
    """
    request = OriginalRequest(
        snapshot=scanned.snapshot,
        source=scanned.source,
        format=scanned.format,
        names=tuple(sorted(scanned.names)),
        trusted=tuple(sorted(trust.extra)),
        import_path=import_path(trust),
        limits=limits,
        workspace=workspace,
        rows=rows,
        saved_by=scanned.sklearn_version,
    )
    reads = (*request.import_path, *(rows.files if rows else ()))
    reply = ask_child(inspect, request, limits, Access(str(workspace), reads))
    return read_original(reply, workspace, limits)


def ask_candidate(request: CandidateRequest) -> Candidate:
    """Ask a written artifact the held-out rows and the probe rows, in a child process.

    Raises
    ------
    WorkerCrashed, WorkerTimeout
        The child died, or was stopped at its time limit.
    QuantizationError
        The artifact cannot be used, or fails at `predict`.
    """
    workspace = request.workspace
    held_out = request.rows.files if request.rows else ()
    needed = (request.artifact, *held_out, *request.import_path)
    access = Access(str(workspace), tuple(map(str, needed)))
    reply = ask_child(answer_rows, request, request.limits, access)
    answers = None
    if request.answered is not None and not reply.unreadable:
        answers = read_answers(workspace, STEM, request.limits)
    return Candidate(answers, reply.golden, reply.explanations, reply.probes, reply.unreadable)


def ask_latency(request: LatencyRequest) -> LatencyReply:
    """Let the original and its artifact answer in turns, in a child process.

    Raises
    ------
    WorkerCrashed, WorkerTimeout
        The child died, or was stopped at its time limit.
    QuantizationError
        One of the two cannot be loaded.
    """
    needed = (
        request.original.snapshot,
        request.artifact,
        *request.rows.files,
        *request.import_path,
    )
    return ask_child(measure, request, request.limits, Access(reads=tuple(map(str, needed))))
