"""`model-quantization doctor`: shows which defences are active on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import AsJson
from model_quantization.commands.output import print_json


def doctor(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIRECTORY",
            help="The output directory to test (default: a temporary directory).",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Show which defences are active here.

    Prints one line per check. Exits with 1 when models cannot be quantized here.
    """
    from dataclasses import asdict

    from model_quantization.maintenance.machine_check import BROKEN, examine

    checks = list(examine(directory))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            print(f"{check.state:6}  {check.name:{width}}  {check.detail}")
    broken = any(check.state == BROKEN for check in checks)
    return ExitCode.FOUND_SOMETHING if broken else ExitCode.ALL_WELL
