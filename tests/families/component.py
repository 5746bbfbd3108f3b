"""A live model as its family sees it: captured, prepared, viewed and restored, without a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model_quantization.estimators.capture import capture
from model_quantization.estimators.restore import restore
from model_quantization.families import Lowered, NotFast
from model_quantization.graph.nodes import ModelGraph
from model_quantization.planning.packing import prepare_graph
from model_quantization.predictor.component import ComponentView, Context
from model_quantization.trust import TrustPolicy


@dataclass(frozen=True)
class Treated:
    """The prepared graph, the estimator restored from it, and the exact fast predictor.

    `not_fast` is the reason where `lowered` is None.
    """

    graph: ModelGraph
    restored: Any
    lowered: Lowered | None
    not_fast: NotFast | None = None


def treat(model: Any, trusted: tuple[str, ...] = ()) -> Treated:
    """Everything that the library makes of a model in memory."""
    trust = TrustPolicy(frozenset(trusted))
    graph = prepare_graph(capture(model, trust)).graph
    view = ComponentView(graph.root, Context.of(graph.root, graph.arrays))
    restored = restore(graph.root, graph.arrays, trust, dropped=graph.dropped)
    found = view.lower(exact=True)
    if isinstance(found, NotFast):
        return Treated(graph, restored, None, found)
    return Treated(graph, restored, found)
