"""Run in the child process: open a written artifact, ask it held-out rows and probe rows.

It answers in a child with the same threads and limits as the original. Native code that gets wrong
data crashes the child, not the run.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.errors import QuantizationError
from model_quantization.evaluation.answers import MODEL_ERRORS, answer
from model_quantization.limits import Limits
from model_quantization.loading.sandbox.handler import Handler
from model_quantization.pipeline.child.messages.candidate import CandidateReply, CandidateRequest
from model_quantization.pipeline.child.original import extend_import_path
from model_quantization.pipeline.child.probing import Asked, probe_artifact, read_questions
from model_quantization.pipeline.child.rows import rows_of
from model_quantization.predictor.golden_rows import golden_budget, golden_rows
from model_quantization.predictor.opening import iter_models, model_at, open_model
from model_quantization.probes.compare import ProbeReport
from model_quantization.probes.forms import all_rows
from model_quantization.trust import TrustPolicy

STEM = "candidate-answers"  # name of the files with the answers
# Without errors of the machine (a full disk): those are retried.
_FAULTS: tuple[type[Exception], ...] = (
    QuantizationError,
    *(kind for kind in MODEL_ERRORS if kind is not OSError),
)


@Handler
def answer_rows(request: CandidateRequest) -> CandidateReply:
    """Run in the child: ask one artifact the rows."""
    extend_import_path(request.import_path)
    asked = read_questions(request.probed, request.workspace)
    try:
        artifact = read_artifact(request.artifact, request.limits)
        artifact.check()
        opened = open_model(artifact, TrustPolicy(frozenset(request.trusted)))
        exact = bool(artifact.manifest["model"]["exact"])
        probes = probe_artifact(opened, asked, exact=exact)
    except _FAULTS as error:
        return CandidateReply(unreadable=f"{type(error).__name__}: {error}")
    served = as_served(artifact, probes, request.limits)
    if served is not artifact:
        opened = open_model(served, TrustPolicy(frozenset(request.trusted)))
    reply = _asked(request, served, opened, probes)
    if reply.golden is None:
        reply = replace(reply, golden=probed_golden(opened, asked, served))
    return reply


def as_served(artifact: Artifact, probes: Mapping[str, ProbeReport], limits: Limits) -> Artifact:
    """The artifact that leaves fast methods which differed to the restored estimator."""
    slow = {path: found.restored for path, found in probes.items() if found.restored}
    return read_artifact(artifact.sealed(None, None, slow), limits) if slow else artifact


def probed_golden(
    model: Any, asked: Mapping[str, Asked], artifact: Artifact
) -> dict[str, Any] | None:
    """Golden rows of the first probe rows; None for an artifact that is not one estimator."""
    return _golden(model, all_rows(asked[""][0]), artifact) if "" in asked else None


def _golden(model: Any, rows: Any, artifact: Artifact) -> dict[str, Any] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return golden_rows(model, rows, golden_budget(len(artifact.data)))


def _asked(
    request: CandidateRequest, artifact: Artifact, opened: Any, probes: dict[str, ProbeReport]
) -> CandidateReply:
    """The reply of an artifact that opens; its answers where there are held-out rows."""
    explanations = tuple(one.explain() for one in iter_models(opened))
    if request.answered is None or request.rows is None or request.expected is None:
        return CandidateReply(explanations=explanations, probes=probes)
    model = model_at(opened, request.answered)
    gate = rows_of(request.rows, request.expected, request.limits).gate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer(model, gate.rows, request.methods).to_files(request.workspace, STEM)
        golden = None
        if request.answered == "":
            golden = _golden(model, gate.rows, artifact)
    return CandidateReply(golden, explanations, probes)
