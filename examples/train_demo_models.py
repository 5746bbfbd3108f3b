"""Train the demo's models, and write beside each the held-out rows that will judge it.

Run as ``python examples/train_demo_models.py [--data FOLDER] [--output demo]``. Writes
``<output>/models`` and ``<output>/holdout``; the same texts give the same models.

No held-out row was trained on. Where a bundled set is too small to prove half a point of
accuracy, held-out rows appear several times with different noise on their inputs (typing errors
in texts): that asks the original and the quantized model the same question near the data.
"""

from __future__ import annotations

import argparse
import os
import pickle
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from demo_texts import Texts, read_texts
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC

SEED = 20
TARGET = "target"


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to train on and rows kept back; frames for texts and named columns, else arrays."""

    train: Any
    train_target: Any
    held_out: Any
    held_out_target: Any


@dataclass(frozen=True, slots=True)
class Trained:
    """One model to write: its file name says how it is saved."""

    file: str
    model: Any
    split: Split


def text_split(texts: Texts, fraction: float, copies: int) -> Split:
    """Shuffled texts; each held-out text also appears `copies` times with a typing error."""
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(texts.texts))
    cut = int(len(order) * fraction)
    kept = [(texts.texts[i], texts.labels[i]) for i in order[cut:]]
    kept += [(_mistyped(text, rng), label) for text, label in kept * copies]
    return Split(
        [texts.texts[i] for i in order[:cut]],
        [texts.labels[i] for i in order[:cut]],
        pd.DataFrame({"text": [text for text, _ in kept]}),
        [label for _, label in kept],
    )


def _mistyped(text: str, rng: np.random.Generator) -> str:
    """The text with two neighbouring characters exchanged."""
    if len(text) < 2:
        return text
    at = int(rng.integers(len(text) - 1))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def table_split(frame: pd.DataFrame, target: Any, copies: int, noise: float) -> Split:
    """Half to train; held-out rows `copies` times, with `noise` deviations on number columns."""
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(frame))
    half = len(order) // 2
    target = np.asarray(target)
    kept = frame.iloc[np.tile(order[half:], copies)].reset_index(drop=True)
    for name in frame.columns:
        if frame[name].dtype.kind == "f":
            jitter = rng.normal(0, noise, len(kept)) * frame[name].std()
            kept[name] = kept[name] + np.where(np.arange(len(kept)) < len(order) - half, 0, jitter)
    return Split(
        frame.iloc[order[:half]], target[order[:half]], kept, target[np.tile(order[half:], copies)]
    )


def arrays(split: Split) -> Split:
    """The same rows without column names."""
    return Split(
        split.train.to_numpy(), split.train_target, split.held_out.to_numpy(), split.held_out_target
    )


def text_models(texts: dict[str, Texts]) -> Iterator[Trained]:
    """The three models that the loaders are named after."""
    intent = text_split(texts["intent"], 0.6, copies=0 if len(texts["intent"].texts) > 9000 else 4)
    if len(set(intent.train_target)) > 30:
        # A hundred and fifty classes take minutes by maximum likelihood; the margin takes seconds.
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        scorer = LinearSVC(C=1)
    else:
        words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2)
        scorer = LogisticRegression(C=20, max_iter=200)
    yield Trained("intent.pkl", make_pipeline(words, scorer), intent)
    sentiment = text_split(texts["sentiment"], 0.6, copies=0)
    pairs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    yield Trained("sentiment.pkl", make_pipeline(pairs, LogisticRegression(C=10)), sentiment)
    email = text_split(texts["email"], 0.6, copies=1)
    yield Trained(
        "email.joblib",
        make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=100)),
        email,
    )


def digit_models() -> Iterator[Trained]:
    """Six kinds of model over the same handwritten digits."""
    frame, target = datasets.load_digits(return_X_y=True, as_frame=True)
    digits = arrays(table_split(frame, target, copies=5, noise=0.05))
    layers = MLPClassifier((128, 64), max_iter=60, random_state=SEED)
    boosted = HistGradientBoostingClassifier(max_iter=40, early_stopping=False, random_state=SEED)
    for file, model in (
        ("digits_forest.pkl", RandomForestClassifier(150, random_state=SEED)),
        ("digits_neural.joblib", make_pipeline(StandardScaler(), layers)),
        ("digits_neighbours.pkl", KNeighborsClassifier(5)),
        ("digits_vectors.sav", SVC(C=2)),
        ("digits_projection.pkl", make_pipeline(PCA(32), LinearDiscriminantAnalysis())),
        ("digits_boosting.pkl", boosted),
    ):
        yield Trained(file, model, digits)


def table_models() -> Iterator[Trained]:
    """Classifiers and regressors over small tables, with and without column names."""
    frame, target = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    cancer = table_split(frame, target, copies=6, noise=0.05)
    steps = make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression(C=0.1))
    yield Trained("cancer_logistic.pkl", steps, cancer)
    boosting = GradientBoostingClassifier(n_estimators=120, random_state=SEED)
    yield Trained("cancer_boosting.pkl", boosting, arrays(cancer))

    wine, kind = datasets.load_wine(return_X_y=True, as_frame=True)
    wine["strength"] = np.where(wine["alcohol"] > wine["alcohol"].median(), "strong", "light")
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), list(wine.columns[:-1])),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["strength"]),
        ]
    )
    forest = RandomForestClassifier(100, random_state=SEED)
    named = table_split(wine, kind, copies=10, noise=0.05)
    yield Trained("wine_columns.joblib", make_pipeline(columns, forest), named)
    plain = table_split(wine.drop(columns="strength"), kind, copies=10, noise=0.05)
    yield Trained("wine_bayes.pkl", GaussianNB(), plain)

    frame, progress = datasets.load_diabetes(return_X_y=True, as_frame=True)
    diabetes = arrays(table_split(frame, progress, copies=6, noise=0.05))
    trees = ExtraTreesRegressor(120, min_samples_leaf=2, random_state=SEED)
    yield Trained("diabetes_trees.joblib", trees, diabetes)
    expanded = make_pipeline(StandardScaler(), PolynomialFeatures(3), ElasticNet(alpha=4.0))
    yield Trained("diabetes_elastic.pkl", expanded, diabetes)
    # Its dual coefficients are large and cancel: rounding them to 8 bits ruins the answers, and
    # the report shows the original kept.
    smooth = RBF(length_scale=2.0) + WhiteKernel(1e-3)
    process = GaussianProcessRegressor(smooth, optimizer=None, normalize_y=True)
    yield Trained("diabetes_process.pkl", process, diabetes)

    # Smaller than any artifact of it can be: the report shows `no_gain`.
    flowers = table_split(*datasets.load_iris(return_X_y=True, as_frame=True), copies=8, noise=0.05)
    yield Trained("iris_tiny.pkl", LogisticRegression(C=10, max_iter=500), arrays(flowers))


def save_model(model: Any, path: Path) -> None:
    """Written as people write models: pickle, or joblib with compression."""
    if path.suffix == ".joblib":
        joblib.dump(model, path, compress=3)
    else:
        path.write_bytes(pickle.dumps(model, protocol=5))


def save_held_out(split: Split, stem: Path) -> Path:
    """A compressed text file for texts, parquet for named columns, npz for plain arrays."""
    if isinstance(split.held_out, pd.DataFrame):
        frame = split.held_out.assign(**{TARGET: split.held_out_target})
        if list(split.held_out.columns) == ["text"]:
            path = stem.with_suffix(".csv.gz")
            frame.to_csv(path, index=False, compression={"method": "gzip", "mtime": 0})
        else:
            path = stem.with_suffix(".parquet")
            frame.to_parquet(path, index=False)
        return path
    path = stem.with_suffix(".npz")
    np.savez_compressed(path, X=split.held_out, **{TARGET: split.held_out_target})
    return path


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train the demo's models.")
    folder = os.environ.get("DEMO_DATA")
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--output", type=Path, default=Path("demo"))
    options = parser.parse_args(arguments)
    models, held_out = options.output / "models", options.output / "holdout"
    for directory in (models, held_out):
        directory.mkdir(parents=True, exist_ok=True)

    texts = read_texts(options.data, options.output / "downloads")
    print(f"Texts: {', '.join(f'{name} from {part.source}' for name, part in texts.items())}.")
    parts: tuple[Callable[[], Iterator[Trained]], ...] = (
        lambda: text_models(texts), digit_models, table_models,
    )  # fmt: skip
    for trained in (trained for part in parts for trained in part()):
        started = time.perf_counter()
        with warnings.catch_warnings():
            # Stopping early is meant: the demo is about quantizing, not about the last point.
            warnings.simplefilter("ignore", ConvergenceWarning)
            trained.model.fit(trained.split.train, trained.split.train_target)
        path = models / trained.file
        save_model(trained.model, path)
        save_held_out(trained.split, held_out / path.stem)
        print(
            f"  {trained.file:24} {path.stat().st_size / 1e3:8,.0f} KB "
            f"{len(trained.split.held_out):6,} held-out rows "
            f"{time.perf_counter() - started:5.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
