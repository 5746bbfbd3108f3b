"""Everyday models: which answer without scikit-learn, how quickly, how small, and how faithfully.

    python -m benchmarks.everyday                      # all, at 8 bits
    python -m benchmarks.everyday --only table         # those whose name has this in it

For each model of `benchmarks.everyday_models`: the methods that answer rows and whether they are
fast (`explain()`), one row and a batch of `predict` (or `transform`) as a ratio to scikit-learn,
the size against joblib at lzma level 9, and the answers. One process, one thread, CPU time of the
thread, medians of interleaved calls: on a busy machine the ratios are what to trust.
"""

from __future__ import annotations

import argparse
import io
import os
import pickle
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
for pinned in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # as the tests set them
    os.environ.pop(pinned, None)

import joblib
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.everyday_models import MODELS
from benchmarks.kept import keep
from model_quantization.api import ModelQuantizer
from model_quantization.evaluation.agreement import same_bits
from model_quantization.evaluation.answers import plain_arrays

ANSWERS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="models whose name has this in it")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--bits", default="8")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/everyday.json"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results: dict[str, Any] = {}
    for name, make in MODELS.items():
        if options.only.lower() in name.lower():
            results[name] = measured(*make(), options.bits, options.repeats)
    show(results)
    if not options.only:
        keep(options.output, {"bits": options.bits, "models": results})


def measured(model: Any, rows: Any, bits: str, repeats: int) -> dict[str, Any]:
    """The figures of one model; times in microseconds."""
    # As a file gives it back: a fitted model may hold arrays whose layout no pickle keeps.
    model = pickle.loads(pickle.dumps(model))
    quantized, _ = ModelQuantizer(bits).quantize_model(model)
    exact, _ = ModelQuantizer("exact").quantize_model(model)
    found: dict[str, Any] = {}
    for kind, one in (("rounded", quantized), ("exact", exact)):
        answers = {each.method: each for each in one.explain().methods if each.method in ANSWERS}
        found[f"fast_{kind}"] = [name for name, each in answers.items() if each.fast]
        found[f"slow_{kind}"] = {name: each.why for name, each in answers.items() if not each.fast}
    methods = found["fast_rounded"] + list(found["slow_rounded"])
    asked = next(name for name in (*ANSWERS, *methods) if name in methods)
    restored = quantized.restore()
    for kind, some, loops in (("one row", _first(rows, 1), 8), ("batch", rows, 1)):
        calls = {"sklearn": model, "rounded": quantized, "exact": exact}
        times = _medians({k: getattr(m, asked) for k, m in calls.items()}, some, repeats, loops)
        found[kind] = {key: round(value, 2) for key, value in times.items()}
    found["asked"] = asked
    found["agreement"] = {
        "rounded with the restored": _agreement(quantized, restored, methods, rows),
        "rounded with the original": _agreement(quantized, model, methods[:1], rows),
        "exact with the original": _agreement(exact, model, methods, rows, bits=True),
    }
    found["bytes"] = {
        "rounded": len(quantized.artifact.data),
        "exact": len(exact.artifact.data),
        "joblib_lzma9": _joblib_size(model),
    }
    return found


def _first(rows: Any, count: int) -> Any:
    return rows.iloc[:count] if isinstance(rows, pd.DataFrame) else rows[:count]


def _medians(calls: dict[str, Any], rows: Any, repeats: int, loops: int) -> dict[str, float]:
    """Median microseconds of CPU of each call; the calls take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            started = time.thread_time()
            for _ in range(loops):
                call(rows)
            if turn:  # the first warms up
                times[name].append((time.thread_time() - started) / loops * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def _agreement(one: Any, other: Any, methods: list[str], rows: Any, *, bits: bool = False) -> float:
    """The smallest share of rows, over the methods, that both answer alike.

    Alike is the same label, or numbers within a millionth of the largest; with `bits` every bit.
    """
    worst = 1.0
    for name in methods:
        mine, theirs = (plain_arrays(name, getattr(each, name)(rows)) for each in (one, other))
        for key, array in theirs.items():
            if bits:
                worst = min(worst, float(same_bits(array, mine[key])))
            else:
                worst = min(worst, _share_alike(array, mine[key]))
    return worst


def _share_alike(one: Any, other: Any) -> float:
    if one.dtype.kind == "f":
        span = np.abs(one[np.isfinite(one)]).max(initial=0.0) * 1e-6
        alike = (np.abs(one - other) <= span) | (one == other)
    else:
        alike = one == other
    return float(alike.reshape(len(alike), -1).all(axis=1).mean()) if alike.size else 1.0


def _joblib_size(model: Any) -> int:
    file = io.BytesIO()
    joblib.dump(model, file, compress=("lzma", 9))
    return file.tell()


def show(results: dict[str, Any]) -> None:
    """Print a table, and what it comes to."""
    table = Table(
        "model", "fast", "one row", "batch", "exact, one row", "exact, batch", "size", "same"
    )
    for name, found in results.items():
        slow = found["slow_rounded"]
        ratios = [
            found[kind]["sklearn"] / found[kind][which]
            for which in ("rounded", "exact")
            for kind in ("one row", "batch")
        ]
        size, joblib_size = found["bytes"], found["bytes"]["joblib_lzma9"]
        table.add_row(
            name,
            "all" if not slow else f"not {', '.join(slow)}",
            *(f"{ratio:.1f}x" for ratio in ratios),
            f"{size['rounded'] / joblib_size:.2f}, {size['exact'] / joblib_size:.2f}",
            ", ".join(f"{value:.3f}" for value in found["agreement"].values()),
        )
    console = Console(width=170)
    console.print(table)
    for kind in ("rounded", "exact"):
        fast = [name for name, found in results.items() if not found[f"slow_{kind}"]]
        slower = [
            f"{name}, {rows}"
            for name, found in results.items()
            for rows in ("one row", "batch")
            if found[rows][kind] > 1.1 * found[rows]["sklearn"]
        ]
        console.print(
            f"{kind}: {len(fast)} of {len(results)} answer every method without scikit-learn; "
            f"slower than it: {slower or 'none'}"
        )
    larger = [n for n, f in results.items() if f["bytes"]["exact"] > f["bytes"]["joblib_lzma9"]]
    console.print(f"exact artifacts larger than joblib at lzma level 9: {larger or 'none'}")


if __name__ == "__main__":
    main()
