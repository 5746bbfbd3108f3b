"""Show the models of two releases beside each other: bytes, precision and verdict.

python examples/compare_releases.py demo/models/quantized/summary.csv demo/auto/summary.csv
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from model_quantization.report.precision import precision_word
from model_quantization.report.table import human_bytes


def read_summary(path: Path) -> dict[str, dict[str, str]]:
    """Return the lines of a `summary.csv` by the name of the model."""
    with path.open(encoding="utf-8", newline="") as file:
        return {line["model"]: line for line in csv.DictReader(file)}


def shown(line: dict[str, str]) -> tuple[str, str, str]:
    """Return the bytes, the precision and the verdict of one model as text."""
    verdict = line["verdict"]
    if line["published"] != "true":
        return "-", "-", verdict
    return human_bytes(int(line["size_after_bytes"])), precision_word(line["bits"]), verdict


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Show two releases beside each other.")
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    options = parser.parse_args(arguments)
    first, second = read_summary(options.first), read_summary(options.second)
    names = sorted(set(first) & set(second))
    head = ("model", "first", "", "", "second", "", "")
    rows = [head, *((name, *shown(first[name]), *shown(second[name])) for name in names)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    for word, found in (("first", first), ("second", second)):
        lines = [found[name] for name in names]
        proven = [line for line in lines if line["published"] == "true"]
        size = sum(int(line["size_after_bytes"]) for line in proven)
        print(f"{word}: {len(proven)} of {len(lines)} published, {human_bytes(size)}")


if __name__ == "__main__":
    main()
