"""Run in the child process: the original answers probe rows, and later an artifact does."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from model_quantization.estimators.reachable import find_estimators
from model_quantization.graph.nodes import ModelGraph, ObjectNode
from model_quantization.graph.traversal import walk
from model_quantization.probes.compare import ProbeReport, report
from model_quantization.probes.questions import probe_rows
from model_quantization.probes.reactions import Reactions, ask, ask_again
from model_quantization.probes.rows import ProbeRows

LARGE_BYTES: Final = 4_000_000
"""A model of more arrays gets fewer probe rows in fewer forms."""
MANY_OBJECTS: Final = 30
"""So does a model of more objects: each one costs scikit-learn a call."""
PROBES: Final = "probe-"
"""The names of all files of probe rows begin with this."""
Asked: TypeAlias = tuple[ProbeRows, Reactions]
"""Probe rows, and the original's reactions to them."""


def ask_probes(model: Any, graph: ModelGraph) -> dict[str, Asked]:
    """Make probe rows for each estimator of a loaded file and ask them.

    Parameters
    ----------
    model : object
        The loaded file. Answering may move the state of its random generators.
    graph : ModelGraph
        The same as data.

    Returns
    -------
    dict
        Path of each estimator that was asked -> the rows, and its reactions to them.
    """
    estimators = find_estimators(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        questions = probe_rows(graph, estimators)
        size_bytes = sum(array.nbytes for array in graph.arrays)
        objects = sum(isinstance(node, ObjectNode) for _, node in walk(graph.root))
        thorough = size_bytes < LARGE_BYTES and objects < MANY_OBJECTS and len(questions) == 1
        return {
            path: ask(estimators[path], rows, thorough=thorough) for path, rows in questions.items()
        }


def ask_original_probes(model: Any, graph: ModelGraph, workspace: Path) -> tuple[str, ...]:
    """Ask as `ask_probes` does, and write rows and reactions into `workspace`.

    Returns
    -------
    tuple of str
        Paths of the estimators that were asked.
    """
    found = ask_probes(model, graph)
    for number, (rows, reactions) in enumerate(found.values()):
        rows.to_files(workspace, _rows_stem(number))
        reactions.to_files(workspace, _reactions_stem(number))
    return tuple(found)


def read_questions(probed: tuple[str, ...], workspace: Path) -> dict[str, Asked]:
    """Return the rows and the original's reactions that `ask_original_probes` wrote, by path."""
    return {
        path: (
            ProbeRows.from_files(workspace, _rows_stem(number)),
            Reactions.from_files(workspace, _reactions_stem(number)),
        )
        for number, path in enumerate(probed)
    }


def probe_artifact(
    opened: Any, asked: Mapping[str, Asked], *, exact: bool
) -> dict[str, ProbeReport]:
    """Return what the probe rows show of each model of an opened artifact.

    Parameters
    ----------
    opened : object
        The loaded artifact.
    asked : mapping of str to (ProbeRows, Reactions)
        By path: the rows, and the original's reactions to them.
    exact : bool
        Nothing in the artifact was rounded.

    Raises
    ------
    QuantizationError
        A model of the artifact cannot be restored.
    """
    from model_quantization.predictor.opening import model_at

    found: dict[str, ProbeReport] = {}
    for path, (rows, original) in asked.items():
        model = model_at(opened, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            restored = ask_again(model.restored_estimator(), rows, original.calls)
            # The restored estimator answers all other methods anyway.
            fast = [call for call in original.calls if call[1] in model.fast_methods]
            quantized = ask_again(model, rows, fast)
            quantized = replace(quantized, calls={**restored.calls, **quantized.calls})
        found[path] = report(
            original, restored, quantized, fast_methods=model.fast_methods, exact=exact
        )
    return found


def _rows_stem(number: int) -> str:
    return f"{PROBES}rows-{number}"


def _reactions_stem(number: int) -> str:
    return f"{PROBES}reactions-{number}"
