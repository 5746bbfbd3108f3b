"""Cost of counting and timing a call: `python -m benchmarks.serving_metrics [calls]`.

Two loaders of one release answer the same row in turn, one with ``metrics=True``. Thread CPU time,
the median of interleaved batches; the difference is the cost.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.kept import keep
from model_quantization import ModelLoader
from tests.serving.releases import ROWS, Releases

RESULTS = Path(__file__).parent / "results" / "serving_metrics.json"
BATCHES = 60


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with tempfile.TemporaryDirectory(prefix="metrics-") as directory:
        models = Path(directory)
        releases = Releases(models)
        releases.prepare(1)
        releases.publish(1)
        plain = ModelLoader("intent", models).predict
        counted = ModelLoader("intent", models, metrics=True).predict
        times: dict[str, list[float]] = {"without": [], "with": []}
        for _ in range(BATCHES):
            for name, predict in (("without", plain), ("with", counted)):
                times[name].append(_nanoseconds(predict, calls))
    record = {
        "calls_a_batch": calls,
        "batches": BATCHES,
        "call_without_metrics_ns": round(median(times["without"])),
        "call_with_metrics_ns": round(median(times["with"])),
        "cost_ns": round(
            median(b - a for a, b in zip(times["without"], times["with"], strict=True))
        ),
    }
    print(json.dumps(record, indent=1))
    keep(RESULTS, record)


def _nanoseconds(predict: object, calls: int) -> float:
    """Thread CPU time of one call, in nanoseconds."""
    row = ROWS[:1]
    started = time.thread_time_ns()
    for _ in range(calls):
        predict(row)  # type: ignore[operator]
    return (time.thread_time_ns() - started) / calls


if __name__ == "__main__":
    main()
