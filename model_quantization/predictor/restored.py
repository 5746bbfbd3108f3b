"""The real object of one component of an artifact, for what no fast predictor answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_quantization.artifact.reader import Artifact
from model_quantization.graph.nodes import Node
from model_quantization.predictor.component import Context
from model_quantization.trust import TrustPolicy


def saved_by(artifact: Artifact) -> str:
    """The version of scikit-learn whose state the artifact holds."""
    return str(artifact.manifest["libraries"].get("scikit-learn", ""))


def restore_component(
    artifact: Artifact,
    trust: TrustPolicy,
    node: Node,
    context: Context,
    path: str,
    *,
    as_scikit_learn: bool = False,
    own_class: bool = False,
) -> Any:
    """Return a new object of the component at `path`; the options are those of `restore`."""
    from model_quantization.estimators.restore import restore  # few models need it

    return restore(
        node,
        artifact,
        trust,
        dropped=_dropped_below(artifact.manifest["residue"], path),
        identified=context.identified,
        saved_by=saved_by(artifact),
        as_scikit_learn=as_scikit_learn,
        own_class=own_class,
    )


def _dropped_below(notes: Mapping[str, str], path: str) -> dict[str, str]:
    """Notes on dropped attributes at or below `path`, by where they are below it."""
    if not path:
        return dict(notes)
    start = f"{path}/"
    return {key[len(start) :]: note for key, note in notes.items() if key.startswith(start)}
