"""Shows a run over a directory: progress, table, shortfalls, JSON and JUnit XML."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.output import print_json, print_note
from model_quantization.errors import QuantizationError

if TYPE_CHECKING:
    from model_quantization.batch.run import BatchResult
    from model_quantization.config.run_config import RunConfig
    from model_quantization.outcome import Outcome


_NAMED = 20  # of many models that fall short so many are named


def run_directory(
    configure: Callable[[], RunConfig],
    *,
    as_json: bool,
    junit: Path | None,
    notes: Sequence[str] = (),
) -> ExitCode:
    """Run the batch that `configure` describes, show the result, and return the exit code.

    Parameters
    ----------
    configure : callable
        Its errors are written to the JUnit file, as are those of the run.
    as_json : bool
        JSON on stdout instead of the table.
    junit : Path, optional
        The JUnit XML file to write.
    notes : sequence of str
        Said beside the result; `configure` may add to it.

    Raises
    ------
    QuantizationError
        The configuration cannot be used, or the run failed as a whole.
    typer.Exit
        The run was interrupted.
    """
    try:
        config = configure()
        if config.model_url is None:  # otherwise the run fills its mirror when it begins
            _check_models(config)
        result = _run(config, quiet=as_json)
    except KeyboardInterrupt:
        print("interrupted; run again to continue where this run stopped.", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except QuantizationError as error:
        if junit is not None:
            write_failure(junit, error)
        raise
    code = _show(config, result, as_json=as_json, junit=junit)
    sys.stdout.flush()
    for note in (*notes, *(() if as_json else result.remarks)):
        print_note(note)
    return code


def write_failure(junit: Path, error: object) -> None:
    """Write the JUnit file of a run that made no release."""
    from model_quantization.report.junit import write_junit

    write_junit(junit, (), strict=False, error=str(error))


def print_outcomes(outcomes: Sequence[Outcome], *, strict: bool) -> None:
    """Print the table on stdout, and on stderr the models that make the exit code 1.

    The sentences below the table say why; they are not repeated.
    """
    from model_quantization.outcome import falls_short, verdict
    from model_quantization.report.summary import print_table

    print_table(outcomes)
    sys.stdout.flush()
    short = [f"{o.name} ({verdict(o)})" for o in outcomes if falls_short(o, strict=strict)]
    if short:
        more = f" and {len(short) - _NAMED:,} more" if len(short) > _NAMED else ""
        print(f"short: {', '.join(short[:_NAMED])}{more}", file=sys.stderr)


def _run(config: RunConfig, *, quiet: bool) -> BatchResult:
    from model_quantization.batch.run import run_batch

    if config.task_runner != "threads":
        print(
            f"note: `task_runner: {config.task_runner}` is for the flow; this command uses threads",
            file=sys.stderr,
        )
    with _progress_bar(quiet=quiet) as progress:
        return run_batch(config, progress=progress)


def _show(config: RunConfig, result: BatchResult, *, as_json: bool, junit: Path | None) -> ExitCode:
    from model_quantization.report.summary import summarise

    short = result.shortfalls(strict=config.strict)
    code = ExitCode.FOUND_SOMETHING if short else ExitCode.ALL_WELL
    if junit is not None:
        from model_quantization.report.junit import write_junit

        write_junit(junit, result.outcomes, strict=config.strict)
    if as_json:
        record = summarise(result.outcomes, config.output_path)
        record |= {
            "output_dir": str(config.output_path),
            "release": result.release.number,
            "seconds": round(result.seconds, 3),
            "short": [outcome.name for outcome in short],
            "remarks": list(result.remarks),
            "exit_code": int(code),
        }
        print_json(record)
    else:
        print_outcomes(result.outcomes, strict=config.strict)
        print(f"Release {result.release.number} in {_relative(config.output_path)}")
    return code


def _check_models(config: RunConfig) -> None:
    from model_quantization.batch.discovery import discover
    from model_quantization.batch.plan import check_directories
    from model_quantization.errors import ConfigError
    from model_quantization.names import ENDINGS

    check_directories(config)
    found = discover(config.model_path, config.output_path)
    if not found.models and not found.refused:
        raise ConfigError(
            "no models found",
            where=str(config.model_path),
            expected=f"files ending in {ENDINGS}",
            do="put models there, or name another directory",
        )


def _relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


@contextmanager
def _progress_bar(*, quiet: bool) -> Iterator[Callable[[Outcome, int, int], None]]:
    """Show a bar on stderr, so that stdout holds the result alone."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    console = Console(stderr=True)
    if quiet or not console.is_terminal:  # a disabled bar still prints a line break
        yield lambda outcome, done, total: None
        return
    columns: tuple[Any, ...] = (
        TextColumn("Quantizing"),
        BarColumn(),
        MofNCompleteColumn(),
        Elapsed(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(outcome: Outcome, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=outcome.name)

        yield show
