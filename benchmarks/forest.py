"""Forests and boosted trees: bytes, one row, a batch, loading; against scikit-learn and its peers.

    python -m benchmarks.forest --models A1 B2

Models A1, A2, B1 and B2 of the field's measurements; the fitted models are kept in `--cache`. One
thread, calls take turns, medians; every call goes through the public method, input checks
included. Peers are measured where they are installed: onnxruntime with skl2onnx, treelite,
scikit-learn-intelex, slim-trees.
"""

from __future__ import annotations

import argparse
import importlib.util
import lzma
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.table import Table

import model_quantization as mq
from benchmarks.kept import keep
from model_quantization.api import quantize_model_file
from model_quantization.evaluation import GatePolicy

BATCH = 10_000
# What rounding gives, without rows that prove it.
UNJUDGED = GatePolicy(publish_unverified=True)
DEPTHS = ("exact", "16", "8")


def train_digits() -> tuple[Any, np.ndarray[Any, Any]]:
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    rows, labels = load_digits(return_X_y=True)
    seen, other, known, _ = train_test_split(rows, labels, test_size=0.3, random_state=0)
    rng = np.random.default_rng(0)
    noisy = other[rng.integers(0, len(other), BATCH)] + rng.normal(0, 1, (BATCH, rows.shape[1]))
    model = RandomForestClassifier(200, random_state=0).fit(seen, known)
    return model, np.clip(np.rint(noisy), 0, 16)


def classification() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    from sklearn.datasets import make_classification

    rows, labels = make_classification(
        30_000, 30, n_informative=15, n_redundant=5, n_classes=3, flip_y=0.05, random_state=0
    )
    return rows, labels


def train_forest() -> tuple[Any, np.ndarray[Any, Any]]:
    from sklearn.ensemble import RandomForestClassifier

    rows, labels = classification()
    model = RandomForestClassifier(200, random_state=0).fit(rows[:20_000], labels[:20_000])
    return model, rows[20_000:]


def train_histogram() -> tuple[Any, np.ndarray[Any, Any]]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows, labels = classification()
    model = HistGradientBoostingClassifier(max_iter=200, early_stopping=False, random_state=0)
    return model.fit(rows[:20_000], labels[:20_000]), rows[20_000:]


def train_boosting() -> tuple[Any, np.ndarray[Any, Any]]:
    from sklearn.datasets import make_regression
    from sklearn.ensemble import GradientBoostingRegressor

    rows, values = make_regression(30_000, 30, n_informative=15, noise=10, random_state=0)
    values = values + 80 * np.sin(2 * rows[:, 0]) * rows[:, 1]
    model = GradientBoostingRegressor(n_estimators=200, random_state=0)
    return model.fit(rows[:20_000], values[:20_000]), rows[20_000:]


MODELS: dict[str, Callable[[], tuple[Any, np.ndarray[Any, Any]]]] = {
    "A1": train_digits,
    "A2": train_forest,
    "B1": train_histogram,
    "B2": train_boosting,
}


def fitted(name: str, cache: Path) -> tuple[Path, np.ndarray[Any, Any]]:
    """The model's pickle and 10,000 rows, made once."""
    path = cache / f"bench_{name}.pkl"
    if not path.exists():
        model, rows = MODELS[name]()
        path.write_bytes(pickle.dumps(model, 5))
        np.save(path.with_suffix(".npy"), rows)
    return path, np.load(path.with_suffix(".npy"))


Answer = Callable[[Any], Any]


def onnx_peer(model: Any, rows: Any) -> tuple[Answer, bytes]:
    import onnxruntime
    from onnx import helper
    from skl2onnx import to_onnx

    make_attribute = helper.make_attribute

    def with_integers(key: str, value: Any, *more: Any, **named: Any) -> Any:
        """Flags as integers: skl2onnx gives booleans, which onnx no longer takes."""
        if np.ndim(value) == 1 and any(isinstance(item, bool | np.bool_) for item in value):
            value = [int(flag) for flag in value]
        return make_attribute(key, value, *more, **named)

    helper.make_attribute = with_integers
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else {}
    data = to_onnx(model, rows[:1].astype(np.float32), options=options).SerializeToString()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, settings)
    wanted = [session.get_outputs()[-1].name]
    return lambda x: session.run(wanted, {"X": x.astype(np.float32)})[0], data


