"""XGBoost's estimators in pooled trees: the library's own bits, without the library."""

from __future__ import annotations

import pickle
import re
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
from model_quantization.evaluation.agreement import same_bits
from model_quantization.families.forest import unpack
from model_quantization.families.forest.xgboost.model import (
    DART_VERSION,
    UNORDERED_QUANTILES,
    interleaved,
    read_model,
)
from model_quantization.families.forest.xgboost.ubjson import read_ubjson, write_ubjson
from model_quantization.graph.nodes import ArrayNode, DictNode, PackedNode, SequenceNode
from model_quantization.loading.pickles.migrations.steps import installed
from model_quantization.planning.packing import prepare_graph
from model_quantization.trust import TrustPolicy
from tests.families.boosters import (
    CODES,
    GAPS,
    NUMBERS,
    ROWS,
    SHARES,
    check_same_answers,
    integer_rows,
    odd_rows,
    pooled,
    serve_alone,
)

xgboost = pytest.importorskip("xgboost", reason="the extra `boosters` is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")

TWO = (CODES > 0).astype(int)
PAIRS = np.stack([NUMBERS, SHARES], axis=1)


def fitted(
    kind: str, rows: Any, target: Any, fit: dict[str, Any] | None = None, **options: Any
) -> Any:
    made = getattr(xgboost, f"XGB{kind}")(**{"n_estimators": 7, "n_jobs": 1, **options})
    return made.fit(rows, target, **(fit or {}))


def stopped_early() -> Any:
    options = {"n_estimators": 60, "learning_rate": 0.9, "early_stopping_rounds": 3}
    fit = {"eval_set": [(ROWS[120:], CODES[120:])], "verbose": False}
    model = fitted("Classifier", ROWS[:120], CODES[:120], fit, **options)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    return model


def of(objective: str, target: Any, **options: Any) -> Callable[[], Any]:
    return lambda: fitted("Regressor", GAPS, target, objective=objective, **options)


MODELS: dict[str, Callable[[], Any]] = {
    "two classes": lambda: fitted("Classifier", ROWS, TWO),
    "three classes": lambda: fitted("Classifier", GAPS, CODES),
    "weights": lambda: fitted(
        "Classifier", GAPS, CODES, {"sample_weight": SHARES}, scale_pos_weight=2
    ),
    "stopped early": stopped_early,
    "squared error": of("reg:squarederror", NUMBERS),
    "squared logarithm": of("reg:squaredlogerror", SHARES),
    "absolute error": of("reg:absoluteerror", NUMBERS),
    "huber": of("reg:pseudohubererror", NUMBERS),
    "quantile": of("reg:quantileerror", NUMBERS, quantile_alpha=0.7),
    "quantiles": of("reg:quantileerror", NUMBERS, quantile_alpha=[0.2, 0.5, 0.7]),
    "logistic": of("reg:logistic", SHARES),
    "two, logistic": of("binary:logistic", TWO),
    "raw": of("binary:logitraw", TWO),
    "poisson": of("count:poisson", SHARES),
    "gamma": of("reg:gamma", SHARES),
    "tweedie": of("reg:tweedie", SHARES),
    "cox": of("survival:cox", SHARES),
    "base score": of("reg:squarederror", NUMBERS, base_score=3.7),
    "base share": of("binary:logistic", TWO, base_score=0.3),
    "two outputs": lambda: fitted("Regressor", GAPS, PAIRS),
    "dart": of("reg:squarederror", NUMBERS, booster="dart", rate_drop=0.5),
    "dart, classes": lambda: fitted(
        "Classifier", GAPS, CODES, booster="dart", rate_drop=0.5, normalize_type="forest"
    ),
    "dart, nothing dropped": of("reg:squarederror", NUMBERS, booster="dart"),
    "exact": of("reg:squarederror", NUMBERS, tree_method="exact"),
    "approximate": of("reg:squarederror", NUMBERS, tree_method="approx"),
    "best first": of("reg:squarederror", NUMBERS, grow_policy="lossguide", max_leaves=11),
    "monotone": of("reg:squarederror", NUMBERS, monotone_constraints=(1, 0, 0, 0, -1, 0)),
    "random forest": lambda: fitted("RFRegressor", GAPS, NUMBERS),
    "random forest, classes": lambda: fitted("RFClassifier", GAPS, CODES),
    "boosted forests": lambda: fitted("Classifier", GAPS, CODES, num_parallel_tree=3),
    "ranks": lambda: fitted("Ranker", GAPS, CODES, {"group": [100, 140]}),
    "pairs": lambda: fitted(
        "Ranker", GAPS, CODES, {"group": [100, 140]}, objective="rank:pairwise"
    ),
    "one leaf": of("reg:squarederror", NUMBERS, min_child_weight=1e9),
    "deep": of("reg:squarederror", NUMBERS, max_depth=12, min_child_weight=0),
}


