"""Task runners: the flow on a local Dask cluster against the flow on threads, as many workers.

    python benchmarks/runners.py --models 40 --seconds 1

Each model sleeps for some seconds before it is really quantized and evaluated, so that two busy
cores do not decide the figure. Prefect's start is part of neither side; the cluster's is of Dask's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "benchmarks" / "results" / "runners.json"
LARGEST_RATIO = 1.15
SLOW = "benchmarks.slow_models"


def measure(root: Path, count: int, workers: int) -> dict[str, float]:
    """Seconds of the flow on each task runner, after one idle run."""
    os.environ["PREFECT_HOME"] = str(root / "prefect")
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "ERROR"
    os.environ["MLQ_LATENCY_SECONDS"] = "0"
    import importlib

    import dask

    from benchmarks.flow_overhead import write_models
    from flows.quantize_models import quantize_models
    from ml.quantization.publish import known_outcomes

    importlib.import_module(SLOW)
    models, held_out = write_models(root / "many", count)
    few, few_held_out = write_models(root / "few", 1)
    empty = root / "empty.yaml"
    empty.write_text("{}\n")

    def flow(model_dir: Path, holdout_dir: Path, output_dir: Path) -> float:
        started = time.perf_counter()
        state = quantize_models(
            str(empty),
            model_dir=str(model_dir),
            holdout_dir=str(holdout_dir),
            output_dir=str(output_dir),
            n_workers=workers,
            return_state=True,
        )
        if not (state.is_completed() and state.name == "Completed"):
            sys.exit(f"a run that is measured did not end well: {state}")
        return time.perf_counter() - started

    flow(few, few_held_out, root / "warm")
    figures = {}
    for runner in ("threads", "dask"):
        os.environ["MLQ_TASK_RUNNER"] = runner
        with dask.config.set({"distributed.worker.preload": [SLOW]}):
            figures[runner] = flow(models, held_out, root / runner)
        # Free of what else the machine did: how much of the time was no model's.
        done = known_outcomes(root / runner)
        pause = float(os.environ["SLOW_MODEL_SECONDS"])
        busy = sum(pause + outcome.seconds for outcome in done) / workers
        figures[f"{runner}_beyond_models"] = figures[runner] - busy
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    os.environ["SLOW_MODEL_SECONDS"] = str(arguments.seconds)
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory), arguments.models, arguments.workers)
    ratio = figures["dask"] / figures["threads"]
    print(f"{arguments.models} models of {arguments.seconds:g} s, {arguments.workers} workers")
    for name, seconds in figures.items():
        print(f"{name:<32}{seconds:>8.1f} s")
    print(f"{f'dask / threads (at most {LARGEST_RATIO})':<32}{ratio:>8.2f}")
    record = {
        "models": arguments.models,
        "seconds_of_a_model": arguments.seconds,
        "workers": arguments.workers,
        "seconds": {name: round(value, 2) for name, value in figures.items()},
        "dask_to_threads": round(ratio, 3),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
