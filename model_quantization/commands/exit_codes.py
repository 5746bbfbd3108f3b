"""Exit codes, with one meaning in every command of the project."""

from __future__ import annotations

from enum import IntEnum
from textwrap import wrap

from model_quantization.errors import ConfigError, MissingExtra, PathRefused


class ExitCode(IntEnum):
    """How a command ended."""

    ALL_WELL = 0
    FOUND_SOMETHING = 1
    BAD_USAGE = 2
    INTERRUPTED = 130
    READER_GONE = 141


MEANINGS = {
    ExitCode.ALL_WELL: "all well",
    ExitCode.FOUND_SOMETHING: "a model failed or was refused, a release or an artifact is damaged, "
    "or the command could not finish; with --strict also: a model missed the gate or could not be "
    "evaluated",
    ExitCode.BAD_USAGE: "bad usage: an option, a configuration or a path that cannot be used",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.READER_GONE: "the program that read the output has ended, as `head` does",
}


def exit_code_of(error: Exception) -> ExitCode:
    """Return the exit code of a command that ends with `error`."""
    if isinstance(error, ConfigError | MissingExtra | PathRefused):
        return ExitCode.BAD_USAGE
    return ExitCode.FOUND_SOMETHING


def exit_codes_text() -> str:
    """Return the exit codes as the last paragraph of a help text."""
    lines = ["\b", "Exit codes:"]  # typer does not wrap a paragraph that begins with \b
    for code, meaning in MEANINGS.items():
        lines += wrap(f"{code:<3} {meaning}", width=76, subsequent_indent=4 * " ")
    return "\n".join(lines)
