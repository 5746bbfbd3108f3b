"""Interpreter start to first answer, in seconds of CPU: every family, here and in a container.

    python -m benchmarks.cold                    # medians of 9 fresh processes each
    python -m benchmarks.cold --repeats 3 --json figures.json

A fresh process opens one artifact and answers one row. Its CPU time is the kernel's account of the
whole process, user and system, after it has ended; the parts are read inside it. `caller` is a
process that makes the same row and asks nothing: Python, numpy and, for a frame, pandas. `added` is
what this package takes beside it, the end of the process included.

The containers are built as images are: the package copied to a directory that cannot be written,
an environment of `PATH` and `PYTHONPATH` alone, thus no HOME, no bytecode written. `installed` has
the bytecode that pip writes for what it installs; `copied` has none, as after a COPY of sources.
The first process that ever runs there is shown apart: it would pay for any cache.

Processes of all rows alternate, so that a busy machine slows all alike.
"""

from __future__ import annotations

import argparse
import compileall
import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import model_quantization
from benchmarks.kept import keep
from model_quantization.api.quantizer import ModelQuantizer

PACKAGE = Path(model_quantization.__file__).parent
PARTS = ("python", "numpy", "row", "library", "load", "answer", "end")

# `row` is what the caller pays to make one row: for a table, importing pandas.
CALLER = """
import time
marks = [time.process_time()]
import json, sys
import numpy
marks.append(time.process_time())
kind, values = json.loads(sys.argv[2])
if kind == "frame":
    import pandas
    row = pandas.DataFrame(values)
else:
    kinds = {"array": float, "cells": object}
    row = numpy.array(values, dtype=kinds[kind]) if kind in kinds else values
marks.append(time.process_time())
"""
ASKING = """
from model_quantization import load
marks.append(time.process_time())
model = load(sys.argv[1])
marks.append(time.process_time())
answer = model.predict(row)
marks.append(time.process_time())
slow = [one for one in ("sklearn", "scipy", "pandas") if one in sys.modules]
print(json.dumps({"marks": marks, "answer": str(answer[0]), "imported": slow}))
"""


# The same rows, made in this process.
ROWS: dict[str, Callable[[Any], Any]] = {
    "array": np.array,
    "cells": functools.partial(np.array, dtype=object),
    "frame": pd.DataFrame,
    "as it is": list,
}


@dataclass(frozen=True)
class Model:
    """A fitted estimator and one row for it."""

    name: str
    estimator: Any
    row: tuple[str, Any]  # its form, and its values for JSON


def models() -> Iterator[Model]:
    rows, labels = make_classification(4000, 20, n_informative=12, n_classes=3, random_state=0)
    for name, estimator in (
        ("linear", LogisticRegression(max_iter=500)),
        ("forest", RandomForestClassifier(100, random_state=0)),
        ("boosting", HistGradientBoostingClassifier(max_iter=50, random_state=0)),
        ("MLP", MLPClassifier((64,), max_iter=30, random_state=0, tol=1.0)),
        ("naive Bayes", GaussianNB()),
    ):
        estimator.fit(rows, labels)
        yield Model(name, estimator, ("array", rows[:1].tolist()))
    random = np.random.default_rng(0)
    words = [f"{'abcdefghij'[at % 10]}{at:x}word" for at in range(3000)]
    texts = [" ".join(random.choice(words, 12)) for _ in range(3000)]
    kinds = [["a", "b", "c"][len(text) % 3] for text in texts]
    text = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=200)).fit(texts, kinds)
    yield Model("text", text, ("as it is", texts[:1]))
    table = pd.DataFrame(
        {"city": random.choice(words[:50], 2000), "size": rows[:2000, 0], "age": rows[:2000, 1]}
    )
    coded = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), (StandardScaler(), ["size", "age"])
    )
    frames = make_pipeline(coded, LogisticRegression()).fit(table, labels[:2000])
    one = table[:1].to_dict("list")
    yield Model("table", frames, ("frame", one))
    cells = table.to_numpy(dtype=object)
    coded = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), [0]), (StandardScaler(), [1, 2])
    )
    unnamed = make_pipeline(coded, LogisticRegression()).fit(cells, labels[:2000])
    yield Model("table, array", unnamed, ("cells", cells[:1].tolist()))
    records = table.to_dict("records")
    mapped = make_pipeline(DictVectorizer(), LogisticRegression()).fit(records, labels[:2000])
    yield Model("table, dicts", mapped, ("as it is", records[:1]))


