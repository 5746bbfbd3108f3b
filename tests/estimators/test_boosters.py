"""LightGBM, XGBoost and CatBoost: held as they are, loaded from data alone, answering the same."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from model_quantization.api import quantize_model_file
from model_quantization.errors import (
    EnvironmentMismatch,
    QuantizationError,
    ScanMalformed,
    SemanticError,
    WorkerCrashed,
)
from model_quantization.estimators.capture import capture
from model_quantization.estimators.lightgbm_booster import make_booster
from model_quantization.estimators.restore import restore
from model_quantization.evaluation.agreement import same_bits
from model_quantization.predictor.opening import load
from model_quantization.trust import TrustPolicy

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 6))
LABELS = np.array(["north", "south"])[(ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0).astype(int)]
CODES = (ROWS[:, 0] > 0).astype(int) + (ROWS[:, 1] > 0.5)
NUMBERS = ROWS[:, 0] * 3 + RNG.normal(size=300)
GAPS = np.where(RNG.random(ROWS.shape) < 0.1, np.nan, ROWS)
TRUST = TrustPolicy()


def lightgbm(kind: str, target: Any, rows: Any = ROWS, **options: Any) -> Any:
    module = pytest.importorskip("lightgbm", reason="the extra `boosters` is not installed")
    made = getattr(module, kind)(n_estimators=6, verbose=-1, n_jobs=1, **options)
    return made.fit(rows, target, **({"group": [150, 150]} if kind == "LGBMRanker" else {}))


def xgboost(kind: str, target: Any, rows: Any = ROWS, **options: Any) -> Any:
    module = pytest.importorskip("xgboost", reason="the extra `boosters` is not installed")
    made = getattr(module, kind)(n_estimators=6, n_jobs=1, **options)
    return made.fit(rows, target, **({"group": [150, 150]} if kind == "XGBRanker" else {}))


def catboost(kind: str, target: Any, rows: Any = ROWS, **options: Any) -> Any:
    module = pytest.importorskip("catboost", reason="the extra `boosters` is not installed")
    made = getattr(module, kind)(
        iterations=6, verbose=0, thread_count=1, allow_writing_files=False, **options
    )
    return made.fit(rows, target)


def stopped_early() -> Any:
    model = xgboost("XGBClassifier", CODES)
    model.set_params(n_estimators=40, early_stopping_rounds=2)
    return model.fit(ROWS[:200], CODES[:200], eval_set=[(ROWS[200:], CODES[200:])], verbose=False)


def categorical() -> Any:
    rows = ROWS.copy()
    rows[:, 3] = RNG.integers(0, 9, len(rows))
    module = pytest.importorskip("lightgbm", reason="the extra `boosters` is not installed")
    model = module.LGBMClassifier(n_estimators=6, verbose=-1, n_jobs=1)
    return model.fit(rows, LABELS, categorical_feature=[3])


MODELS: dict[str, Callable[[], Any]] = {
    "lightgbm, two classes": lambda: lightgbm("LGBMClassifier", LABELS),
    "lightgbm, three classes": lambda: lightgbm("LGBMClassifier", CODES),
    "lightgbm, numbers": lambda: lightgbm("LGBMRegressor", NUMBERS),
    "lightgbm, gaps": lambda: lightgbm("LGBMRegressor", NUMBERS, GAPS),
    "lightgbm, dart": lambda: lightgbm("LGBMRegressor", NUMBERS, boosting_type="dart"),
    "lightgbm, ranks": lambda: lightgbm("LGBMRanker", CODES),
    "lightgbm, categories": categorical,
    "xgboost, two classes": lambda: xgboost("XGBClassifier", CODES > 0),
    "xgboost, three classes": lambda: xgboost("XGBClassifier", CODES),
    "xgboost, numbers": lambda: xgboost("XGBRegressor", NUMBERS, GAPS),
    "xgboost, dart": lambda: xgboost("XGBRegressor", NUMBERS, booster="dart"),
    "xgboost, forest": lambda: xgboost("XGBRFRegressor", NUMBERS),
    "xgboost, ranks": lambda: xgboost("XGBRanker", CODES),
    "xgboost, stopped early": stopped_early,
    "catboost, two classes": lambda: catboost("CatBoostClassifier", LABELS),
    "catboost, three classes": lambda: catboost("CatBoostClassifier", CODES),
    "catboost, numbers": lambda: catboost("CatBoostRegressor", NUMBERS, GAPS),
}


def answers(model: Any, rows: Any) -> dict[str, Any]:
    names = ("predict", "predict_proba")
    return {name: getattr(model, name)(rows) for name in names if hasattr(model, name)}


def check_same_answers(model: Any, other: Any) -> None:
    for rows in (ROWS, ROWS[:1], GAPS, ROWS.astype(np.float32)):
        expected, got = answers(model, rows), answers(other, rows)
        assert expected.keys() == got.keys()
        for name in expected:
            mine, theirs = np.asarray(got[name]), np.asarray(expected[name])
            if theirs.dtype.hasobject:  # labels of CatBoost
                assert mine.tolist() == theirs.tolist()
            else:
                assert same_bits(mine, theirs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_a_booster_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    source, target = tmp_path / "model.joblib", tmp_path / "model.qma"
    joblib.dump(model, source)
    found = quantize_model_file(source, target, bit_depth="exact")
    assert found["quantized_size_bytes"] < found["original_size_bytes"] * 0.8
    opened = load(target)
    check_same_answers(model, opened)
    check_same_answers(model, opened.restore())


@pytest.mark.filterwarnings("ignore")
def test_capture_leaves_the_model_as_it_was() -> None:
    model = lightgbm("LGBMClassifier", LABELS)
    before = pickle.dumps(model)
    graph = capture(model, TRUST)
    assert pickle.dumps(model) == before
    made = restore(graph.root, graph.arrays, TRUST)
    assert made.booster_.model_to_string() == model.booster_.model_to_string()


# 43: bytes that the library cannot read.


def corrupt(model: Any, old: bytes, new: bytes) -> bytes:
    raw = pickle.dumps(model)
    assert raw.count(old)
    assert len(old) == len(new)
    return raw.replace(old, new)


CORRUPT: dict[str, Callable[[], bytes]] = {
    "lightgbm, other numbers": lambda: corrupt(
        lightgbm("LGBMRegressor", NUMBERS), b"num_leaves=", b"num_leavez="
    ),
    "xgboost": lambda: corrupt(
        xgboost("XGBRegressor", NUMBERS), b"left_children", b"xxxx_children"
    ),
    "catboost": lambda: corrupt(catboost("CatBoostRegressor", NUMBERS), b"CBM1", b"CBM9"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CORRUPT)
@pytest.mark.bad_input(43)
def test_43_a_corrupt_blob_takes_down_the_child_at_most(name: str, tmp_path: Path) -> None:
    source = tmp_path / "model.pkl"
    source.write_bytes(CORRUPT[name]())
    with pytest.raises((ScanMalformed, SemanticError, WorkerCrashed)):
        quantize_model_file(source, tmp_path / "model.qma", bit_depth="exact")
    assert not (tmp_path / "model.qma").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.bad_input(43)
def test_43_bytes_changed_at_random_never_reach_the_parent(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    model = [xgboost, lightgbm, catboost][seed % 3]
    kind = ["XGBRegressor", "LGBMRegressor", "CatBoostRegressor"][seed % 3]
    raw = bytearray(pickle.dumps(model(kind, NUMBERS)))
    for position in rng.integers(len(raw) // 3, len(raw) // 3 * 2, 20):
        raw[position] ^= 1 << int(rng.integers(8))
    source = tmp_path / "model.pkl"
    source.write_bytes(raw)
    try:
        found = quantize_model_file(source, tmp_path / "model.qma", bit_depth="exact")
        assert found["status"]
    except QuantizationError as error:
        assert str(error)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"text": "tree", "state": {}},
        {"text": b"tree", "state": []},
        {"text": b"tree", "state": {"_handle": 7}},
        [b"tree", {}],
    ],
)
def test_a_state_that_is_no_booster(state: Any) -> None:
    with pytest.raises(SemanticError, match="not a LightGBM booster"):
        make_booster(state, "model")


@pytest.mark.parametrize("text", [b"", b"tree\nversion=v4\n", b"\xff\xfe"])
def test_a_text_that_is_no_model(text: bytes) -> None:
    pytest.importorskip("lightgbm", reason="the extra `boosters` is not installed")
    with pytest.raises(SemanticError, match="LightGBM does not read the model"):
        make_booster({"text": text, "state": {}}, "model")


def test_without_the_library_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lightgbm.basic", None)
    with pytest.raises(EnvironmentMismatch, match="install the extra `boosters`"):
        make_booster({"text": b"tree", "state": {}}, "model")
