"""How fast a model file is scanned, and what a call of the worker costs.

    python -m benchmarks.loading                 # the forest of 991 k nodes, 87 MB
    python -m benchmarks.loading --trees 20      # a tenth of it

Prints one table: medians. "copy" is what `scan` does besides scanning: reading the file once,
hashing it and writing the private copy that the child loads. A scan does no work per byte of an
array, only per opcode, so that its MB/s grow with the arrays.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer

from model_quantization.limits import Limits
from model_quantization.loading.pickles import scan as scanning
from model_quantization.loading.pickles.snapshot import take_snapshot
from model_quantization.loading.sandbox.worker import Worker
from model_quantization.pipeline.child.handlers import PRELOAD
from model_quantization.trust import TrustPolicy

ECHO = "benchmarks.loading:echo"
LIMITS = Limits()


def echo(request: dict[str, Any]) -> dict[str, Any]:
    return request


def build_forest(trees: int) -> RandomForestClassifier:
    features, labels = make_classification(
        30_000, 30, n_informative=15, n_redundant=5, n_classes=3, flip_y=0.05, random_state=0
    )
    forest = RandomForestClassifier(trees, random_state=0, n_jobs=2)
    return forest.fit(features[:20_000], labels[:20_000])


def build_vocabulary(terms: int) -> CountVectorizer:
    return CountVectorizer().fit([" ".join(f"term{number}" for number in range(terms))])


def median_seconds(run: Callable[[], object], repeat: int) -> float:
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def time_file(label: str, path: Path, root: Path, repeat: int) -> None:
    def copy() -> Path:
        workspace = Path(tempfile.mkdtemp(dir=root))
        return take_snapshot(path, LIMITS, workspace).path

    snapshot = copy()

    def copy_and_remove() -> None:
        copy().unlink()

    copied = median_seconds(copy_and_remove, repeat)
    policy = TrustPolicy()
    scanned = median_seconds(lambda: scanning._walk(snapshot, policy, LIMITS), repeat)
    megabytes = snapshot.stat().st_size / 1e6
    print(
        f"{label:28}{megabytes:9.1f}{1e3 * scanned:10.1f}{megabytes / scanned:10,.0f}"
        f"{1e3 * copied:10.1f}{megabytes / copied:10,.0f}"
    )


def time_worker(repeat: int) -> None:
    # This module is imported before the fork, as the library's own handlers are.
    worker = Worker(frozenset({ECHO}), (*PRELOAD, "benchmarks.loading"))
    start = time.perf_counter()
    worker.call(ECHO, {"a": 1}, LIMITS)
    first = time.perf_counter() - start
    later = median_seconds(lambda: worker.call(ECHO, {"a": 1}, LIMITS), repeat)
    worker.close()
    print(f"worker: first call {1e3 * first:,.0f} ms, each later one {1e3 * later:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trees", type=int, default=200, help="trees of the forest")
    parser.add_argument("--terms", type=int, default=270_000, help="terms of the vocabulary")
    parser.add_argument("--repeat", type=int, default=7, help="runs of which the median counts")
    options = parser.parse_args()
    forest, vocabulary = build_forest(options.trees), build_vocabulary(options.terms)
    titles = ("file", "MB", "scan ms", "MB/s", "copy ms", "MB/s")
    print(f"{titles[0]:28}{titles[1]:>9}" + "".join(f"{title:>10}" for title in titles[2:]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for label, model in (("forest", forest), ("vocabulary", vocabulary)):
            path = root / "model"
            for protocol in (2, 4, 5):
                path.write_bytes(pickle.dumps(model, protocol))
                time_file(f"{label}, pickle {protocol}", path, root, options.repeat)
            joblib.dump(model, path)
            time_file(f"{label}, joblib", path, root, options.repeat)
            joblib.dump(model, path, compress=3)
            time_file(f"{label}, joblib zlib 3", path, root, options.repeat)
    time_worker(options.repeat * 5)


if __name__ == "__main__":
    main()
