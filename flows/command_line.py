"""`python -m flows.quantize_models`: the flow without a server, and an exit code for machines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from prefect import Flow

from flows.conclusion import FELL_SHORT, WITH_FAILURES
from flows.configuration import configure
from flows.preview import preview
from model_quantization.batch.mirror import mirrored
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import QuantizationError
from model_quantization.outcome import Outcome, falls_short
from model_quantization.release.known import known_outcomes
from model_quantization.release.publish import rollback
from model_quantization.release.signer import read_signer
from model_quantization.report.junit import write_junit
from model_quantization.report.summary import advice, print_table
from model_quantization.schemes.recipe import BIT_DEPTHS

EPILOG = """\
Exit codes
  0  all well
  1  the run failed, or a model failed or was refused; with --strict (or `strict: true`) also
     when a model missed the gate or could not be evaluated and was not published for that reason
  2  bad usage: a configuration or a parameter that cannot be used

What is not given here is as the configuration has it, and any key of that can be set in the
environment: MLQ_BIT_DEPTH=16, MLQ_GATE__ALLOWED_DROP=0.01; see docs/configuration.md.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser; what is not given is as the configuration has it."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.quantize_models",
        description="Run the quantization flow here and now, with Prefect's embedded server.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", default="configs/nightly.yaml", metavar="FILE")
    parser.add_argument("--model-dir", metavar="DIR")
    parser.add_argument("--output-dir", metavar="DIR")
    parser.add_argument("--holdout-dir", metavar="DIR")
    parser.add_argument("--bit-depth", choices=BIT_DEPTHS)
    parser.add_argument("--weight-threshold", type=float, metavar="X")
    parser.add_argument("--allowed-drop", type=float, metavar="X")
    parser.add_argument(
        "--only", action="append", metavar="PATTERN", help="such as 'intent*'; may be repeated"
    )
    parser.add_argument(
        "--force", action="store_true", default=None, help="do unchanged models again"
    )
    parser.add_argument("--strict", action="store_true", default=None, help="see exit code 1")
    parser.add_argument("--workers", type=int, metavar="N", dest="n_workers")
    parser.add_argument(
        "--junit", type=Path, metavar="FILE", help="write a test case a model, for CI systems"
    )
    instead = parser.add_argument_group("instead of a run").add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and why; write nothing"
    )
    instead.add_argument(
        "--print-config", action="store_true", help="print what all settings come to, as JSON"
    )
    instead.add_argument(
        "--rollback", type=int, metavar="N", help="publish the content of release N again"
    )
    return parser


def main(quantize_models: Flow[..., Any], argv: Sequence[str] | None = None) -> int:
    """The exit code of one run of the flow; the table of its release goes to stdout."""
    given = vars(build_parser().parse_args(argv))
    config_path, allowed_drop = given.pop("config"), given.pop("allowed_drop")
    junit, number = given.pop("junit"), given.pop("rollback")
    dry_run, print_config = given.pop("dry_run"), given.pop("print_config")
    try:
        config = configure(config_path, **given, gate={"allowed_drop": allowed_drop})
    except QuantizationError as error:
        print(f"error: {error}", file=sys.stderr)
        if junit is not None:
            write_junit(junit, (), strict=False, error=str(error))
        return 2
    if print_config:
        print(json.dumps(config.model_dump(mode="json"), indent=1))
        return 0
    if dry_run or number is not None:
        try:
            print("\n".join(preview(config)) if dry_run else _roll_back(config, number))
        except QuantizationError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        return 0
    state = quantize_models(config_path, **given, allowed_drop=allowed_drop, return_state=True)
    outcomes, error = [], str(state.message)
    if state.type == "COMPLETED" or (state.is_failed() and state.name == FELL_SHORT):
        outcomes, error = _asked_for(config, known_outcomes(config.output_path)), ""
        print_table(outcomes)
        _list_shortfalls(outcomes, strict=config.strict)
    if junit is not None:
        write_junit(junit, outcomes, strict=config.strict, error=error)
    print(f"{state.name}: {state.message}", file=sys.stderr)
    return 0 if state.is_completed() and state.name != WITH_FAILURES else 1


def _roll_back(config: RunConfig, number: int) -> str:
    signer = read_signer(config.signing_key, config.public_keys)
    with mirrored(config, all_objects=True):
        release = rollback(config.output_path, number, signer)
    return f"release {release.number} is served now; it has the content of release {number}"


def _asked_for(config: RunConfig, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those of the release that the run was about."""
    return [
        outcome
        for outcome in outcomes
        if not config.only or any(fnmatchcase(outcome.name, pattern) for pattern in config.only)
    ]


def _list_shortfalls(outcomes: Iterable[Outcome], *, strict: bool) -> None:
    """Which models make the exit code 1, and why, on stderr."""
    short = [outcome for outcome in outcomes if falls_short(outcome, strict=strict)]
    for sentence in advice(short):
        print(f"short: {sentence}", file=sys.stderr)
