"""`model-quantization compare`: compares two models on the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import (
    AsJson,
    Target,
    Trusted,
    held_out_rows,
    model_file,
)
from model_quantization.commands.output import print_json


def compare(
    original: Annotated[
        Path, model_file("ORIGINAL", "A pickle, joblib or skops file, or a .qma file.")
    ],
    quantized: Annotated[Path, model_file("QUANTIZED", "The same kinds of file.")],
    held_out: Annotated[Path, held_out_rows("Rows to compare on", directories=True)],
    target: Target = None,
    trusted: Trusted = None,
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME", help="The metric of the score.")
    ] = "auto",
    as_json: AsJson = False,
) -> ExitCode:
    """Compare two models on the same rows.

    Prints score, agreement, speed, loading time, memory and size. A file without the target
    column is scored by agreement with the original. Both models are loaded in this process,
    originals after a scan. Exits with 1 when a method of the quantized model fails.
    """
    from model_quantization.api import compare_model_performance, open_any
    from model_quantization.evaluation.rows.expected import ask_model
    from model_quantization.evaluation.rows.heldout import find_held_out, read_held_out
    from model_quantization.graph.methods import task_of
    from model_quantization.names import model_name

    names = tuple(trusted or ())
    model = open_any(original, names)
    rows = find_held_out(held_out, model_name(original.name)) if held_out.is_dir() else held_out
    data = read_held_out(
        rows or held_out,
        target=tuple(target or ("target",)),
        expected=ask_model(model, task_of(model)),
        require_target=target is not None,  # a column that was named has to be there
    )
    figures = compare_model_performance(
        original, quantized, data.rows, data.target, trusted=names, metric=metric
    )
    if as_json:
        print_json(figures)
    else:
        print("\n".join(_lines(figures)))
    return ExitCode.FOUND_SOMETHING if figures["failed"] else ExitCode.ALL_WELL


def _lines(figures: dict[str, Any]) -> Iterator[str]:
    """One line per figure: original, quantized, and how they differ."""
    from model_quantization.report.results import comparison_notes, figure_lines

    lines = list(figure_lines(figures))
    width = max(len(label) for label, *_ in lines)
    yield f"{'':{width}} {'original':>12} {'quantized':>12}"
    for label, first, second, change in lines:
        yield f"{label:{width}} {first:>12} {second:>12}  {change}".rstrip()
    yield from comparison_notes(figures)
