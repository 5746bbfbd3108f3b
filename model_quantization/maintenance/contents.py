"""Describes an artifact: the model in it, the bytes of each component, and the evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model_quantization.artifact.reader import Artifact
from model_quantization.errors import QuantizationError
from model_quantization.graph.nodes import ModelGraph
from model_quantization.graph.traversal import array_paths, components
from model_quantization.predictor.opening import open_model
from model_quantization.predictor.quantized_model import QuantizedModel
from model_quantization.schemes.scheme import scheme_from_json
from model_quantization.trust import TrustPolicy


def describe_artifact(artifact: Artifact, trusted: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the contents of an artifact as JSON values.

    Parameters
    ----------
    artifact : Artifact
    trusted : tuple of str
        Classes of your own that the model may hold; without them `predictors` gives the reason
        why the model cannot be opened.
    """
    manifest = artifact.manifest
    evaluation = manifest["evaluation"]
    golden = manifest["golden"]
    return {
        "file": artifact.where,
        "size_bytes": len(artifact.data),
        "sha256": artifact.sha256,
        "key_id": artifact.signature.key_id if artifact.signature else "",
        "producer": manifest["producer"],
        "libraries": manifest["libraries"],
        "source": manifest["source"],
        "model": {key: manifest["model"][key] for key in ("type", "family", "exact")},
        "methods": {path: s["methods"] for path, s in manifest["model"]["surfaces"].items()},
        "bit_depth": manifest["recipe"]["bit_depth"],
        "components": _components(artifact),
        "predictors": _predictors(artifact, trusted),
        "arrays": len(artifact),
        "residue": sorted(manifest["residue"]),
        "notes": manifest["notes"],
        "evaluation": evaluation,
        "golden_methods": sorted(golden.get("answers", {})) if golden else [],
    }


def _components(artifact: Artifact) -> list[dict[str, Any]]:
    """One row per object that holds arrays; an array counts for the innermost one around it."""
    graph = ModelGraph(artifact.root, (), (), {})
    types = {path: node.type for path, node in components(graph)}
    rows: dict[str, dict[str, Any]] = {}
    for index, path in array_paths(graph).items():
        owner = path
        while owner not in types and owner:
            owner = owner.rpartition("/")[0]
        row = rows.setdefault(
            owner,
            {
                "path": owner,
                "type": types.get(owner, ""),
                "arrays": 0,
                "stored_bytes": 0.0,
                "schemes": [],
            },
        )
        row["arrays"] += 1
        row["stored_bytes"] += artifact.stored_bytes(index)
        scheme = _short(artifact.scheme(index).get("scheme", {}))
        if scheme not in row["schemes"]:
            row["schemes"].append(scheme)
    for row in rows.values():
        row["stored_bytes"] = round(row["stored_bytes"])
    return sorted(rows.values(), key=lambda row: -row["stored_bytes"])


def _short(scheme: Any) -> str:
    try:
        return str(scheme_from_json(scheme))
    except (ValueError, AttributeError):  # of a newer version, or invalid
        return "unknown"


def _predictors(artifact: Artifact, trusted: tuple[str, ...]) -> list[dict[str, Any]]:
    """One record per model of the file: see `Explanation`; `error` when it cannot be opened."""
    try:
        model = open_model(artifact, TrustPolicy(frozenset(trusted)))
    except QuantizationError as error:
        return [{"path": "", "methods": [], "components": [], "error": str(error)}]
    return [each.explain().to_json() | {"error": ""} for each in _quantized_models(model)]


def _quantized_models(model: Any) -> Iterator[QuantizedModel]:
    """Every quantized model; a container holds several."""
    if isinstance(model, QuantizedModel):
        yield model
        return
    items = model.values() if isinstance(model, dict) else model
    for item in items if isinstance(model, dict | list | tuple) else ():
        yield from _quantized_models(item)
