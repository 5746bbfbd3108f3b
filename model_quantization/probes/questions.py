"""Makes probe rows of a fitted estimator from its own state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from model_quantization.evaluation.answers import MODEL_ERRORS
from model_quantization.graph.nodes import ModelGraph, ObjectNode, PackedNode
from model_quantization.graph.traversal import walk
from model_quantization.predictor.component import ComponentView, Context
from model_quantization.probes.made_rows import make_rows
from model_quantization.probes.rows import ProbeRows
from model_quantization.probes.values import n_features, probe_values


def probe_rows(graph: ModelGraph, estimators: Mapping[str, Any]) -> dict[str, ProbeRows]:
    """Return probe rows for each estimator of a file.

    Parameters
    ----------
    graph : ModelGraph
        The file's model as captured.
    estimators : mapping of str to estimator
        Path in the graph -> the estimator itself.

    Returns
    -------
    dict
        By path. A path is missing for an estimator whose kind of input is not known.
    """
    context = Context.of(graph.root, graph.arrays)
    found: dict[str, ProbeRows] = {}
    waiting = set(estimators)
    for path, node in walk(graph.root):
        if not waiting:
            break  # those that a caller can ask lie near the root, and what they hold is large
        waiting.discard(path)
        if path in estimators and isinstance(node, ObjectNode | PackedNode):
            estimator = estimators[path]
            names = _attribute(estimator, "feature_names_in_")
            component = ComponentView(node, context, path)
            width = _attribute(estimator, "n_features_in_")
            rows = make_rows(
                probe_values(component),
                int(width) if isinstance(width, int | np.integer) else n_features(component),
                None if names is None else tuple(str(name) for name in names),
            )
            if rows is not None:
                found[path] = rows
    return found


def _attribute(estimator: Any, name: str) -> Any:
    try:
        return getattr(estimator, name, None)
    except MODEL_ERRORS:
        return None
