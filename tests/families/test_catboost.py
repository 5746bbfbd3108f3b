"""CatBoost's estimators in pooled trees: the library's own bits, without the library."""

from __future__ import annotations

import pickle
import struct
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.errors import SemanticError, UnsupportedComponent
from model_quantization.estimators.capture import capture
from model_quantization.evaluation.agreement import same_bits
from model_quantization.families.forest import unpack
from model_quantization.families.forest.catboost.filling import with_trees, without_trees
from model_quantization.families.forest.catboost.flatbuffer import FlatTable
from model_quantization.families.forest.catboost.model import parse_info, read_model
from model_quantization.graph.nodes import PackedNode
from model_quantization.kernels.trees.pooled import PooledTrees, first_trees
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

catboost = pytest.importorskip("catboost", reason="the extra `boosters` is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")

QUIET = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
AMOUNTS = np.abs(NUMBERS) + 0.1


def fitted(
    kind: str, rows: Any, target: Any, fit: dict[str, Any] | None = None, **options: Any
) -> Any:
    made = getattr(catboost, f"CatBoost{kind}")(**{"iterations": 7, "depth": 4, **QUIET, **options})
    return made.fit(rows, target, **(fit or {}))


def of(loss: str, target: Any = AMOUNTS, kind: str = "Regressor") -> Callable[[], Any]:
    return lambda: fitted(kind, GAPS, target, loss_function=loss)


def scaled(make: Callable[[], Any], scale: float, bias: Any) -> Callable[[], Any]:
    def made() -> Any:
        model = make()
        model.set_scale_and_bias(scale, bias)
        return model

    return made


def stopped_early() -> Any:
    fit = {"eval_set": (ROWS[120:], NUMBERS[120:]), "early_stopping_rounds": 3}
    model = fitted("Regressor", ROWS[:120], NUMBERS[:120], fit, iterations=100)
    assert model.tree_count_ < 100
    return model


MODELS: dict[str, Callable[[], Any]] = {
    "two classes": lambda: fitted("Classifier", GAPS, LABELS),
    "three classes": lambda: fitted("Classifier", GAPS, CODES),
    "three names": lambda: fitted("Classifier", GAPS, np.array(["x", "a", "k"])[CODES]),
    "yes and no": lambda: fitted("Classifier", ROWS, CODES > 0),
    "numbers as labels": lambda: fitted("Classifier", ROWS, CODES * 1.5),
    "weights": lambda: fitted(
        "Classifier", GAPS, CODES, {"sample_weight": SHARES}, auto_class_weights="Balanced"
    ),
    "one against all": of("MultiClassOneVsAll", CODES, "Classifier"),
    "shares": of("CrossEntropy", SHARES, "Classifier"),
    **{
        loss: of(loss)
        for loss in (
            "RMSE",
            "MAE",
            "Quantile:alpha=0.3",
            "LogLinQuantile",
            "Huber:delta=1",
            "Expectile:alpha=0.3",
            "MAPE",
            "MultiQuantile:alpha=0.2,0.7",
            "Lq:q=3",
            "LogCosh",
            "Poisson",
            "Tweedie:variance_power=1.5",
        )
    },
    "two outputs": of("MultiRMSE", np.stack([AMOUNTS, SHARES], axis=1)),
    "ranks": lambda: fitted("Ranker", GAPS, CODES, {"group_id": np.repeat([0, 1], 120)}),
    "missing is most": lambda: fitted("Regressor", GAPS, NUMBERS, nan_mode="Max"),
    "missing is forbidden": lambda: fitted("Regressor", ROWS, NUMBERS, nan_mode="Forbidden"),
    "stopped early": stopped_early,
    "ordered": lambda: fitted("Regressor", GAPS, NUMBERS, boosting_type="Ordered"),
    "deep": lambda: fitted("Regressor", GAPS, NUMBERS, depth=9, border_count=32),
    "one split": lambda: fitted("Regressor", GAPS, NUMBERS, depth=1),
    "hardly any": lambda: fitted("Regressor", GAPS, NUMBERS, l2_leaf_reg=1e6),
    "scaled": scaled(lambda: fitted("Regressor", GAPS, NUMBERS), 2.5, -3.0),
    "scaled, two classes": scaled(lambda: fitted("Classifier", GAPS, LABELS), 900.0, 0.5),
    "scaled, three classes": scaled(
        lambda: fitted("Classifier", GAPS, CODES), 900.0, [0.5, -20.0, 3.0]
    ),
    "scaled, Poisson": scaled(of("Poisson"), 3000.0, 0.5),
}


