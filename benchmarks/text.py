"""Text models against scikit-learn: bytes, one message, a thousand documents, load, memory.

    python -m benchmarks.text --data DIR                  # intent, sentiment, email and docstrings
    python -m benchmarks.text --data DIR email intent     # only these
    python -m benchmarks.text docstrings                  # needs no data

`DIR` holds `clinc150_data_full.json.gz` (CLINC150, Larson et al. 2019), `movie_sentiment.csv.gz`
(Hutto and Gilbert 2014) and `sms_spam.csv.gz` (SMS Spam Collection). `docstrings` are those of the
16 best-documented installed packages: which package is it from? Every model is
TfidfVectorizer(ngram_range=(1, 2)) + LogisticRegression. Fitted models are kept in `--cache`.

Times of batches and of loading are processor time, which other processes disturb less; batches in
one and two threads are wall clock.
"""

from __future__ import annotations

import argparse
import ast
import gc
import gzip
import json
import multiprocessing
import pickle
import random
import statistics
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from benchmarks.kept import keep

Split = tuple[list[str], np.ndarray, list[str], np.ndarray]

SETTINGS = {
    "intent": {"max_iter": 200, "C": 20},
    "sentiment": {"max_iter": 500, "C": 5},
    "email": {"max_iter": 500, "C": 20},
    "docstrings": {"max_iter": 25, "C": 20},
}


