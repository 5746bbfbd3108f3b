"""Tables and what they are made of, saved beside a model: read as they were, or refused by name."""

from __future__ import annotations

import pickle
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model_quantization.loading.pickles.original import load_original
from model_quantization.loading.pickles.read_as_data.inert import inert_class
from model_quantization.loading.pickles.read_as_data.tables import array_of

DAYS = pd.to_datetime(["2020-01-01", None, "2021-05-06"])
# A missing text is NaN since pandas 2.3, which can say so; NA before.
PYTHON_TEXTS = pd.StringDtype(
    "python", **({"na_value": np.nan} if "na_value" in signature(pd.StringDtype).parameters else {})
)
HELD: dict[str, Any] = {
    "numbers by name": pd.Index([3, 1, 2], name="n"),
    "names": pd.Index(["b", "a", None], dtype=object),
    "texts": pd.Index(["b", "a"], dtype="str", name="t"),
    "a range": pd.RangeIndex(2, 11, 3, name="r"),
    "several levels": pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", "y"]),
    "days": pd.DatetimeIndex(DAYS, name="d"),
    "spans": pd.TimedeltaIndex(DAYS - DAYS[0], name="s"),
    "categories": pd.CategoricalIndex(["b", "a", "b"], ["b", "a"], ordered=True, name="c"),
    "a type of categories": pd.CategoricalDtype(["z", "a"], ordered=True),
    "a type without order": pd.CategoricalDtype([1, 2]),
    "a type of whole numbers": pd.Int16Dtype(),
    "a column": pd.Series([1.5, np.nan], index=["a", "b"], name="col"),
    "a column without a name": pd.Series(["é", None, ""], dtype="str"),
    "whole numbers with gaps": pd.Series([1, None, 3], dtype="Int64", name="i"),
    "truths with gaps": pd.Series([True, None, False], dtype="boolean"),
    "numbers with gaps": pd.Series([0.5, None], dtype="Float32"),
    "texts of Python": pd.Series(["a", None, "é"], dtype=PYTHON_TEXTS),
    "a column of days": pd.Series(DAYS, name="when"),
    "a column of spans": pd.Series(DAYS - DAYS[0]),
    "a column of categories": pd.Series(["b", None, "a"], dtype="category"),
    "a table": pd.DataFrame(
        {
            "n": [1, 2], "x": [0.5, 1.5], "t": ["a", "b"], "m": [3, 4], "b": [True, False],
            "c": pd.Categorical(["u", "v"]), "i": pd.array([1, None], dtype="Int8"),
            "y": [2.5, 3.5], "o": [None, (1, 2)],
        },
        index=pd.Index([7, 9], name="row"),
    ),
    "a table without columns": pd.DataFrame(index=["a", "b"]),
}  # fmt: skip


def loaded(value: Any, folder: Path) -> Any:
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps([value, value]))
    (first, second), _ = load_original(path)
    assert first is second
    return first


@pytest.mark.parametrize("kind", HELD)
def test_a_table_and_its_parts_are_what_was_saved(kind: str, tmp_path: Path) -> None:
    saved = HELD[kind]
    found = loaded(saved, tmp_path)
    assert type(found) is type(saved)
    if isinstance(saved, pd.DataFrame):
        pd.testing.assert_frame_equal(found, saved, check_exact=True)
        assert found.T.shape == saved.T.shape  # it can be worked with
    elif isinstance(saved, pd.Series):
        pd.testing.assert_series_equal(found, saved, check_exact=True)
        assert found.isna().tolist() == saved.isna().tolist()
    elif isinstance(saved, pd.Index):
        pd.testing.assert_index_equal(found, saved, exact=True)
        assert list(found.names) == list(saved.names)
    else:
        assert found == saved


@pytest.mark.parametrize("storage", ["python", "pyarrow"])
def test_a_type_of_texts_of_pandas_before_2_3_is_read(storage: str, tmp_path: Path) -> None:
    state = pickle.dumps({"storage": storage}, 2)[2:-1]
    one = b"cpandas.core.arrays.string_\nStringDtype\n)\x81" + state + b"b"
    (tmp_path / "model.pkl").write_bytes(b"\x80\x02" + one + b".")
    found, _ = load_original(tmp_path / "model.pkl")
    assert type(found) is pd.StringDtype
    assert found == pd.StringDtype(storage)
    assert found.storage == storage
    assert pd.array(["a", None], dtype=found)[1] is pd.NA


def made(name: str, *args: Any) -> Any:
    return inert_class(name)(*args)


def arrow_texts(
    *, length: Any = 3, offset: Any = 0, cuts: list[int] | None = None, valid: bytes | None = b"\5",
    kind: str = "string",
) -> Any:  # fmt: skip
    """As a file describes the texts "ab", a missing one, and "c"; `cuts` are where each begins."""
    ends = np.array([0, 2, 2, 3] if cuts is None else cuts, "<i4").tobytes()
    buffers = [
        each if each is None else made("p:py_buffer", each) for each in (valid, ends, b"abc")
    ]
    described = (made("p:type", kind), length, 1, offset, buffers, [], None)
    held = made("pandas:ArrowStringArray")
    held.state = {"_dtype": PYTHON_TEXTS, "_pa_array": made("p:_restore_array", described)}
    return held


def test_texts_of_arrow_are_read_from_their_buffers() -> None:
    assert array_of(arrow_texts()).tolist() == ["ab", PYTHON_TEXTS.na_value, "c"]
    assert array_of(arrow_texts(valid=None)).tolist() == ["ab", "", "c"]
    assert array_of(arrow_texts(length=1, offset=2)).tolist() == ["c"]
    assert array_of(arrow_texts(length=0, cuts=[])).tolist() == []


@pytest.mark.parametrize(
    "change",
    [
        {"cuts": [-1, 2, 2, 3]},
        {"cuts": [0, 2, 2, 4]},
        {"cuts": [0, 2, 2]},
        {"cuts": [2, 0, 2, 3]},
        {"length": 4},
        {"length": -1},
        {"length": 3.0},
        {"offset": -1},
        {"offset": None},
        {"offset": 1},
        {"valid": b""},
        {"kind": "binary"},
    ],
)
def test_texts_that_leave_their_buffers_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, IndexError)):
        array_of(arrow_texts(**change))


@pytest.mark.parametrize("value", [5, made("pandas:SparseArray"), None, made("p:chunked_array")])
def test_an_array_of_another_kind_is_named(value: Any) -> None:
    with pytest.raises(
        ValueError, match=r"an array of the kind (int|SparseArray|NoneType|chunked)"
    ):
        array_of(value)