# How XGBoost multiplies by the weights of dropped trees is known of one version.
VERSION = installed("xgboost")[:2]
OWN_FORMAT = (
    {} if VERSION == DART_VERSION else dict.fromkeys(("dart", "dart, classes"), " drops tr")
)
if VERSION < (3, 0):
    OWN_FORMAT["raw"] = "s objective is 'binary:logitraw'"  # its base was a probability
if VERSION > UNORDERED_QUANTILES:
    OWN_FORMAT["quantiles"] = " has several quantiles"


def thresholds(model: Any) -> Any:
    return model.get_booster().trees_to_dataframe()["Split"].dropna().to_numpy()[:60]


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_and_comes_back_bit_for_bit(name: str) -> None:
    held = pooled(MODELS[name]())
    if name in OWN_FORMAT:
        assert held.stats["family"] == "booster"
        assert f"it{OWN_FORMAT[name]}" in held.stats["notes"][0]
    else:
        assert held.stats["family"] == "forest"
        assert not held.stats["notes"]
        assert {"predict", "apply"} <= set(held.quantized.fast_methods)
    assert not held.stats["probes"][""]["restored"]
    rows = odd_rows(ROWS, thresholds(held.original)) | integer_rows(ROWS)
    check_same_answers(held, rows)
    restored = held.quantized.restore()
    check_same_answers(held, rows, restored=restored)
    assert isinstance(restored, type(held.original))
    for other in (held.quantized, restored):
        for each in (ROWS, GAPS, ROWS[:1]):
            assert same_bits(held.original.apply(each), other.apply(each))
        assert same_bits(held.original.feature_importances_, other.feature_importances_)


@pytest.mark.parametrize("kind", ["gain", "weight", "cover", "total_gain", "total_cover"])
def test_importances_keep_every_bit(kind: str) -> None:
    held = pooled(fitted("Classifier", GAPS, CODES, importance_type=kind, num_parallel_tree=2))
    assert same_bits(held.original.feature_importances_, held.quantized.feature_importances_)


@settings(deadline=None, derandomize=True, max_examples=20)
@given(
    seed=st.integers(0, 999),
    depth=st.integers(1, 7),
    digits=st.integers(0, 3),
    classes=st.integers(2, 4),
    parallel=st.integers(1, 2),
    dart=st.booleans(),
)
def test_any_model_answers_bit_for_bit(
    seed: int, depth: int, digits: int, classes: int, parallel: int, dart: bool
) -> None:
    rng = np.random.default_rng(seed)
    rows = np.round(rng.normal(size=(150, 4)) * 3, digits)
    gaps = np.where(rng.random(rows.shape) < 0.2, np.nan, rows)
    target = np.concatenate([np.arange(classes), rng.integers(0, classes, len(rows) - classes)])
    options: dict[str, Any] = {"max_depth": depth, "n_estimators": 3, "num_parallel_tree": parallel}
    if dart:
        options |= {"booster": "dart", "rate_drop": 0.4}
    held = pooled(fitted("Classifier", gaps, target, **options))
    asked = odd_rows(rows, thresholds(held.original))
    del asked["no row is whole"]
    check_same_answers(held, {**asked, "gaps": gaps})


