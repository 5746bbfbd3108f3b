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

from model_quantization.api import ModelQuantizer
from model_quantization.families import family_named
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
        ([words, ("gaps", MissingIndicator(features="all"), ["price"])], 1, LogisticRegression()),
        ([words, price], 0, LogisticRegression()),
        ([words, price], 1, BernoulliNB()),
    ):
        model = make_pipeline(ColumnTransformer(columns, sparse_threshold=threshold), last)
        model.fit(TABLE, labels)
        made, _ = ModelQuantizer(bit_depth=8).quantize_model(model)
        assert "predict" not in made.fast_methods
        check_close("predict", made.restore().predict(TABLE), made.predict(TABLE))
