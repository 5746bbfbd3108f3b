"""`python -m flows.quantize_models`: runs the flow without a server; returns an exit code.

Options and exit codes are those of `model-quantization run`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

import typer
from prefect import Flow, State

from flows.configuration import configure
from flows.embedded_server import ServerUnavailable, server_needed
from flows.final_state import FELL_SHORT, WITH_FAILURES
from flows.form import as_parameters
from model_quantization.commands.batch_run import print_outcomes, write_failure
from model_quantization.commands.exit_codes import ExitCode, exit_codes_text
from model_quantization.commands.options import (
    DEFAULTS,
    FOR_A_FILE,
    ConfigFile,
    DirectoryOptions,
    DryRun,
    ModelDir,
    ModelOptions,
    Only,
    PrintConfig,
    configured,
    with_option_records,
)
from model_quantization.commands.output import execute, print_json
from model_quantization.commands.rollback import bring_back
from model_quantization.commands.run import check_only_one, print_preview
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import QuantizationError
from model_quantization.names import matches
from model_quantization.outcome import Outcome
from model_quantization.release.known import known_outcomes, stats_path
from model_quantization.report.junit import write_junit

PROGRAM = "python -m flows.quantize_models"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=exit_codes_text())
@with_option_records(leave_out=(*FOR_A_FILE, *DEFAULTS))
def run_flow(
    context: typer.Context,
    config: ConfigFile = "configs/nightly.yaml",
    model_dir: ModelDir = None,
    *,
    options: ModelOptions,
    only: Only = None,
    release: DirectoryOptions,
    dry_run: DryRun = False,
    print_config: PrintConfig = False,
    rollback: Annotated[
        int | None,
        typer.Option(
            "--rollback",
            metavar="N",
            help="Instead of a run: publish the content of release N again.",
        ),
    ] = None,
) -> ExitCode:
    """Run the quantization flow here and now, with Prefect's embedded server.

    An option that is not given keeps its value in the configuration. Every key can also be set in
    the environment: MLQ_BIT_DEPTH=16, MLQ_GATE__ALLOWED_DROP=0.01; see docs/configuration.md.
    """
    check_only_one(dry_run=dry_run, print_config=print_config, rollback=rollback is not None)
    given = configured(options, release, model_dir=model_dir, only=only)
    junit = release.junit
    try:
        settings = configure(config, **given)
    except QuantizationError as error:
        if junit is not None:
            write_failure(junit, error)
        raise
    if print_config:
        print_json(settings.model_dump(mode="json"))
    elif dry_run:
        print_preview(settings, as_json=False)
    elif rollback is not None:
        bring_back(settings, rollback, as_json=False)
    else:
        try:
            started_ns = time.time_ns() - FILE_CLOCK_NS
            with server_needed():
                state = context.obj(config, **as_parameters(given), return_state=True)
        except ServerUnavailable as error:
            if junit is not None:
                write_failure(junit, error)
            raise
        outcomes = _outcomes_of(settings, state, started_ns)
        if outcomes is not None:
            print_outcomes(outcomes, strict=settings.strict)
        if junit is not None:
            error = str(state.message) if outcomes is None else ""
            write_junit(junit, outcomes or (), strict=settings.strict, error=error)
        print(f"{state.name}: {state.message}", file=sys.stderr)
        return _exit_code_of(state)
    return ExitCode.ALL_WELL


def main(quantize_models: Flow[..., Any], argv: Sequence[str] | None = None) -> int:
    """Run the flow once, print the table of its release, and return the exit code."""
    return execute(app, argv, program=PROGRAM, context=quantize_models)


# Dates of files come from a clock that may be a few milliseconds behind the program's.
FILE_CLOCK_NS: Final = 20_000_000


def _outcomes_of(config: RunConfig, state: State[Any], started_ns: int) -> list[Outcome] | None:
    """The outcomes of the run's models; None for a run that made no release."""
    if state.type != "COMPLETED" and not (state.is_failed() and state.name == FELL_SHORT):
        return None
    known = known_outcomes(config.output_path)
    return _asked_for(config, [_as_of(config, outcome, started_ns) for outcome in known])


def _as_of(config: RunConfig, outcome: Outcome, started_ns: int) -> Outcome:
    """The outcome; it is unchanged unless the run wrote the statistics of its model."""
    try:
        written_ns = stats_path(config.output_path, outcome.name).stat().st_mtime_ns
    except OSError:
        return outcome
    return replace(outcome, unchanged=written_ns < started_ns)


def _exit_code_of(state: State[Any]) -> ExitCode:
    well = state.is_completed() and state.name != WITH_FAILURES
    return ExitCode.ALL_WELL if well else ExitCode.FOUND_SOMETHING


def _asked_for(config: RunConfig, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The models of the release whose names match `only`."""
    return [
        outcome
        for outcome in outcomes
        if not config.only or any(matches(outcome.name, pattern) for pattern in config.only)
    ]