@pytest.mark.parametrize("bit_depth", ["16", "8"])
@pytest.mark.parametrize("name", ["three classes", "squared error", "dart", "boosted forests"])
def test_fewer_bits_are_close_and_restored_alike(name: str, bit_depth: str) -> None:
    model = MODELS[name]()
    coarse = pooled(model, bit_depth)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    own = getattr(coarse.original, method)(GAPS)
    mine = getattr(coarse.quantized, method)(GAPS)
    assert np.abs(own - mine).max() < 0.03 * max(1.0, np.abs(own).max())
    assert same_bits(getattr(coarse.quantized.restore(), method)(GAPS), mine)


def test_named_columns() -> None:
    frame = pd.DataFrame(ROWS, columns=list("abcdef")).astype({"d": np.int64, "a": np.float32})
    held = pooled(fitted("Classifier", frame, CODES))
    assert held.quantized.feature_names_in_.tolist() == list("abcdef")
    whole = pd.DataFrame(integer_rows(ROWS)["large integers"], columns=list("abcdef"))
    rows = {"frame": frame, "integers": whole, "small integers": whole.astype(np.int16)}
    check_same_answers(held, rows | {"array": ROWS})
    with pytest.raises(ValueError, match="feature_names mismatch"):
        held.quantized.predict(frame[list("bacdef")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        held.quantized.predict(ROWS)


def test_other_iterations_are_answered_by_the_library() -> None:
    held = pooled(stopped_early())
    for options in ({"iteration_range": (0, 1)}, {"base_margin": np.ones((len(ROWS), 3))}):
        mine = held.quantized.predict_proba(ROWS, **options)
        assert same_bits(mine, held.original.predict_proba(ROWS, **options))
    margin = held.quantized.predict(ROWS, output_margin=True)
    assert same_bits(margin, held.original.predict(ROWS, output_margin=True))
    assert held.quantized.best_iteration == held.original.best_iteration
    assert held.quantized.classes_.tolist() == held.original.classes_.tolist()
    assert str(held.quantized.restore().get_params()) == str(held.original.get_params())
    assert held.quantized.intercept_.tolist() == held.original.intercept_.tolist()


def test_what_only_training_needed_says_so() -> None:
    restored = pooled(MODELS["three classes"]()).quantized.restore()
    booster = restored.get_booster()
    rows = xgboost.DMatrix(ROWS)
    for ask in (
        lambda: booster.predict(rows, pred_contribs=True),
        lambda: booster.predict(rows, pred_interactions=True),
        booster.get_score,
        booster.get_dump,
    ):
        with pytest.raises(
            DroppedAttribute, match=r"was needed for training only.*read it from the orig"
        ):
            ask()
    again = pickle.loads(pickle.dumps(restored))
    assert same_bits(again.predict_proba(ROWS), restored.predict_proba(ROWS))


def categorical() -> Any:
    frame = pd.DataFrame({"a": pd.Categorical(CODES), "b": NUMBERS})
    return fitted("Regressor", frame, NUMBERS, enable_categorical=True)


KEPT: dict[str, tuple[Callable[[], Any], str]] = {
    "linear": (of("reg:squarederror", NUMBERS, booster="gblinear"), "it is a gblinear booster"),
    "vector leaves": (
        lambda: fitted("Regressor", ROWS, PAIRS, multi_strategy="multi_output_tree"),
        "a leaf has several outputs",
    ),
    "pruned": (
        of("reg:squarederror", NUMBERS, tree_method="exact", gamma=5),
        "nodes were pruned away",
    ),
    "categories": (categorical, "a feature has categories"),
    "zeros are missing": (
        of("reg:squarederror", NUMBERS, missing=0.0),
        "another value than NaN means that one is missing",
    ),
    "hinge": (of("binary:hinge", TWO), "its objective is 'binary:hinge'"),
    "labels only": (
        lambda: fitted("Classifier", ROWS, CODES, objective="multi:softmax"),
        "its objective is 'multi:softmax'",
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_the_kernels_cannot_do_exactly_is_left_to_the_library(name: str) -> None:
    make, why = KEPT[name]
    model = make()
    prepared = prepare_graph(capture(model, TrustPolicy())).graph
    assert not isinstance(prepared.root, PackedNode)
    kind = type(model).__name__
    assert list(prepared.notes) == [f"{kind} is kept in its own format: {why}"]


def test_a_model_of_other_labels_is_answered_by_the_library() -> None:
    target = np.stack([TWO, CODES > 1], axis=1)
    held = pooled(fitted("Classifier", ROWS, target))  # two labels at once
    assert not held.quantized.fast_methods
    check_same_answers(held, {"many": ROWS, "gaps": GAPS})


# Documents that are not what they say.


def document(name: str = "three classes") -> Any:
    return read_ubjson(bytes(MODELS[name]().get_booster().__getstate__()["handle"]))


def test_a_document_comes_back() -> None:
    data = bytes(MODELS["dart"]().get_booster().__getstate__()["handle"])
    made = write_ubjson(read_ubjson(data))
    booster = xgboost.Booster()
    booster.__setstate__({"handle": bytearray(made)})
    assert same_bits(booster.inplace_predict(GAPS), MODELS["dart"]().predict(GAPS))


def changed(value: Any, path: str, new: Any) -> Any:
    """A document with another value at a path."""
    step, _, rest = path.partition("/")
    if isinstance(value, list):
        at = int(step)
        return [changed(each, rest, new) if i == at else each for i, each in enumerate(value)]
    return {**value, step: changed(value[step], rest, new) if rest else new}


_LEARNER = "Model/learner"
_MODEL = f"{_LEARNER}/gradient_booster/model"


@pytest.mark.parametrize(
    ("path", "new", "why"),
    [
        ("Model/version", [1, 7, 0], "it was made by XGBoost 1"),
        ("Model/version", "x", "its document is not as expected"),
        ("Config/learner/generic_param/device", "cuda:0", "another device than the processor"),
        (f"{_LEARNER}/feature_types", ["c"], "a feature has categories"),
        (f"{_LEARNER}/gradient_booster/name", "gbforest", "it is a gbforest booster"),
        (f"{_LEARNER}/learner_model_param/num_feature", "2", "a split looks at a feature that"),
        (f"{_LEARNER}/learner_model_param/num_feature", "99999999999", "its trees are not whole"),
        (f"{_LEARNER}/learner_model_param/num_class", "2", "its trees are not whole iterations"),
        (f"{_MODEL}/gbtree_model_param/num_parallel_tree", "7", "its trees are not whole"),
        (f"{_MODEL}/trees", [], "its trees are not whole iterations"),
        (f"{_MODEL}/trees", None, "its document is not as expected"),
        (f"{_MODEL}/tree_info", [0] * 21, "its trees are not whole iterations"),
        (f"{_MODEL}/iteration_indptr", [0, 21], "its trees are not whole iterations"),
        (f"{_MODEL}/trees/3/left_children", np.arange(9), "is not one number a node"),
        (f"{_MODEL}/trees/3/split_type", None, "split_type is not one number a node"),
        (f"{_MODEL}/trees/3/tree_param/size_leaf_vector", "3", "a leaf has several outputs"),
        (f"{_MODEL}/trees/3/tree_param/num_deleted", "2", "nodes were pruned away"),
    ],
)
def test_43_a_document_that_lies_is_not_pooled(path: str, new: Any, why: str) -> None:
    with pytest.raises(UnsupportedComponent, match=why):
        read_model(changed(document(), path, new))


@pytest.mark.parametrize("side", ["left_children", "right_children"])
def test_43_children_that_make_no_tree(side: str) -> None:
    given_ = document()
    tree = given_["Model"]["learner"]["gradient_booster"]["model"]["trees"][0]
    for value in (0, 10_000, -1):
        tree[side] = tree[side].copy()
        tree[side][0] = value
        with pytest.raises(UnsupportedComponent, match="make no trees"):
            read_model(given_)


def test_43_a_dart_of_another_version_is_left_to_the_library() -> None:
    given_ = changed(document("dart"), "Model/version", [3, 1, 0])
    with pytest.raises(UnsupportedComponent, match="it drops trees, and was made by another ver"):
        read_model(given_)
    booster = given_["Model"]["learner"]["gradient_booster"]
    beside = booster["name"] == "dart"  # XGBoost 3.4 has them with the trees
    (booster if beside else booster["model"])["weight_drop"] = [1.0] * 7
    assert (read_model(given_).weights is not None) == beside


def test_43_several_quantiles_of_a_newer_version_are_left_to_the_library() -> None:
    given_ = changed(document("quantiles"), "Model/version", [3, 2, 9])
    assert read_model(given_).outputs == 3
    with pytest.raises(UnsupportedComponent, match="several quantiles, and was made by a newer"):
        read_model(changed(given_, "Model/version", [3, 3, 0]))
    one = changed(document("quantile"), "Model/version", [3, 4, 0])
    assert read_model(one).outputs == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "1 bytes where 0 are left"),
        (b"{", "1 bytes where 0 are left"),
        (b"x", "the mark b'x'"),
        (b"Sl\xff\xff\xff\xff", "a length below zero"),
        (b"SU\x09abc", "9 bytes where 3 are left"),
        (b"SU\x01\xff", "text that is not UTF-8"),
        (b"SD12345678", "a length of type b'D'"),
        (b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", "bytes where 0 are left"),
        (b"[$S#U\x01", "numbers of type b'S'"),
        (b"[$dU\x01", "an array of one type without a length"),
        (b"[#l\x7f\xff\xff\xff", "an array longer than the document"),
        (b"[" * 500, "nested too deep"),
        (b"{U\x01aTU\x01aT}", "two values for 'a'"),
        (b"TT", "bytes after its end"),
    ],
)
def test_43_bytes_that_are_no_document(data: bytes, why: str) -> None:
    with pytest.raises(UnsupportedComponent, match=re.escape(why)):
        read_ubjson(data)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(value=values)
def test_values_come_back(value: Any) -> None:
    assert read_ubjson(write_ubjson(value)) == value


def test_only_values_of_documents_are_written() -> None:
    with pytest.raises(TypeError, match="no document has a complex"):
        write_ubjson([1j])
    plain = read_ubjson(b"[TFZi\x05]")
    assert plain == [True, False, None, 5]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(seed=st.integers(0, 10_000))
def test_43_bytes_changed_are_read_or_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(DATA)
    for position in rng.integers(0, len(data), 4):
        data[position] = rng.integers(256)
    try:
        read = read_model(read_ubjson(bytes(data)))
    except UnsupportedComponent as error:
        assert str(error)
    else:
        assert read.trees.sizes.sum() == read.trees.split.size


DATA = bytes(
    fitted("Classifier", GAPS, CODES, n_estimators=1, max_depth=2)
    .get_booster()
    .__getstate__()["handle"]
)


@pytest.mark.skipif("dart" in OWN_FORMAT, reason="this XGBoost's dropped trees are not packed")
def test_parts_that_lie_are_refused() -> None:
    graph = prepare_graph(capture(MODELS["dart"](), TrustPolicy())).graph
    root = graph.root
    assert isinstance(root, PackedNode)

    class Arrays(list[np.ndarray]):
        def add(self, array: np.ndarray) -> int:
            self.append(array)
            return len(self) - 1

    arrays = Arrays(graph.arrays)
    short = ArrayNode(arrays.add(np.ones(3)))
    empty = DictNode(SequenceNode("list", ()), SequenceNode("list", ()))
    for parts, why in (
        ({"booster_state": None}, "the parts of an XGBoost booster"),
        ({"booster_parallel": 2}, "the parts of an XGBoost booster"),
        ({"booster_parallel": True}, "the parts of an XGBoost booster"),
        ({"booster_weights": 3}, "the parts of an XGBoost booster"),
        ({"booster_weights": short}, "another number of weights than of trees"),
        ({"booster_state": empty}, "the document of an XGBoost booster"),
        ({"tree_count": 20}, "a part of the forest does not fit"),
    ):
        held = dict(root.parts) | parts
        with pytest.raises(SemanticError, match=why):
            unpack(PackedNode("forest", root.type, tuple(held.items())), arrays)


def test_trees_of_outputs_take_turns() -> None:
    assert interleaved(12, 3, 2).tolist() == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]


def test_it_is_served_where_the_library_is_not(tmp_path: Path) -> None:
    model = MODELS["three classes"]()
    got, said = serve_alone(model, GAPS, tmp_path, "xgboost")
    assert same_bits(got, model.predict_proba(GAPS))
    assert "EnvironmentMismatch" in said
    assert "xgboost not installed" in said
