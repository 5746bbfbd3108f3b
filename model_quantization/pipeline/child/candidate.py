"""Run in the child process: open a written artifact, and ask it the held-out rows.

It answers where the original answered, in a child with the same threads and limits, so that
answers and latencies of the two can be compared. Native code that is given wrong data takes down
the child, not the run.
"""

from __future__ import annotations

import warnings

from model_quantization.artifact.golden_rows import golden_rows
from model_quantization.artifact.reader import read_artifact
from model_quantization.evaluation.answers import answer
from model_quantization.evaluation.rows.heldout import needs_target, read_rows
from model_quantization.loading.sandbox.handler import Handler
from model_quantization.pipeline.child.messages import CandidateReply, CandidateRequest
from model_quantization.pipeline.child.original import extend_import_path, measure_serving
from model_quantization.trust import TrustPolicy

STEM = "candidate-answers"  # of the files that hold the answers


@Handler
def answer_rows(request: CandidateRequest) -> CandidateReply:
    """Run in the child: ask one artifact the rows."""
    from model_quantization.predictor.opening import iter_models, model_at, open_model

    extend_import_path(request.import_path)
    artifact = read_artifact(request.artifact, request.limits)
    opened = open_model(artifact, TrustPolicy(frozenset(request.trusted)))
    model = model_at(opened, request.answered)
    _, gate = read_rows(
        request.rows.held_out,
        request.rows.target,
        request.feature_names,
        request.rows.calibration_rows,
        request.limits,
        needs_target=needs_target(request.task),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer(model, gate.rows, request.methods).to_files(request.workspace, STEM)
        latency = measure_serving(model, request.methods, gate.rows, request.rows.latency_seconds)
        golden = None
        if request.answered == "":
            golden = golden_rows(model, gate.rows, len(artifact.data) // 50)
    explanations = tuple(one.explain() for one in iter_models(opened))
    return CandidateReply(latency, golden, explanations)
