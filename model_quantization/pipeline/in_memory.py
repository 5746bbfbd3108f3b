"""A model quantized for the caller at once, for interactive use: no artifact file, no gate."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model_quantization.arrays import Array
from model_quantization.artifact.writer import build_artifact
from model_quantization.errors import ConfigError
from model_quantization.estimators.capture import Capture, capture_objects
from model_quantization.estimators.reachable import answered_model, check_fitted, find_surfaces
from model_quantization.estimators.restore import restore
from model_quantization.graph.nodes import ModelGraph
from model_quantization.graph.traversal import array_paths
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import scan
from model_quantization.pipeline.child.original import InspectionRequest, inspect_file
from model_quantization.pipeline.child.second_moments import component_grams
from model_quantization.pipeline.record import artifact_header, describe_graph
from model_quantization.planning.calibration import calibrated_ranges
from model_quantization.planning.encoding import component_costs, encode, settle
from model_quantization.planning.packing import prepare_graph
from model_quantization.planning.plan import make_plan
from model_quantization.predictor.quantized_model import load
from model_quantization.schemes.recipe import Recipe
from model_quantization.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class QuantizedInMemory:
    """A quantized model that was never written, and what is known of it."""

    model: Any
    data: bytes
    stats: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a graph came from.

    `size_bytes` is what figures are held against. Only a file's goes into the artifact: a live
    model's pickle is now longer and now shorter, and the same model must give the same bytes.
    """

    source: str
    sha256: str
    size_bytes: int
    sklearn_version: str
    surfaces: dict[str, dict[str, Any]]


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
    ConfigError
        Calibration rows for a container of several models.
    """
    import sklearn

    held = capture_objects(model, trust, limits)
    check_fitted(model)
    grams = _grams(model, held, calibration_rows) if calibration_rows is not None else {}
    origin = _Origin(
        source="live model",
        sha256="",
        size_bytes=len(pickle.dumps(model, protocol=pickle.HIGHEST_PROTOCOL)),
        sklearn_version=sklearn.__version__,
        surfaces=find_surfaces(model),
    )
    notes = (*held.graph.notes, *_old_format_notes(model))
    return _quantized(replace(held.graph, notes=notes), origin, recipe, trust, grams, limits)


def _old_format_notes(model: Any) -> tuple[str, ...]:
    """What is put right in trees that the caller loaded from an old file."""
    if "sklearn.tree._tree" not in sys.modules:
        return ()
    from model_quantization.loading.pickles.migrations.trees import counted_trees_note

    return counted_trees_note(model)


def quantize_pickle(
    source: Path,
    workspace: Path,
    recipe: Recipe,
    trust: TrustPolicy,
    *,
    calibration_rows: Any = None,
    limits: Limits | None = None,
) -> QuantizedInMemory:
    """Return the quantized form of the model in a pickle or joblib file.

    The file is scanned, and unpickled in a child process only.

    Parameters
    ----------
    source : Path
    workspace : Path
        An empty directory for what the child hands over.
    recipe, trust, calibration_rows, limits
        As in `quantize_live_model`.

    Raises
    ------
    QuantizationError
        The file is refused, or as `quantize_live_model` says.
    """
    limits = limits or Limits()
    scanned = scan(source, trust, limits, workspace)
    found = inspect_file(scanned, trust, limits, InspectionRequest(), workspace)
    grams: dict[str, Array] = {}
    if calibration_rows is not None:
        graph = found.graph
        rebuilt = restore(graph.root, graph.arrays, trust, residue=graph.residue)
        grams = _grams(rebuilt, capture_objects(rebuilt, trust, limits), calibration_rows)
    origin = _Origin(
        source=str(source),
        sha256=scanned.sha256,
        size_bytes=scanned.size_bytes,
        sklearn_version=found.sklearn_version,
        surfaces=found.surfaces,
    )
    return _quantized(found.graph, origin, recipe, trust, grams, limits)


def _grams(model: Any, held: Capture, calibration_rows: Any) -> dict[str, Array]:
    """Second moments of what each linear component of the model is given."""
    chosen = answered_model(model)
    if chosen is None:
        raise ConfigError(
            "calibration rows can only be for one model",
            where="calibration_data",
            got=f"a {type(model).__name__} that holds several, or none",
            do="quantize its models one by one",
        )
    return component_grams(held, calibration_rows, chosen[0])


def _quantized(
    captured: ModelGraph,
    origin: _Origin,
    recipe: Recipe,
    trust: TrustPolicy,
    grams: dict[str, Array],
    limits: Limits | None,
) -> QuantizedInMemory:
    prepared = prepare_graph(captured)
    graph = prepared.graph
    paths = {path: index for index, path in array_paths(graph).items()}
    plan = settle(make_plan(graph, recipe, calibrated_ranges(graph, paths, grams, recipe)))
    record = {
        "source": origin.source,
        "source_sha256": origin.sha256,
        "source_size_bytes": origin.size_bytes if origin.sha256 else 0,
        "sklearn_version": origin.sklearn_version,
        "surfaces": origin.surfaces,
        **describe_graph(prepared),
    }
    data, parts = build_artifact(encode(plan), artifact_header(plan, record))
    stats = {
        "model_type": record["model_type"],
        "family": record["family"],
        "bit_depth": recipe.bit_depth,
        "weight_threshold": recipe.weight_threshold,
        "original_size_bytes": origin.size_bytes,
        "quantized_size_bytes": len(data),
        "size_reduction_percent": 100.0 * (1.0 - len(data) / origin.size_bytes),
        "guarantee": "unverified",
        "calibrated": sorted(path for path in grams if path in paths),
        "components": [
            cost.to_json() for cost in component_costs(plan, parts, record["packed_bytes"])
        ],
        "residue": record["residue"],
        "notes": record["notes"],
    }
    return QuantizedInMemory(load(data, trusted=tuple(trust.extra), limits=limits), data, stats)