def treelite_peer(model: Any, _: Any) -> tuple[Answer, bytes]:
    import treelite

    loaded = treelite.sklearn.import_model(model)
    return lambda x: treelite.gtil.predict(loaded, x, nthread=1), loaded.serialize_bytes()


def intelex_peer(model: Any, rows: Any) -> tuple[Answer, bytes]:
    import daal4py

    builder = daal4py.mb.convert_model(model)
    builder.predict(rows[:2])
    return builder.predict, b""


def slim_trees_bytes(model: Any) -> bytes:
    from slim_trees import dump_sklearn_compressed

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slim.lzma"
        dump_sklearn_compressed(model, path, "lzma")
        return path.read_bytes()


PEERS: dict[str, tuple[tuple[str, ...], Callable[[Any, Any], tuple[Answer, bytes]]]] = {
    "onnxruntime": (("onnxruntime", "skl2onnx"), onnx_peer),
    "treelite": (("treelite",), treelite_peer),
    "daal4py": (("daal4py",), intelex_peer),
}


def peers(model: Any, rows: Any, console: Console) -> Iterator[tuple[str, Answer, bytes]]:
    """The peers that are installed and take this model."""
    for name, (modules, make) in PEERS.items():
        if all(importlib.util.find_spec(module) for module in modules):
            try:
                answer, data = make(model, rows)
                answer(rows[:1])
            except (ImportError, ValueError, RuntimeError, TypeError, AttributeError) as error:
                console.print(f"[dim]{name}: {type(error).__name__}: {str(error)[:100]}")
                continue
            yield name, answer, data


def medians(calls: dict[str, Callable[[int], Any]], seconds: float, each: int) -> dict[str, float]:
    """Median microseconds of each call; the calls take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(0)
    end = time.perf_counter() + seconds
    turn = 0
    while time.perf_counter() < end or turn < 3:
        for name, call in calls.items():
            for at in range(each):
                started = time.perf_counter()
                call(turn * each + at)
                times[name].append((time.perf_counter() - started) * 1e6)
        turn += 1
    return {name: statistics.median(values) for name, values in times.items()}


# A process that serves already: libraries imported, a small model of the same kind answered.
LOAD = """
import pickle, sys, time
from pathlib import Path
import numpy as np
import model_quantization as mq

def load(path):
    if path.endswith(".qma"):
        return mq.load(path)
    with open(path, "rb") as file:
        return pickle.load(file)

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

path, method, rows, *small = sys.argv[1:]
row = np.load(rows)[:1]
for other in small:
    getattr(load(other), method)(row)
before, started = resident(), time.perf_counter()
model = load(path)
getattr(model, method)(row)
print(time.perf_counter() - started, resident() - before)
"""
LOADS = 7


def small_copy(model: Any, rows: Any, folder: Path) -> dict[str, list[Path]]:
    """A small model of the same kind, as a pickle and quantized: files by how they are loaded."""
    from sklearn.base import clone

    size = "max_iter" if hasattr(model, "max_iter") else "n_estimators"
    few = clone(model).set_params(**{size: 10}).fit(rows[:2000], model.predict(rows[:2000]))
    source = folder / "small.pkl"
    source.write_bytes(pickle.dumps(few, 5))
    written = [folder / f"small-{depth}.qma" for depth in DEPTHS]
    for path, depth in zip(written, DEPTHS, strict=True):
        quantize_model_file(source, path, bit_depth=depth, gate=UNJUDGED)
    return {".pkl": [source], ".qma": written}


def load_figures(
    paths: dict[str, Path], method: str, rows: Path, small: dict[str, list[Path]]
) -> dict[str, dict[str, float]]:
    """Medians over fresh processes: milliseconds to the first answer, resident MB."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in paths}
    for _ in range(LOADS):
        for name, path in paths.items():
            command = [sys.executable, "-c", LOAD, path, method, rows, *small[path.suffix]]
            done = subprocess.run(
                list(map(str, command)), capture_output=True, text=True, check=True
            )
            seconds, size = map(float, done.stdout.split())
            found[name].append((seconds * 1e3, size / 1e6))
    return {
        name: dict(zip(("ms", "mb"), map(statistics.median, zip(*each, strict=True)), strict=True))
        for name, each in found.items()
    }


