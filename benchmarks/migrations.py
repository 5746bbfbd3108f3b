"""Cost of the migrations when old files are loaded.

    python -m benchmarks.migrations

Each model is saved by the installed scikit-learn and, as a second file, with the mark of version
1.3.2 in it, so that every step since 1.3 is applied. Both are loaded as a run and a loader do
(scan, private copy, unpickling), with the migrations and with a plain unpickler in their place.
Thread CPU time, median of interleaved `--repeats`, one thread; goal: at most 5 % of loading.
"""

from __future__ import annotations

import argparse
import json
import logging
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import sklearn
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_quantization.loading.pickles.migrations.stand_ins import Readings
from model_quantization.loading.pickles.original import load_original

GOAL_PERCENT = 5.0
OLDER = "1.3.2"


def models() -> Iterator[tuple[str, Any]]:
    """A large forest, boosting, text, and a small pipeline."""
    rows, target = make_classification(8000, 20, n_informative=12, random_state=0)
    yield "forest of 200 trees", RandomForestClassifier(200, random_state=0).fit(rows, target)
    yield "histogram boosting", HistGradientBoostingClassifier(max_iter=100).fit(rows, target)
    random = np.random.default_rng(0)
    words = [f"word{number}" for number in range(40_000)]
    texts = [" ".join(random.choice(words, 60)) for _ in range(4000)]
    text = make_pipeline(TfidfVectorizer(), LogisticRegression())
    yield "text, 40,000 words", text.fit(texts, random.integers(0, 2, 4000))
    yield "small pipeline", make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, target)


def older(data: bytes) -> bytes:
    """The pickle with the mark of an older version of scikit-learn."""
    mine, other = sklearn.__version__.encode(), OLDER.encode()
    assert len(mine) == len(other), "versions of another length would move everything behind"
    return data.replace(mine, other)


def plain(load: Callable[[], Any]) -> Callable[[], Any]:
    """The same loading with a plain unpickler."""

    def call() -> Any:
        with mock.patch.object(Readings, "find", lambda self, name: None):
            return load()

    return call


def medians(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each call, interleaved."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.thread_time()
            call()
            found[name].append(time.thread_time() - started)
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    logging.disable()
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, model in models():
            data = pickle.dumps(model, 4)
            for label, content in (("installed", data), (OLDER, older(data))):
                source = Path(folder) / "model.pkl"
                source.write_bytes(content)

                def load(source: Path = source) -> Any:
                    return load_original(source)

                with_them, without = medians(
                    {"with": load, "without": plain(load)}, arguments.repeats
                ).values()
                share = 100 * (with_them - without) / with_them
                figures.append(
                    {"model": name, "saved_by": label, "with_ms": 1e3 * with_them,
                     "without_ms": 1e3 * without, "share_percent": share}
                )  # fmt: skip
                verdict = "reached" if share <= GOAL_PERCENT else "MISSED"
                print(
                    f"{name:20} saved by {label:9} {1e3 * with_them:8.2f} ms, without migrations "
                    f"{1e3 * without:8.2f} ms: {share:5.1f} % ({verdict})"
                )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