def borders(model: Any) -> Any:
    return np.concatenate([np.asarray(each) for each in model.get_borders().values()])


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_and_comes_back_bit_for_bit(name: str) -> None:
    held = pooled(MODELS[name]())
    assert held.stats["family"] == "forest"
    assert not held.stats["notes"]
    assert "predict" in held.quantized.fast_methods
    rows = odd_rows(ROWS, borders(held.original)) | integer_rows(ROWS)
    if name == "missing is forbidden":
        rows = {kind: each for kind, each in rows.items() if not np.isnan(each).any()}
    check_same_answers(held, rows)
    restored = held.quantized.restore()
    check_same_answers(held, rows, restored=restored)
    assert type(restored) is type(held.original)
    mine, own = restored.feature_importances_, held.original.feature_importances_
    assert mine.tolist() == own.tolist()


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    seed=st.integers(0, 999),
    depth=st.integers(1, 7),
    digits=st.integers(0, 3),
    classes=st.integers(2, 4),
    most=st.booleans(),
)
def test_any_model_answers_bit_for_bit(
    seed: int, depth: int, digits: int, classes: int, most: bool
) -> None:
    rng = np.random.default_rng(seed)
    rows = np.round(rng.normal(size=(150, 4)) * 3, digits)
    gaps = np.where(rng.random(rows.shape) < 0.2, np.nan, rows)
    target = np.concatenate([np.arange(classes), rng.integers(0, classes, len(rows) - classes)])
    options = {"depth": depth, "iterations": 3, "nan_mode": "Max" if most else "Min"}
    held = pooled(fitted("Classifier", gaps, target, **options))
    asked = odd_rows(rows, borders(held.original))
    del asked["no row is whole"]
    check_same_answers(held, {**asked, "gaps": gaps})


@pytest.mark.parametrize("bit_depth", ["16", "8"])
@pytest.mark.parametrize("name", ["three classes", "RMSE", "two outputs", "deep"])
def test_fewer_bits_are_close_and_restored_alike(name: str, bit_depth: str) -> None:
    model = MODELS[name]()
    coarse = pooled(model, bit_depth)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    own = getattr(coarse.original, method)(GAPS)
    mine = getattr(coarse.quantized, method)(GAPS)
    assert np.abs(own - mine).max() < 0.03 * max(1.0, np.abs(own).max())
    assert same_bits(getattr(coarse.quantized.restore(), method)(GAPS), mine)


def test_empty_leaves_do_not_keep_the_others_from_being_rounded() -> None:
    rows = np.random.default_rng(0).normal(size=(1500, 6))
    model = fitted("Regressor", rows, rows[:, 0] + rows[:, 1] * rows[:, 2], iterations=60, depth=6)
    sizes = {depth: pooled(model, depth).stats["quantized_size_bytes"] for depth in ("exact", "16")}
    assert sizes["16"] < 0.7 * sizes["exact"]


