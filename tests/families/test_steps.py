"""Steps before a model have scikit-learn's bits, on borders, too; linear ones are folded."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PolynomialFeatures,
    StandardScaler,
)

from model_quantization.api import ModelQuantizer
from model_quantization.families import family_named
from tests.families.checks import check_close, check_same_bits, reaction

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 6))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FAMILIES = ("decomposition", "imputer", "preprocessing", "selection")


@cache
def steps() -> dict[str, tuple[Any, Any, Any]]:
    """Quantized and restored steps with a fast `transform`, and rows that they know."""
    found = {}
    for family in FAMILIES:
        for example in family_named(family).examples():
            made = ModelQuantizer(recipe="exact").quantize_model(example.model)[0]
            if "transform" in made.fast_methods:
                found[f"{family}: {example.name}"] = made, made.restore(), example.rows
    return found


def test_most_steps_have_a_fast_transform() -> None:
    assert len(steps()) > 40


@settings(max_examples=120)
@given(st.data())
def test_rows_of_known_values_and_borders_have_the_same_bits(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(steps())))
    made, restored, known = steps()[name]
    numbers = known[np.isfinite(known)]
    values = st.sampled_from([*numbers[:40].tolist(), 0.0, -0.0, 0.25, 1.0, -3.5, 1e-300])
    n = data.draw(st.integers(1, 20))
    width = known.shape[1]
    rows = np.array(data.draw(st.lists(values, min_size=width, max_size=width))) * np.ones((n, 1))
    rows[-1] = known[data.draw(st.integers(0, len(known) - 1))]
    if name.endswith("positive"):
        rows = np.abs(rows) + 1e-3
    with np.errstate(all="ignore"):
        check_same_bits(name, restored.transform(rows), made.transform(rows))


FOLDED = {
    "scaler, choice, directions": (StandardScaler(), SelectKBest(k=70), PCA(60)),
    "union": (make_union(PCA(20), SelectKBest(k=50)),),
    "whitened directions": (StandardScaler(), PCA(60, whiten=True)),
}


@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize("last", [LogisticRegression(), Ridge()], ids=["labels", "numbers"])
def test_linear_steps_go_into_the_weights_where_bits_are_not_promised(name: str, last: Any) -> None:
    # A model with fewer weights is not rounded: it has its original's bits, and folds nothing.
    wide = np.hstack([X, RNG.normal(size=(150, 80))])
    model = make_pipeline(*FOLDED[name], last).fit(wide, Y)
    made = ModelQuantizer(8).quantize_model(model)[0]
    restored = made.restore()
    assert not made.artifact.manifest["model"]["exact"]
    assert "folded in" in made.explain().methods[0].by
    for rows in (wide, wide[:1], wide.astype(np.float32)):
        check_close("predict", restored.predict(rows), made.predict(rows))


@pytest.mark.parametrize("weight", [None, 0, 0.0, 2.5])
def test_the_weight_of_a_part_of_a_union_counts(weight: float | None) -> None:
    rows = RNG.normal(size=(120, 80))
    union = FeatureUnion(
        [("directions", PCA(20)), ("all", StandardScaler())],
        transformer_weights={"directions": weight},
    )
    model = make_pipeline(union, Ridge()).fit(rows, rows[:, 0])
    # Training gives no weight to columns of zeros: these have one, as those of other data have.
    model[-1].coef_ = RNG.normal(size=100)
    made = ModelQuantizer(8, weight_threshold=0).quantize_model(model)[0]
    assert not made.artifact.manifest["model"]["exact"]
    assert made.fast_methods == ("predict",)
    check_close("predict", made.restore().predict(rows), made.predict(rows))


def test_sparse_rows_before_trees_and_networks_have_the_sparse_answers() -> None:
    bins = KBinsDiscretizer(4, strategy="uniform")
    for last in (
        RandomForestClassifier(5, random_state=0),
        GradientBoostingClassifier(n_estimators=4, random_state=0),
        MLPClassifier((4,), max_iter=2000, random_state=0),
        LogisticRegression(),
    ):
        model = make_pipeline(bins, last).fit(X, Y)
        made = ModelQuantizer(recipe="exact").quantize_model(model)[0]
        assert "predict_proba" in made.fast_methods
        for rows in (X, X[:1]):
            check_same_bits("p", model.predict_proba(rows), made.predict_proba(rows))


def test_words_go_straight_to_directions() -> None:
    texts = ["red fish", "blue fish", "old red fish", "new dog", "blue dog", "red dog"] * 4
    labels = [0, 1, 0, 1, 1, 0] * 4
    for depth in ("exact", 8):
        model = make_pipeline(
            TfidfVectorizer(), TruncatedSVD(3, random_state=0), LogisticRegression()
        ).fit(texts, labels)
        made = ModelQuantizer(depth).quantize_model(model)[0]
        assert "predict_proba" in made.fast_methods
        expected = made.restore().predict_proba(texts)
        check_close("predict_proba", expected, made.predict_proba(texts))
        if depth == "exact":
            check_same_bits("predict_proba", expected, made.predict_proba(texts))


def test_functions_that_are_not_numpys_stay_with_the_estimator() -> None:
    for step in (
        FunctionTransformer(np.clip, kw_args={"a_min": 0, "a_max": 1}),
        FunctionTransformer(np.cumsum),
    ):
        made = ModelQuantizer(8).quantize_model(step.fit(X))[0]
        assert "transform" not in made.fast_methods
        check_same_bits("transform", step.transform(X), made.transform(X))


def test_a_function_gets_frames_and_integers_as_they_come() -> None:
    import pandas as pd

    step = FunctionTransformer(np.square).fit(X)
    made = ModelQuantizer(8).quantize_model(step)[0]
    frame = pd.DataFrame(X)
    assert isinstance(made.transform(frame), pd.DataFrame)
    small = np.array([[100] * 6], dtype=np.int8)
    check_same_bits("transform", step.transform(small), made.transform(small))


def test_a_choice_by_importance_is_the_estimators() -> None:
    for threshold in (None, "median", "0.8*mean", 0.1):
        selector = SelectFromModel(
            RandomForestClassifier(8, random_state=0), threshold=threshold
        ).fit(X, Y)
        made = ModelQuantizer(recipe="exact").quantize_model(selector)[0]
        assert "transform" in made.fast_methods
        check_same_bits("transform", selector.transform(X), made.transform(X))


def test_products_of_many_columns_are_not_laid_out_for_a_number_in_a_file() -> None:
    step = PolynomialFeatures(2).fit(X)
    made = ModelQuantizer(recipe="exact").quantize_model(step)[0]
    assert "transform" in made.fast_methods
    for odd in (X[:0], X[:, :3], np.where(X > 2, np.nan, X), X.astype(str)):
        assert reaction(made, "transform", odd).error == reaction(step, "transform", odd).error


def test_gaps_are_marked_as_they_were_when_fitted() -> None:
    rows = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
    rows[:, 2] = X[:, 2]
    step = SimpleImputer(add_indicator=True).fit(rows)
    made = ModelQuantizer(recipe="exact").quantize_model(step)[0]
    new = rows.copy()
    new[0, 2] = np.nan  # missing where nothing was before
    check_same_bits("transform", step.transform(new), made.transform(new))
