"""Run in the child process: measure the times of the original and its artifact.

Only this child has both models. Its two figures go into the report and decide nothing. It loads the
original only from the copy that was scanned.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

from model_quantization.artifact.reader import read_artifact
from model_quantization.errors import IntegrityError
from model_quantization.estimators.reachable import find_estimators
from model_quantization.evaluation.latency import measure_latencies
from model_quantization.evaluation.rows.heldout import read_rows
from model_quantization.loading.pickles.unpickle import unpickle_scanned
from model_quantization.loading.sandbox.handler import Handler
from model_quantization.pipeline.child.messages.latency import (
    LatencyReply,
    LatencyRequest,
    OriginalFile,
)
from model_quantization.pipeline.child.original import extend_import_path
from model_quantization.predictor.opening import model_at, open_model
from model_quantization.trust import TrustPolicy


@Handler
def measure(request: LatencyRequest) -> LatencyReply:
    """Run in the child: load both models and let them answer the same rows in turns."""
    extend_import_path(request.import_path)
    kept = request.original
    check_unchanged(kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded, _ = unpickle_scanned(
            kept.snapshot, kept.format, str(request.source), frozenset(kept.names)
        )
        artifact = read_artifact(request.artifact, request.limits)
        opened = open_model(artifact, TrustPolicy(frozenset(request.trusted)))
        _, gate = read_rows(
            request.rows.held_out,
            request.rows.target,
            request.expected,
            request.rows.calibration_rows,
            request.limits,
        )
        models = find_estimators(loaded)[request.answered], model_at(opened, request.answered)
        before, after = measure_latencies(
            [getattr(model, request.method) for model in models],
            gate.rows,
            budget_seconds=request.budget_seconds,
        )
    return LatencyReply(before, after)


def check_unchanged(kept: OriginalFile) -> None:
    """Raise `IntegrityError` when the copy is no longer the one that was scanned."""
    digest = sha256_of(kept.snapshot)
    if digest != kept.sha256:
        raise IntegrityError(
            "the copy of the original is not the one that was scanned",
            where=str(kept.snapshot),
            expected=f"sha256 {kept.sha256}",
            got=digest,
            do="do not use this file: what loaded it was taken over",
        )


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
