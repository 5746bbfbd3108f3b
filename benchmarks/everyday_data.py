"""Rows, tables and texts that the everyday models are fitted on, and what many of them share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn import (
    compose,
    ensemble,
    gaussian_process,
    impute,
    linear_model,
    neural_network,
    preprocessing,
)
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline

TRAIN, TEST = 600, 2_000


@cache
def numbers() -> tuple[Any, Any]:
    """Rows of 20 numbers with three classes."""
    rows, labels = make_classification(
        TRAIN + TEST, 20, n_informative=10, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    return rows, labels


@cache
def table() -> tuple[pd.DataFrame, Any]:
    """A table of six numbers and three columns of categories."""
    rows, labels = numbers()
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rows[:, :6], columns=[f"number_{at}" for at in range(6)])
    for name, count in (("city", 12), ("plan", 4), ("device", 6)):
        frame[name] = np.array([f"{name} {at}" for at in range(count)], dtype=object)[
            rng.integers(0, count, len(frame))
        ]
    return frame, labels


@cache
def texts() -> tuple[list[str], Any]:
    """Short messages of three topics."""
    rng = np.random.default_rng(2)
    words = np.array([f"word{at}" for at in range(400)])
    labels = numbers()[1]
    places = (rng.zipf(1.4, (TRAIN + TEST, 12)) + 90 * labels[:, None]) % 400
    return [" ".join(words[row]) for row in places], labels


def split(data: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    """Return training rows, their labels, and rows to ask."""
    rows, labels = data
    if isinstance(rows, pd.DataFrame):
        return rows.iloc[:TRAIN], labels[:TRAIN], rows.iloc[TRAIN:].reset_index(drop=True)
    return rows[:TRAIN], labels[:TRAIN], rows[TRAIN:]


Made = tuple[Any, Any]
Maker = Callable[[], Made]


def fitted_on(model: Any, data: Callable[[], Any] = numbers, target: str = "labels") -> Maker:
    """Return the maker of a model that is fitted on these data and this target."""

    def make() -> Made:
        rows, labels, asked = split(data())
        first = numbers()[0][:TRAIN, 0]
        known = {
            "labels": labels,
            "two": (labels > 0).astype(int),
            "number": np.asarray(first * 2.0 + labels, dtype=np.float64),
            "positive": np.exp(np.asarray(first, dtype=np.float64) / 2 + labels),
            "several": np.column_stack([labels > 0, labels > 1]).astype(int),
            "some": np.where(np.arange(len(labels)) % 3 == 0, labels, -1),
        }
        return model().fit(rows, known[target]), asked

    return make


def columns_of_table(encoder: Any, dense: bool = False) -> Any:
    """Return a step that scales the numbers of the table and encodes its categories."""
    return compose.make_column_transformer(
        (
            make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()),
            [f"number_{at}" for at in range(6)],
        ),
        (encoder, ["city", "plan", "device"]),
        sparse_threshold=0.0 if dense else 1.0,
    )


def one_hot() -> Any:
    """Return a one-hot encoder that passes over unknown categories."""
    return preprocessing.OneHotEncoder(handle_unknown="ignore")


def of_table(last: Any, dense: bool = False) -> Maker:
    """Return the maker of a pipeline from the table to a model."""
    return fitted_on(lambda: make_pipeline(columns_of_table(one_hot(), dense), last()), table)


def numeric_table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], Any]:
    """Return data whose table was changed."""

    def data() -> tuple[Any, Any]:
        frame, labels = table()
        return change(frame), labels

    return data


def with_bool(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers and a column of booleans."""
    return frame.iloc[:, :6].assign(member=frame["number_0"] > 0)


def dummies(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of dummies."""
    return pd.get_dummies(frame)


def nullable(frame: pd.DataFrame) -> pd.DataFrame:
    """Nullable columns of pandas."""
    whole = frame.iloc[:, :6].assign(visits=(frame["number_0"] * 10).astype(int))
    return whole.convert_dtypes(dtype_backend="numpy_nullable")


def arrow(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of Arrow."""
    return frame.iloc[:, :6].convert_dtypes(dtype_backend="pyarrow")


def objects(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers as objects."""
    return frame.iloc[:, :6].astype(object)


def with_gaps() -> tuple[Any, Any]:
    """Rows of which 5 % of the numbers are missing."""
    rows, labels = numbers()
    holes = np.random.default_rng(3).random(rows.shape) < 0.05
    return np.where(holes, np.nan, rows), labels


def mappings() -> tuple[Any, Any]:
    """Rows as dicts."""
    frame, labels = table()
    return frame[["city", "plan", "number_0"]].to_dict("records"), labels


def cells() -> tuple[Any, Any]:
    """Categories as an array of objects."""
    frame, labels = table()
    return frame[["city", "plan", "device"]].to_numpy(dtype=object), labels


def logistic(**options: Any) -> Any:
    """Return a logistic regression."""
    return linear_model.LogisticRegression(max_iter=500, **options)


def forest(**options: Any) -> Any:
    """Return a random forest of 50 trees."""
    return ensemble.RandomForestClassifier(50, random_state=0, **options)


def boosting() -> Any:
    """Return a histogram boosting."""
    return ensemble.HistGradientBoostingClassifier(max_iter=30, random_state=0)


def matern() -> Any:
    """Return a kernel of three parts."""
    kernels = gaussian_process.kernels
    return kernels.ConstantKernel(2.0) * kernels.Matern(4.0, nu=2.5) + kernels.WhiteKernel(0.1)


def network() -> Any:
    """Return a network of two hidden layers."""
    return neural_network.MLPClassifier((64, 32), max_iter=60, random_state=0)


def scaler() -> Any:
    """Return a standard scaler."""
    return preprocessing.StandardScaler()
