"""Quantizes a model in memory, for interactive use: no held-out rows, no gate.

Its artifact answers probe rows, as a file's does. A method whose fast answer differs is left to the
restored estimator, and a model that answers differently is not returned.
"""

from __future__ import annotations

import copy
import pickle
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from model_quantization.artifact.reader import read_artifact
from model_quantization.errors import ConfigError, PredictionError
from model_quantization.estimators.capture import Capture, capture_objects
from model_quantization.estimators.reachable import answered_model, check_fitted, find_surfaces
from model_quantization.estimators.restore import restore
from model_quantization.graph.nodes import ModelGraph
from model_quantization.graph.traversal import array_paths
from model_quantization.limits import Limits
from model_quantization.loading.pickles.migrations.trees import counted_trees_note, make_fractions
from model_quantization.loading.pickles.scan import scan
from model_quantization.pipeline.ask import ask_candidate, ask_original
from model_quantization.pipeline.child.candidate import as_served, probed_golden
from model_quantization.pipeline.child.component_inputs import Layer, record_layers, spreads_of
from model_quantization.pipeline.child.messages.candidate import CandidateRequest
from model_quantization.pipeline.child.original import import_path
from model_quantization.pipeline.child.probing import ask_probes, probe_artifact
from model_quantization.pipeline.child.second_moments import component_grams
from model_quantization.pipeline.record import Source, artifact_of, describe
from model_quantization.planning.calibration import calibrated_ranges
from model_quantization.planning.exact_where_smaller import keep_exact_where_smaller
from model_quantization.planning.packing import prepare_graph
from model_quantization.planning.plan import make_plan
from model_quantization.predictor.opening import load, open_model
from model_quantization.probes.compare import ProbeReport, probe_note
from model_quantization.schemes.recipe import Recipe
from model_quantization.trust import TrustPolicy

CANDIDATE = "candidate.qma"
Golden: TypeAlias = dict[str, Any] | None
AskArtifact: TypeAlias = Callable[[bytes, bool], tuple[Mapping[str, ProbeReport], Golden]]
"""(bytes of an artifact, whether it rounds nothing) -> what its probe rows show, and golden rows.

The first by path; the rows are for the self-test after an upgrade of a library.
"""


@dataclass(frozen=True, slots=True)
class QuantizedInMemory:
    """A quantized model without a file: its bytes and figures."""

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
        The model cannot be treated; the message names the fault and the path inside the model.
    ConfigError
        Calibration rows for a container of several models.
    PredictionError
        The quantized model answers otherwise than the original on probe rows.
    """
    import sklearn

    captured = capture_objects(model, trust, limits)
    check_fitted(model)
    layers = _layers(model, captured, calibration_rows)
    # The pickle of a live model has no fixed length: the same model must give the same bytes, so
    # that its size is in the figures and not in the artifact.
    size_bytes = len(pickle.dumps(model, protocol=pickle.HIGHEST_PROTOCOL))
    source = Source("live model", "", 0, sklearn.__version__, find_surfaces(model))
    old_format = _old_format_notes(model)
    notes = (*captured.graph.notes, *old_format)
    graph = replace(captured.graph, notes=notes)

    def asked(data: bytes, exact: bool) -> tuple[Mapping[str, ProbeReport], Golden]:
        # Answers move random generators that a model may hold; the caller's model stays as it is.
        with warnings.catch_warnings():  # classes that are deprecated say so when they are copied
            warnings.simplefilter("ignore", FutureWarning)
            own = copy.deepcopy(model)
        if old_format:  # the state when it was saved, which is packed
            make_fractions(own)
        questions = ask_probes(own, graph)
        artifact = read_artifact(data, limits)
        opened = open_model(artifact, trust)
        probes = probe_artifact(opened, questions, exact=exact)
        served = as_served(artifact, probes, limits or Limits())
        if served is not artifact:
            opened = open_model(served, trust)
        return probes, probed_golden(opened, questions, served)

    return _quantized(graph, source, size_bytes, recipe, trust, layers, limits, asked)


def _old_format_notes(model: Any) -> tuple[str, ...]:
    """Notes on trees from an old file that were corrected."""
    if "sklearn.tree._tree" not in sys.modules:
        return ()
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
        An empty directory for the child's files.
    recipe, trust, calibration_rows, limits
        As in `quantize_live_model`.

    Raises
    ------
    QuantizationError
        The file is refused, or as `quantize_live_model` says.
    """
    limits = limits or Limits()
    scanned = scan(source, trust, limits, workspace)
    original = ask_original(scanned, trust, limits, None, workspace)
    graph = original.graph
    layers: dict[str, Layer] = {}
    if calibration_rows is not None:
        rebuilt = restore(graph.root, graph.arrays, trust, dropped=graph.dropped)
        layers = _layers(rebuilt, capture_objects(rebuilt, trust, limits), calibration_rows)
    found = Source(
        path=str(source),
        sha256=scanned.sha256,
        size_bytes=scanned.size_bytes,
        sklearn_version=original.sklearn_version,
        surfaces=original.surfaces,
    )

    # In the child, as a file's.
    def asked(data: bytes, exact: bool) -> tuple[Mapping[str, ProbeReport], Golden]:
        artifact = workspace / CANDIDATE
        artifact.write_bytes(data)
        reply = ask_candidate(
            CandidateRequest(
                artifact=artifact,
                answered=None,
                methods=(),
                rows=None,
                expected=None,
                trusted=tuple(sorted(trust.extra)),
                import_path=import_path(trust),
                limits=limits,
                workspace=workspace,
                probed=original.probed,
            )
        )
        if reply.unreadable:
            raise PredictionError(
                "the quantized model does not open", where=str(source), got=reply.unreadable, do=_DO
            )
        return reply.probes, reply.golden

    return _quantized(graph, found, scanned.size_bytes, recipe, trust, layers, limits, asked)


