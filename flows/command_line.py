"""`python -m flows.quantize_models`: the flow without a server, and an exit code for machines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from prefect import Flow

from flows.conclusion import WITH_FAILURES
from flows.configuration import configure
from ml.quantization.errors import QuantizationError
from ml.quantization.publish import known_outcomes
from ml.quantization.recipe import BIT_DEPTHS
from ml.quantization.report import print_table

EPILOG = """\
Exit codes
  0  all well
  1  the run failed, or a model failed or was refused; with --strict (or `strict: true`) also
     when a model missed the gate or could not be evaluated and was not published for that reason
  2  bad usage: a configuration or a parameter that cannot be used
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
    parser.add_argument("--only", action="append", metavar="PATTERN", help="may be repeated")
    parser.add_argument("--force", action="store_true", default=None)
    parser.add_argument("--strict", action="store_true", default=None)
    parser.add_argument("--workers", type=int, metavar="N", dest="n_workers")
    return parser


def main(quantize_models: Flow[..., Any], argv: Sequence[str] | None = None) -> int:
    """The exit code of one run of the flow; the table of its release goes to stdout."""
    given = vars(build_parser().parse_args(argv))
    config_path, allowed_drop = given.pop("config"), given.pop("allowed_drop")
    try:
        config = configure(config_path, **given, gate={"allowed_drop": allowed_drop})
    except QuantizationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    state = quantize_models(config_path, **given, allowed_drop=allowed_drop, return_state=True)
    if state.type == "COMPLETED" or (state.is_failed() and config.strict):
        print_table(known_outcomes(config.output_path))
    print(f"{state.name}: {state.message}", file=sys.stderr)
    return 0 if state.is_completed() and state.name != WITH_FAILURES else 1
