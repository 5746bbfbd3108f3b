"""The command line: quantize the models of a directory, show the table, exit with a verdict."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_quantization.errors import ConfigError, PathRefused, QuantizationError
from model_quantization.outcome import Outcome
from model_quantization.schemes.recipe import BIT_DEPTHS

if TYPE_CHECKING:
    from model_quantization.config.run_config import RunConfig

ALL_WELL, FELL_SHORT, BAD_USAGE = 0, 1, 2

EPILOG = """\
Exit codes
  0  all well: every model was published, or its original stays for a good reason
  1  a model failed or was refused; with `strict` (--strict, or in the configuration), also when
     a model missed the gate or could not be evaluated and was not published for that reason
  2  bad usage: an unknown model, a missing directory, a bad value

Held-out data is <held-out directory>/<model>.parquet, .csv, .csv.gz or .npz. A model without any
is published as `unverified`, unless a configuration (--config) decides otherwise.

Environment
  ML_MODEL_DIR     the model directory when --model-dir is not given
  MLQ_<KEY>        any key of the configuration, `__` between nested ones (MLQ_GATE__ALLOWED_DROP)

Examples
  python model_quantization_demo.py --bit-depth 8
  python model_quantization_demo.py --model intent --bit-depth 16
  python model_quantization_demo.py --weight-threshold 0.0005
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the documented command line."""
    parser = argparse.ArgumentParser(
        prog="model_quantization_demo.py",
        description="Quantize trained scikit-learn models, prove that nothing was lost, publish.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what to do")
    what.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="only this model, or those matching a pattern such as 'intent*'; may be repeated",
    )
    what.add_argument(
        "--bit-depth",
        choices=BIT_DEPTHS,
        help="8 (default), 16 or 32 bits; exact rounds nothing; auto: the smallest that passes",
    )
    what.add_argument(
        "--weight-threshold",
        metavar="X",
        help="weights of smaller magnitude become zero (default 0.001)",
    )
    what.add_argument("--force", action="store_true", default=None, help="do unchanged models too")
    what.add_argument("--strict", action="store_true", default=None, help="see exit code 1")
    where = parser.add_argument_group("where")
    where.add_argument(
        "--model-dir", metavar="DIR", help="directory of .pkl, .joblib, .sav (default ml/models)"
    )
    where.add_argument(
        "--output-dir", metavar="DIR", help="where releases go (default <model-dir>/quantized)"
    )
    where.add_argument("--holdout-dir", metavar="DIR", help="held-out data (default: none)")
    where.add_argument("--config", metavar="FILE", help="a YAML configuration, as in configs/")
    how = parser.add_argument_group("how")
    how.add_argument("--workers", metavar="N", help="models done at the same time (default 2)")
    how.add_argument(
        "--json", action="store_true", help="print the result as JSON, and nothing else, on stdout"
    )
    how.add_argument("--junit", metavar="FILE", help="write a test case a model, for CI systems")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of one run over the arguments `argv`."""
    arguments = build_parser().parse_args(argv)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("interrupted; run again to go on where this stopped.", file=sys.stderr)
        return 130
    except (ConfigError, PathRefused) as error:
        return _complain(error, BAD_USAGE)
    except QuantizationError as error:
        return _complain(error, FELL_SHORT)


def _complain(error: QuantizationError, code: int) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _run(arguments: argparse.Namespace) -> int:
    from model_quantization.batch.run import run_batch
    from model_quantization.config.file import load_config
    from model_quantization.report.summary import print_table, summarise

    config = load_config(
        arguments.config,
        defaults=None
        if arguments.config
        else {
            "model_dir": os.environ.get("ML_MODEL_DIR") or "ml/models",
            "gate": {"publish_unverified": True},
        },
        given={
            "model_dir": arguments.model_dir,
            "output_dir": arguments.output_dir,
            "holdout_dir": arguments.holdout_dir,
            "bit_depth": arguments.bit_depth,
            "weight_threshold": arguments.weight_threshold,
            "only": arguments.model,
            "force": arguments.force,
            "strict": arguments.strict,
            "n_workers": _whole(arguments.workers),
        },
    )
    if config.model_url is None:  # else its mirror is filled when the run begins
        _check_models(config)
    with _progress_bar(quiet=arguments.json) as progress:
        result = run_batch(config, progress=progress)
    code = FELL_SHORT if result.shortfalls(strict=config.strict) else ALL_WELL
    if arguments.junit:
        from model_quantization.report.junit import write_junit

        write_junit(Path(arguments.junit), result.outcomes, strict=config.strict)
    if arguments.json:
        record = summarise(result.outcomes, config.output_path)
        record |= {
            "output_dir": str(config.output_path),
            "release": result.release.number,
            "seconds": round(result.seconds, 3),
            "exit_code": code,
        }
        print(json.dumps(record, indent=1, sort_keys=True))
    else:
        print_table(result.outcomes)
        print(f"Release {result.release.number} in {_shown(config.output_path)}")
    return code


def _check_models(config: RunConfig) -> None:
    from model_quantization.batch.discovery import discover
    from model_quantization.batch.plan import check_directories

    check_directories(config)
    found = discover(config.model_path, config.output_path)
    if not found.models and not found.refused:
        raise ConfigError(
            "no models found",
            where=str(config.model_path),
            expected="files ending in .pkl, .pickle, .joblib or .sav",
            do="put models there, or name another directory with --model-dir",
        )


def _whole(text: str | None) -> object:
    return int(text) if text is not None and text.isdecimal() else text


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


@contextmanager
def _progress_bar(*, quiet: bool) -> Iterator[Callable[[Outcome, int, int], None]]:
    """A bar on stderr, where the table and the JSON are not."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    console = Console(stderr=True)
    columns: tuple[Any, ...] = (
        TextColumn("Quantizing"),
        BarColumn(),
        MofNCompleteColumn(),
        Elapsed(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)

        def show(outcome: Outcome, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=outcome.name)

        yield show
