"""What the child process does with a written artifact: open it, and ask it the held-out rows.

It answers where the original answered, in a child with the same threads and limits, so that
answers and latencies of the two can be held against each other. Native code that is given wrong
data takes down the child, not the run.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_quantization.artifact.golden_rows import golden_rows
from model_quantization.artifact.reader import read_artifact
from model_quantization.errors import QuantizationError, WorkerError
from model_quantization.evaluation.answers import Answers, answer
from model_quantization.evaluation.latency import Latency
from model_quantization.evaluation.rows.heldout import needs_target, read_rows
from model_quantization.limits import Limits
from model_quantization.loading.sandbox.confinement import Access
from model_quantization.pipeline.child.handlers import call_worker
from model_quantization.pipeline.child.handover import UNREADABLE, check_plain_files
from model_quantization.pipeline.child.original import (
    extend_import_path,
    import_path,
    measure_serving,
)
from model_quantization.trust import TrustPolicy

HANDLER = "model_quantization.pipeline.child.candidate:answer_rows"
_STEM = "candidate-answers"


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """What to ask of one artifact.

    Attributes
    ----------
    artifact : Path
    answered : str
        Path of the model in it that takes the rows.
    task : str
    methods : tuple of str
        Those that the original answered.
    held_out : Path
    target, feature_names, calibration_rows
        How the original's rows were read.
    trusted : tuple of str
    latency_seconds : float
        Time budget of each latency figure; 0: not measured.
    """

    artifact: Path
    answered: str
    task: str
    methods: tuple[str, ...]
    held_out: Path
    target: tuple[str, ...]
    feature_names: tuple[str, ...] | None
    calibration_rows: int
    trusted: tuple[str, ...]
    latency_seconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What the artifact answered.

    Attributes
    ----------
    answers : Answers
    latency : Latency or None
    golden : dict or None
        A few rows and answers for the artifact's self-test.
    """

    answers: Answers
    latency: Latency | None
    golden: dict[str, Any] | None


def ask_artifact(request: TrialRequest, limits: Limits, workspace: Path) -> Trial:
    """Ask a written artifact in a child process.

    Raises
    ------
    WorkerCrashed, WorkerTimeout
        The child died, or was stopped at its time limit.
    QuantizationError
        The artifact cannot be used, or fails at `predict`.
    """
    found = call_worker(
        HANDLER,
        {
            "artifact": str(request.artifact),
            "answered": request.answered,
            "task": request.task,
            "methods": list(request.methods),
            "held_out": str(request.held_out.absolute()),
            "target": list(request.target),
            "feature_names": list(request.feature_names) if request.feature_names else None,
            "calibration_rows": request.calibration_rows,
            "trusted": list(request.trusted),
            "import_path": import_path(TrustPolicy(frozenset(request.trusted))),
            "latency_seconds": request.latency_seconds,
            "limits": {name: getattr(limits, name) for name in limits.__slots__},
            "workspace": str(workspace),
        },
        limits,
        Access(str(workspace), compiles=True),
    )
    check_plain_files(workspace)
    try:
        return Trial(
            Answers.from_files(workspace, _STEM, limits),
            Latency.from_json(found["latency"]) if found["latency"] else None,
            found["golden"],
        )
    except QuantizationError:
        raise
    except UNREADABLE as error:
        raise WorkerError(
            "the child's answers cannot be read",
            where=str(request.artifact),
            got=f"{type(error).__name__}: {error}"[:200],
            do="quantize the original again",
        ) from error


def answer_rows(request: dict[str, Any]) -> dict[str, Any]:
    """Run in the child: answer one request (see `ask_artifact`)."""
    from model_quantization.predictor.quantized_model import model_at, open_model

    limits = Limits(**request["limits"])
    extend_import_path(request["import_path"])
    names = request["feature_names"]
    artifact = read_artifact(Path(request["artifact"]), limits)
    model = model_at(
        open_model(artifact, TrustPolicy(frozenset(request["trusted"]))), request["answered"]
    )
    _, gate = read_rows(
        Path(request["held_out"]),
        tuple(request["target"]),
        tuple(names) if names is not None else None,
        request["calibration_rows"],
        limits,
        needs_target=needs_target(request["task"]),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer(model, gate.rows, request["methods"]).to_files(Path(request["workspace"]), _STEM)
        latency = measure_serving(model, request["methods"], gate.rows, request["latency_seconds"])
        golden = None
        if request["answered"] == "":
            golden = golden_rows(model, gate.rows, len(artifact.data) // 50)
    return {"latency": latency.to_json() if latency else None, "golden": golden}
