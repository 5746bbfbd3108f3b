"""A live model quantized in this process, for interactive use: no file, no child, no gate."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

from ml.quantization.artifact.writer import build_artifact
from ml.quantization.calibration import calibrated_ranges, component_grams
from ml.quantization.encoding import component_costs, encode, settle
from ml.quantization.graph import array_paths
from ml.quantization.limits import Limits
from ml.quantization.loading.capture import capture_objects
from ml.quantization.loading.inspection import check_fitted, find_surfaces
from ml.quantization.loading.trust import TrustPolicy
from ml.quantization.pipeline import artifact_header, describe_graph
from ml.quantization.plan import make_plan
from ml.quantization.predictor import load
from ml.quantization.prepare import prepare_graph
from ml.quantization.recipe import Recipe


@dataclass(frozen=True, slots=True)
class QuantizedInMemory:
    """A quantized model that was never written, and what is known of it."""

    model: Any
    data: bytes
    stats: dict[str, Any]


def quantize_live_model(
    model: Any,
    recipe: Recipe,
    trust: TrustPolicy,
    *,
    calibration_rows: Any = None,
    limits: Limits | None = None,
) -> QuantizedInMemory:
    """Return the quantized form of a model that the caller already holds.

    Parameters
    ----------
    model : object
        A fitted estimator, or a container of them. It is not changed.
    recipe : Recipe
    trust : TrustPolicy
        Classes that may appear in it.
    calibration_rows : DataFrame, ndarray or list of str, optional
        Rows to choose ranges on; without them ranges are those of the weights.
    limits : Limits, optional

    Raises
    ------
    UnfittedModel, UnsupportedComponent, UntrustedTypeError, SchemeError
        What is wrong with the model, with the path inside it.
    """
    import sklearn

    check_fitted(model)
    held = capture_objects(model, trust, limits)
    graph = prepare_graph(held.graph)
    grams = component_grams(held, calibration_rows, "") if calibration_rows is not None else {}
    paths = {path: index for index, path in array_paths(graph).items()}
    plan = settle(make_plan(graph, recipe, calibrated_ranges(graph, paths, grams, recipe)))
    size = len(pickle.dumps(model, protocol=pickle.HIGHEST_PROTOCOL))
    record = {
        "source": "live model",
        "source_sha256": "",
        "source_size_bytes": size,
        "sklearn_version": sklearn.__version__,
        "surfaces": find_surfaces(model),
        **describe_graph(graph),
    }
    data, parts = build_artifact(encode(plan), artifact_header(plan, record))
    stats = {
        "model_type": record["model_type"],
        "family": record["family"],
        "bit_depth": recipe.bit_depth,
        "weight_threshold": recipe.weight_threshold,
        "original_size_bytes": size,
        "quantized_size_bytes": len(data),
        "size_reduction_percent": 100.0 * (1.0 - len(data) / size),
        "guarantee": "unverified",
        "calibrated": sorted(path for path in grams if path in paths),
        "components": [cost.to_json() for cost in component_costs(plan, parts)],
        "residue": record["residue"],
        "notes": record["notes"],
    }
    return QuantizedInMemory(load(data, trusted=tuple(trust.extra), limits=limits), data, stats)
