"""Models within models, made at random from the library's parts.

One seed gives one fitted model. Every choice is drawn from the seed, so that a seed that fails
can be made again: `nested_model(17)`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    RidgeCV,
    SGDClassifier,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.naive_bayes import ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

N_ROWS, N_FEATURES = 72, 7
WORDS = [
    "red",
    "green",
    "blue",
    "old",
    "new",
    "big",
    "small",
    "round",
    "flat",
    "dry",
    "wet",
    "loud",
    "calm",
]


@dataclass(frozen=True, slots=True)
class NestedModel:
    """A fitted model, and rows of several kinds to ask it about."""

    model: Any
    rows: dict[str, Any]


def nested_model(seed: int) -> NestedModel:
    """The fitted model of this seed."""
    rng = np.random.default_rng(seed)
    kind = ("numbers", "numbers", "numbers", "documents", "tables")[seed % 5]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations are enough here
        for _ in range(40):
            try:
                return _KINDS[kind](rng)
            except (ValueError, AttributeError, TypeError, IndexError):
                continue  # scikit-learn has no such model: draw another
    raise AssertionError(f"seed {seed} gives no model")


def _numbers(rng: np.random.Generator) -> NestedModel:
    rows = rng.normal(size=(N_ROWS, N_FEATURES)) * np.logspace(-1, 1, N_FEATURES)
    make = _Maker(rng)
    if rng.random() < 0.5:
        model = make.regressor(make.depth())
        target = rows[:, 0] * 2 - rows[:, 1] + rng.normal(size=N_ROWS)
        wrap = rng.integers(8)
        if wrap == 0:
            model = MultiOutputRegressor(model)
        elif wrap == 1:
            model = RegressorChain(model, order=[1, 0])
        if wrap < 2:
            target = np.column_stack([target, rows[:, 2] + target])
    else:
        classes = int(rng.integers(2, 4))
        score = rows[:, 0] + rng.normal(size=N_ROWS)
        labels = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
        wrap = rng.integers(8)
        model = make.classifier(make.depth(), classes)
        target = np.array(["north", "east", "south"])[labels] if rng.random() < 0.5 else labels
        if wrap < 3:
            others = [labels > 0, rng.random(N_ROWS) < 0.4]
            if wrap == 2 and rng.random() < 0.5:
                others.insert(0, np.ones(N_ROWS))  # a label that every row has
            target = np.column_stack(others).astype(int)
            method = str(rng.choice(["predict", "predict_proba"]))
            model = make.classifier(make.depth(), 2, proba=True)
            model = (
                MultiOutputClassifier(model),
                ClassifierChain(model, order=[1, 0], chain_method=method),
                OneVsRestClassifier(model),
            )[wrap]
    named = rng.random() < 0.3
    frame = pd.DataFrame(rows, columns=[f"c{i}" for i in range(N_FEATURES)])
    model.fit(frame if named else rows, target)
    asked = {
        "rows": rows,
        "one row": rows[:1],
        "float32": rows.astype(np.float32),
        "columns in memory": np.asfortranarray(rows),
        "integers": np.rint(rows * 9).astype(int),
        "frame": frame,
        "frame of integers": frame.mul(9).round().astype(int),
    }
    return NestedModel(model, asked)


def _documents(rng: np.random.Generator) -> NestedModel:
    texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(N_ROWS)]
    scores = np.array([text.count("red") - text.count("wet") + rng.normal() for text in texts])
    labels = np.digitize(scores, np.quantile(scores, [1 / 3, 2 / 3]))
    make = _Maker(rng)
    last: Any = make.text_classifier(make.depth())
    target: Any = np.array(["north", "east", "south"])[labels]
    if rng.random() < 0.2:
        last, target = make.text_regressor(make.depth()), scores
    if rng.random() < 0.25:  # each member reads the documents itself
        members = [(f"m{i}", make_pipeline(make.vectorizer(), last)) for i in range(2)]
        model: Any = (
            VotingRegressor(members) if target.dtype.kind == "f" else VotingClassifier(members)
        )
    else:
        model = make_pipeline(*make.text_steps(), last)
    model.fit(np.array(texts, dtype=object), target)
    return NestedModel(model, {"rows": texts, "one row": texts[:1], "odd": ["", "red \u00fcber"]})


def _tables(rng: np.random.Generator) -> NestedModel:
    table = pd.DataFrame(
        {
            "age": np.where(rng.random(N_ROWS) < 0.1, np.nan, rng.normal(40, 9, N_ROWS)),
            "city": rng.choice(np.array(["Oslo", "Rome", "Kyiv"], dtype=object), N_ROWS),
            "rooms": rng.integers(1, 6, N_ROWS),
            "income": rng.lognormal(3, 1, N_ROWS),
        }
    )
    make = _Maker(rng)
    encoder = (
        OneHotEncoder(handle_unknown="ignore", sparse_output=bool(rng.random() < 0.5)),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    )[rng.integers(2)]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), make.scaler()), ["age", "income"]),
        (encoder, ["city"]),
        ("passthrough", ["rooms"]),
        sparse_threshold=float(rng.choice([0.0, 1.0])),
    )
    labels = (table["income"] > 20).to_numpy().astype(int)
    if rng.random() < 0.5:
        model = make_pipeline(columns, make.classifier(make.depth() - 1, 2)).fit(table, labels)
    else:
        last = make.regressor(make.depth() - 1)
        model = make_pipeline(columns, last).fit(table, table["income"])
    return NestedModel(model, {"rows": table, "one row": table.iloc[:1]})


_KINDS: dict[str, Callable[[np.random.Generator], NestedModel]] = {
    "numbers": _numbers,
    "documents": _documents,
    "tables": _tables,
}


@dataclass(frozen=True, slots=True)
class _Maker:
    rng: np.random.Generator

    def depth(self) -> int:
        return int(self.rng.integers(1, 4))

    def one_of(self, *makers: Callable[[], Any]) -> Any:
        return makers[self.rng.integers(len(makers))]()

    def seed(self) -> int:
        return int(self.rng.integers(1000))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def weights(self, count: int) -> list[float] | None:
        return self.rng.uniform(0.2, 2.0, count).round(2).tolist() if self.chance(0.5) else None

    # Steps ------------------------------------------------------------------------------

    def scaler(self) -> Any:
        return self.one_of(
            StandardScaler,
            MinMaxScaler,
            MaxAbsScaler,
            RobustScaler,
            lambda: StandardScaler(with_mean=False),
            SimpleImputer,
            lambda: "passthrough",
        )

    def steps(self) -> list[Any]:
        found = [self.scaler() for _ in range(self.rng.integers(1, 3))]
        if self.chance(0.3):
            found = [Pipeline([("inner", found[0])]), *found[1:]]
        return found

    def vectorizer(self) -> Any:
        return self.one_of(
            TfidfVectorizer,
            CountVectorizer,
            lambda: TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            lambda: CountVectorizer(analyzer="char", ngram_range=(1, 2)),
            lambda: HashingVectorizer(n_features=64, alternate_sign=False),
            lambda: make_union(TfidfVectorizer(), CountVectorizer(analyzer="char", dtype=float)),
        )

    def text_steps(self) -> list[Any]:
        if self.chance(0.3):
            return [CountVectorizer(), TfidfTransformer()]
        return [self.vectorizer(), *([MaxAbsScaler()] if self.chance(0.15) else [])]

    # Regressors -------------------------------------------------------------------------

    def regressor(self, depth: int) -> Any:
        if depth <= 0 or self.chance(0.15):
            return self.simple_regressor()

        def several(count: int) -> list[tuple[str, Any]]:
            return [(f"m{i}", self.regressor(depth - 1)) for i in range(count)]

        count = int(self.rng.integers(1, 4))
        return self.one_of(
            lambda: VotingRegressor(several(count), weights=self.weights(count)),
            lambda: VotingRegressor(several(2)),
            lambda: StackingRegressor(
                several(2),
                self.one_of(RidgeCV, self.simple_regressor),
                cv=2,
                passthrough=self.chance(0.2),
            ),
            lambda: make_pipeline(*self.steps(), self.regressor(depth - 1)),
            lambda: make_pipeline(*self.steps(), self.regressor(depth - 1), "passthrough"),
            lambda: BaggingRegressor(self.regressor(depth - 1), 2, random_state=self.seed()),
        )

    def simple_regressor(self) -> Any:
        state = {"random_state": self.seed()}
        return self.one_of(
            LinearRegression,
            Ridge,
            lambda: DecisionTreeRegressor(max_depth=3, **state),
            lambda: RandomForestRegressor(3, max_depth=4, **state),
            lambda: ExtraTreesRegressor(3, max_depth=4, **state),
            lambda: GradientBoostingRegressor(n_estimators=3, **state),
            lambda: HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5, **state),
            lambda: AdaBoostRegressor(n_estimators=3, **state),
            lambda: MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, **state),
            lambda: BaggingRegressor(n_estimators=3, max_features=0.7, **state),
        )

    # Classifiers ------------------------------------------------------------------------

    def classifier(self, depth: int, classes: int, *, proba: bool = False) -> Any:
        if depth <= 0 or self.chance(0.15):
            return self.simple_classifier(proba=proba)

        def inner(*, asked: bool = False) -> Any:
            return self.classifier(depth - 1, classes, proba=asked)

        def several(count: int, *, asked: bool = False) -> list[tuple[str, Any]]:
            return [(f"m{i}", inner(asked=asked)) for i in range(count)]

        count = int(self.rng.integers(1, 4))
        makers: list[Callable[[], Any]] = [
            lambda: VotingClassifier(
                several(count, asked=True),
                voting="soft",
                weights=self.weights(count),
                flatten_transform=self.chance(0.7),
            ),
            lambda: VotingClassifier(several(2, asked=True), voting="soft"),
            lambda: StackingClassifier(
                several(2),
                self.simple_classifier(proba=True),
                cv=2,
                stack_method=str(self.rng.choice(["auto", "predict"])),
                passthrough=self.chance(0.2),
            ),
            lambda: make_pipeline(*self.steps(), inner(asked=proba)),
            lambda: CalibratedClassifierCV(
                inner(), method=str(self.rng.choice(["sigmoid", "isotonic"])), cv=2
            ),
            lambda: CalibratedClassifierCV(
                FrozenEstimator(inner(asked=True)), method="sigmoid", cv=2
            ),
            lambda: BaggingClassifier(inner(asked=proba), 2, random_state=self.seed()),
            lambda: OneVsRestClassifier(self.classifier(depth - 1, 2, proba=True)),
        ]
        if not proba:
            makers += [
                lambda: VotingClassifier(several(3), weights=self.weights(3)),
                lambda: OneVsOneClassifier(self.classifier(depth - 1, 2)),
                lambda: OneVsRestClassifier(self.classifier(depth - 1, 2)),
                lambda: OutputCodeClassifier(self.classifier(depth - 1, 2), random_state=0),
            ]
        return self.one_of(*makers)

    def simple_classifier(self, *, proba: bool = False) -> Any:
        state = {"random_state": self.seed()}
        makers: list[Callable[[], Any]] = [
            LogisticRegression,
            lambda: SGDClassifier(loss="log_loss", max_iter=9, **state),
            GaussianNB,
            LinearDiscriminantAnalysis,
            QuadraticDiscriminantAnalysis,
            lambda: DecisionTreeClassifier(max_depth=3, **state),
            lambda: RandomForestClassifier(3, max_depth=4, **state),
            lambda: GradientBoostingClassifier(n_estimators=3, **state),
            lambda: HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5, **state),
            lambda: AdaBoostClassifier(n_estimators=3, **state),
            lambda: BaggingClassifier(n_estimators=3, max_features=0.7, **state),
            lambda: MLPClassifier((4,), max_iter=5, **state),
        ]
        if not proba:
            makers += [LinearSVC, RidgeClassifier]
        return self.one_of(*makers)

    # Behind text ------------------------------------------------------------------------

    def text_classifier(self, depth: int, *, proba: bool = False) -> Any:
        if depth <= 0 or self.chance(0.2):
            makers = [LogisticRegression, MultinomialNB, ComplementNB]
            if not proba:
                makers += [LinearSVC, RidgeClassifier]
            return self.one_of(*makers)

        def inner(*, asked: bool = False) -> Any:
            return self.text_classifier(depth - 1, proba=asked)

        makers = [
            lambda: VotingClassifier(
                [("a", inner(asked=True)), ("b", inner(asked=True))],
                voting="soft",
                weights=self.weights(2),
            ),
            lambda: CalibratedClassifierCV(inner(), cv=2),
            lambda: OneVsRestClassifier(self.text_classifier(depth - 1, proba=True)),
            lambda: make_pipeline(MaxAbsScaler(), inner(asked=proba)),
        ]
        if not proba:
            makers += [
                lambda: VotingClassifier([("a", inner()), ("b", inner())]),
                lambda: OneVsOneClassifier(inner()),
                lambda: StackingClassifier(
                    [("a", inner()), ("b", inner())], LogisticRegression(), cv=2
                ),
            ]
        return self.one_of(*makers)

    def text_regressor(self, depth: int) -> Any:
        if depth <= 0 or self.chance(0.3):
            return self.one_of(Ridge, LinearRegression)
        two = [("a", self.text_regressor(depth - 1)), ("b", self.text_regressor(depth - 1))]
        return self.one_of(
            lambda: VotingRegressor(two, weights=self.weights(2)),
            lambda: StackingRegressor(two, Ridge(), cv=2),
            lambda: make_pipeline(MaxAbsScaler(), self.text_regressor(depth - 1)),
        )
