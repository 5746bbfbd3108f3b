"""LightGBM, XGBoost and CatBoost: bytes, one row, a batch, against the libraries themselves.

    python -m benchmarks.boosters --models B3 B4 B5

The data of A2 (`benchmarks.forest`), 200 iterations, each library's defaults otherwise; the fitted
models are kept in `--cache`. One thread, calls take turns, medians; every call goes through the
public method, input checks included. ONNX Runtime is asked where a converter is installed:
CatBoost has its own.
"""

from __future__ import annotations

import argparse
import lzma
import pickle
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import model_quantization as mq
from benchmarks.forest import BATCH, DEPTHS, UNJUDGED, Answer, classification, medians
from benchmarks.kept import keep
from model_quantization.api import quantize_model_file

ROWS = 20_000


def train_lightgbm(rows: Any, labels: Any) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=200, n_jobs=1, verbose=-1).fit(rows, labels)


def train_xgboost(rows: Any, labels: Any) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=200, n_jobs=1).fit(rows, labels)


def train_catboost(rows: Any, labels: Any) -> Any:
    from catboost import CatBoostClassifier

    quiet = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
    return CatBoostClassifier(iterations=200, random_seed=0, **quiet).fit(rows, labels)


MODELS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "B3": ("lightgbm", train_lightgbm),
    "B4": ("xgboost", train_xgboost),
    "B5": ("catboost", train_catboost),
}


def fitted(name: str, cache: Path) -> tuple[Path, Any]:
    """The model's pickle, made once, and 10,000 rows that it has not seen."""
    rows, labels = classification()
    path = cache / f"bench_{name}.pkl"
    if not path.exists():
        path.write_bytes(pickle.dumps(MODELS[name][1](rows[:ROWS], labels[:ROWS]), 5))
    return path, rows[ROWS : ROWS + BATCH]


def native_bytes(library: str, model: Any) -> bytes:
    """The model in its library's own format."""
    if library == "lightgbm":
        return bytes(model.booster_.model_to_string(), "ascii")
    if library == "xgboost":
        return bytes(model.get_booster().save_raw("ubj"))
    return bytes(model._serialize_model())


def onnx_peer(library: str, model: Any) -> tuple[Answer, bytes] | None:
    """ONNX Runtime's answers, and the file; None where nothing converts the model."""
    if library != "catboost" or not find_spec("onnxruntime"):
        return None
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.save_model(str(path), format="onnx")
        data = path.read_bytes()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, settings)
    asked = session.get_inputs()[0].name
    return lambda x: session.run(["probabilities"], {asked: x.astype(np.float32)})[0], data


def answering(library: str, model: Any) -> Answer:
    """`predict_proba` of the model in one thread."""
    if library == "catboost":
        return lambda x: model.predict_proba(x, thread_count=1)
    return model.predict_proba  # type: ignore[no-any-return]


def measure(name: str, cache: Path, seconds: float) -> dict[str, Any]:
    """All figures of one model."""
    library = MODELS[name][0]
    source, rows = fitted(name, cache)
    model = pickle.loads(source.read_bytes())
    native = native_bytes(library, model)
    sizes = {
        "pickle": source.stat().st_size,
        library: len(native),
        f"{library}, lzma": len(lzma.compress(native, preset=9)),
    }
    answers = {library: answering(library, model)}
    with tempfile.TemporaryDirectory() as folder:
        for depth in DEPTHS:
            written = Path(folder) / f"{depth}.qma"
            quantize_model_file(source, written, bit_depth=depth, gate=UNJUDGED)
            sizes[f"qma {depth}"] = written.stat().st_size
            answers[f"qma {depth}"] = mq.load(written).predict_proba
    peer = onnx_peer(library, model)
    if peer is not None:
        answers["onnxruntime"] = peer[0]
        sizes |= {"onnxruntime": len(peer[1]), "onnxruntime, lzma": len(lzma.compress(peer[1]))}
    own = answers[library](rows)
    shifts = {depth: float(np.abs(answers[f"qma {depth}"](rows) - own).max()) for depth in DEPTHS}
    labels = {
        depth: float((answers[f"qma {depth}"](rows).argmax(1) == own.argmax(1)).mean())
        for depth in DEPTHS
    }
    singles = [rows[at : at + 1] for at in range(2_000)]
    calls = {key: (lambda at, f=f: f(singles[at % 2_000])) for key, f in answers.items()}
    one = medians(calls, seconds, 10)
    batch = medians({key: (lambda _, f=f: f(rows)) for key, f in answers.items()}, seconds, 1)
    return {
        "bytes": sizes,
        "one_row_us": one,
        "batch_us_per_row": {key: value / len(rows) for key, value in batch.items()},
        "largest_difference": shifts,
        "same_labels": labels,
        "bit_identical": answers["qma exact"](rows).tobytes() == own.tobytes(),
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
        if not find_spec(MODELS[name][0]):
            console.print(f"{name}: {MODELS[name][0]} is not installed")
            continue
        figures[name] = found = measure(name, asked.cache, asked.seconds)
        table = Table("", "KB", "1 row us", "batch us/row", title=f"{name}, {MODELS[name][0]}")
        for key in dict.fromkeys([*found["bytes"], *found["one_row_us"]]):
            cells = [found["bytes"].get(key, 0) / 1024]
            cells += [found["one_row_us"].get(key), found["batch_us_per_row"].get(key)]
            table.add_row(key, *(f"{cell:,.2f}" if cell else "" for cell in cells))
        console.print(table)
        for key in ("bit_identical", "largest_difference", "same_labels"):
            console.print(f"{key}: {found[key]}")
    if asked.json:
        keep(asked.json, figures)


if __name__ == "__main__":
    main()
