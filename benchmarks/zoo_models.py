"""The models of `benchmarks.zoo`: fitted, with held-out rows and rows that nothing sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import (
    compose,
    datasets,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_extraction,
    gaussian_process,
    impute,
    kernel_ridge,
    linear_model,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    svm,
    tree,
)
from sklearn.pipeline import make_pipeline

TRAIN, UNSEEN = 1500, 1500
Data = Callable[[int], tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Animal:
    """A fitted model, its held-out rows, and rows that nothing sees."""

    model: Any
    held_out: Any
    target: Any
    unseen: Any
    unseen_target: Any

    def write_held_out(self, folder: Path) -> Path:
        """Write the held-out rows as a file that the library reads."""
        if isinstance(self.held_out, np.ndarray):
            path = folder / "rows.npz"
            np.savez(path, X=self.held_out, target=self.target)
            return path
        path = folder / "rows.parquet"
        frame = self.held_out if isinstance(self.held_out, pd.DataFrame) else None
        if frame is None:
            frame = pd.DataFrame({"text": self.held_out})
        frame.assign(target=self.target).to_parquet(path, index=False)
        return path


@cache
def classes(
    count: int, n_classes: int = 3, rare: float = 0.0, hard: float = 0.02, width: int = 20
) -> Any:
    """Rows of numbers with labels."""
    weights = [1 - rare, rare] if rare else None
    return datasets.make_classification(
        count, width, n_informative=10, n_classes=n_classes, n_clusters_per_class=1, class_sep=1.5,
        weights=weights, flip_y=hard, random_state=n_classes,
    )  # fmt: skip


@cache
def values(count: int) -> Any:
    """Rows of 12 numbers with a number that is no linear function of them."""
    rows, target = datasets.make_friedman1(count, 12, noise=1.0, random_state=0)
    return rows, target


@cache
def sums(count: int) -> Any:
    """Rows of 300 numbers with a number that is a linear function of some."""
    return datasets.make_regression(count, 300, n_informative=60, noise=20.0, random_state=0)


@cache
def table(count: int) -> Any:
    """A table with categories and missing numbers: who leaves."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, count).astype(float),
            "income": np.round(random.lognormal(10, 0.6, count)),
            "months": random.integers(1, 120, count),
            "city": random.choice(["Bern", "Lyon", "Graz", "Turin", "Ghent"], count),
            "plan": random.choice(["free", "basic", "pro"], count, p=[0.5, 0.3, 0.2]),
        }
    )
    odds = (
        0.03 * (frame["age"] - 50)
        - 0.02 * frame["months"]
        + frame["plan"].map({"free": 1.5, "basic": 0.0, "pro": -1.0})
        + (frame["city"] == "Lyon") * 0.8
    )
    labels = (random.random(count) < 1 / (1 + np.exp(-odds))).astype(int)
    frame.loc[random.random(count) < 0.05, "age"] = np.nan
    return frame, np.array(["stays", "leaves"])[labels]


@cache
def texts(count: int) -> Any:
    """Short messages of four topics; words as rare as they are in a language."""
    random = np.random.default_rng(2)
    words = np.array([f"w{at:04d}" for at in range(4000)])
    chance = 1 / (5 + np.arange(4000)) ** 1.05
    topics = np.arange(count) % 4
    own = [chance * np.where(np.arange(4000) % 4 == topic, 4.0, 1.0) for topic in range(4)]
    drawn = [
        " ".join(random.choice(words, random.integers(8, 30), p=own[t] / own[t].sum()))
        for t in topics
    ]
    return drawn, np.array(["billing", "login", "sales", "other"])[topics]


def digits(count: int) -> Any:
    """Handwritten digits, drawn again with noise."""
    random = np.random.default_rng(3)
    rows, labels = datasets.load_digits(return_X_y=True)
    at = random.integers(0, len(rows), count)
    return rows[at] + random.normal(0, 1.0, (count, 64)), labels[at]


