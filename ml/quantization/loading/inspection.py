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

from ml.quantization.answers import answer, answerable
from ml.quantization.calibration import component_grams
from ml.quantization.errors import QuantizationError, UnfittedModel
from ml.quantization.evaluation.latency import Latency, measure_latency
from ml.quantization.graph import join
from ml.quantization.graph_json import node_to_json
from ml.quantization.heldout import HeldOut, check_disjoint, read_held_out
from ml.quantization.limits import Limits
from ml.quantization.loading.capture import Capture, capture_objects
from ml.quantization.loading.confinement import Access
from ml.quantization.loading.handover import ARRAYS, Inspection, read_inspection, write_arrays
from ml.quantization.loading.scan import ScannedFile
from ml.quantization.loading.trust import TrustPolicy
from ml.quantization.loading.unpickle import unpickle_scanned
from ml.quantization.loading.worker import call_worker
from ml.quantization.surface import is_estimator, surface_of

HANDLER = "ml.quantization.loading.inspection:inspect"


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
        Path(request["snapshot"]), request["format"], request["source"]
    )
    load_seconds = time.perf_counter() - started
    held = capture_objects(model, trust, limits)
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


def find_surfaces(model: Any) -> dict[str, dict[str, Any]]:
    """Return path -> methods and task of the estimators that a caller can reach."""
    return {path: surface_of(estimator) for path, estimator in find_estimators(model).items()}


def find_estimators(model: Any, path: str = "") -> dict[str, Any]:
    """Return path -> estimator: the model itself, or those in the containers it is made of."""
    if is_estimator(model):
        return {path: model}
    items: list[tuple[str, Any]] = []
    if type(model) is dict:
        items = [(str(key), value) for key, value in model.items() if isinstance(key, str | int)]
    elif type(model) in (list, tuple):
        items = [(str(position), value) for position, value in enumerate(model)]
    found: dict[str, Any] = {}
    for step, value in items:
        found |= find_estimators(value, join(path, step))
    return found


def check_fitted(model: Any) -> None:
    """Raise `UnfittedModel` when the model is, or holds, an estimator that was never fitted."""
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    for path, estimator in find_estimators(model).items():
        if not isinstance(estimator, BaseEstimator) or not hasattr(estimator, "fit"):
            continue
        try:
            check_is_fitted(estimator)
        except NotFittedError:
            raise UnfittedModel(
                "the estimator was never fitted",
                where=": ".join(part for part in (path, type(estimator).__name__) if part),
                expected="a fitted estimator",
                do="fit it before saving it",
            ) from None


def serving_method(methods: Sequence[str]) -> str | None:
    """Return the method whose latency a reader cares for."""
    for name in ("predict_proba", "predict", "decision_function", "transform", "score_samples"):
        if name in methods:
            return name
    return None


def answered_model(model: Any) -> tuple[str, Any] | None:
    """Return (path, estimator) of the one model that held-out rows are for; None if not one."""
    found = find_estimators(model)
    predicting = {path: each for path, each in found.items() if hasattr(each, "predict")}
    candidates = {id(each): (path, each) for path, each in reversed((predicting or found).items())}
    return candidates.popitem()[1] if len(candidates) == 1 else None


def read_rows(
    request_path: Path,
    target: tuple[str, ...],
    feature_names: tuple[str, ...] | None,
    calibration_rows: int,
    limits: Limits,
    *,
    needs_target: bool,
) -> tuple[HeldOut | None, HeldOut]:
    """Return (calibration rows or None, gate rows) of a held-out file: never a row in both."""
    rows = read_held_out(
        request_path,
        target=target,
        feature_names=feature_names,
        require_target=needs_target,
        limits=limits,
    )
    if calibration_rows <= 0 or len(rows) <= calibration_rows:
        return None, rows
    calibration = rows.take(range(calibration_rows))
    gate = rows.take(range(calibration_rows, len(rows)))
    check_disjoint(calibration, gate)
    return calibration, gate


def needs_target(task: str) -> bool:
    """Whether a model of this task is scored against a target."""
    return task in ("classification", "regression")


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
