"""Cost of Prefect: the flow over small models against a simple loop with the same workers.

    python benchmarks/flow_overhead.py --models 200

The flow runs on Prefect's embedded server, in a fresh home; its start is measured by itself and
is part of no other figure. Both sides do the same work: load in a child process, encode, read
back, evaluate on held-out data, publish.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.kept import keep

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "benchmarks" / "results" / "flow_overhead.json"
LARGEST_RATIO = 1.5
LARGEST_SECOND_SHARE = 0.05


def write_models(root: Path, count: int) -> tuple[Path, Path]:
    """(model directory, held-out directory): `count` small linear classifiers, all different."""
    import numpy as np
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression

    models, held_out = root / "models", root / "holdout"
    models.mkdir(parents=True)
    held_out.mkdir()
    X, y = make_classification(600, 500, n_informative=20, class_sep=3, flip_y=0, random_state=0)
    for index in range(count):
        model = LogisticRegression(C=1e-4 * (index + 1)).fit(X[:200], y[:200])
        (models / f"model_{index:04}.pkl").write_bytes(pickle.dumps(model))
        np.savez(held_out / f"model_{index:04}.npz", X=X[200:], target=y[200:])
    return models, held_out


def timed(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure(root: Path, count: int, workers: int) -> dict[str, float]:
    """Seconds of each case."""
    os.environ["PREFECT_HOME"] = str(root / "prefect")
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "ERROR"
    os.environ["MLQ_LATENCY_SECONDS"] = "0"
    from flows.quantize_models import quantize_models
    from model_quantization.batch.run import run_batch
    from model_quantization.config.file import load_config

    models, held_out = write_models(root / "many", count)
    few, few_held_out = write_models(root / "few", 2)
    empty = root / "empty.yaml"
    empty.write_text("{}\n")

    def loop(model_dir: Path, holdout_dir: Path, output_dir: Path) -> None:
        given = {
            "model_dir": str(model_dir),
            "holdout_dir": str(holdout_dir),
            "output_dir": str(output_dir),
            "n_workers": workers,
        }
        check(len(run_batch(load_config(given=given)).outcomes))

    def flow(model_dir: Path, holdout_dir: Path, output_dir: Path) -> None:
        state = quantize_models(
            str(empty),
            model_dir=str(model_dir),
            holdout_dir=str(holdout_dir),
            output_dir=str(output_dir),
            n_workers=workers,
            return_state=True,
        )
        check(state.is_completed() and state.name == "Completed")

    def check(holds: object) -> None:
        if not holds:
            sys.exit("a run that is measured did not end well")

    loop(few, few_held_out, root / "warm")  # worker server started
    idle = root / "warm"
    figures = {
        "prefect_start": timed(lambda: flow(few, few_held_out, idle)),
        "idle_flow": timed(lambda: flow(few, few_held_out, idle)),
    }
    for name, run in (("loop", loop), ("flow", flow)):
        figures[name] = timed(lambda run=run, name=name: run(models, held_out, root / name))
        figures[f"{name}_again"] = timed(
            lambda run=run, name=name: run(models, held_out, root / name)
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory), arguments.models, arguments.workers)
    ratio = figures["flow"] / figures["loop"]
    share = (figures["flow_again"] - figures["idle_flow"]) / figures["flow"]
    rows = [
        (
            "Prefect's start, with a flow that has nothing to do",
            f"{figures['prefect_start']:.2f} s",
        ),
        ("such a flow, once Prefect has started", f"{figures['idle_flow']:.2f} s"),
        ("plain loop", f"{figures['loop']:.2f} s"),
        ("flow", f"{figures['flow']:.2f} s"),
        (f"flow / loop (at most {LARGEST_RATIO})", f"{ratio:.2f}"),
        ("plain loop, nothing changed", f"{figures['loop_again']:.2f} s"),
        ("flow, nothing changed", f"{figures['flow_again']:.2f} s"),
        (
            f"... beyond an idle flow (at most {LARGEST_SECOND_SHARE:.0%} of the first)",
            f"{share:.1%}",
        ),
    ]
    print(f"{arguments.models} models, {arguments.workers} workers")
    for name, value in rows:
        print(f"{name:<56}{value:>10}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "models": arguments.models,
        "workers": arguments.workers,
        "seconds": {name: round(value, 3) for name, value in figures.items()},
        "flow_to_loop": round(ratio, 3),
        "second_beyond_idle_to_first": round(share, 4),
    }
    keep(arguments.output, record)


if __name__ == "__main__":
    main()
