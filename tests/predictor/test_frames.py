"""Columns of any type given to models of numbers: fast where scikit-learn just converts them.

Whatever the columns are, the answer, the error and the warnings are the original's, to the bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from model_quantization.api import ModelQuantizer
from model_quantization.evaluation.agreement import same_bits
from model_quantization.loading.pickles.migrations.steps import installed
from model_quantization.predictor.quantized_model import QuantizedModel
from tests.families.checks import reaction

RNG = np.random.default_rng(0)
NAMES = [f"c{i}" for i in range(9)]
FRAME = pd.DataFrame(RNG.normal(3, 2, size=(160, 9)), columns=NAMES).abs()
LABELS = (FRAME["c0"] > FRAME["c1"]).to_numpy().astype(int)
WHOLE = FRAME.mul(7).round().astype(int)

LINEAR = [("a", LogisticRegression(max_iter=50)), ("b", DecisionTreeClassifier(max_depth=3))]
MODELS: dict[str, Any] = {
    "linear": LinearRegression(),
    "logistic": LogisticRegression(max_iter=50),
    "generalized": PoissonRegressor(),
    "scaled": make_pipeline(StandardScaler(), Ridge()),
    "scaler": MinMaxScaler(),
    "filled": make_pipeline(SimpleImputer(), Ridge()),
    "filled by count": make_pipeline(SimpleImputer(strategy="most_frequent"), Ridge()),
    "tree": DecisionTreeRegressor(max_depth=4),
    "forest": RandomForestClassifier(4, max_depth=4, random_state=0),
    "boosted": GradientBoostingClassifier(n_estimators=3),
    "histogram": HistGradientBoostingRegressor(max_iter=3),
    "gaussian": GaussianNB(),
    "multinomial": MultinomialNB(),
    "bernoulli": BernoulliNB(binarize=1.0),
    "network": MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, random_state=0),
    "votes": VotingClassifier(LINEAR, voting="soft"),
    "votes of linear": VotingRegressor([("a", LinearRegression()), ("b", Ridge())]),
    "votes, one generalized": VotingRegressor([("a", PoissonRegressor()), ("b", Ridge())]),
    "stack": StackingClassifier(LINEAR, LogisticRegression(), cv=2),
}
# LightGBM before 4.7 warns of names that it made up itself.
if find_spec("lightgbm") and installed("lightgbm") >= (4, 7):
    from lightgbm import LGBMRegressor

    MODELS["lightgbm"] = LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1)
    MODELS["votes with lightgbm"] = VotingRegressor(
        [("a", LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1)), ("b", Ridge())]
    )
if find_spec("xgboost"):
    from xgboost import XGBRegressor

    MODELS["xgboost"] = XGBRegressor(n_estimators=3, n_jobs=1)

CONVERTED: dict[str, Callable[[], pd.DataFrame]] = {
    "floats": lambda: FRAME,
    "one row": lambda: FRAME.iloc[:1],
    "float32": lambda: FRAME.astype(np.float32),
    "two kinds of float": lambda: FRAME.astype({"c1": np.float32}),
    "integers": lambda: WHOLE,
    "one row of integers": lambda: WHOLE.iloc[:1],
    "short integers": lambda: WHOLE.astype(np.int16),
    "one integer column": lambda: FRAME.assign(c2=WHOLE["c2"]),
    "booleans": lambda: FRAME > 3,
    "one boolean column": lambda: FRAME.assign(c0=FRAME["c0"] > 3),
    "booleans and float32": lambda: FRAME.astype(np.float32).assign(c0=FRAME["c0"] > 3),
    "booleans and integers": lambda: WHOLE.assign(c0=FRAME["c0"] > 3),
}
ALSO_CONVERTED: dict[str, Callable[[], pd.DataFrame]] = {
    "nullable floats": lambda: FRAME.astype("Float64"),
    "one nullable integer": lambda: FRAME.assign(c0=WHOLE["c0"]).astype({"c0": "Int64"}),
    "nullable integers": lambda: WHOLE.astype("Int32"),
    "nullable booleans": lambda: (FRAME > 3).astype("boolean"),
    "nullable float32": lambda: FRAME.astype("Float32"),
    "arrow floats": lambda: FRAME.astype("float64[pyarrow]"),
    "arrow integers": lambda: WHOLE.astype("int64[pyarrow]"),
    "one object column": lambda: FRAME.astype({"c3": object}),
    "objects": lambda: FRAME.astype(object),
    "objects of several types": lambda: FRAME.assign(
        c3=np.array([1, 2.5, True, np.float64(3)] * 40, dtype=object)
    ),
}
OTHERS: dict[str, Callable[[], pd.DataFrame]] = {
    "a category of numbers": lambda: FRAME.assign(c0=pd.Categorical(WHOLE["c0"])),
    "categories": lambda: WHOLE.astype("category"),
    "a category of text": lambda: FRAME.assign(c0=pd.Categorical(["x", "y"] * 80)),
    "sparse": lambda: FRAME.astype(pd.SparseDtype("float64", 0.0)),
    "one sparse column": lambda: FRAME.astype({"c1": pd.SparseDtype("float64", 0.0)}),
    "missing in nullable": lambda: FRAME.astype("Float64").mask(FRAME > 6),
    "missing in objects": lambda: FRAME.astype(object).mask(FRAME > 6, None),
    "missing": lambda: FRAME.mask(FRAME > 6),
    "text in objects": lambda: FRAME.astype({"c0": object}).assign(c1="1.5"),
    "text": lambda: FRAME.assign(c0="word"),
    "dates": lambda: FRAME.assign(c0=pd.Timestamp("2026-01-01")),
    "complex": lambda: FRAME.astype(complex),
    "decimals": lambda: FRAME.astype(np.float16),
    "large integers": lambda: WHOLE.assign(c0=(1 << 53) + 1),
    "large unsigned integers": lambda: WHOLE.assign(c0=np.uint64((1 << 64) - 1)),
    "larger than float32 tells": lambda: WHOLE.assign(c0=(1 << 24) + 1),
    "large nullable integers": lambda: WHOLE.assign(c0=(1 << 53) + 1).astype("Int64"),
    "large objects": lambda: WHOLE.assign(c0=1 << 70),
}
ARRAYS: dict[str, Callable[[], Any]] = {
    "integers": WHOLE.to_numpy,
    "integers, row by row": lambda: np.ascontiguousarray(WHOLE.to_numpy()),
    "integers, column by column": lambda: np.asfortranarray(WHOLE.to_numpy()),
    "booleans": lambda: FRAME.to_numpy() > 3,
    "floats, column by column": lambda: np.asfortranarray(FRAME.to_numpy()),
    "large integers": lambda: WHOLE.assign(c0=(1 << 53) + 1).to_numpy(),
    "larger than float32 tells": lambda: WHOLE.assign(c0=(1 << 24) + 1).to_numpy(),
    "list of integers": WHOLE.to_numpy()[:4].tolist,
}


@cache
def fitted(name: str, *, named: bool) -> tuple[Any, QuantizedModel]:
    """The original, and the exact quantized model."""
    target = LABELS if hasattr(MODELS[name], "predict_proba") else FRAME["c0"] * 2 + LABELS
    rows = FRAME if named else FRAME.to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few iterations are enough
        original = clone(MODELS[name]).fit(rows, target)
    made, _ = ModelQuantizer(bit_depth="exact").quantize_model(original)
    assert isinstance(made, QuantizedModel)
    return original, made


def check_same(name: str, kind: str, rows: Any, *, named: bool) -> None:
    original, made = fitted(name, named=named)
    for method in ("predict", "predict_proba", "transform"):
        if hasattr(original, method):
            expected, got = (reaction(each, method, rows) for each in (original, made))
            where = f"{name}: {method} of {kind}"
            assert (got.error, got.warned) == (expected.error, expected.warned), where
            for key, array in (expected.answer or {}).items():
                assert got.answer is not None and same_bits(array, got.answer[key]), where


@pytest.mark.parametrize("name", MODELS)
def test_frames_of_any_type_are_answered_as_the_original_does(name: str) -> None:
    for kind, make in (CONVERTED | ALSO_CONVERTED | OTHERS).items():
        check_same(name, kind, make(), named=True)


@pytest.mark.parametrize("name", MODELS)
def test_arrays_of_any_type_are_answered_as_the_original_does(name: str) -> None:
    for kind, make in ARRAYS.items():
        check_same(name, kind, make(), named=False)


PLAIN = {"lightgbm", "xgboost", "votes with lightgbm"}
# It depends on scikit-learn's version how a scaler rounds the mean for float32.
NO_FLOAT32 = {"float32", "booleans and float32"}
FLOATS = {"floats", "one row", "float32", "two kinds of float"}


def stay_fast(name: str) -> dict[str, Callable[[], pd.DataFrame]]:
    if name == "filled by count":  # it keeps the type of the columns
        return {kind: CONVERTED[kind] for kind in FLOATS}
    if name == "scaled":
        return {k: make for k, make in (CONVERTED | ALSO_CONVERTED).items() if k not in NO_FLOAT32}
    found = CONVERTED if name in PLAIN else CONVERTED | ALSO_CONVERTED
    if name == "votes, one generalized" and installed("pandas") < (3,):
        # One model casts booleans to booleans first, which lays them out anew, the other does not.
        return {kind: make for kind, make in found.items() if kind != "booleans"}
    return found


@pytest.mark.parametrize("name", MODELS)
def test_columns_that_are_just_converted_stay_fast(name: str) -> None:
    original, made = fitted(name, named=True)
    method = "predict" if hasattr(original, "predict") else "transform"
    fast = stay_fast(name)
    for kind, make in fast.items():
        rows = make()
        with np.errstate(all="ignore"):
            assert _is_fast(made, method, rows), kind


def _is_fast(made: QuantizedModel, method: str, rows: Any) -> bool:
    """Whether no estimator is restored for this call."""
    again = QuantizedModel(made.artifact, made._trust, made._view)
    getattr(again, method)(rows)
    return again._restored is None


# How numpy treats its own errors ------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e308])
def test_numpy_complains_where_it_does_of_the_original(name: str, value: float) -> None:
    original, made = fitted(name, named=False)
    rows = FRAME.to_numpy().copy()
    rows[1, 2] = value
    method = "predict" if hasattr(original, "predict") else "transform"
    for some in (rows, rows[1:2]):
        for how in ("warn", "raise"):
            assert _under(how, made, method, some) == _under(how, original, method, some), how


def _under(how: Any, model: Any, method: str, rows: Any) -> Any:
    """The error, or the warnings, under this setting of numpy's."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all=how, under="ignore"):
        warnings.simplefilter("always")
        try:
            getattr(model, method)(rows)
        except (ValueError, FloatingPointError) as error:
            return type(error).__name__, str(error)
    return [str(item.message) for item in caught]
