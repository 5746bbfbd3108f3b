"""Says what an artifact holds: the model, where its bytes went, and what was proven of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.graph.nodes import ModelGraph
from model_quantization.graph.traversal import array_paths, components
from model_quantization.report.table import human_bytes


def run(path: Path, *, as_json: bool = False) -> int:
    """Print what the file holds.

    Raises
    ------
    ArtifactError, LimitError, PathRefused
        It cannot be read.
    """
    record = describe(read_artifact(path))
    print(json.dumps(record, indent=1) if as_json else "\n".join(_lines(record)))
    return 0


def describe(artifact: Artifact) -> dict[str, Any]:
    """What the artifact holds, as JSON values; its arrays are not decoded."""
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
    if not isinstance(scheme, dict):
        return "?"
    return f"{scheme.get('kind', '?')}{scheme.get('bits', '')}"


def _lines(record: dict[str, Any]) -> Iterator[str]:
    yield f"{record['file']}: {human_bytes(record['size_bytes'])}, sha256 {record['sha256']}"
    source, producer = record["source"], record["producer"]
    yield f"signed       {record['key_id'] or 'no'}"
    yield f"model        {record['model']['type']} ({record['model']['family']})"
    yield f"precision    {record['bit_depth']}{', exact' if record['model']['exact'] else ''}"
    yield f"made from    {source['name']}, {human_bytes(source['size_bytes'])}, {source['sha256']}"
    made_with = ", ".join(f"{name} {held}" for name, held in sorted(record["libraries"].items()))
    yield f"made with    {producer['name']} {producer['version']}, {made_with}"
    for path, methods in record["methods"].items():
        yield f"answers      {path + ': ' if path else ''}{', '.join(methods)}"
    yield f"self-test    {', '.join(record['golden_methods']) or 'none'}"
    yield f"arrays       {record['arrays']}"
    for row in record["components"]:
        name = row["path"] or "(model)"
        kind = row["type"].rpartition(":")[2]
        schemes = ", ".join(row["schemes"])
        size = human_bytes(row["stored_bytes"])
        yield f"  {size:>10}  {name} {kind}: {row['arrays']} arrays, {schemes}"
    if record["residue"]:
        yield f"not kept     {', '.join(record['residue'])}"
    for note in record["notes"]:
        yield f"note         {note}"
    if record["evaluation"] is None:
        yield "evaluation   none"
    else:
        yield "evaluation"
        yield from (f"  {line}" for line in json.dumps(record["evaluation"], indent=1).splitlines())
