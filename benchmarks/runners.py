"""Task runners: the flow on a local cluster against the flow on threads, as many workers.

    python -m benchmarks.runners --models 40 --seconds 1 [--cluster ray]

Each model sleeps for some seconds before it is really quantized and evaluated, so that two busy
cores do not decide the figure. Prefect's start is part of neither side; that of the cluster is part
of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.kept import keep

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "benchmarks" / "results"
LARGEST_RATIO = 1.15
SLOW = "benchmarks.slow_models"


def measure(root: Path, count: int, workers: int, cluster: str) -> dict[str, float]:
    """Seconds of the flow on threads and on the cluster, after one idle run."""
    os.environ["PREFECT_HOME"] = str(root / "prefect")
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "ERROR"
    os.environ["MLQ_LATENCY_SECONDS"] = "0"
    from benchmarks.flow_overhead import write_models
    from flows.quantize_models import quantize_models
    from model_quantization.release.known import known_outcomes

    import_module(SLOW)
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
    for runner in ("threads", cluster):
        os.environ["MLQ_TASK_RUNNER"] = runner
        with slow_workers(runner):
            figures[runner] = flow(models, held_out, root / runner)
        # Free of what else the machine did: how much of the time was no model's.
        done = known_outcomes(root / runner)
        pause = float(os.environ["SLOW_MODEL_SECONDS"])
        busy = sum(pause + outcome.seconds for outcome in done) / workers
        figures[f"{runner}_beyond_models"] = figures[runner] - busy
    return figures


@contextmanager
def slow_workers(runner: str) -> Iterator[None]:
    """Workers of a cluster that is made meanwhile do slow models."""
    if runner == "dask":
        import dask

        with dask.config.set({"distributed.worker.preload": [SLOW]}):
            yield
    elif runner == "ray":
        from prefect_ray import RayTaskRunner

        hook = {
            "worker_process_setup_hook": lambda: import_module(SLOW),
            "env_vars": {"PYTHONPATH": str(PROJECT)},
        }
        plain = RayTaskRunner.__init__

        def slow(self: RayTaskRunner, address: str | None, init_kwargs: dict[str, Any]) -> None:
            plain(self, address, init_kwargs | {"runtime_env": hook})

        with patch.object(RayTaskRunner, "__init__", slow):
            yield
    else:
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cluster", choices=("dask", "ray"), default="dask")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    cluster = arguments.cluster
    os.environ["SLOW_MODEL_SECONDS"] = str(arguments.seconds)
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory), arguments.models, arguments.workers, cluster)
    ratio = figures[cluster] / figures["threads"]
    print(f"{arguments.models} models of {arguments.seconds:g} s, {arguments.workers} workers")
    for name, seconds in figures.items():
        print(f"{name:<32}{seconds:>8.1f} s")
    print(f"{f'{cluster} / threads (at most {LARGEST_RATIO})':<32}{ratio:>8.2f}")
    record = {
        "models": arguments.models,
        "seconds_of_a_model": arguments.seconds,
        "workers": arguments.workers,
        "seconds": {name: round(value, 2) for name, value in figures.items()},
        f"{cluster}_to_threads": round(ratio, 3),
    }
    name = "runners.json" if cluster == "dask" else f"runners_{cluster}.json"
    output = arguments.output or RESULTS / name
    output.parent.mkdir(parents=True, exist_ok=True)
    keep(output, record)


if __name__ == "__main__":
    main()
