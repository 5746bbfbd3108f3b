"""Text and numbers of one table: the fast predictor, and what is left to scikit-learn."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import MissingIndicator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_quantization.api import ModelQuantizer
from model_quantization.families import family_named
from model_quantization.kernels.tables.pandas_columns import FrameColumns
from model_quantization.predictor.frames import numbers_of_frame
from model_quantization.predictor.quantized_model import QuantizedModel
from tests.families.checks import check_close, check_same_bits, reaction

EXAMPLE = next(iter(family_named("columns").examples()))
TABLE: Any = EXAMPLE.rows


@cache
def quantized(bit_depth: int | str) -> QuantizedModel:
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(EXAMPLE.model)
    assert isinstance(made, QuantizedModel)
    return made


@pytest.mark.parametrize("bit_depth", ["exact", 8])
def test_one_pass_from_the_table(bit_depth: int | str) -> None:
    made = quantized(bit_depth)
    lowered, restored = made._lowered, made.restore()
    assert lowered is not None and lowered.input == "table"
    for table in (TABLE, TABLE.iloc[5:6], TABLE[TABLE.columns[::-1]].assign(more=1)):
        for method in made.fast_methods:
            got = lowered.methods[method](table)
            assert got is not None
            check_same_bits(method, getattr(restored, method)(table), got)


ODD = {
    "a column is missing": lambda t: t.drop(columns="price"),
    "a number is missing": lambda t: t.assign(price=np.nan),
    "a text is missing": lambda t: t.assign(title=None),
    "yes and no": lambda t: t.assign(stock=True),
    "short floats": lambda t: t.assign(price=t["price"].astype("float32")),
    "texts for numbers": lambda t: t.assign(price="1"),
    "no names": lambda t: t.to_numpy(),
    "nothing": lambda t: t.iloc[:0],
    "a name twice": lambda t: pd.concat([t, t[["stock"]]], axis=1),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_tables_are_treated_as_the_original_does(kind: str) -> None:
    table = ODD[kind](TABLE)
    expected = reaction(EXAMPLE.model, "predict_proba", table)
    got = reaction(quantized("exact"), "predict_proba", table)
    assert got.error == expected.error and got.warned == expected.warned
    if expected.answer is not None:
        check_same_bits("predict_proba", expected.answer, got.answer)


def test_what_has_no_fast_form_is_restored() -> None:
    labels = np.arange(80) % 2
    words = ("words", TfidfVectorizer(), "title")
    price = ("numbers", "passthrough", ["price"])
    for columns, threshold, last in (
        (
            [words, ("gaps", MissingIndicator(features="all", sparse=True), ["price"])],
            1,
            LogisticRegression(),
        ),
        ([words, price], 1, BernoulliNB()),
    ):
        model = make_pipeline(ColumnTransformer(columns, sparse_threshold=threshold), last)
        model.fit(TABLE, labels)
        made, _ = ModelQuantizer(bit_depth=8).quantize_model(model)
        assert "predict" not in made.fast_methods
        check_close("predict", made.restore().predict(TABLE), made.predict(TABLE))


def test_a_dense_matrix_of_text_has_the_originals_bits() -> None:
    columns = ColumnTransformer(
        [("words", TfidfVectorizer(), "title"), ("numbers", "passthrough", ["price"])],
        sparse_threshold=0,
    )
    model = make_pipeline(columns, LogisticRegression()).fit(TABLE, np.arange(80) % 2)
    made, _ = ModelQuantizer(recipe="exact").quantize_model(model)
    assert "predict_proba" in made.fast_methods
    for table in (TABLE, TABLE.iloc[5:6]):
        check_same_bits("p", model.predict_proba(table), made.predict_proba(table))


NUMBERS: dict[str, Any] = {
    "bool": lambda t: t.assign(yes=t["a"] > 0),
    "short": lambda t: t.astype({"a": "float32", "c": "int8"}),
    "nullable": lambda t: t.convert_dtypes(dtype_backend="numpy_nullable"),
    "arrow": lambda t: t.convert_dtypes(dtype_backend="pyarrow"),
    "objects": lambda t: t.astype(object),
    "some objects": lambda t: t.astype({"b": object}),
    "dummies": lambda t: pd.get_dummies(t.assign(city=["Oslo", "Rome"] * 30)),
    "half": lambda t: t.astype({"a": "float16"}),
    "columns of one array": lambda t: pd.DataFrame(t.to_numpy().copy(), columns=list("abc")),
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("in_columns", [False, True], ids=["whole", "by column"])
def test_columns_of_any_kind_of_number_have_the_originals_bits(kind: str, in_columns: bool) -> None:
    rng = np.random.default_rng(0)
    plain = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "c": range(60)})
    table = NUMBERS[kind](plain)
    scaler: Any = StandardScaler()
    if in_columns:
        scaler = ColumnTransformer([("all", StandardScaler(), list(table.columns))])
    model = make_pipeline(scaler, LogisticRegression()).fit(table, np.arange(60) % 2)
    made, _ = ModelQuantizer(recipe="exact").quantize_model(model)
    missing = table.astype({"b": object}).copy()
    missing.iloc[3, 1] = None
    for asked in (table, table.iloc[:1], missing, table.iloc[:, ::-1], table.astype(str)):
        expected, got = (reaction(each, "predict_proba", asked) for each in (model, made))
        assert (got.error, got.warned) == (expected.error, expected.warned)
        if expected.answer is not None:
            check_same_bits("predict_proba", expected.answer, got.answer)


def test_a_frame_whose_blocks_are_not_to_be_had_is_read_the_public_way() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": pd.array([1, 2, 3], dtype="Int64")})
    texts = table.assign(c=["x", "y", None], d=pd.Categorical(["u", "v", "u"]))
    by_blocks = numbers_of_frame(table, "numbers", "float64")
    columns = [FrameColumns(texts.iloc[:1]).values(name) for name in "cd"]

    class Hidden:
        """A frame without its private parts."""

        def __init__(self, frame: Any) -> None:
            self.columns, self.dtypes, self.shape = frame.columns, frame.dtypes, frame.shape
            self.iloc, self.to_numpy, self._length = frame.iloc, frame.to_numpy, len(frame)

        def __len__(self) -> int:
            return self._length

    check_same_bits("numbers", by_blocks, numbers_of_frame(Hidden(table), "numbers", "float64"))
    public = FrameColumns(Hidden(texts.iloc[:1]))
    for name, known in zip("cd", columns, strict=True):
        found = public.values(name)
        assert known is not None and found is not None
        assert known.tolist() == found.tolist() and known.dtype == found.dtype
