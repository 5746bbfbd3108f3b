"""The command line `model-quantization`, also `python -m model_quantization`.

Every command imports the library inside its function, so that `--help` and completion are quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from model_quantization.commands.compare import compare
from model_quantization.commands.doctor import doctor
from model_quantization.commands.exit_codes import exit_codes_text
from model_quantization.commands.init import init
from model_quantization.commands.inspect import inspect
from model_quantization.commands.keygen import keygen
from model_quantization.commands.output import execute
from model_quantization.commands.profile import profile
from model_quantization.commands.quantize import quantize
from model_quantization.commands.rollback import rollback
from model_quantization.commands.run import run
from model_quantization.commands.verify import verify

PROGRAM = "model-quantization"
EPILOG = f"""{exit_codes_text()}

A command's own help: {PROGRAM} COMMAND --help."""

app = typer.Typer(
    name=PROGRAM,
    epilog=EPILOG,
    rich_markup_mode=None,  # plain text: the same on a terminal, in a pipe and in a log
    pretty_exceptions_enable=False,
)
for command in (init, quantize, run, profile, compare, inspect, verify, rollback, doctor, keygen):
    app.command()(command)


def _print_version(asked: bool) -> None:
    if asked:
        from model_quantization.version import installed_version

        print(f"{PROGRAM} {installed_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Shrink trained scikit-learn models, prove that nothing was lost, and publish them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.
    """
    return execute(app, argv, program=PROGRAM)
