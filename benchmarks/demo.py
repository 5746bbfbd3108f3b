"""Keeps the table of a demo run, which README and docs/results.md show.

    make demo
    python -m benchmarks.demo demo/models/quantized/summary.csv

reads what the run wrote and writes benchmarks/results/demo.json; `make docs` puts it into pages.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from benchmarks.kept import RESULTS, keep

NUMBERS = (
    "size_before_bytes",
    "size_after_bytes",
    "score_before",
    "score_after",
    "score_change",
    "latency_before_us",
    "latency_after_us",
)
WORDS = ("model", "family", "bits", "metric", "verdict")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("summary", type=Path)
    parser.add_argument("--output", type=Path, default=RESULTS / "demo.json")
    options = parser.parse_args()
    with options.summary.open(encoding="utf-8", newline="") as file:
        lines = [
            {name: line[name] for name in WORDS}
            | {name: float(line[name]) if line[name] else None for name in NUMBERS}
            for line in csv.DictReader(file)
        ]
    keep(options.output, lines)


if __name__ == "__main__":
    main()
