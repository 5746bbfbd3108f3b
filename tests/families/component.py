"""A live model as its family sees it: captured, prepared, viewed and restored, without a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ml.quantization.families import Lowered
from ml.quantization.graph import ModelGraph
from ml.quantization.loading.capture import capture
from ml.quantization.loading.trust import TrustPolicy
from ml.quantization.prepare import prepare_graph
from ml.quantization.restore import restore
from ml.quantization.view import Context, View


@dataclass(frozen=True)
class Treated:
    """The prepared graph, the estimator restored from it, and the exact fast predictor."""

    graph: ModelGraph
    restored: Any
    lowered: Lowered | None


def treat(model: Any, trusted: tuple[str, ...] = ()) -> Treated:
    """Everything that the library makes of a model in memory."""
    trust = TrustPolicy(frozenset(trusted))
    graph = prepare_graph(capture(model, trust)).graph
    view = View(graph.root, Context.of(graph.root, graph.arrays))
    restored = restore(graph.root, graph.arrays, trust, residue=graph.residue)
    return Treated(graph, restored, view.lower(exact=True))
