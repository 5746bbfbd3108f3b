"""The share of a model's time that its probe rows take.

    python -m benchmarks.probes DIRECTORY [--holdout DIRECTORY]

Every model file goes through the pipeline with the default settings, with its held-out rows where
there are some. What child processes do is done in this one, so that its processor time is
all there is; starting children would come on top of it, and is left out. Probe rows are timed where
they are made and asked: by the original, and by each artifact, fast and restored. `share` is their
time against all the rest; the bound is a tenth, or 16 rows.

`examples/train_demo_models.py --output DIRECTORY` makes models.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

for library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from rich.console import Console
from rich.table import Table

from benchmarks.kept import keep
from model_quantization.config.model_settings import ModelSettings
from model_quantization.evaluation import GatePolicy
from model_quantization.pipeline import ask, stages
from model_quantization.pipeline.child import candidate, original

MOST_SHARE = 0.1
REPEATS = 2
SUFFIXES = (".pkl", ".joblib", ".sav")
ROWS = (".csv", ".csv.gz", ".parquet", ".npz")
# Small models are of interest too, so that none is left out for its size.
SETTINGS = ModelSettings(gate=GatePolicy(min_size_reduction=0.0))


@contextmanager
def replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """A module with another function, until the block ends."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


class Stopwatch:
    """Processor seconds of a function, over all its calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - started

        return timed


def here(handler: Any, request: Any, limits: Any, access: Any = None) -> Any:
    """Answer a child's request in this process."""
    return handler.read_reply(json.loads(json.dumps(handler(request.to_wire()))))


def once(source: Path, held_out: Path | None) -> tuple[float, float, dict[str, Any]]:
    """(seconds of all, of the probe rows, the reports) of one model."""
    watch = Stopwatch()
    with (
        tempfile.TemporaryDirectory() as folder,
        replaced(ask, "ask_child", here),
        replaced(original, "ask_original_probes", watch.timing(original.ask_original_probes)),
        replaced(candidate, "probe_artifact", watch.timing(candidate.probe_artifact)),
        replaced(candidate, "read_questions", watch.timing(candidate.read_questions)),
    ):
        started = time.process_time()
        outcome = stages.quantize_file(source, Path(folder), SETTINGS, held_out)
        whole = time.process_time() - started
    return whole, watch.seconds, outcome.evaluation.get("probes") or {}


def measured(source: Path, held_out: Path | None) -> dict[str, Any]:
    """One line of the table: medians, after a run that imports what is needed."""
    once(source, held_out)
    runs = [once(source, held_out) for _ in range(REPEATS)]
    whole, probes = (median(run[at] for run in runs) for at in (0, 1))
    reports = runs[0][2].values()
    return {
        "model": source.stem,
        "size_bytes": source.stat().st_size,
        "rows": max((each["rows"] for each in reports), default=0),
        "calls": sum(each["calls"] for each in reports),
        "rest_seconds": whole - probes,
        "probe_seconds": probes,
        "share": probes / (whole - probes),
    }


def main() -> int:
    """Print the table and keep it; 1 when a share is above the bound with more than 16 rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--holdout", type=Path)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/probes.json"))
    options = parser.parse_args()
    lines = []
    for source in sorted(options.directory.iterdir()):
        if source.suffix not in SUFFIXES:
            continue
        rows = [options.holdout / f"{source.stem}{end}" for end in ROWS] if options.holdout else []
        lines.append(measured(source, next((each for each in rows if each.exists()), None)))
        print(lines[-1], file=sys.stderr, flush=True)
    table = Table("model", "rows", "calls", "all else s", "probe rows s", "share")
    for line in lines:
        table.add_row(
            line["model"],
            str(line["rows"]),
            str(line["calls"]),
            f"{line['rest_seconds']:.3f}",
            f"{line['probe_seconds']:.3f}",
            f"{line['share']:.1%}",
        )
    Console(width=100).print(table)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    keep(options.output, {"models": lines})
    return int(any(line["share"] > MOST_SHARE and line["rows"] > 16 for line in lines))


if __name__ == "__main__":
    sys.exit(main())
