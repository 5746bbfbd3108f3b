"""A large forest from the scan to the release: seconds and memory, against its pickle's own.

    python -m benchmarks.large_forest --trees 200 2400

A random forest on 20,000 rows of 30 columns; 200 trees are model A2 of the field's measurements
(87 MB), 2,400 trees are a pickle of 1 GB. The run is an ordinary one over a directory of one model
with 10,000 held-out rows, latency measured, in its own process; memory is the largest sum over
that process and its children, pages that they share counted once. The pickle's own memory is that
of a process that loads it and answers one row.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.forest import classification
from benchmarks.kept import keep

ROWS = 20_000
LARGEST_SECONDS_A2 = 15.0
LARGEST_MEMORY_RATIO = 2.0
RUN = (
    "import sys; from model_quantization.batch.run import run_batch;"
    "from model_quantization.config.file import load_config;"
    "found = run_batch(load_config(sys.argv[1])).outcomes[0];"
    "print(found.status.value, found.artifact_size_bytes)"
)
OWN = (
    "import pickle, sys, numpy as np;"
    "model = pickle.load(open(sys.argv[1], 'rb'));"
    "print(model.predict(np.load(sys.argv[2])['X'][:1]))"
)


def write_model(trees: int, folder: Path) -> tuple[Path, Path]:
    """(pickle, held-out file), made once."""
    from sklearn.ensemble import RandomForestClassifier

    models, held_out = folder / f"models_{trees}", folder / f"holdout_{trees}"
    source, rows = models / "forest.pkl", held_out / "forest.npz"
    if not rows.exists():
        models.mkdir(parents=True, exist_ok=True)
        held_out.mkdir(exist_ok=True)
        X, y = classification()
        model = RandomForestClassifier(trees, random_state=0, n_jobs=-1).fit(X[:ROWS], y[:ROWS])
        model.n_jobs = None
        with source.open("wb") as file:
            pickle.dump(model, file, 5)
        np.savez(rows, X=X[ROWS:], target=y[ROWS:])
    return source, rows


def run(command: list[str]) -> tuple[float, float, str]:
    """(seconds, largest memory in MB, output) of a command and its children."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    root, peak = psutil.Process(process.pid), [0.0]

    def watch() -> None:
        while process.poll() is None:
            total = 0
            for one in (root, *children(root)):
                try:
                    total += one.memory_full_info().pss
                except psutil.Error:
                    continue
            peak[0] = max(peak[0], total / 1e6)
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - started, peak[0], output


def children(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.Error:
        return []


def measure(trees: int, depth: str, folder: Path) -> dict[str, Any]:
    """The figures of one forest at one bit depth."""
    source, rows = write_model(trees, folder)
    with tempfile.TemporaryDirectory() as output:
        config = Path(output) / "run.yaml"
        settings = {
            "model_dir": str(source.parent),
            "holdout_dir": str(rows.parent),
            "output_dir": str(Path(output) / "release"),
            "bit_depth": depth,
            "n_workers": 1,
        }
        config.write_text(json.dumps(settings))
        seconds, memory, said = run([sys.executable, "-c", RUN, str(config)])
    _, own, _ = run([sys.executable, "-c", OWN, str(source), str(rows)])
    status, size = said.split()
    return {
        "pickle_mb": source.stat().st_size / 1e6,
        "artifact_mb": int(size) / 1e6,
        "status": status,
        "seconds": seconds,
        "memory_mb": memory,
        "pickle_memory_mb": own,
        "ratio": memory / own,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trees", type=int, nargs="+", default=[200, 2400])
    parser.add_argument("--depths", nargs="+", default=["exact", "8"])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    figures = {}
    for trees in asked.trees:
        for depth in asked.depths:
            figures[f"{trees} trees, {depth}"] = found = measure(trees, depth, asked.cache)
            print(
                f"{trees} trees, {depth}: {found['pickle_mb']:,.0f} MB -> "
                f"{found['artifact_mb']:.2f} MB, {found['status']}, {found['seconds']:.1f} s, "
                f"{found['memory_mb']:,.0f} MB of memory, {found['ratio']:.2f} of the pickle's"
            )
    if asked.json:
        keep(asked.json, figures)


if __name__ == "__main__":
    main()
