"""LightGBM's estimators in pooled trees: the library's own bits, without the library."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.errors import DroppedAttribute, SemanticError, UnsupportedComponent
from model_quantization.estimators.capture import capture
from model_quantization.families.forest import unpack
from model_quantization.families.forest.lightgbm.text import beyond_zero, parse_objective, read_text
from model_quantization.families.forest.lightgbm.writing import write_text
from model_quantization.graph.nodes import PackedNode
from model_quantization.kernels.trees.pooled import first_trees
from model_quantization.loading.pickles.migrations.steps import installed
from model_quantization.planning.packing import prepare_graph
from model_quantization.trust import TrustPolicy
from tests.families.boosters import (
    CODES,
    GAPS,
    LABELS,
    NUMBERS,
    ROWS,
    SHARES,
    check_same_answers,
    integer_rows,
    odd_rows,
    pooled,
    serve_alone,
)

lightgbm = pytest.importorskip("lightgbm", reason="the extra `boosters` is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")


def fitted(kind: str, rows: Any, target: Any, fit: dict[str, Any] | None = None, **options: Any):
    options = {"n_estimators": 7, "verbose": -1, "n_jobs": 1, **options}
    return getattr(lightgbm, f"LGBM{kind}")(**options).fit(rows, target, **(fit or {}))


def stopped_early() -> Any:
    rows, other = slice(0, 120), slice(120, None)
    stop = [lightgbm.early_stopping(2, verbose=False)]
    fit = {"eval_set": [(ROWS[other], CODES[other])], "callbacks": stop}
    options = {"n_estimators": 80, "learning_rate": 0.5, "tree_learner": "serial"}
    model = fitted("Classifier", ROWS[rows], CODES[rows], fit, **options)
    assert 1 < model.best_iteration_ < 80
    return model


CATEGORIES = {"min_data_per_group": 5, "cat_smooth": 1.0, "cat_l2": 1.0}
MODELS: dict[str, Callable[[], Any]] = {
    "two classes": lambda: fitted("Classifier", ROWS, LABELS),
    "three classes": lambda: fitted("Classifier", GAPS, CODES),
    "one against all": lambda: fitted("Classifier", ROWS, CODES, objective="multiclassova"),
    "two, as many": lambda: fitted(
        "Classifier", ROWS, CODES > 0, objective="multiclass", num_class=2
    ),
    "slope": lambda: fitted("Classifier", ROWS, LABELS, sigmoid=0.3),
    "weights": lambda: fitted(
        "Classifier", GAPS, CODES, {"sample_weight": SHARES}, class_weight="balanced"
    ),
    "stopped early": stopped_early,
    "one class": lambda: fitted("Classifier", ROWS, np.zeros(len(ROWS))),
    **{
        objective: lambda objective=objective: fitted(
            "Regressor", GAPS, np.abs(NUMBERS) + 0.1, objective=objective
        )
        for objective in (
            "regression",
            "regression_l1",
            "huber",
            "fair",
            "poisson",
            "quantile",
            "mape",
            "gamma",
            "tweedie",
        )
    },
    "cross entropy": lambda: fitted("Regressor", GAPS, SHARES, objective="cross_entropy"),
    "cross entropy, lambda": lambda: fitted(
        "Regressor", GAPS, SHARES, objective="cross_entropy_lambda"
    ),
    "square roots": lambda: fitted("Regressor", ROWS, NUMBERS, reg_sqrt=True),
    "dart": lambda: fitted("Regressor", GAPS, NUMBERS, boosting_type="dart", drop_rate=0.5),
    "random forest": lambda: fitted(
        "Classifier", GAPS, CODES, boosting_type="rf", subsample=0.6, subsample_freq=1
    ),
    "goss": lambda: fitted("Regressor", ROWS, NUMBERS, data_sample_strategy="goss"),
    "monotone": lambda: fitted(
        "Regressor", ROWS, NUMBERS, monotone_constraints=[1, 0, 0, 0, -1, 0]
    ),
    "ranks": lambda: fitted("Ranker", GAPS, CODES, {"group": [100, 140]}),
    "xendcg": lambda: fitted("Ranker", GAPS, CODES, {"group": [100, 140]}, objective="rank_xendcg"),
    "categories": lambda: fitted(
        "Classifier", GAPS, CODES, {"categorical_feature": [3]}, **CATEGORIES
    ),
    "categories, single": lambda: fitted(
        "Regressor", ROWS, NUMBERS, {"categorical_feature": [3]}, max_cat_to_onehot=64
    ),
    "no missing values": lambda: fitted("Regressor", GAPS, NUMBERS, use_missing=False),
    "one leaf": lambda: fitted("Regressor", ROWS, NUMBERS, min_child_samples=1000),
    "tiny values": lambda: fitted(
        "Regressor", np.where(ROWS > 0, ROWS, ROWS * 1e-36), NUMBERS, min_child_samples=2
    ),
    "deep": lambda: fitted(
        "Regressor", ROWS, NUMBERS, num_leaves=200, min_child_samples=1, max_bin=1000
    ),
}


def thresholds(model: Any) -> Any:
    return model.booster_.trees_to_dataframe()["threshold"].apply(
        lambda value: value if isinstance(value, float) else np.nan
    ).dropna().to_numpy()[:60]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_and_comes_back_bit_for_bit(name: str) -> None:
    held = pooled(MODELS[name]())
    assert held.stats["family"] == "forest"
    assert not held.stats["notes"]
    assert "predict" in held.quantized.fast_methods
    rows = odd_rows(ROWS, thresholds(held.original)) | integer_rows(ROWS)
    check_same_answers(held, rows)
    restored = held.quantized.restore()
    check_same_answers(held, rows, restored=restored)
    mine, own = held.quantized.feature_importances_, held.original.feature_importances_
    assert mine.dtype == own.dtype
    assert mine.tolist() == own.tolist() == restored.feature_importances_.tolist()
    assert isinstance(restored, type(held.original))


@pytest.mark.parametrize("kind", ["split", "gain"])
def test_importances_keep_every_bit(kind: str) -> None:
    held = pooled(fitted("Classifier", GAPS, CODES, importance_type=kind))
    assert held.quantized.feature_importances_.tobytes() == (
        held.original.feature_importances_.tobytes()
    )


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    seed=st.integers(0, 999),
    leaves=st.integers(2, 24),
    gaps=st.booleans(),
    digits=st.integers(0, 3),
    classes=st.integers(2, 4),
    looked_up=st.booleans(),
)
def test_any_model_answers_bit_for_bit(
    seed: int, leaves: int, gaps: bool, digits: int, classes: int, looked_up: bool
) -> None:
    rng = np.random.default_rng(seed)
    rows = np.round(rng.normal(size=(150, 4)) * 3, digits)
    rows[:, 2] = rng.integers(0, 30, len(rows))
    target = rng.integers(0, classes, len(rows))
    if gaps:
        rows[rng.random(rows.shape) < 0.2] = np.nan
    options = {"num_leaves": leaves, "min_child_samples": 3, "n_estimators": 3, **CATEGORIES}
    fit = {"categorical_feature": [2]} if looked_up else {}
    held = pooled(fitted("Classifier", rows, target, fit, **options))
    asked = odd_rows(rows, thresholds(held.original))
    del asked["no row is whole"]
    check_same_answers(
        held, {**asked, "gaps": np.where(rng.random(rows.shape) < 0.3, np.nan, rows)}
    )


@pytest.mark.parametrize("bit_depth", ["16", "8"])
@pytest.mark.parametrize("name", ["three classes", "square roots", "categories", "random forest"])
def test_fewer_bits_are_close_and_restored_alike(name: str, bit_depth: str) -> None:
    model = MODELS[name]()
    exact, coarse = pooled(model), pooled(model, bit_depth)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    own = getattr(exact.original, method)(GAPS)
    mine = getattr(coarse.quantized, method)(GAPS)
    assert np.abs(own - mine).max() < 0.03 * max(1.0, np.abs(own).max())
    again = getattr(coarse.quantized.restore(), method)(GAPS)
    assert again.tobytes() == mine.tobytes()


def test_named_columns() -> None:
    frame = pd.DataFrame(ROWS, columns=list("abcdef")).astype({"d": np.int64, "a": np.float32})
    held = pooled(fitted("Classifier", frame, CODES))
    assert held.quantized.feature_names_in_.tolist() == list("abcdef")
    whole = pd.DataFrame(integer_rows(ROWS)["large integers"], columns=list("abcdef"))
    rows = {
        "frame": frame,
        "integers": whole,
        "small integers": whole.astype(np.int16),
        "other order": frame[list("bacdef")],
        "other names": frame.rename(columns=str.upper),
    }
    check_same_answers(held, rows)
    if installed("lightgbm") < (4, 7):
        return  # it warns of names that it made up itself as well, which no fast answer repeats
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        held.quantized.predict(ROWS)
    assert any("does not have valid feature names" in str(one.message) for one in caught)


def test_other_iterations_are_answered_by_the_library() -> None:
    held = pooled(stopped_early())
    methods = ("predict_proba", "decision_function")  # LightGBM before 4.7 has but the first
    for options in ({"num_iteration": 1}, {"num_iteration": 0}, {"start_iteration": 1}):
        for name in (name for name in methods if hasattr(held.original, name)):
            mine = getattr(held.quantized, name)(ROWS, **options)
            own = getattr(held.original, name)(ROWS, **options)
            assert mine.tobytes() == own.tobytes()
    assert held.quantized.restore().get_params() == held.original.get_params()
    assert held.quantized.best_iteration_ == held.original.best_iteration_
    assert held.quantized.classes_.tolist() == held.original.classes_.tolist()


def test_what_only_training_needed_says_so() -> None:
    restored = pooled(MODELS["three classes"]()).quantized.restore()
    booster = restored.booster_
    for ask in (
        lambda: restored.predict(ROWS, pred_leaf=True),
        lambda: restored.predict(ROWS, pred_contrib=True),
        lambda: booster.predict(ROWS, 0, -1, False, True),
        booster.dump_model,
        booster.feature_importance,
        lambda: booster.refit(ROWS, CODES),
    ):
        with pytest.raises(
            DroppedAttribute, match=r"was needed for training only.*read it from the original model"
        ):
            ask()
    again = pickle.loads(pickle.dumps(restored))
    assert again.predict_proba(ROWS).tobytes() == restored.predict_proba(ROWS).tobytes()


KEPT: dict[str, tuple[Callable[[], Any], str]] = {
    "linear": (
        lambda: fitted("Regressor", ROWS, NUMBERS, linear_tree=True),
        "its leaves are linear models",
    ),
    "zeros": (
        lambda: fitted("Regressor", ROWS, NUMBERS, zero_as_missing=True),
        "zeros are missing values to it",
    ),
    "own objective": (
        lambda: fitted("Regressor", ROWS, NUMBERS, objective=squares),
        "its objective is a function of the user",
    ),
    "early stop": (
        lambda: fitted("Classifier", ROWS, CODES, pred_early_stop=True),
        r"it changes how rows are answered \(pred_early_stop\)",
    ),
    "many categories": (
        lambda: fitted(
            "Regressor", many_categories(), NUMBERS, {"categorical_feature": [3]}, **CATEGORIES
        ),
        "a feature has categories from 256 on",
    ),
    "pandas": (
        lambda: fitted("Regressor", pd.DataFrame({"a": pd.Categorical(CODES)}), NUMBERS),
        "it makes the codes of pandas categories itself",
    ),
}


def squares(own: Any, predicted: Any) -> Any:
    return predicted - own, np.ones_like(own)


def many_categories() -> Any:
    rows = ROWS.copy()
    rows[:, 3] = 240 + rows[:, 3] % 20
    return rows


@pytest.mark.parametrize("name", KEPT)
def test_what_the_kernels_cannot_do_exactly_is_left_to_the_library(name: str) -> None:
    make, why = KEPT[name]
    model = make()
    graph = capture(model, TrustPolicy(frozenset({f"{__name__}:squares"})))
    prepared = prepare_graph(graph).graph
    assert not isinstance(prepared.root, PackedNode)
    assert len(prepared.notes) == 1
    kind = type(model).__name__
    assert __import__("re").fullmatch(f"{kind} is kept in its own format: {why}", prepared.notes[0])


# Dumps that are not what they say.


def text_of(name: str = "categories") -> bytes:
    return MODELS[name]().booster_.model_to_string().encode()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"version=v4", b"version=v9", "its text is of version v9"),
        (b"version=v4\n", b"", r"its text is of version \?"),
        (b"num_class=3", b"num_class=2", "its classes are not one tree each"),
        (b"num_tree_per_iteration=3", b"num_tree_per_iteration=x", "it has no number num_tree"),
        (b"max_feature_idx=5", b"max_feature_idx=-1", "it has no number max_feature_idx"),
        (b"max_feature_idx=5", b"max_feature_idx=2", "a feature has no name"),
        (b"objective=multiclass", b"objective=xulticlass", "its objective is 'xulticlass"),
        (b"num_leaves=", b"num_leavez=", "it has no number num_leaves"),
        (b"num_leaves=", b"num_leaves=9", "has .* numbers for"),
        (b"leaf_value=", b"leaf_value=x", "leaf_value has something else than numbers"),
        (b"left_child=1", b"left_child=0", "the children of its nodes make no trees"),
        (b"right_child=1", b"right_child=91", "the children of its nodes make no trees"),
        (b"split_feature=", b"split_feature=9", "a split looks at a feature that does not exist"),
        (b"threshold=", b"threshold=nan ", "has .* numbers for"),
        (b"\ncat_boundaries=", b"\nxat_boundaries=", "a split looks at categories that there"),
        (b"cat_threshold=", b"cat_threshold=4294967296 ", "a feature has categories from 256"),
        (b"\nTree=1\n", b"\nTrex=1\n", "its trees are not whole iterations"),
        (b"Tree=", b"Trex=", "its trees are not whole iterations"),
    ],
)
def test_43_a_text_that_lies_is_not_pooled(old: bytes, new: bytes, why: str) -> None:
    text = text_of()
    assert old in text
    with pytest.raises(UnsupportedComponent, match=why):
        read_text(text.replace(old, new))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(seed=st.integers(0, 10_000))
def test_43_a_text_with_bytes_changed_is_read_or_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = bytearray(TEXT)
    for position in rng.integers(0, len(text), 6):
        text[position] = rng.choice(np.frombuffer(b"0123456789-=. \nen", dtype=np.uint8))
    try:
        read = read_text(bytes(text))
    except UnsupportedComponent as error:
        assert str(error)
    else:
        assert read.trees.sizes.sum() == read.trees.split.size


TEXT = text_of("three classes")[:4000] + b"\nend of trees\n"


def test_parts_that_lie_are_refused() -> None:
    graph = prepare_graph(capture(MODELS["categories"](), TrustPolicy())).graph
    assert isinstance(graph.root, PackedNode)

    class Arrays(list[np.ndarray]):
        def add(self, array: np.ndarray) -> int:
            self.append(array)
            return len(self) - 1

    def changed(**parts: Any) -> PackedNode:
        held = dict(graph.root.parts) | parts  # type: ignore[union-attr]
        return PackedNode("forest", graph.root.type, tuple(held.items()))  # type: ignore[union-attr]

    for parts, why in (
        ({"booster_state": None}, "the parts of a LightGBM booster"),
        ({"booster_averaged": 1}, "the parts of a LightGBM booster"),
        ({"tree_outputs": 2}, "the parts of a LightGBM booster"),
        ({"booster_objective": "regression\nTree=0"}, "not an objective of LightGBM"),
        ({"booster_objective": "binary sigmoid:1 x:9\n"}, "not an objective of LightGBM"),
        ({"tree_count": 20}, "a part of the forest does not fit"),
    ):
        with pytest.raises(SemanticError, match=why):
            unpack(changed(**parts), Arrays(graph.arrays))


def test_text_is_written_of_checked_words_only() -> None:
    trees = read_text(text_of()).trees
    for names in (["a b"] * 6, ["a\nTree=1"] * 6, [""] * 6):
        with pytest.raises(SemanticError, match="a name that no feature of LightGBM has"):
            write_text(trees, 3, "multiclass num_class:3", False, names)


def test_thresholds_near_zero() -> None:
    zero = float(np.float32(1e-35))
    before = np.nextafter(-zero, -np.inf)
    given_ = np.array([-1.0, before, -zero, -1e-40, -0.0, 0.0, 1e-40, zero, 1.0])
    got = beyond_zero(given_)
    assert got.tolist() == [-1.0, before, before, before, zero, zero, zero, zero, 1.0]


def test_objectives() -> None:
    found = parse_objective("multiclassova num_class:3 sigmoid:0.5")
    assert found is not None
    assert (found.name, found.sigmoid, found.sqrt) == ("multiclassova", 0.5, False)
    found = parse_objective("regression sqrt")
    assert found is not None
    assert (found.name, found.sqrt) == ("regression", True)
    assert parse_objective("binary sigmoid:1e") is None
    assert parse_objective("lambda") is None


def test_the_first_trees_of_a_forest() -> None:
    trees = read_text(text_of()).trees
    some = first_trees(trees, 5)
    assert len(some.sizes) == 5
    assert some.sizes.sum() == some.split.size == some.right.size
    assert some.feature.size == some.missing_left().size == some.split.sum()
    assert some.bitsets is not None
    assert len(some.bitsets) == some.categorical.sum()  # type: ignore[union-attr]
    assert first_trees(trees, 10_000) is trees


def test_it_is_served_where_the_library_is_not(tmp_path: Path) -> None:
    model = MODELS["three classes"]()
    got, said = serve_alone(model, GAPS, tmp_path, "lightgbm")
    assert got.tobytes() == model.predict_proba(GAPS).tobytes()
    assert "EnvironmentMismatch" in said
    assert "lightgbm not installed" in said
