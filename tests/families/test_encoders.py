"""Encoders and imputers: exactly scikit-learn's numbers, errors and warnings, without it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier

from model_quantization.api import ModelQuantizer
from model_quantization.families import Lowered
from model_quantization.families.forms import Columns
from model_quantization.predictor.quantized_model import QuantizedModel
from tests.families.checks import check_same_bits, reaction
from tests.families.component import treat

NAN = float("nan")
CITIES = ["Oslo", "Rome", "Kyiv", "Lima", "", "Z\u00fcrich"]


def table(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "city": pd.Series(
                rng.choice(np.array([*CITIES, None, NAN], object), rows), dtype=object
            ),
            "grade": pd.Series(rng.choice(["low", "high"], rows), dtype=object),
            "rooms": rng.choice([1, 2, 3, 9], rows, p=[0.4, 0.4, 0.15, 0.05]),
            "size": rng.choice([0.5, 0.1 + 0.2, 7.0, NAN], rows),
            "age": np.where(rng.random(rows) < 0.2, NAN, rng.integers(1, 90, rows)),
            "garden": rng.random(rows) < 0.5,
        }
    )


TABLE = table()
CATEGORIES = ["city", "grade", "rooms", "size", "garden"]
LABELS = np.arange(len(TABLE)) % 3
ENCODERS: dict[str, Any] = {
    "default": OneHotEncoder(),
    "ignored": OneHotEncoder(handle_unknown="ignore"),
    "dense": OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    "first dropped": OneHotEncoder(drop="first"),
    "first dropped, ignored": OneHotEncoder(drop="first", handle_unknown="ignore"),
    "binary dropped": OneHotEncoder(drop="if_binary"),
    "rare": OneHotEncoder(min_frequency=7),
    "rare, unknown with them": OneHotEncoder(min_frequency=7, handle_unknown="infrequent_if_exist"),
    "rare, ignored": OneHotEncoder(max_categories=3, handle_unknown="ignore"),
    "rare, dropped": OneHotEncoder(max_categories=3, drop="first"),
    "rare, with a warning": OneHotEncoder(max_categories=3, handle_unknown="warn"),
    "ordinal": OrdinalEncoder(encoded_missing_value=-2),
    "ordinal, unknown": OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    ),
    "ordinal, rare": OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=NAN,
        encoded_missing_value=-2,
        min_frequency=7,
    ),
    "ordinal, missing": OrdinalEncoder(),
    "target": TargetEncoder(random_state=0),
}
ROWS: dict[str, pd.DataFrame] = {
    "known": TABLE,
    "one": TABLE.iloc[7:8],
    "unknown name": TABLE.assign(city="Paris"),
    "unknown number": TABLE.assign(rooms=4),
    "missing name": TABLE.assign(grade=None),
    "missing number": TABLE.assign(size=NAN),
    "infinite": TABLE.assign(size=np.inf),
    "numbers for names": TABLE.assign(grade=1),
    "floats for integers": TABLE.assign(rooms=TABLE["rooms"].astype(float)),
    "numbers for yes and no": TABLE.assign(garden=1),
    "objects": TABLE.astype(object),
    "text type": TABLE.assign(grade=TABLE["grade"].astype("str")),
    "text type with NA": TABLE.assign(grade=TABLE["grade"].astype("string")),
    "category type": TABLE.assign(grade=TABLE["grade"].astype("category")),
    "nullable integers": TABLE.assign(rooms=TABLE["rooms"].astype("Int64")),
    "dates": TABLE.assign(rooms=pd.Timestamp("2026-01-01")),
    "lists": TABLE.assign(grade=pd.Series([["low"]] * len(TABLE))),
    "one column less": TABLE.drop(columns="city"),
}


def quiet(call: Any, *args: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*args)


def quantized(model: Any, bit_depth: int | str = "exact") -> QuantizedModel:
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(model)
    assert isinstance(made, QuantizedModel)
    return made


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("sparse", [True, False])
def test_an_encoder_answers_and_refuses_as_scikit_learn_does(name: str, sparse: bool) -> None:
    columns = ColumnTransformer(
        [("categories", ENCODERS[name], CATEGORIES), ("numbers", SimpleImputer(), ["age"])],
        sparse_threshold=1.0 if sparse else 0.0,
    )
    model = make_pipeline(columns, DecisionTreeClassifier(random_state=0))
    linear = make_pipeline(columns, LogisticRegression(max_iter=50))
    last = model if "missing" in name or "rare" in name else linear
    target = LABELS > 0 if name == "target" else LABELS
    quiet(last.fit, TABLE, target)
    made = quantized(last)
    assert "predict" in made.fast_methods
    for kind, rows in ROWS.items():
        expected = reaction(last, "predict_proba", rows)
        got = reaction(made, "predict_proba", rows)
        assert (got.error, got.warned) == (expected.error, expected.warned), kind
        if expected.answer is not None:
            check_same_bits(kind, expected.answer, got.answer)


@pytest.mark.parametrize("name", ENCODERS)
def test_what_is_known_is_answered_without_scikit_learn(name: str) -> None:
    made = quantized(mixed(ENCODERS[name]))
    lowered = made._lowered
    assert isinstance(lowered, Lowered)
    for kind in ("known", "one", "text type", "category type", "floats for integers"):
        assert lowered.methods["predict"](ROWS[kind]) is not None, kind
    found = lowered.methods["predict"](ROWS["unknown name"])
    refusing = {"default", "first dropped", "first dropped, ignored", "binary dropped"}
    refusing |= {"rare", "rare, dropped", "rare, with a warning", "ordinal", "ordinal, missing"}
    assert (found is None) == (name in refusing)


def mixed(encoder: Any) -> Any:
    columns = ColumnTransformer(
        [
            ("categories", encoder, CATEGORIES),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        ],
        sparse_threshold=0,
    )
    model = make_pipeline(columns, DecisionTreeClassifier(random_state=0))
    return quiet(model.fit, TABLE, LABELS > 0)


@pytest.mark.parametrize("bit_depth", ["exact", 8])
def test_the_classic_pipeline_of_tables(bit_depth: int | str) -> None:
    names = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore")
    )
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["age", "size"]), (names, ["city", "grade"]), ("passthrough", ["rooms"])
    )
    for last in (LogisticRegression(max_iter=50), Ridge()):
        model = make_pipeline(columns, last).fit(TABLE, LABELS)
        made = quantized(model, bit_depth)
        restored = made.restore()
        assert {"predict"} <= set(made.fast_methods)
        for rows in (TABLE, TABLE.iloc[3:4], TABLE[TABLE.columns[::-1]].assign(more=1)):
            for method in made.fast_methods:
                got = made._lowered.methods[method](rows)  # type: ignore[union-attr]
                assert got is not None
                if bit_depth == "exact":
                    check_same_bits(method, getattr(restored, method)(rows), got)
                else:
                    np.testing.assert_allclose(got, getattr(restored, method)(rows), rtol=1e-9)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([*CITIES, "\ud800", None, NAN]),
            st.integers(0, 2),
            st.booleans(),
            st.text(),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_mixed_values_are_found_as_python_finds_them(values: list[Any]) -> None:
    known = np.array(["Oslo", "", "Z\u00fcrich", "\ud800", None, NAN], dtype=object)
    encoder = OneHotEncoder(categories=[known], handle_unknown="ignore").fit([["Oslo"]])
    lowered = treat(encoder).lowered
    assert lowered is not None and isinstance(lowered.form, Columns)
    encoder_of_columns = lowered.form.encoder
    assert encoder_of_columns is not None
    column = np.array(values, dtype=object)
    expected = encoder.transform(column.reshape(-1, 1))
    block = encoder_of_columns.block([column])
    indices, ones, rows = encoder_of_columns.entries([column])
    assert np.array_equal(block, expected.toarray())
    assert np.array_equal(rows, expected.indptr)
    assert np.array_equal(indices, expected.indices)
    assert np.array_equal(ones, expected.data)


@pytest.mark.parametrize(
    "model",
    [
        OneHotEncoder(dtype=np.int64).fit(TABLE[["rooms"]]),
        OneHotEncoder().set_output(transform="pandas").fit(TABLE[["rooms"]]),
        OneHotEncoder().fit(TABLE[["rooms"]].astype("datetime64[s]")),
        TargetEncoder(random_state=0).fit(TABLE[["rooms"]], LABELS),
        SimpleImputer(strategy="most_frequent", add_indicator=True).fit(TABLE[["grade"]]),
        SimpleImputer(missing_values=9).fit(TABLE[["rooms"]]),
        SimpleImputer(keep_empty_features=True).fit(TABLE[["age"]]),
        SimpleImputer().fit(TABLE[["age"]].astype(np.float32)),
        SimpleImputer(missing_values=None, strategy="most_frequent").fit(TABLE[["grade"]]),
        SimpleImputer(missing_values=pd.NA, strategy="most_frequent").fit(TABLE[["grade"]]),
    ],
)
def test_what_has_no_table_is_restored(model: Any) -> None:
    assert treat(model).lowered is None


def test_an_encoder_takes_in_a_filler_of_as_many_columns() -> None:
    names = TABLE[["city", "grade"]]
    encoder = treat(OneHotEncoder().fit(names)).lowered
    fits = treat(SimpleImputer(strategy="most_frequent").fit(names)).lowered
    other = treat(SimpleImputer(strategy="most_frequent").fit(names[["grade"]])).lowered
    assert encoder is not None and encoder.absorb is not None
    assert fits is not None and other is not None
    fused = encoder.absorb(fits)
    assert fused is not None and isinstance(fused.form, Columns)
    assert isinstance(fits.form, Columns) and fused.form.filler == fits.form.filler
    assert encoder.absorb(other) is None
    assert encoder.absorb(Lowered({}, by="nothing", names=())) is None


SERVES = """
import sys
import pandas as pd
import model_quantization as mq
model = mq.load(sys.argv[1])
rows = pd.DataFrame({"city": ["Oslo", "Paris"], "age": [30.0, float("nan")]})
assert model.predict_proba(rows).shape == (2, 2)
assert not [name for name in sys.modules if name.partition(".")[0] in ("sklearn", "joblib")]
"""


def test_a_table_is_answered_in_a_process_without_scikit_learn(tmp_path: Path) -> None:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
    )
    rows = TABLE[["city", "age"]]
    model = make_pipeline(columns, LogisticRegression()).fit(rows, LABELS > 0)
    path = tmp_path / "table.qma"
    path.write_bytes(quantized(model, 8).artifact.data)
    subprocess.run([sys.executable, "-c", SERVES, str(path)], check=True)


@pytest.mark.parametrize(
    "steps",
    [
        (OneHotEncoder(handle_unknown="ignore"),),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False),),
        (SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=9), StandardScaler()),
    ],
)
def test_an_encoder_alone_before_a_linear_model(steps: tuple[Any, ...]) -> None:
    names = ["grade", "city"] if len(steps) == 2 else ["rooms", "grade"]
    rows = TABLE[names].replace({None: "none"})
    model = make_pipeline(*steps, LogisticRegression()).fit(rows, LABELS)
    made = quantized(model)
    assert "predict_proba" in made.fast_methods
    found = made._lowered.methods["predict_proba"](rows)  # type: ignore[union-attr]
    check_same_bits("predict_proba", model.predict_proba(rows), found)
    odd = {
        "in another order": rows[names[::-1]],
        "one more": rows.assign(more=1),
        "one less": rows[names[:1]],
        "unknown": rows.assign(grade="none of them"),
        "an array": rows.to_numpy(),
    }
    for kind, asked in odd.items():
        expected = reaction(model, "predict_proba", asked)
        got = reaction(made, "predict_proba", asked)
        assert (got.error, got.warned) == (expected.error, expected.warned), kind
        if expected.answer is not None:
            check_same_bits(kind, expected.answer, got.answer)
