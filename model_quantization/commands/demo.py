"""`model_quantization_demo.py`: the documented script, an alias of `quantize DIRECTORY`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from model_quantization.commands.exit_codes import ExitCode, exit_codes_text
from model_quantization.commands.options import (
    CONFIG_HELP,
    FOR_A_FILE,
    AsJson,
    DirectoryOptions,
    ModelDir,
    ModelOptions,
    with_option_records,
)
from model_quantization.commands.output import execute
from model_quantization.commands.quantize import quantize_directory

PROGRAM = "model_quantization_demo.py"
EPILOG = f"""{exit_codes_text()}

Environment:

ML_MODEL_DIR is the model directory when --model-dir is not given. MLQ_<KEY> sets any key of the
configuration, with `__` between nested keys (MLQ_GATE__ALLOWED_DROP).

Examples:

python {PROGRAM} --bit-depth 8

python {PROGRAM} --model intent --bit-depth 16

python {PROGRAM} --weight-threshold 0.0005"""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=EPILOG)
@with_option_records(leave_out=FOR_A_FILE)
def demo(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "--only",
            metavar="NAME",
            help="Only this model, or those that match a pattern such as 'intent*'; may be "
            "repeated.",
        ),
    ] = None,
    *,
    options: ModelOptions,
    release: DirectoryOptions,
    model_dir: ModelDir = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help=CONFIG_HELP)
    ] = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Quantize the models of a directory, prove that nothing was lost, and publish them.

    The same as `model-quantization quantize DIRECTORY`.
    """
    return quantize_directory(
        config, options, release, as_json=as_json, model_dir=model_dir, only=model
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script over the arguments `argv` and return its exit code."""
    return execute(app, argv, program=PROGRAM)
