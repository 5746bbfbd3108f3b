"""`model-quantization init`: starts a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import AsJson
from model_quantization.commands.output import print_json


def init(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The project's directory; it is made if it is missing."),
    ] = Path(),
    as_json: AsJson = False,
) -> ExitCode:
    """Start a project.

    Writes configurations, deployments, a CI file, and directories for models and held-out rows.
    Files that exist are kept.
    """
    from model_quantization.project.starting import start_project

    written, kept = start_project(directory)
    if as_json:
        print_json(
            {"written": [str(path) for path in written], "kept": [str(path) for path in kept]}
        )
        return ExitCode.ALL_WELL
    for path in written:
        print(f"wrote  {path}")
    for path in kept:
        print(f"kept   {path}")
    inside = "" if directory == Path() else f"cd {directory} && "
    print("\nNext: put models into models/ and rows into holdout/ (each has a README), then")
    print(f"  {inside}model-quantization run      # now, on this machine")
    print(f"  {inside}python -m flows.serve       # every night, with a page of its own")
    return ExitCode.ALL_WELL