def columns(dense: bool = True) -> Any:
    """Imputed and scaled numbers, encoded categories."""
    return compose.make_column_transformer(
        (
            make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()),
            ["age", "income", "months"],
        ),
        (
            preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=not dense),
            ["city", "plan"],
        ),
    )


def animal(model: Callable[[], Any], data: Data, held_out: int = 1500) -> Animal:
    """Fit a model; each row is used for one purpose."""
    rows, target = data(TRAIN + held_out + UNSEEN)
    target = np.asarray(target)
    take = rows.iloc if isinstance(rows, pd.DataFrame) else rows
    cuts = (slice(0, TRAIN), slice(TRAIN, TRAIN + held_out), slice(TRAIN + held_out, None))
    parts = [take[cut] for cut in cuts]
    known = [target[cut] for cut in cuts]
    fitted = model().fit(parts[0], known[0])
    return Animal(fitted, parts[1], known[1], parts[2], known[2])


def _scaled(model: Any) -> Any:
    return make_pipeline(preprocessing.StandardScaler(), model)


def _tfidf(**more: Any) -> Any:
    return feature_extraction.text.TfidfVectorizer(**more)


def _several(count: int) -> Any:
    rows, target = values(count)
    return rows, np.column_stack([target, rows[:, 0] * 3 + rows[:, 3]])


TWO: Data = partial(classes, n_classes=2)
MANY: Data = partial(classes, n_classes=8)
RARE: Data = partial(classes, n_classes=2, rare=0.2)
WIDE: Data = partial(classes, width=200)
WIDE_TWO: Data = partial(classes, n_classes=2, width=300)
WIDE_RARE: Data = partial(classes, n_classes=2, rare=0.2, width=300)