def measure(name: str, cache: Path, seconds: float, console: Console) -> dict[str, Any]:
    """All figures of one model."""
    source, rows = fitted(name, cache)
    with source.open("rb") as file:
        model = pickle.load(file)
    method = "predict_proba" if hasattr(model, "classes_") else "predict"
    answers: dict[str, Answer] = {"scikit-learn": getattr(model, method)}
    sizes = {"pickle": source.stat().st_size}
    files = {"pickle": source}
    with tempfile.TemporaryDirectory() as folder:
        for depth in DEPTHS:
            written = Path(folder) / f"{depth}.qma"
            quantize_model_file(source, written, bit_depth=depth, gate=UNJUDGED)
            sizes[f"qma {depth}"] = written.stat().st_size
            opened = mq.load(written)
            answers[f"qma {depth}"] = getattr(opened, method)
            answers[f"qma {depth}"](rows[:1])
            files[f"qma {depth}"] = written
        small = small_copy(model, rows, Path(folder))
        loads = load_figures(files, method, source.with_suffix(".npy"), small)
    for peer, answer, data in peers(model, rows, console):
        answers[peer] = answer
        if data:
            sizes[peer] = len(data)
            sizes[f"{peer}, lzma"] = len(lzma.compress(data, preset=6))
    if importlib.util.find_spec("slim_trees") and hasattr(model, "estimators_"):
        sizes["slim-trees, lzma"] = len(slim_trees_bytes(model))
    exact = answers["qma exact"](rows[:2000])
    same = np.ascontiguousarray(exact).tobytes() == answers["scikit-learn"](rows[:2000]).tobytes()
    singles = [rows[at : at + 1] for at in range(2_000)]
    one = medians(
        {key: (lambda at, f=f: f(singles[at % 2_000])) for key, f in answers.items()}, seconds, 10
    )
    batch = medians({key: (lambda _, f=f: f(rows)) for key, f in answers.items()}, seconds, 1)
    return {
        "bytes": sizes,
        "load_ms": {key: value["ms"] for key, value in loads.items()},
        "resident_mb": {key: value["mb"] for key, value in loads.items()},
        "one_row_us": one,
        "batch_us_per_row": {key: value / len(rows) for key, value in batch.items()},
        "bit_identical": bool(same),
        **node_figures(model, sizes, batch["qma exact"] / len(rows), rows),
    }


def node_figures(model: Any, sizes: dict[str, int], batch_us: float, rows: Any) -> dict[str, float]:
    """Bits a node, and nanoseconds a visited node."""
    if hasattr(model, "_predictors"):
        depths = [
            p.nodes["depth"][p.nodes["is_leaf"] != 0].mean() for i in model._predictors for p in i
        ]
        nodes = sum(len(p.nodes) for i in model._predictors for p in i)
        visits = float(sum(depths))
    else:
        trees = [member.tree_ for member in np.ravel(model.estimators_)]
        nodes = sum(tree.node_count for tree in trees)
        some = rows[:500].astype(np.float32)
        visits = float(sum(tree.decision_path(some).sum() / 500 - 1 for tree in trees))
    return {
        "nodes": nodes,
        **{f"bits_a_node_{depth}": sizes[f"qma {depth}"] * 8 / nodes for depth in DEPTHS},
        "ns_a_visit": batch_us * 1e3 / visits,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--seconds", type=float, default=3.0, help="of each comparison")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    console = Console()
    figures = {}
    for name in asked.models:
        figures[name] = found = measure(name, asked.cache, asked.seconds, console)
        table = Table("", "KB", "load ms", "RSS MB", "1 row us", "batch us/row", title=name)
        keys = dict.fromkeys([*found["bytes"], *found["one_row_us"]])
        for key in keys:
            cells = [found["bytes"].get(key, 0) / 1024, found["load_ms"].get(key)]
            cells += [found["resident_mb"].get(key)]
            cells += [found["one_row_us"].get(key), found["batch_us_per_row"].get(key)]
            table.add_row(key, *(f"{cell:,.2f}" if cell else "" for cell in cells))
        console.print(table)
        rest = {k: v for k, v in found.items() if not isinstance(v, dict)}
        console.print(", ".join(f"{k} {v:,.2f}" for k, v in rest.items()))
    if asked.json:
        keep(asked.json, figures)


if __name__ == "__main__":
    main()
