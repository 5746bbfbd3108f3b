"""Writes the page docs/commands.md from the command line's own help.

    python -m model_quantization.commands.reference docs

writes the commands, their arguments and options between the marks of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any

import typer

from model_quantization.commands.application import PROGRAM, app
from model_quantization.commands.exit_codes import MEANINGS, ExitCode
from model_quantization.commands.output import execute

PAGE = "commands.md"
BEGIN, END = "<!-- commands: begin -->\n", "<!-- commands: end -->\n"


def reference_text() -> str:
    """Return the exit codes and every command with its arguments and options, as Markdown."""
    group: Any = typer.main.get_command(app)
    lines = ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code:d} | {meaning} |" for code, meaning in MEANINGS.items()]
    for command in group.commands.values():
        lines += _command(command)
    lines += ["", f"## `{PROGRAM}` alone", "", *_table(group, "option")]
    return "\n".join([*lines, "", ""])


def with_reference(page: str) -> str:
    """Return the page with new text between its marks.

    Raises
    ------
    ValueError
        The page has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}{reference_text()}{END}{after}"


def _command(command: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=f"{PROGRAM} {command.name}")
    yield from ("", f"## `{command.name}`", "", _escaped(cleandoc(command.help)), "")
    usage = " ".join(command.collect_usage_pieces(context)).replace("{", "").replace("}", "")
    yield from ("```shell", f"{PROGRAM} {command.name} {usage}", "```", "")
    yield from _table(command, "argument")
    yield ""
    yield from _table(command, "option")


def _table(command: Any, kind: str) -> list[str]:
    context = command.context_class(command, info_name=PROGRAM)
    records = [
        parameter.get_help_record(context)
        for parameter in command.get_params(context)
        if parameter.param_type_name == kind and "--help" not in parameter.opts
    ]
    rows = [f"| `{_escaped(name)}` | {_escaped(text)} |" for name, text in filter(None, records)]
    return [f"| {kind} | meaning |", "|---|---|", *rows] if rows else []


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<model>", "`<model>`")


_writer = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@_writer.command()
def write(
    directory: Annotated[Path, typer.Argument(help="The directory of the page.", exists=True)],
) -> ExitCode:
    """Write the commands into the page of a directory."""
    page = directory / PAGE
    page.write_text(with_reference(page.read_text(encoding="utf-8")), encoding="utf-8")
    return ExitCode.ALL_WELL


if __name__ == "__main__":
    sys.exit(execute(_writer, None, program="python -m model_quantization.commands.reference"))
