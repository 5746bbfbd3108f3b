"""What the child process does with a scanned file: load it, take it apart, ask it.

The model never leaves the child. What the parent gets is data: the graph as JSON, its arrays in
one flat file, the original's answers to the held-out rows, and figures.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_quantization.errors import QuantizationError, ScanRefused, SemanticError
from model_quantization.estimators.capture import Capture, capture_objects
from model_quantization.estimators.reachable import (
    answered_model,
    check_fitted,
    find_surfaces,
    serving_method,
)
from model_quantization.evaluation.answers import answer, answerable
from model_quantization.evaluation.latency import Latency, measure_latency
from model_quantization.evaluation.rows.heldout import (
    needs_target,
    read_rows,
)
from model_quantization.graph.json_form import node_to_json
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import ScannedFile
from model_quantization.loading.pickles.unpickle import unpickle_scanned
from model_quantization.loading.sandbox.confinement import Access
from model_quantization.pipeline.child.handlers import call_worker
from model_quantization.pipeline.child.handover import (
    ARRAYS,
    Inspection,
    read_inspection,
    write_arrays,
)
from model_quantization.pipeline.child.second_moments import component_grams
from model_quantization.trust import TrustPolicy

HANDLER = "model_quantization.pipeline.child.original:inspect"


@dataclass(frozen=True, slots=True)
class InspectionRequest:
    """What to do with one scanned file.

    Attributes
    ----------
    held_out : Path or None
        The original answers its rows.
    target : tuple of str
        Its target columns.
    calibration_rows : int
        The first so many held-out rows calibrate, and are not asked for answers.
    latency_seconds : float
        Time budget of each latency figure; 0: not measured.
    """

    held_out: Path | None = None
    target: tuple[str, ...] = ("target",)
    calibration_rows: int = 0
    latency_seconds: float = 0.2


def inspect_file(
    scanned: ScannedFile,
    trust: TrustPolicy,
    limits: Limits,
    request: InspectionRequest,
    workspace: Path,
) -> Inspection:
    """Load a scanned file in a child process and return what it holds, as data.

    Raises
    ------
    WorkerCrashed, WorkerTimeout
        The child died, or was stopped at its time limit.
    QuantizationError
        Whatever the child found wrong with the model.
    """
    found = call_worker(
        HANDLER,
        {
            "snapshot": str(scanned.snapshot),
            "source": str(scanned.source),
            "format": scanned.format,
            "names": sorted(scanned.names),
            "trusted": sorted(trust.extra),
            "import_path": import_path(trust),
            "limits": {name: getattr(limits, name) for name in limits.__slots__},
            "workspace": str(workspace),
            "held_out": str(request.held_out.absolute()) if request.held_out else None,
            "target": list(request.target),
            "calibration_rows": request.calibration_rows,
            "latency_seconds": request.latency_seconds,
        },
        limits,
        Access(str(workspace), _needed(trust, request.held_out)),
    )
    return read_inspection(found, workspace, limits)


def _needed(trust: TrustPolicy, held_out: Path | None) -> tuple[str, ...]:
    return (*import_path(trust), *([str(held_out.absolute())] if held_out else []))


def inspect(request: dict[str, Any]) -> dict[str, Any]:
    """Run in the child: answer one request (see `inspect_file`)."""
    limits = Limits(**request["limits"])
    trust = TrustPolicy(frozenset(request["trusted"]))
    extend_import_path(request["import_path"])
    workspace = Path(request["workspace"])
    started = time.perf_counter()
    model, warned = unpickle_scanned(
        Path(request["snapshot"]), request["format"], request["source"], set(request["names"])
    )
    load_seconds = time.perf_counter() - started
    try:
        held = capture_objects(model, trust, limits)
    except SemanticError as error:  # state that native code would follow: nobody may ask this model
        raise ScanRefused(**error.fields() | {"do": "do not use this file"}) from None
    check_fitted(model)
    surfaces = find_surfaces(model)
    import sklearn

    result: dict[str, Any] = {
        "graph": node_to_json(held.graph.root),
        "arrays": write_arrays(held.graph.arrays, workspace / ARRAYS),
        "notes": [*held.graph.notes, *warned],
        "residue": dict(held.graph.residue),
        "surfaces": surfaces,
        "sklearn_version": sklearn.__version__,
        "load_seconds": load_seconds,
    }
    if request["held_out"]:
        result |= _ask(model, held, surfaces, request, limits, workspace)
    return result


def import_path(trust: TrustPolicy) -> list[str]:
    """Return where the caller finds modules; empty when it trusts none of its own.

    The server that children come from may be older than the caller's last addition to `sys.path`.
    """
    return [str(Path(entry).absolute()) for entry in sys.path] if trust.extra else []


def extend_import_path(entries: list[str]) -> None:
    """Run in the child: find modules where the caller does, after its own places."""
    sys.path.extend(entry for entry in entries if entry not in sys.path)


def _ask(
    model: Any,
    held: Capture,
    surfaces: dict[str, dict[str, Any]],
    request: dict[str, Any],
    limits: Limits,
    workspace: Path,
) -> dict[str, Any]:
    """The original's answers; what is wrong with the held-out data is a finding, not a failure."""
    chosen = answered_model(model)
    if chosen is None:
        return {}
    path, estimator = chosen
    names = getattr(estimator, "feature_names_in_", None)
    feature_names = None if names is None else tuple(str(name) for name in names)
    try:
        calibration, gate = read_rows(
            Path(request["held_out"]),
            tuple(request["target"]),
            feature_names,
            request["calibration_rows"],
            limits,
            needs_target=needs_target(surfaces[path]["task"]),
        )
        methods = answerable(estimator)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answers = answer(estimator, gate.rows, methods)
            answers.to_files(workspace)
            latency = measure_serving(estimator, methods, gate.rows, request["latency_seconds"])
            grams = component_grams(held, calibration.rows, path) if calibration else {}
    except QuantizationError as error:
        return {"error": {"name": type(error).__name__, "fields": error.fields()}}
    np.savez(workspace / "grams.npz", *grams.values(), allow_pickle=False)
    return {
        "answered": path,
        "feature_names": list(feature_names) if feature_names is not None else None,
        "latency": latency.to_json() if latency else None,
        "grams": list(grams),
    }


def measure_serving(
    estimator: Any, methods: Sequence[str], rows: Any, budget_seconds: float
) -> Latency | None:
    """Return the latency of the method that serves; None when there is none, or no budget."""
    method = serving_method(methods)
    if method is None or budget_seconds <= 0:
        return None
    return measure_latency(getattr(estimator, method), rows, budget_seconds=budget_seconds)