_DO = "keep the original, and report this"


def _layers(model: Any, captured: Capture, calibration_rows: Any) -> dict[str, Layer]:
    """The linear layers that calibration rows reach; none without such rows."""
    if calibration_rows is None:
        return {}
    chosen = answered_model(model)
    if chosen is None:
        raise ConfigError(
            "calibration rows can only be for one model",
            where="calibration_data",
            got=f"a {type(model).__name__} that holds several, or none",
            do="quantize its models one by one",
        )
    return record_layers(captured, calibration_rows, chosen[0])


def _quantized(
    captured: ModelGraph,
    source: Source,
    original_size_bytes: int,
    recipe: Recipe,
    trust: TrustPolicy,
    layers: dict[str, Layer],
    limits: Limits | None,
    asked: AskArtifact,
) -> QuantizedInMemory:
    prepared = prepare_graph(captured)
    graph, description = prepared.graph, describe(prepared)
    grams = component_grams(layers)
    plan = make_plan(graph, recipe, calibrated_ranges(graph, grams, recipe), spreads_of(layers))
    plan = keep_exact_where_smaller(plan)
    data, costs = artifact_of(plan, source, description)
    exact = plan.exact
    probes, golden = asked(data, exact)
    for path, found in probes.items():
        if found.differs:
            raise PredictionError(
                "the quantized model answers probe rows differently than the original",
                where=path or description.model_type,
                got=found.differs,
                do=_DO,
            )
    slow = {path: found.restored for path, found in probes.items() if found.restored}
    if slow or golden:
        data = read_artifact(data, limits).sealed(None, golden, slow)
    is_asked = any(found.rows for found in probes.values())
    known = set(array_paths(graph).values())
    stats = {
        "model_type": description.model_type,
        "family": description.family,
        "bit_depth": recipe.bit_depth,
        "weight_threshold": recipe.weight_threshold,
        "original_size_bytes": original_size_bytes,
        "quantized_size_bytes": len(data),
        "size_reduction_percent": 100.0 * (1.0 - len(data) / original_size_bytes),
        "guarantee": "exact" if exact and is_asked else "unverified",
        "calibrated": sorted(path for path in grams if path in known),
        "components": [cost.to_json() for cost in costs],
        "residue": dict(description.dropped),
        "notes": list(description.notes),
        "note": probe_note(probes),
        "probes": {path: found.to_json() for path, found in probes.items()},
    }
    return QuantizedInMemory(_opened(data, trust, limits), data, stats)


def _opened(data: bytes, trust: TrustPolicy, limits: Limits | None) -> Any:
    return load(data, trusted=tuple(trust.extra), limits=limits)
