"""A linear model of 784 features and 10 classes: one row and a batch, against scikit-learn.

    python -m benchmarks.linear

Model G of the field's measurements: 6,000 training rows, evaluated on 10,000 others. Medians of
interleaved repeats, one thread, one pinned core; every call goes through the public method, input
checks included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from benchmarks.kept import keep
from model_quantization.api import ModelQuantizer

TRAIN, TEST = 6_000, 10_000


def build() -> tuple[LogisticRegression, np.ndarray[Any, Any]]:
    rows, labels = make_classification(
        TRAIN + TEST,
        784,
        n_informative=120,
        n_redundant=60,
        n_classes=10,
        n_clusters_per_class=1,
        class_sep=3,
        flip_y=0.02,
        random_state=2,
    )
    rows /= rows.std(axis=0)
    model = LogisticRegression(C=0.01, max_iter=200).fit(rows[:TRAIN], labels[:TRAIN])
    return model, rows[TRAIN:].copy()


def medians(calls: dict[str, Callable[[], Any]], repeats: int, loops: int) -> dict[str, float]:
    """Median microseconds of each call; the calls take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(loops):
                call()
            times[name].append((time.perf_counter() - started) / loops * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--core", type=int, default=0, help="the core to stay on")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/linear.json"))
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    model, batch = build()
    quantized, stats = ModelQuantizer(8).quantize_model(model)
    one, restored = batch[:1].copy(), quantized.restore()
    results: dict[str, Any] = {
        "pickle_bytes": stats["original_size_bytes"],
        "artifact_bytes": stats["quantized_size_bytes"],
        "labels_equal_restored": float(
            (quantized.predict(batch) == restored.predict(batch)).mean()
        ),
        "labels_equal_original": float((quantized.predict(batch) == model.predict(batch)).mean()),
        "largest_score_difference": float(
            np.abs(quantized.decision_function(batch) - restored.decision_function(batch)).max()
        ),
    }
    table = Table("call", "scikit-learn (us)", "quantized (us)", "ratio")
    for method in ("predict", "predict_proba", "decision_function"):
        for name, rows, loops in (("one row", one, 200), (f"{len(batch):,} rows", batch, 1)):
            found = medians(
                {
                    "sklearn": lambda m=method, x=rows: getattr(model, m)(x),
                    "quantized": lambda m=method, x=rows: getattr(quantized, m)(x),
                },
                options.repeats,
                loops,
            )
            ratio = found["sklearn"] / found["quantized"]
            results[f"{method}, {name}"] = {**found, "ratio": ratio}
            cells = (f"{found['sklearn']:,.1f}", f"{found['quantized']:,.1f}", f"{ratio:.1f}x")
            table.add_row(f"{method}, {name}", *cells)
    console = Console()
    console.print(table)
    console.print({key: value for key, value in results.items() if not isinstance(value, dict)})
    options.output.parent.mkdir(parents=True, exist_ok=True)
    keep(options.output, results)


if __name__ == "__main__":
    main()
