"""A live model as its family sees it: captured, prepared, viewed and restored, without a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model_quantization.estimators.capture import capture
from model_quantization.estimators.restore import restore
from model_quantization.families import Lowered
from model_quantization.graph.nodes import ModelGraph
from model_quantization.planning.packing import prepare_graph
from model_quantization.predictor.component import Context, View
from model_quantization.trust import TrustPolicy


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
