"""A zoo of everyday models at `auto`: how many are published rounded, at a proven loss.

    python -m benchmarks.zoo                 # all
    python -m benchmarks.zoo --only table    # those whose name has this in it

Each model is fitted on rows of one of several kinds (numbers, tables with categories, texts, few
classes or many, a rare class), quantized by `quantize_model_file` with `bit_depth="auto"` on its
held-out rows, and asked rows that nothing has seen. A model counts as proven where the verdict is
`non_inferior` or `label_exact`: the exact artifact that is published in place of a rounded one
that failed is proven, but not rounded. Where one is neither, the line says what stopped it. Models
of 1 KB, smaller than what any artifact has beside its numbers, are `no_gain`: counted apart.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.table import Table

import model_quantization as mq
from benchmarks.kept import keep
from benchmarks.zoo_models import MODELS, Animal
from model_quantization.api import quantize_model_file

PROVEN = ("non_inferior", "label_exact")
LEAST_PROVEN = 0.95
MOST_LOST = 0.02  # on a few hundred rows that nothing has seen, noise included


def score(model: Any, rows: Any, target: Any) -> float:
    """Accuracy, or R2 of numbers; of several outputs the mean."""
    given = np.asarray(model.predict(rows))
    if target.dtype.kind == "f":
        return float(1 - np.square(given - target).mean() / np.var(target))
    return float(np.mean(given == target))


def measure(name: str, animal: Animal) -> dict[str, Any]:
    """The line of one model."""
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(temporary)
        source = folder / "model.pkl"
        source.write_bytes(pickle.dumps(animal.model, protocol=5))
        held_out = animal.write_held_out(folder)
        started = time.perf_counter()
        found = quantize_model_file(source, folder / "model.qma", "auto", held_out=held_out)
        seconds = time.perf_counter() - started
        line: dict[str, Any] = {
            "model": name,
            "original_bytes": source.stat().st_size,
            "bytes": found["quantized_size_bytes"] if found["output_path"] else None,
            "verdict": found["verdict"],
            "precision": found["bit_depth"],
            "rows": found["evaluation"].get("rows"),
            "loss_bound": found["evaluation"].get("loss_bound"),
            "seconds": seconds,
            "stopped_by": stopped_by(found),
        }
        if found["output_path"]:
            before = score(animal.model, animal.unseen, animal.unseen_target)
            after = score(mq.load(folder / "model.qma"), animal.unseen, animal.unseen_target)
            line["unseen_loss"] = before - after
        return line


def stopped_by(found: dict[str, Any]) -> str:
    """What ended the trial of plans, or why nothing was rounded."""
    precision = found["evaluation"].get("precision") or {}
    reasons = [plan["judged"]["reason"] for plan in precision.get("plans", ()) if "judged" in plan]
    return next((reason for reason in reasons if reason), found.get("reason") or "")


def show(lines: list[dict[str, Any]]) -> None:
    """The table, and the share that is proven."""
    table = Table(
        "model", "KB", "auto", "bits", "verdict", "rows", "bound", "unseen", "s", "stopped"
    )
    for line in lines:
        bound, lost = line["loss_bound"], line.get("unseen_loss")
        table.add_row(
            line["model"],
            f"{line['original_bytes'] / 1e3:,.1f}",
            f"{line['bytes'] / 1e3:,.1f}" if line["bytes"] else "-",
            str(line["precision"]),
            str(line["verdict"]),
            str(line["rows"]),
            "-" if bound is None else f"{bound:.4f}",
            "-" if lost is None else f"{lost:+.4f}",
            f"{line['seconds']:.0f}",
            line["stopped_by"],
        )
    Console(width=140).print(table)
    counts = Counter("rounded" if line["verdict"] in PROVEN else line["verdict"] for line in lines)
    Console(width=140).print(f"of {len(lines)} models: {dict(counts)}")


def main() -> int:
    """Return the exit code: 1 when fewer are proven than 95 %, or one lost too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="models whose name has this in it")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/zoo.json"))
    options = parser.parse_args()
    lines = []
    for name, make in MODELS.items():
        if options.only in name:
            lines.append(measure(name, make()))
            print(lines[-1], file=sys.stderr, flush=True)
    show(lines)
    if not options.only:
        keep(options.output, lines)
    able = [line for line in lines if line["verdict"] != "no_gain"]
    proven = sum(line["verdict"] in (*PROVEN, "exact") for line in able)
    lost = any(line.get("unseen_loss", 0) > MOST_LOST for line in lines)
    return int(proven < LEAST_PROVEN * len(able) or lost)


if __name__ == "__main__":
    sys.exit(main())
