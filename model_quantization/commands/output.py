"""Output of a command: results on stdout, errors as one line on stderr, and an exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from model_quantization.commands.exit_codes import ExitCode, exit_code_of
from model_quantization.commands.typed_options import in_words_of_options
from model_quantization.errors import QuantizationError


def print_json(record: Any) -> None:
    """Print `record` as JSON on stdout."""
    print(json.dumps(record, indent=1))


def print_note(message: str) -> None:
    """Print one line beside the result, on stderr."""
    print(f"note: {message}", file=sys.stderr)


def print_error(message: object) -> None:
    """Print one line on stderr."""
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)


def execute(
    app: typer.Typer, argv: Sequence[str] | None, *, program: str, context: Any = None
) -> int:
    """Run the command in `argv`, and return the exit code.

    Parameters
    ----------
    app : typer.Typer
        Its commands return an exit code.
    argv : sequence of str, optional
        The arguments after the program's name; by default those of the process.
    program : str
        The program's name in help texts.
    context : object, optional
        Passed to the commands as `context.obj`.
    """
    command = typer.main.get_command(app)
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        code = command.main(arguments, program, standalone_mode=False, obj=context)
        sys.stdout.flush()  # a closed pipe is noticed here at the latest
    except typer.TyperException as error:
        print_error(f"{_told(error)} (see {_path_of(error, program)} --help)")
        return error.exit_code
    except BrokenPipeError:
        return _leave_pipe()
    except SystemExit as stopped:  # typer and rich end in this way when the pipe is closed
        if isinstance(stopped.__context__, BrokenPipeError):
            return _leave_pipe()
        raise
    except (QuantizationError, OSError) as error:
        print_error(in_words_of_options(error, arguments))
        return exit_code_of(error)
    return int(code or 0)


def _told(error: typer.TyperException) -> str:
    """Typer's message without the exception's name, which pydantic adds."""
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    return message[:1].lower() + message[1:]


def _path_of(error: typer.TyperException, program: str) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else program


def _leave_pipe() -> ExitCode:
    """Discard the rest of the output: the interpreter flushes it once more when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return ExitCode.READER_GONE
