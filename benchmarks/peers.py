"""Other libraries beside this one: one row, a batch, and how far each is from what is possible.

    python -m benchmarks.peers                      # every model
    python -m benchmarks.peers --models D E         # these
    python -m benchmarks.peers --models B3 --update # this one anew, beside what is known of others

One process on one core, calls take turns, medians of the thread's CPU time: what else the machine
does shows in all of them, so that ratios are what to trust. `predict` is asked everywhere. Peers
that are not installed are named with the command that installs them; those that do not take a model
are noted with their reason.

The bound of a model whose time goes into products: for one row the bytes of its numbers at one byte
each, read as quickly as this machine reads them; for a row of a batch its multiplications, done as
quickly as numpy's float32 product of large matrices does them here. Whole numbers of 16 bits can be
twice as quick as that, so that a figure below one is possible.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.kept import RESULTS, keep
from benchmarks.peer_models import CASES, PEERS, Answer, Case
from model_quantization.api import ModelQuantizer

BATCH = 10_000
OURS = ("qma exact", "qma 16", "qma 8")
REFUSALS = (ImportError, ValueError, RuntimeError, TypeError, AttributeError, KeyError, OSError)


def missing(names: Sequence[str] = tuple(PEERS)) -> list[str]:
    """Return the peers that are not installed."""
    return [name for name in names if not all(map(find_spec, PEERS[name][0]))]


def command(names: Sequence[str]) -> str:
    """Return what installs peers; empty where none is missing."""
    packages = dict.fromkeys(word for name in names for word in PEERS[name][1].split())
    return f"python -m pip install -c constraints.txt {' '.join(packages)}" if packages else ""


def limits() -> dict[str, float]:
    """Return what this machine does in a second: float32 products, and bytes read."""
    one, other = np.ones((2, 768, 768), dtype=np.float32)
    megabyte = np.ones(1 << 17)

    def best(call: Callable[[], Any], times: int) -> float:
        found = []
        for _ in range(times):
            started = time.thread_time()
            call()
            found.append(time.thread_time() - started)
        return statistics.median(found)

    return {
        "multiplications": 768**3 / best(lambda: one @ other, 15),
        "bytes": 8 * (1 << 17) / best(lambda: np.dot(megabyte, megabyte), 201),
    }


def bound(case: Case, found: dict[str, float]) -> dict[str, float]:
    """Return microseconds of one row and of a row of a batch; empty where nothing is known."""
    if not case.multiplications:
        return {}
    return {
        "one_row_us": 1e6 * case.multiplications / found["bytes"],
        "batch_us_per_row": 1e6 * case.multiplications / found["multiplications"],
    }


def medians(calls: dict[str, Callable[[int], Any]], seconds: float, each: int) -> dict[str, float]:
    """Median microseconds of the thread for each call; some calls of one, then of the next."""
    times: dict[str, list[int]] = {name: [] for name in calls}
    for call in calls.values():
        call(0)
    end, turn = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or turn < 5:
        for name, call in calls.items():
            for at in range(turn * each, turn * each + each):
                started = time.thread_time_ns()
                call(at)
                times[name].append(time.thread_time_ns() - started)
        turn += 1
    return {name: statistics.median(values) / 1e3 for name, values in times.items()}


def answers_of(case: Case) -> tuple[dict[str, Answer], dict[str, str]]:
    """Return every way to answer a model, and why others do not take it."""
    answers: dict[str, Answer] = {"scikit-learn": case.model.predict}
    refused = {}
    for name in OURS:
        depth = name.removeprefix("qma ")
        quantized, _ = ModelQuantizer(depth if depth == "exact" else int(depth)).quantize_model(
            case.model
        )
        answers[name] = quantized.predict
    for name, (_, _, make) in PEERS.items():
        if missing([name]):
            continue
        try:
            answer = make(case)
            answer(case.rows[:2])
        except REFUSALS as error:
            refused[name] = f"{type(error).__name__}: {error}".splitlines()[0][:160]
        else:
            answers[name] = answer
    return answers, refused


def agreement(found: Any, expected: Any) -> float:
    """Return the share of equal labels, or how far numbers are off as a share of their spread."""
    if np.asarray(expected).dtype.kind == "f":
        return float(np.abs(np.ravel(found) - expected).max() / np.std(expected))
    return float(np.mean(np.ravel(found) == expected))


def measure(case: Case, seconds: float, found: dict[str, float]) -> dict[str, Any]:
    """Return all figures of one model."""
    answers, refused = answers_of(case)
    rows = case.rows[:BATCH]
    few = rows[:2000]
    expected = case.model.predict(few)
    agreeing = {name: agreement(answer(few), expected) for name, answer in answers.items()}
    singles = [rows[at : at + 1] for at in range(1000)]
    one = medians(
        {name: (lambda at, f=f: f(singles[at % 1000])) for name, f in answers.items()}, seconds, 10
    )
    batch = medians({name: (lambda _, f=f: f(rows)) for name, f in answers.items()}, seconds, 1)
    figures: dict[str, Any] = {
        "one_row_us": one,
        "batch_us_per_row": {name: value / len(rows) for name, value in batch.items()},
        "agreement": agreeing,
        "refused": refused,
        "bound": bound(case, found),
    }
    figures["times_the_bound"] = {
        part: {name: figures[part][name] / value for name in answers}
        for part, value in figures["bound"].items()
    }
    return figures


def show(name: str, figures: dict[str, Any], console: Console) -> None:
    """Print the table of one model."""
    table = Table("", "one row us", "x bound", "batch us", "x bound", "agreement", title=name)
    parts = ("one_row_us", "batch_us_per_row")
    for side in figures["one_row_us"]:
        cells = []
        for part in parts:
            times = figures["times_the_bound"].get(part, {}).get(side)
            cells += [f"{figures[part][side]:,.2f}", f"{times:.1f}" if times else ""]
        table.add_row(side, *cells, f"{figures['agreement'][side]:.4g}")
    console.print(table)
    for side, reason in figures["refused"].items():
        console.print(f"[dim]{side}: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seconds", type=float, default=6.0, help="of each comparison")
    parser.add_argument("--core", type=int, default=0, help="the core to stay on")
    parser.add_argument("--output", type=Path, default=RESULTS / "peers.json")
    parser.add_argument("--update", action="store_true", help="leave the file's other models")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {asked.core})
    warnings.simplefilter("ignore")
    console = Console()
    absent = missing()
    if absent:
        console.print(f"not installed: {', '.join(absent)}. {command(absent)}")
    found = limits()
    console.print(
        f"float32 products: {found['multiplications'] / 1e9:.1f} G multiplications a second; "
        f"reading a megabyte: {found['bytes'] / 1e9:.1f} GB a second"
    )
    results: dict[str, Any] = {"limits": found, "missing": absent, "models": {}}
    if asked.update and asked.output.exists():
        results["models"] = json.loads(asked.output.read_text("utf-8"))["models"]
    for name in asked.models:
        results["models"][name] = figures = measure(CASES[name](), asked.seconds, found)
        show(name, figures, console)
        keep(asked.output, results)  # after each: a long run that is stopped has measured something


if __name__ == "__main__":
    main()
