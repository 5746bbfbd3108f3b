"""`model-quantization verify`: checks a whole release against its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import AsJson, PublicKey, Trusted
from model_quantization.commands.output import print_json


def verify(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIRECTORY",
            help="The output directory.",
            exists=True,
            file_okay=False,
            show_default=False,
        ),
    ],
    public_key: PublicKey = None,
    answers: Annotated[
        bool,
        typer.Option("--answers", help="Also let each artifact answer its golden rows."),
    ] = False,
    trusted: Trusted = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Check a release, file by file.

    Prints one line per finding. Without --public-key, ML_PUBLIC_KEYS names the keys, separated by
    colons. Exits with 1 when a file differs from the published one; notes do not count.
    """
    from model_quantization.maintenance.release_check import check_release

    result = check_release(
        directory,
        public_keys=tuple(public_key or ()),
        trusted=tuple(trusted or ()),
        answers=answers,
    )
    if as_json:
        print_json(result.to_json())
    else:
        for finding in result.findings:
            print(finding)
        if result.summary:
            print(result.summary)
    return ExitCode.FOUND_SOMETHING if result.broken else ExitCode.ALL_WELL