def test_named_columns() -> None:
    frame = pd.DataFrame(ROWS, columns=list("abcdef")).astype({"d": np.int64, "a": np.float32})
    held = pooled(fitted("Classifier", frame, CODES))
    whole = pd.DataFrame(integer_rows(ROWS)["large integers"], columns=list("abcdef"))
    rows = {"frame": frame, "integers": whole, "array": ROWS, "order": frame[list("bacdef")]}
    check_same_answers(held, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        held.quantized.predict(ROWS)


def test_other_questions_are_answered_by_the_library() -> None:
    held = pooled(MODELS["three classes"]())
    for options in ({"ntree_end": 3}, {"prediction_type": "RawFormulaVal"}):
        mine = held.quantized.predict(ROWS, **options)
        assert same_bits(mine, held.original.predict(ROWS, **options))
    mine = held.quantized.predict_log_proba(ROWS)
    assert same_bits(mine, held.original.predict_log_proba(ROWS))
    assert held.quantized.predict(ROWS[0]).tolist() == held.original.predict(ROWS[0]).tolist()
    assert held.quantized.classes_.tolist() == held.original.classes_.tolist()
    assert held.quantized.restore().get_params() == held.original.get_params()
    again = pickle.loads(pickle.dumps(held.quantized.restore()))
    assert same_bits(again.predict_proba(ROWS), held.original.predict_proba(ROWS))


def test_what_only_training_needed_is_not_there() -> None:
    restored = pooled(MODELS["RMSE"]()).quantized.restore()
    with pytest.raises(catboost.CatBoostError, match="has no meta information"):
        restored.get_feature_importance(type="PredictionValuesChange")


def with_categories() -> Any:
    rows = ROWS.astype(object)
    rows[:, 3] = ROWS[:, 3].astype(int).astype(str)
    return fitted("Classifier", rows, LABELS, cat_features=[3])


def one_hot() -> Any:
    rows = ROWS.astype(object)
    rows[:, 3] = np.where(ROWS[:, 3] > 20, "high", "low")
    return fitted("Regressor", rows, NUMBERS, cat_features=[3], one_hot_max_size=5)


def unlike() -> Any:
    model = fitted("Classifier", GAPS, LABELS)
    model.set_probability_threshold(0.3)
    return model


KEPT: dict[str, tuple[Callable[[], Any], str]] = {
    "categories": (with_categories, "a feature has categories"),
    "one-hot": (one_hot, "a feature has categories"),
    "best first": (
        lambda: fitted("Regressor", GAPS, NUMBERS, grow_policy="Lossguide"),
        "its trees are not symmetric",
    ),
    "uncertainty": (of("RMSEWithUncertainty"), "its loss is 'RMSEWithUncertainty'"),
    "several labels": (
        of("MultiLogloss", np.stack([CODES > 0, CODES > 1], 1).astype(int), "Classifier"),
        "its loss is 'MultiLogloss'",
    ),
    "threshold": (unlike, "its classes are told apart at another probability than 0.5"),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_the_kernels_cannot_do_exactly_is_left_to_the_library(name: str) -> None:
    make, why = KEPT[name]
    model = make()
    prepared = prepare_graph(capture(model, TrustPolicy())).graph
    assert not isinstance(prepared.root, PackedNode)
    kind = type(model).__name__
    assert list(prepared.notes) == [f"{kind} is kept in its own format: {why}"]


# Bytes that are not what they say.


def data_of(name: str = "three classes") -> bytes:
    found = MODELS[name]()._serialize_model()
    assert isinstance(found, bytes)
    return found


DATA = data_of()
_FIELDS = {"dimension": 0, "splits": 1, "depths": 2, "values": 8, "borders": 5, "repacked": 17}


def changed(name: str, new: bytes, *, at: int = 0) -> bytes:
    """The bytes of a model with others in the vector of this name, or before it (its length)."""
    trees = FlatTable.root(DATA[8:]).table(1)
    span = trees.span(_FIELDS[name], "u1")
    if name == "borders":
        span = trees.tables(5)[0].span(3, "u1")
    place = 8 + span.start + at
    return DATA[:place] + new + DATA[place + len(new) :]


def integer(value: int) -> bytes:
    return struct.pack("<i", value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "its bytes are no model of CatBoost"),
        (b"CBM9" + DATA[4:], "its bytes are no model of CatBoost"),
        (DATA[:-1], "it has more than trees, or is cut off"),
        (DATA + b"more", "it has more than trees, or is cut off"),
        (DATA[:8] + integer(1 << 30) + DATA[12:], "its bytes lead outside themselves"),
        (DATA.replace(b"Model_v1", b"Model_v9"), "its bytes are of another version"),
        (changed("splits", integer(999)), "a split looks at a border that does not exist"),
        (changed("splits", integer(-1)), "a split looks at a border that does not exist"),
        (changed("splits", integer(0)), "its splits are said in two ways that differ"),
        (changed("repacked", integer(77)), "its splits are said in two ways that differ"),
        (changed("depths", integer(3)), "its splits or leaves are not as many as its trees need"),
        (changed("depths", integer(60)), "its trees are too deep"),
        (changed("depths", integer(-1)), "its trees are too deep"),
        (changed("depths", integer(0), at=-4), "its trees are too deep, or there are none"),
        (changed("values", integer(16), at=-4), "its splits or leaves are not as many"),
        (changed("values", integer(1 << 30), at=-4), "its bytes lead outside themselves"),
        (changed("borders", b"\x00\x00\xc0\x7f" * 2), "a border is not a number"),
        (DATA.replace(b"params", b"para\xffs"), "its bytes have text that is not UTF-8"),
    ],
)
def test_43_bytes_that_lie_are_not_pooled(data: bytes, why: str) -> None:
    with pytest.raises(UnsupportedComponent, match=why):
        read_model(data)