def docstrings(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
                text = ast.get_docstring(node)
                if text and len(text) > 120:
                    yield text


def installed_docstrings() -> tuple[list[str], list[str]]:
    root = Path(sysconfig.get_path("purelib"))
    packages = sorted(p for p in root.iterdir() if p.is_dir() and p.name.isidentifier())
    found = {package.name: sorted(set(docstrings(package))) for package in packages}
    shuffle = random.Random(0).shuffle
    texts, names = [], []
    for name in sorted(found, key=lambda key: (-len(found[key]), key))[:16]:
        shuffle(found[name])
        texts += found[name][:700]
        names += [name] * len(found[name][:700])
    return texts, names


def read_split(name: str, data: Path | None) -> Split:
    if name == "docstrings":
        texts, names = installed_docstrings()
        return cut(texts, np.array(names))
    if data is None:
        raise SystemExit(f"{name} needs --data")
    if name == "intent":
        with gzip.open(data / "clinc150_data_full.json.gz") as file:
            stored = json.load(file)
        train, test = zip(*stored["train"], strict=True), zip(*stored["test"], strict=True)
        (texts, labels), (test_texts, test_labels) = train, test
        return list(texts), np.array(labels), list(test_texts), np.array(test_labels)
    if name == "sentiment":
        frame = pd.read_csv(data / "movie_sentiment.csv.gz")
        return cut(frame["text"].astype(str).tolist(), (frame["sentiment"] > 0).to_numpy(int))
    frame = pd.read_csv(data / "sms_spam.csv.gz")
    return cut(frame["text"].astype(str).tolist(), frame["spam"].to_numpy())


def cut(texts: list[str], labels: np.ndarray) -> Split:
    order = np.random.default_rng(0).permutation(len(texts))
    train, test = order[: len(order) * 4 // 5], order[len(order) * 4 // 5 :]
    return [texts[i] for i in train], labels[train], [texts[i] for i in test], labels[test]


def prepare(name: str, data: Path | None, cache: Path) -> tuple[Path, Path, Split]:
    """Paths of the fitted model and of its held-out rows, and the split."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model, held_out, rows = (cache / f"{name}{end}" for end in (".pkl", ".parquet", ".rows"))
    if not rows.exists():
        split = read_split(name, data)
        pipeline = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(**SETTINGS[name])
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            pipeline.fit(split[0], split[1])
        model.write_bytes(pickle.dumps(pipeline))
        pd.DataFrame({"text": split[2], "target": split[3]}).to_parquet(held_out)
        rows.write_bytes(pickle.dumps(split))
    return model, held_out, pickle.loads(rows.read_bytes())


def lzma_bytes(original: Any, cache: Path, name: str) -> int:
    """Size of the model as joblib with lzma 9 writes it; kept, since that takes long."""
    kept = cache / f"{name}.joblib"
    if not kept.exists():
        joblib.dump(original, kept, compress=("lzma", 9))
    return kept.stat().st_size


def quantile_us(call: Callable[[list[str]], Any], texts: list[str]) -> float:
    """Median microseconds of a call with one new document."""
    taken = []
    for text in texts:
        start = time.perf_counter()
        call([text])
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e6


def batch_us(call: Callable[[list[str]], Any], texts: list[str]) -> float:
    """Median microseconds of processor time a document in one batch."""
    taken = []
    for _ in range(7):
        start = time.process_time()
        call(texts)
        taken.append(time.process_time() - start)
    return statistics.median(taken) * 1e6 / len(texts)


def resident_kb() -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def measure_load(path: str, warm: list[str], text: str, queue: Any) -> None:
    """Milliseconds of processor time to load, and to the first answer, and MB that stay.

    The process is fresh, so that nothing finds pages that an earlier load left behind; and it is
    warm: small models of the same kind bring in libraries and kernels.
    """
    import model_quantization as mq

    def opened(name: str) -> Any:
        if name.endswith(".qma"):
            return mq.load(name)
        with Path(name).open("rb") as file:
            return pickle.load(file)

    for name in warm:
        opened(name).predict_proba([text, text])
    gc.collect()
    before = resident_kb()
    start = time.process_time()
    model = opened(path)
    loaded = time.process_time() - start
    model.predict_proba([text])
    answered = time.process_time() - start
    gc.collect()
    queue.put((loaded * 1e3, answered * 1e3, (resident_kb() - before) / 1024))


def loads(path: Path, warm: list[Path], text: str) -> tuple[float, float, float]:
    """The medians of several processes."""
    context = multiprocessing.get_context("spawn")
    runs = []
    for _ in range(7):
        queue = context.Queue()
        names = list(map(str, warm))
        process = context.Process(target=measure_load, args=(str(path), names, text, queue))
        process.start()
        runs.append(queue.get(timeout=120))
        process.join()
    return tuple(statistics.median(column) for column in zip(*runs, strict=True))  # type: ignore[return-value]


def threads_us(call: Callable[..., Any], texts: list[str]) -> tuple[float, float]:
    """Microseconds (wall clock, least of many) a document in one thread and in two, in turn."""
    taken: list[list[float]] = [[], []]
    for _ in range(15):
        for n_jobs in (1, 2):
            start = time.perf_counter()
            call(texts, n_jobs=n_jobs)
            taken[n_jobs - 1].append(time.perf_counter() - start)
    one, two = (min(times) * 1e6 / len(texts) for times in taken)
    return one, two


def random_strings(texts: list[str], count: int) -> list[str]:
    """Strings of known words, odd spacing and arbitrary code points."""
    rng = random.Random(0)
    words = sorted({word for text in texts[:3000] for word in text.split()})
    planes = [(0x20, 0x7F), (0xA0, 0x250), (0x370, 0x600), (0x2000, 0x2070), (0x4E00, 0x4F00)]
    made = []
    for _ in range(count):
        parts = rng.choices(words, k=rng.randrange(8))
        for _ in range(rng.randrange(4)):
            low, high = rng.choice([*planes, (0, 0xD800), (0xE000, 0x110000)])
            parts.insert(rng.randrange(len(parts) + 1), chr(rng.randrange(low, high)))
        made.append(rng.choice([" ", "  ", "", "-", "\t"]).join(parts))
    return made


def measure(name: str, data: Path | None, cache: Path, strings: int) -> dict[str, Any]:
    import model_quantization as mq
    from model_quantization.api import quantize_model_file

    source, held_out, split = prepare(name, data, cache)
    original = pickle.loads(source.read_bytes())
    artifact, lossless = cache / f"{name}.qma", cache / f"{name}.exact.qma"
    record = quantize_model_file(source, artifact, held_out=held_out)
    quantize_model_file(source, lossless, recipe="exact")
    quantized = mq.load(artifact)
    restored = quantized.restore()
    test = split[2]
    odd = random_strings(test, strings)
    answers = quantized.predict_proba(test), restored.predict_proba(test)
    row = {
        "model": name,
        "terms": len(original[0].vocabulary_),
        "pickle_kb": source.stat().st_size / 1024,
        "lzma9_kb": lzma_bytes(original, cache, name) / 1024,
        "exact_kb": lossless.stat().st_size / 1024,
        "int8_kb": artifact.stat().st_size / 1024,
        "guarantee": record["guarantee"],
        "score": original.score(test, split[3]),
        "score_int8": float(np.mean(quantized.predict(test) == split[3])),
        "fast": ", ".join(quantized.fast_methods),
        "one_sklearn_us": quantile_us(original.predict_proba, test[:150]),
        "one_us": quantile_us(quantized.predict_proba, test[:1000]),
        "batch_sklearn_us": batch_us(original.predict_proba, test[:1000]),
        "batch_us": batch_us(quantized.predict_proba, test[:1000]),
        "labels_equal": bool(np.array_equal(quantized.predict(test), restored.predict(test))),
        "odd_labels_equal": bool(np.array_equal(quantized.predict(odd), restored.predict(odd))),
        "largest_difference": float(np.abs(answers[0] - answers[1]).max()),
    }
    row["one_thread_us"], row["two_threads_us"] = threads_us(quantized.predict_proba, test[:1000])
    del original, quantized, restored
    for key, path in (("sklearn", source), ("qma", artifact)):
        small = [warm_model(cache, classes).with_suffix(path.suffix) for classes in (2, 16)]
        figures = loads(path, small, test[0])
        row |= dict(
            zip((f"load_{key}_ms", f"first_{key}_ms", f"resident_{key}_mb"), figures, strict=True)
        )
    return row


def warm_model(cache: Path, classes: int) -> Path:
    """A small model of the same kind, most of its weights rounded to zero; with its artifact."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from model_quantization.api import quantize_model_file

    path = cache / f"warm{classes}.pkl"
    if not path.with_suffix(".qma").exists():
        rng = np.random.default_rng(0)
        texts = [" ".join(f"w{number}" for number in rng.zipf(1.3, 30) % 3000) for _ in range(400)]
        pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=1000))
        path.write_bytes(pickle.dumps(pipeline.fit(texts, np.arange(400) % classes)))
        quantize_model_file(path, path.with_suffix(".qma"), weight_threshold=1.0)
    return path


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the figures; those of models that were not measured now stay."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    known = {row["model"]: row for row in before} | {row["model"]: row for row in rows}
    ordered = [known[name] for name in SETTINGS if name in known]
    keep(path, ordered)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=list(SETTINGS))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "text-models")
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in options.models:
        row = measure(name, options.data, options.cache, options.strings)
        rows.append(row)
        for key, value in row.items():
            print(f"{key:>20}  {value:,.4g}" if isinstance(value, float) else f"{key:>20}  {value}")
        print(
            f"{'ratios':>20}  {row['pickle_kb'] / row['int8_kb']:.1f}x the pickle, "
            f"{row['lzma9_kb'] / row['int8_kb']:.1f}x lzma-9, one message "
            f"{row['one_sklearn_us'] / row['one_us']:.1f}x, batch "
            f"{row['batch_sklearn_us'] / row['batch_us']:.1f}x, two threads "
            f"{row['one_thread_us'] / row['two_threads_us']:.1f}x, load "
            f"{row['load_sklearn_ms'] / row['load_qma_ms']:.1f}x, to the first answer "
            f"{row['first_sklearn_ms'] / row['first_qma_ms']:.1f}x, resident "
            f"{row['resident_sklearn_mb'] / max(row['resident_qma_mb'], 0.01):.1f}x\n"
        )
        if options.json:
            write_rows(options.json, rows)


if __name__ == "__main__":
    main()
