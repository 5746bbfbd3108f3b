"""Run in the child process: ask the original its probe rows, and later an artifact the same."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

from model_quantization.estimators.reachable import find_estimators
from model_quantization.graph.nodes import ModelGraph
from model_quantization.probes.compare import ProbeReport, report
from model_quantization.probes.questions import probe_rows
from model_quantization.probes.reactions import Reactions, ask, ask_again
from model_quantization.probes.rows import ProbeRows

PROBE_SHARE: Final = 0.1
"""Share of the time that a model takes otherwise, which its probe rows may take."""
_LEAST_SECONDS: Final = 0.05
PROBES: Final = "probe-"
"""The names of all files of probe rows begin with this."""


def ask_original_probes(
    model: Any, graph: ModelGraph, workspace: Path, budget_seconds: float
) -> tuple[str, ...]:
    """Ask each estimator of a loaded file its probe rows; write rows and reactions.

    Parameters
    ----------
    model : object
        The loaded file.
    graph : ModelGraph
        The same as data.
    workspace : Path
    budget_seconds : float
        For all estimators together; each is asked the fewest rows in any case.

    Returns
    -------
    tuple of str
        Paths of the estimators that were asked.
    """
    estimators = find_estimators(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        questions = probe_rows(graph, estimators)
        each = max(budget_seconds, _LEAST_SECONDS) / max(len(questions), 1)
        for number, (path, rows) in enumerate(questions.items()):
            asked, reactions = ask(estimators[path], rows, each)
            asked.to_files(workspace, _rows_stem(number))
            reactions.to_files(workspace, _reactions_stem(number))
    return tuple(questions)


def probe_artifact(
    opened: Any, probed: tuple[str, ...], workspace: Path, *, exact: bool
) -> dict[str, ProbeReport]:
    """Return what the probe rows show of each model of an opened artifact.

    Parameters
    ----------
    opened : object
        The loaded artifact.
    probed : tuple of str
        The paths that `ask_original_probes` returned for the original.
    workspace : Path
        Where the original's rows and reactions lie.
    exact : bool
        Nothing in the artifact was rounded.

    Raises
    ------
    QuantizationError
        A model of the artifact cannot be restored.
    """
    from model_quantization.predictor.opening import model_at

    found: dict[str, ProbeReport] = {}
    for number, path in enumerate(probed):
        model = model_at(opened, path)
        rows = ProbeRows.from_files(workspace, _rows_stem(number))
        original = Reactions.from_files(workspace, _reactions_stem(number))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantized = ask_again(model, rows, original.calls)
            restored = ask_again(model.restore(), rows, original.calls)
        found[path] = report(
            original, restored, quantized, fast_methods=model.fast_methods, exact=exact
        )
    return found


def _rows_stem(number: int) -> str:
    return f"{PROBES}rows-{number}"


def _reactions_stem(number: int) -> str:
    return f"{PROBES}reactions-{number}"