def test_43_notes_that_cannot_be_read() -> None:
    for text in ("{", "[" * 100_000):
        with pytest.raises(UnsupportedComponent, match="its params cannot be read"):
            parse_info({"params": text}, "params")
    assert parse_info({"params": "[]"}, "params") == parse_info({}, "params") == {}


@settings(deadline=None, derandomize=True, max_examples=80)
@given(seed=st.integers(0, 10_000))
def test_43_bytes_changed_are_read_or_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(DATA)
    for position in rng.integers(8, len(data), 4):
        data[position] = rng.integers(256)
    try:
        read = read_model(bytes(data))
    except UnsupportedComponent as error:
        assert str(error)
    else:
        assert read.trees.sizes.sum() == read.trees.split.size


def test_a_model_is_filled_with_its_own_trees_again() -> None:
    bare = without_trees(DATA)
    assert bare != DATA
    with pytest.raises(UnsupportedComponent):
        read_model(bare)
    read = read_model(DATA)
    again = read_model(with_trees(bare, read.trees, read.n_features))
    for name in ("split", "feature", "threshold", "rows", "ids"):
        assert np.array_equal(getattr(again.trees, name), getattr(read.trees, name))


def test_trees_that_no_model_has_are_refused() -> None:
    bare, read = without_trees(DATA), read_model(DATA)
    trees = read.trees

    def put(**parts: Any) -> PooledTrees:
        return replace(trees, **parts)

    feature, threshold, split = trees.feature.copy(), trees.threshold.copy(), trees.split.copy()
    feature[4] += 1
    threshold[4] += 1
    split[[1, -2]] = split[[-2, 1]]
    fewer = first_trees(trees, 3)
    many = trees.threshold + np.arange(trees.threshold.size, dtype=np.float32) // 15 * 1000
    for given_, why in (
        (put(feature=feature), "trees that are not symmetric"),
        (put(threshold=threshold), "trees that are not symmetric"),
        (put(split=split), "trees that are not symmetric"),
        (fewer, "not as many levels as the bytes have"),
        (put(rows=trees.rows[:, :2]), "other numbers than the bytes have room for"),
        (put(feature=trees.feature + 6), "a feature that does not exist"),
        (put(feature=trees.feature * 0, threshold=many), "more borders than the bytes have room"),
    ):
        with pytest.raises(SemanticError, match=why):
            with_trees(bare, given_, read.n_features)
    with pytest.raises(SemanticError, match="not the bytes of a CatBoost model"):
        with_trees(b"CBM2", trees, read.n_features)


def test_parts_that_lie_are_refused() -> None:
    graph = prepare_graph(capture(MODELS["RMSE"](), TrustPolicy())).graph
    root = graph.root
    assert isinstance(root, PackedNode)

    class Arrays(list[np.ndarray]):
        def add(self, array: np.ndarray) -> int:
            self.append(array)
            return len(self) - 1

    for parts, why in (
        ({"booster_state": 3}, "the parts of a CatBoost model"),
        ({"n_features_in_": "6"}, "a part of the forest|the parts of a CatBoost model"),
        ({"tree_count": 20}, "a part of the forest does not fit"),
    ):
        held = dict(root.parts) | parts
        with pytest.raises(SemanticError, match=why):
            unpack(PackedNode("forest", root.type, tuple(held.items())), Arrays(graph.arrays))


def test_it_is_served_where_the_library_is_not(tmp_path: Path) -> None:
    model = MODELS["three classes"]()
    got, said = serve_alone(model, GAPS, tmp_path, "catboost")
    assert same_bits(got, np.ascontiguousarray(model.predict_proba(GAPS)))
    assert "EnvironmentMismatch" in said
    assert "catboost not installed" in said
