"""Run in the child process: load a scanned file, turn it into data, let it answer rows.

The model never leaves the child. The parent gets data: the graph as JSON, its arrays in one flat
file, the original's answers to the held-out rows, and figures.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model_quantization.arrays import save_arrays
from model_quantization.errors import QuantizationError, ScanRefused, SemanticError
from model_quantization.estimators.capture import Capture, capture_objects
from model_quantization.estimators.reachable import (
    answered_model,
    check_fitted,
    find_surfaces,
)
from model_quantization.evaluation.answers import answer, answerable
from model_quantization.evaluation.rows.expected import ask_model
from model_quantization.evaluation.rows.heldout import HeldOut
from model_quantization.graph.json_form import node_to_json
from model_quantization.loading.pickles.unpickle import unpickle_scanned
from model_quantization.loading.sandbox.handler import Handler
from model_quantization.pipeline.child.component_inputs import layer_spreads, record_layers
from model_quantization.pipeline.child.handover import (
    ARRAYS,
    CALIBRATION,
    GRAMS,
    SELECTION,
    write_arrays,
    write_inputs,
    write_labelled,
    write_spreads,
)
from model_quantization.pipeline.child.messages.original import OriginalReply, OriginalRequest
from model_quantization.pipeline.child.messages.rows import RowsReply, RowsRequest
from model_quantization.pipeline.child.probing import ask_original_probes
from model_quantization.pipeline.child.rows import rows_of, training_rows_of
from model_quantization.pipeline.child.second_moments import component_grams
from model_quantization.records import ErrorRecord
from model_quantization.trust import TrustPolicy


@Handler
def inspect(request: OriginalRequest) -> OriginalReply:
    """Run in the child: describe a scanned file, and let its model answer the rows.

    Raises
    ------
    ScanRefused
        The model holds state that would make native code misbehave.
    """
    extend_import_path(request.import_path)
    started = time.perf_counter()
    model, warned = unpickle_scanned(
        request.snapshot,
        request.format,
        str(request.source),
        frozenset(request.names),
        saved_by=request.saved_by,
    )
    load_seconds = time.perf_counter() - started
    try:
        captured = capture_objects(model, TrustPolicy(frozenset(request.trusted)), request.limits)
    # native code would follow this state, so the model must not answer
    except SemanticError as error:
        raise ScanRefused(**error.fields() | {"do": "do not use this file"}) from None
    check_fitted(model)
    import sklearn

    reply = OriginalReply(
        graph=node_to_json(captured.graph.root),
        arrays=write_arrays(captured.graph.arrays, request.workspace / ARRAYS),
        notes=(*captured.graph.notes, *warned),
        dropped=dict(captured.graph.dropped),
        surfaces=find_surfaces(model),
        sklearn_version=sklearn.__version__,
        load_seconds=load_seconds,
    )
    if request.rows is not None:
        try:
            reply = replace(reply, rows=_ask(model, captured, request, request.rows))
        # an error of the held-out data is reported, and does not end the stage
        except QuantizationError as error:
            return replace(reply, error=ErrorRecord.of(error))
    probed = ask_original_probes(model, captured.graph, request.workspace)
    return replace(reply, probed=probed)


def _ask(
    model: Any, captured: Capture, request: OriginalRequest, rows: RowsRequest
) -> RowsReply | None:
    """Write the original's answers into the workspace; None if there is not exactly one model."""
    chosen = answered_model(model)
    if chosen is None:
        return None
    path, estimator = chosen
    expected = ask_model(estimator, find_surfaces(model)[path].task)
    divided = rows_of(rows, expected, request.limits)
    training = training_rows_of(rows, expected, divided, request.limits)
    calibration, gate = divided.calibration, divided.gate
    methods = answerable(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer(estimator, gate.rows, methods).to_files(request.workspace)
        if divided.selection is not None:
            selected = answer(estimator, divided.selection.rows, methods)
            selected.to_files(request.workspace, SELECTION)
        if rows.divided and calibration is not None:
            answer(estimator, calibration.rows, methods).to_files(request.workspace, CALIBRATION)
        layers = record_layers(captured, calibration.rows, path) if calibration else {}
        labelled = _labelled(captured, estimator, path, training, request.workspace)
        grams = component_grams(layers)
        # Where a precision is chosen, spreads must not come from the gate's rows.
        spread_rows = calibration if rows.divided else calibration or gate
        spreads = layer_spreads(captured, spread_rows.rows, path) if spread_rows else {}
    save_arrays(request.workspace / GRAMS, *grams.values())
    write_spreads(spreads, request.workspace)
    inputs = write_inputs(layers, request.workspace) if rows.divided else ()
    division = divided.division if rows.divided else None
    return RowsReply(path, expected, tuple(grams), division, inputs, labelled)


def _labelled(
    captured: Capture, estimator: Any, path: str, training: HeldOut | None, workspace: Path
) -> tuple[str, ...]:
    """The layers that labelled training rows reached; rows and labels are left in the workspace."""
    if training is None or training.target is None:
        return ()
    target = training.target
    classes = getattr(estimator, "classes_", None)
    known = np.ones(len(target), dtype=bool)
    if target.ndim == 1 and isinstance(classes, np.ndarray):
        order = np.argsort(classes, kind="stable")
        at = np.searchsorted(classes, target, sorter=order).clip(max=len(classes) - 1)
        codes = order[at].astype(np.int64)
        known = classes[codes] == target
        target = codes
    elif target.dtype.kind in "fiub":
        target = target.reshape(len(target), -1).astype(np.float64)
    else:
        return ()
    kept = training.take(np.flatnonzero(known))
    return write_labelled(record_layers(captured, kept.rows, path), target[known], workspace)


def import_path(trust: TrustPolicy) -> tuple[str, ...]:
    """Return the caller's import path; empty if it trusts no modules of its own.

    The server that children come from may be older than the caller's last addition to `sys.path`.
    """
    return tuple(str(Path(entry).absolute()) for entry in sys.path) if trust.extra else ()


def extend_import_path(entries: Iterable[str]) -> None:
    """Run in the child: add the caller's import path behind the child's own."""
    sys.path.extend(entry for entry in entries if entry not in sys.path)