_MODELS: Mapping[str, tuple[Callable[[], Any], Data]] = {
    "logistic": (lambda: linear_model.LogisticRegression(max_iter=500), WIDE),
    "logistic, two classes": (lambda: _scaled(linear_model.LogisticRegression()), WIDE_TWO),
    "logistic, eight classes": (lambda: _scaled(linear_model.LogisticRegression()), MANY),
    "logistic, rare class": (lambda: _scaled(linear_model.LogisticRegression()), WIDE_RARE),
    "ridge classifier": (linear_model.RidgeClassifier, WIDE),
    "gradient descent": (
        lambda: _scaled(linear_model.SGDClassifier(loss="log_loss", random_state=0)),
        WIDE,
    ),
    "linear machine": (lambda: _scaled(svm.LinearSVC()), WIDE),
    "support vectors": (lambda: _scaled(svm.SVC()), classes),
    "support vectors, chances": (lambda: _scaled(svm.SVC(probability=True, random_state=0)), TWO),
    "one against the rest": (lambda: multiclass.OneVsRestClassifier(svm.LinearSVC()), MANY),
    "discriminant": (discriminant_analysis.LinearDiscriminantAnalysis, WIDE),
    "quadratic": (
        lambda: discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.05),
        classes,
    ),
    "naive Bayes": (naive_bayes.GaussianNB, WIDE),
    "neighbours": (lambda: _scaled(neighbors.KNeighborsClassifier(7)), classes),
    "tree": (lambda: tree.DecisionTreeClassifier(max_depth=8, random_state=0), classes),
    "forest": (lambda: ensemble.RandomForestClassifier(60, random_state=0), classes),
    "forest, rare class": (lambda: ensemble.RandomForestClassifier(60, random_state=0), RARE),
    "extra trees": (lambda: ensemble.ExtraTreesClassifier(60, random_state=0), classes),
    "histogram boosting": (
        lambda: ensemble.HistGradientBoostingClassifier(max_iter=60, random_state=0),
        classes,
    ),
    "boosting": (lambda: ensemble.GradientBoostingClassifier(random_state=0), TWO),
    "AdaBoost": (lambda: ensemble.AdaBoostClassifier(random_state=0), TWO),
    "bagging": (lambda: ensemble.BaggingClassifier(random_state=0), classes),
    "network": (
        lambda: _scaled(neural_network.MLPClassifier((64, 32), max_iter=80, random_state=0)),
        classes,
    ),
    "network on digits": (
        lambda: _scaled(neural_network.MLPClassifier((64,), max_iter=60, random_state=0)),
        digits,
    ),
    "components and logistic": (
        lambda: make_pipeline(
            preprocessing.StandardScaler(),
            decomposition.PCA(30, random_state=0),
            linear_model.LogisticRegression(max_iter=300),
        ),
        digits,
    ),
    "voting": (
        lambda: ensemble.VotingClassifier(
            [
                ("line", linear_model.LogisticRegression(max_iter=500)),
                ("trees", ensemble.RandomForestClassifier(30, random_state=0)),
            ],
            voting="soft",
        ),
        classes,
    ),
    "least squares": (linear_model.LinearRegression, sums),
    "ridge": (lambda: _scaled(linear_model.Ridge()), sums),
    "lasso": (lambda: _scaled(linear_model.LassoCV()), sums),
    "small": (linear_model.LogisticRegression, classes),
    "small, numbers": (linear_model.LinearRegression, values),
    "polynomials": (
        lambda: make_pipeline(preprocessing.PolynomialFeatures(2), linear_model.Ridge()),
        values,
    ),
    "vector regression": (lambda: _scaled(svm.SVR(C=10)), values),
    "kernel ridge": (lambda: kernel_ridge.KernelRidge(kernel="rbf", alpha=0.1), values),
    "Gaussian process": (
        lambda: gaussian_process.GaussianProcessRegressor(
            gaussian_process.kernels.RBF(1.0) + gaussian_process.kernels.WhiteKernel(0.1),
            optimizer=None,
            normalize_y=True,
        ),
        values,
    ),
    "neighbours of numbers": (lambda: _scaled(neighbors.KNeighborsRegressor(7)), values),
    "forest of numbers": (lambda: ensemble.RandomForestRegressor(60, random_state=0), values),
    "forest of two numbers": (
        lambda: ensemble.RandomForestRegressor(40, min_samples_leaf=3, random_state=0),
        _several,
    ),
    "boosting of numbers": (lambda: ensemble.GradientBoostingRegressor(random_state=0), values),
    "histogram boosting of numbers": (
        lambda: ensemble.HistGradientBoostingRegressor(random_state=0),
        values,
    ),
    "network of numbers": (
        lambda: _scaled(
            neural_network.MLPRegressor(hidden_layer_sizes=(64, 32), max_iter=200, random_state=0)
        ),
        values,
    ),
    "table, logistic": (lambda: make_pipeline(columns(), linear_model.LogisticRegression()), table),
    "table, forest": (
        lambda: make_pipeline(
            columns(), ensemble.RandomForestClassifier(60, min_samples_leaf=4, random_state=0)
        ),
        table,
    ),
    "table, boosting": (
        lambda: make_pipeline(columns(), ensemble.GradientBoostingClassifier(random_state=0)),
        table,
    ),
    "texts, logistic": (
        lambda: make_pipeline(
            _tfidf(ngram_range=(1, 2)), linear_model.LogisticRegression(C=10, max_iter=300)
        ),
        texts,
    ),
    "texts, naive Bayes": (lambda: make_pipeline(_tfidf(), naive_bayes.MultinomialNB()), texts),
    "texts, linear machine": (
        lambda: make_pipeline(
            feature_extraction.text.CountVectorizer(min_df=2),
            feature_extraction.text.TfidfTransformer(),
            svm.LinearSVC(),
        ),
        texts,
    ),
    "texts, components": (
        lambda: make_pipeline(
            _tfidf(),
            decomposition.TruncatedSVD(40, random_state=0),
            linear_model.LogisticRegression(),
        ),
        texts,
    ),
}

_HELD_OUT = (800, 1500, 3000, 4500)
MODELS: Mapping[str, Callable[[], Animal]] = {
    name: partial(animal, model, data, _HELD_OUT[at % len(_HELD_OUT)])
    for at, (name, (model, data)) in enumerate(_MODELS.items())
}
