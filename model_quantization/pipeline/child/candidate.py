"""Run in the child process: open a written artifact, ask it held-out rows and probe rows.

It answers in a child with the same threads and limits as the original. Native code that gets wrong
data crashes the child, not the run.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.errors import QuantizationError
from model_quantization.evaluation.answers import MODEL_ERRORS, answer
from model_quantization.loading.sandbox.handler import Handler
from model_quantization.pipeline.child.messages import CandidateReply, CandidateRequest
from model_quantization.pipeline.child.original import extend_import_path
from model_quantization.pipeline.child.probing import probe_artifact, read_questions
from model_quantization.pipeline.child.rows import rows_of
from model_quantization.predictor.golden_rows import golden_budget, golden_rows
from model_quantization.predictor.opening import iter_models, model_at, open_model
from model_quantization.probes.compare import ProbeReport
from model_quantization.probes.rows import all_rows
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
    slow = {path: found.restored for path, found in probes.items() if found.restored}
    if slow:  # the artifact is evaluated as it will be served
        artifact = read_artifact(artifact.sealed(None, None, slow), request.limits)
        opened = open_model(artifact, TrustPolicy(frozenset(request.trusted)))
    reply = _asked(request, artifact, opened, probes)
    if reply.golden is None and "" in asked:
        golden = _golden(opened, all_rows(asked[""][0]), artifact)
        reply = replace(reply, golden=golden)
    return reply


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
