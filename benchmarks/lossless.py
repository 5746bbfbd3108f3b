"""Lossless artifacts of the demo's models against joblib's lzma-9: size, and time to load.

    make demo            # or: python examples/train_demo_models.py --output demo
    python -m benchmarks.lossless --models demo/models

Loading an artifact means two things here: to the real estimator (`restore()`), which is what
`joblib.load` gives, and to a quantized model with its first answer given, against `joblib.load` and
the same answer. Times are medians of interleaved repeats in one process, everything imported.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import joblib
from rich.console import Console
from rich.table import Table

import model_quantization as mq
from benchmarks.kept import keep
from model_quantization.api import quantize_model_file
from model_quantization.batch.discovery import discover
from model_quantization.evaluation.rows.expected import ask_model
from model_quantization.evaluation.rows.heldout import find_held_out, read_held_out
from model_quantization.loading.pickles.original import load_original


def measure(model: Path, rows: Any, folder: Path, repeats: int) -> dict[str, Any]:
    """Sizes in bytes and times in milliseconds of one model's two files."""
    packed, artifact = folder / "model.lzma", folder / "model.qma"
    joblib.dump(load_original(model)[0], packed, compress=("lzma", 9))
    record = quantize_model_file(model, artifact, recipe="exact", gate=_always())
    first = rows[:1] if not hasattr(rows, "iloc") else rows.iloc[:1]
    calls: dict[str, Callable[[], Any]] = {
        "joblib_load_ms": lambda: joblib.load(packed),
        "restore_ms": lambda: mq.load(artifact).restore(),
        "joblib_answer_ms": lambda: answer(joblib.load(packed), first),
        "artifact_answer_ms": lambda: answer(mq.load(artifact), first),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - started) * 1000)
    return {
        "model": model.stem,
        "family": record["family"],
        "pickle_bytes": model.stat().st_size,
        "lzma_bytes": packed.stat().st_size,
        "artifact_bytes": artifact.stat().st_size,
        **{name: statistics.median(values) for name, values in times.items()},
    }


def answer(model: Any, rows: Any) -> Any:
    return (model.predict if hasattr(model, "predict") else model.transform)(rows)


def _always() -> Any:
    from model_quantization.evaluation.policy import GatePolicy

    return GatePolicy(publish_unverified=True, min_size_reduction=-100.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=Path("demo/models"))
    parser.add_argument("--holdout", type=Path, default=Path("demo/holdout"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/lossless.json"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results = []
    for model in discover(options.models, options.models / "quantized").models:
        held_out = find_held_out(options.holdout, model.name)
        if held_out is None:
            continue
        expected = ask_model(load_original(model.path)[0], "")
        rows = read_held_out(held_out, expected=expected).rows
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(model.path, rows, Path(folder), options.repeats))
    _print(results)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    keep(options.output, results)


def _print(results: list[dict[str, Any]]) -> None:
    columns = [key for key in results[0] if key not in ("model", "family")]
    total = {"model": "total", "family": ""}
    total |= {key: sum(row[key] for row in results) for key in columns}
    table = Table("model", "family", *columns)
    for row in [*results, total]:
        cells = [f"{row[key]:,}" if "bytes" in key else f"{row[key]:,.2f}" for key in columns]
        table.add_row(row["model"], row["family"], *cells)
    console = Console()
    console.print(table)
    console.print(
        f"artifact / lzma: {total['artifact_bytes'] / total['lzma_bytes']:.2f} of the bytes; "
        f"joblib / artifact: {total['joblib_load_ms'] / total['restore_ms']:.1f}x to the "
        f"estimator, {total['joblib_answer_ms'] / total['artifact_answer_ms']:.1f}x to an answer"
    )


if __name__ == "__main__":
    main()
