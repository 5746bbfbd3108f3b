"""Describes an artifact: the model in it, the bytes of each component, and the evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_quantization.artifact.reader import Artifact
from model_quantization.errors import QuantizationError
from model_quantization.families import family_named, family_of
from model_quantization.graph.nodes import ModelGraph, ObjectNode, PackedNode
from model_quantization.graph.traversal import array_paths, components
from model_quantization.predictor.golden_rows import golden_budget
from model_quantization.predictor.opening import open_model
from model_quantization.predictor.quantized_model import QuantizedModel
from model_quantization.schemes.scheme import Exact, scheme_from_json
from model_quantization.trust import TrustPolicy

COARSE: Final = "rounded or shortened when it was packed"


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
    asked = sorted(golden.get("answers", {})) if golden else []
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
        "golden_methods": asked,
        "no_golden": "" if asked else _why_no_golden(artifact),
    }


def _why_no_golden(artifact: Artifact) -> str:
    """Why the artifact has no golden rows, as far as the file tells."""
    if "" not in artifact.manifest["model"]["surfaces"]:
        return "a container of models has no golden rows"
    most = golden_budget(len(artifact.data))
    return (
        f"no row fits with its answers into the {most:,} bytes that a file of this size gives "
        "them, or rows of this kind are not kept"
    )


def _components(artifact: Artifact) -> list[dict[str, Any]]:
    """One row per object that holds arrays; an array counts for the innermost one around it."""
    graph = ModelGraph(artifact.root, (), (), {})
    nodes = dict(components(graph))
    types = {path: node.type for path, node in nodes.items()}
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
    if not artifact.manifest["model"]["exact"]:
        _name_rounded(list(rows.values()), nodes)
    return sorted(rows.values(), key=lambda row: -row["stored_bytes"])


def _name_rounded(rows: list[dict[str, Any]], nodes: Mapping[str, ObjectNode | PackedNode]) -> None:
    """Say of arrays that are stored as they are that a family had rounded them before.

    The file does not tell which component that was; where only one can be it, it was.
    """
    exact = str(Exact())
    stored = [row for row in rows if row["schemes"] == [exact]]
    changed = [row for row in stored if row["path"] in nodes and _coarsens(nodes[row["path"]])]
    sure = len(changed) == 1 and len(stored) == len(rows)
    for row in changed:
        row["schemes"] = [COARSE if sure else f"{exact}, or {COARSE}"]


def _coarsens(node: ObjectNode | PackedNode) -> bool:
    """Whether the component's family may round it as a whole, beside the schemes of its arrays."""
    if isinstance(node, PackedNode):
        family = family_named(node.family)
        return family.coarsen is not None or family.coarser is not None
    family = family_of(node.type)
    return family.fold is not None or family.coarser is not None


def _short(scheme: Any) -> str:
    try:
        return str(scheme_from_json(scheme))
    except (ValueError, AttributeError):  # of a newer version, or invalid
        return "unknown"


def _predictors(artifact: Artifact, trusted: tuple[str, ...]) -> list[dict[str, Any]]:
    """One record per model of the file: see `Explanation`; `error` when it cannot be opened."""
    trust = TrustPolicy(frozenset(trusted))  # a name that cannot be one is not the artifact's fault
    try:
        model = open_model(artifact, trust)
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
