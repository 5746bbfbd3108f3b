"""Cost of validators when a forest is loaded: for the original, and for its artifact.

    python -m benchmarks.validators --model A2

Models of benchmarks/forest.py. *Original*: unpickling, and then every check of the state of each
tree and of the forest. *Artifact*: making the estimator again, in which the same checks run before
each object is made. *Predictor*: opening the artifact up to the first answer, in which the checks
are part of decoding. Best of `--repeats`, one thread; goal: at most 10 % of loading.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import model_quantization as mq
from benchmarks.forest import fitted
from model_quantization.api import quantize_model_file
from model_quantization.artifact.reader import read_artifact
from model_quantization.estimators import restore
from model_quantization.estimators.checks import check_state
from model_quantization.trust import TrustPolicy

GOAL_PERCENT = 10.0


def best_seconds(call: Callable[[], object], repeats: int) -> float:
    """The shortest of so many calls."""
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return min(found)


def states_of(forest: Any) -> list[tuple[str, list[Any], Any]]:
    """(class, arguments, state) of everything in a forest that has a validator."""
    found = []
    for estimator in forest.estimators_:
        tree = estimator.tree_
        made, arguments, state = tree.__reduce__()
        found.append((_name(made), list(arguments), state))
        found.append((_name(type(estimator)), [], vars(estimator)))
    return [*found, (_name(type(forest)), [], vars(forest))]


def _name(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def measure_original(source: Path, repeats: int) -> dict[str, float]:
    """Seconds of unpickling, and of all checks."""

    def load() -> Any:
        with source.open("rb") as file:
            return pickle.load(file)

    states = states_of(load())

    def check() -> None:
        for name, arguments, state in states:
            check_state(name, arguments, state, name)

    return {
        "load_seconds": best_seconds(load, repeats),
        "check_seconds": best_seconds(check, repeats),
    }


def measure_artifact(path: Path, repeats: int) -> dict[str, float]:
    """Seconds of making the estimator, and of the checks in it, in the best run."""
    real, spent = restore.check_state, [0.0]

    def timed(*arguments: Any) -> None:
        started = time.perf_counter()
        real(*arguments)
        spent[0] += time.perf_counter() - started

    runs = []
    restore.check_state = timed
    try:
        for _ in range(repeats):
            spent[0] = 0.0
            started = time.perf_counter()
            artifact = read_artifact(path)
            restore.restore(artifact.root, artifact, TrustPolicy())
            runs.append((time.perf_counter() - started, spent[0]))
    finally:
        restore.check_state = real
    total, checks = min(runs)
    return {"load_seconds": total - checks, "check_seconds": checks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="A2", choices=("A1", "A2", "B1", "B2"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "forest")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    source, rows = fitted(arguments.model, arguments.cache)
    figures: dict[str, Any] = {"model": arguments.model}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exact.qma"
        quantize_model_file(source, path, bit_depth="exact")
        figures["original"] = measure_original(source, arguments.repeats)
        figures["artifact"] = measure_artifact(path, arguments.repeats)
        figures["predictor_seconds"] = best_seconds(
            lambda: mq.load(path).predict(rows[:1]), arguments.repeats
        )
    for kind in ("original", "artifact"):
        found = figures[kind]
        share = 100.0 * found["check_seconds"] / (found["load_seconds"] + found["check_seconds"])
        found["share_percent"] = share
        print(
            f"{arguments.model} {kind:9} {found['load_seconds'] * 1e3:8.1f} ms to load, "
            f"{found['check_seconds'] * 1e3:6.1f} ms to check: {share:.1f} % "
            f"({'reached' if share <= GOAL_PERCENT else 'MISSED'}: at most {GOAL_PERCENT:.0f} %)"
        )
    print(f"{arguments.model} predictor {figures['predictor_seconds'] * 1e3:8.1f} ms, checks in it")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
