"""What one stage hands the next about a model: plain JSON, and the outcome made of it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from model_quantization.artifact.writer import build_artifact
from model_quantization.config.model_settings import ModelSettings
from model_quantization.errors import InputRefused, QuantizationError
from model_quantization.graph.traversal import model_type
from model_quantization.loading.pickles.scan import ScannedFile
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.pipeline.child.handover import Inspection
from model_quantization.planning.encoding import component_costs, encode
from model_quantization.planning.packing import PreparedGraph
from model_quantization.planning.plan import Plan
from model_quantization.planning.roles import family_summary


def model_record(
    name: str,
    scanned: ScannedFile,
    inspection: Inspection,
    prepared: PreparedGraph,
    settings: ModelSettings,
    held_out: Path | None,
) -> dict[str, Any]:
    """Return everything `evaluate_stage` needs to know of a model.

    Raises
    ------
    QuantizationError
        What was wrong with the held-out data when the original was asked.
    """
    if inspection.error is not None:
        raise inspection.error
    return {
        "name": name,
        "source": str(scanned.source),
        "source_sha256": scanned.sha256,
        "source_size_bytes": scanned.size_bytes,
        "bit_depth": "8" if settings.bit_depth == "auto" else settings.bit_depth,
        "settings": settings.to_json(),
        "held_out": str(held_out) if held_out else None,
        "answered": inspection.answered,
        "feature_names": inspection.feature_names,
        "surfaces": inspection.surfaces,
        "sklearn_version": inspection.sklearn_version,
        "latency": inspection.latency.to_json() if inspection.latency else None,
        **describe_graph(prepared),
    }


def artifact_header(plan: Plan, record: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest's fixed part: nothing in it differs between two runs on one input."""
    return {
        "producer": {"name": "model-quantization", "version": version("model-quantization")},
        "libraries": {"scikit-learn": record["sklearn_version"], "numpy": version("numpy")},
        "source": {
            "name": Path(record["source"]).name,
            "sha256": record["source_sha256"],
            "size_bytes": record["source_size_bytes"],
        },
        "model": {
            "type": record["model_type"],
            "family": record["family"],
            "surfaces": record["surfaces"],
            "exact": plan.exact,
        },
        "recipe": plan.recipe.to_json(),
        "residue": dict(record["residue"]),
        "notes": list(record["notes"]),
    }


def describe_graph(prepared: PreparedGraph) -> dict[str, Any]:
    """Return the parts of a record that follow from the graph."""
    graph = prepared.graph
    return {
        "packed_bytes": prepared.packed_bytes,
        "family": family_summary(graph),
        "model_type": model_type(graph),
        "residue": dict(graph.residue),
        "notes": list(graph.notes),
    }


def write_plan(plan: Plan, record: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Write the plan's artifact to `path`; return where its bytes went, by component."""
    data, parts = build_artifact(encode(plan), artifact_header(plan, record))
    path.write_bytes(data)
    return [cost.to_json() for cost in component_costs(plan, parts, record["packed_bytes"])]


def failed_outcome(
    name: str, source: Path, settings: ModelSettings, error: QuantizationError
) -> Outcome:
    """Return the outcome of a model that something is wrong with; the original stays."""
    refused = isinstance(error, InputRefused)
    return Outcome(
        name=name,
        source=str(source),
        status=Status.REFUSED if refused else Status.FAILED,
        guarantee=Guarantee.FALLBACK,
        reason=error.code,
        note=str(error),
        source_size_bytes=source.lstat().st_size if source.exists() else 0,
        bit_depth=settings.bit_depth,
        weight_threshold=settings.weight_threshold,
        evaluation={"error": {"name": type(error).__name__, "fields": error.fields()}},
    )