@dataclass(frozen=True)
class Place:
    """Where a process runs: the directory that holds the package, and its environment."""

    name: str
    imports: Path
    environment: dict[str, str]

    def run(self, artifact: Path, model: Model, expected: str) -> dict[str, float]:
        """Return the seconds of CPU of each part, of the whole, and of the caller alone."""
        caller, _ = self._process(CALLER, artifact, model)
        whole, said = self._process(CALLER + ASKING, artifact, model)
        found = json.loads(said)
        if found["answer"] != expected:
            raise RuntimeError(f"{model.name}: {found['answer']}, expected {expected}")
        allowed = {"pandas", *(["sklearn", "scipy"] if model.row[0] == "frame" else [])}
        if set(found["imported"]) - allowed:
            raise RuntimeError(f"{model.name} imports {found['imported']}")
        marks = [0.0, *found["marks"], whole]
        parts = {name: marks[at + 1] - marks[at] for at, name in enumerate(PARTS)}
        return parts | {"whole": whole, "caller": caller, "added": whole - caller}

    def _process(self, program: str, artifact: Path, model: Model) -> tuple[float, str]:
        """Seconds of CPU of one process, and what it printed."""
        command = [sys.executable, "-c", program, str(artifact), json.dumps(model.row)]
        environment = self.environment | {"PYTHONPATH": str(self.imports), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, env=environment, cwd=self.imports, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{model.name} in {self.name}: exit code {process.returncode}")
        return used.ru_utime + used.ru_stime, said


def places(root: Path) -> Iterator[Place]:
    yield Place("here", PACKAGE.parent, dict(os.environ))
    bare = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("installed", "copied"):
        home = root / name
        shutil.copytree(
            PACKAGE, home / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__", "*.c")
        )
        if name == "installed":
            compileall.compile_dir(home, quiet=2)
        for directory, _, files in os.walk(home):
            for file in files:
                (Path(directory) / file).chmod(0o444)
            Path(directory).chmod(0o555)
        yield Place(name, home, bare)


def measure(repeats: int, root: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Per place and model: the first run's whole, and the medians of the later ones."""
    known = []
    for model in models():
        path = root / f"{model.name.replace(' ', '-').replace(',', '')}.qma"
        quantized, _ = ModelQuantizer().quantize_model(model.estimator)
        quantized.save(path)
        form, values = model.row
        row = ROWS[form](values)
        known.append((model, path, str(quantized.predict(row)[0])))
    runs: dict[tuple[str, str], list[dict[str, float]]] = {}
    where = list(places(root))
    for _ in range(repeats + 1):  # the first is shown apart
        for place in where:
            for model, path, expected in known:
                taken = runs.setdefault((place.name, model.name), [])
                taken.append(place.run(path, model, expected))
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for (place_name, model_name), taken in runs.items():
        medians = {
            part: statistics.median(run[part] for run in taken[1:])
            for part in (*PARTS, "whole", "caller", "added")
        }
        figures.setdefault(place_name, {})[model_name] = medians | {"first": taken[0]["whole"]}
    return figures


def show(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    console = Console()
    for place, rows in figures.items():
        table = Table(title=f"{place}: milliseconds of CPU", title_justify="left")
        table.add_column("model")
        for column in ("first ever", "median", "caller", "added", *PARTS):
            table.add_column(column, justify="right")
        for model, row in rows.items():
            cells = [row[part] for part in ("first", "whole", "caller", "added", *PARTS)]
            table.add_row(model, *(f"{1000 * cell:.0f}" for cell in cells))
        console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cold-") as directory:
        root = Path(directory)
        try:
            figures = measure(options.repeats, root)
        finally:
            for place, _, _ in os.walk(root):
                Path(place).chmod(0o755)  # or it could not be removed
    show(figures)
    if options.json:
        keep(options.json, figures)


if __name__ == "__main__":
    main()
