"""Memory of a long run: resident megabytes of this process after every hundred models.

    python benchmarks/memory.py --models 300 --flow

The children that load models are other processes. The relevant figure is the slope after everything
that is loaded once has been loaded.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.kept import keep

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "benchmarks" / "results" / "memory.json"
EVERY = 50


def resident_bytes() -> int:
    """The resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def megabytes() -> float:
    gc.collect()
    return round(resident_bytes() / 1e6, 1)


def write_models(root: Path, count: int) -> tuple[Path, Path]:
    """(model directory, held-out directory): `count` tiny linear classifiers, all different."""
    import pickle

    import numpy as np
    from sklearn.linear_model import LogisticRegression

    models, held_out = root / "models", root / "holdout"
    models.mkdir(parents=True)
    held_out.mkdir()
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 100))
    target = (rows[:, 0] > 0).astype(int)
    for index in range(count):
        model = LogisticRegression(C=1e-3 * (index + 1)).fit(rows[:100], target[:100])
        (models / f"model_{index:04}.pkl").write_bytes(pickle.dumps(model))
        np.savez(held_out / f"model_{index:04}.npz", X=rows[100:], target=target[100:])
    return models, held_out


def run_loop(given: dict[str, Any]) -> dict[int, float]:
    """Megabytes by the number of models done, in the plain loop."""
    from model_quantization.batch.run import run_batch
    from model_quantization.config.file import load_config

    seen: dict[int, float] = {}

    def progress(_outcome: Any, done: int, _total: int) -> None:
        if done % EVERY == 0:
            seen[done] = megabytes()
            print(f"{done:>6} models {seen[done]:>8.1f} MB", flush=True)

    run_batch(load_config(given=given), progress=progress)
    return seen


def run_flow(root: Path, given: dict[str, Any]) -> dict[int, float]:
    """Megabytes by the number of models done, in the Prefect flow."""
    os.environ["PREFECT_HOME"] = str(root / "prefect")
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "ERROR"
    from flows.quantize_models import quantize_models

    empty = root / "empty.yaml"
    empty.write_text("{}\n")
    seen: dict[int, float] = {}
    ended = threading.Event()
    outcomes = Path(given["output_dir"]) / ".work" / "outcomes"

    def watch() -> None:
        while not ended.wait(1.0):
            done = len(list(outcomes.glob("*.json"))) // EVERY * EVERY
            if done and done not in seen:
                seen[done] = megabytes()
                print(f"{done:>6} models {seen[done]:>8.1f} MB", flush=True)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        state = quantize_models(str(empty), **given, return_state=True)
    finally:
        ended.set()
        watcher.join()
    if state.type != "COMPLETED":
        sys.exit(f"the run that is measured did not end well: {state}")
    return seen


def slope_kilobytes(seen: dict[int, float]) -> float:
    """Kilobytes that each model adds, over the second half of the run if it was long enough."""
    points = sorted(seen.items())
    (first, before), (last, after) = points[len(points) // 2 if len(points) > 3 else 0], points[-1]
    return round(1000 * (after - before) / max(1, last - first), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--flow", action="store_true", help="the Prefect flow, not the plain loop")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    os.environ["MLQ_LATENCY_SECONDS"] = "0"
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        models, held_out = write_models(root, arguments.models)
        given = {
            "model_dir": str(models),
            "holdout_dir": str(held_out),
            "output_dir": str(root / "out"),
            "n_workers": arguments.workers,
        }
        started = time.perf_counter()
        seen = run_flow(root, given) if arguments.flow else run_loop(given)
        seconds = time.perf_counter() - started
    at_end = megabytes()
    slope = slope_kilobytes(seen)
    print(f"at the end {at_end:.1f} MB, {slope:.1f} kB a model, {seconds:.0f} s")
    record = json.loads(arguments.output.read_text()) if arguments.output.is_file() else {}
    record["flow" if arguments.flow else "loop"] = {
        "models": arguments.models,
        "megabytes": seen,
        "megabytes_at_end": at_end,
        "kilobytes_a_model": slope,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    keep(arguments.output, record)


if __name__ == "__main__":
    main()
