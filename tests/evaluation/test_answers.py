"""Answers: whatever a model returns becomes plain arrays, and survives the trip through files."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_quantization.errors import LimitError, PredictionError, WorkerError
from model_quantization.evaluation.agreement import same_bits
from model_quantization.evaluation.answers import (
    ANSWER_METHODS,
    Answers,
    answer,
    answerable,
    plain_arrays,
)
from model_quantization.limits import Limits


class Model:
    def __init__(self, **methods):
        for name, value in methods.items():
            if name == "classes_":
                self.classes_ = value
            elif isinstance(value, Exception):
                setattr(self, name, self._raising(value))
            else:
                setattr(self, name, lambda rows, value=value: value)

    @staticmethod
    def _raising(error):
        def method(rows):
            raise error

        return method


def test_methods_in_order_and_neighbors_only_alone():
    model = Model(transform=1, predict=1, kneighbors=1, fit=1)
    assert answerable(model) == ("predict", "transform")
    assert answerable(Model(kneighbors=1)) == ("kneighbors",)
    assert answerable(object()) == ()
    assert set(answerable(model)) <= set(ANSWER_METHODS)


def test_multi_output_sparse_frames_and_objects():
    matrix = sp.coo_matrix(([1.0, 2.0, 3.0, 0.0], ([1, 1, 0, 2], [0, 0, 1, 1])), shape=(3, 2))
    model = Model(
        predict=np.array(["yes", None, 1.5], dtype=object),
        predict_proba=[np.zeros((3, 2)), np.ones((3, 3))],
        decision_function=pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1, 2]}),
        score_samples=pd.Series([1.0, 2.0, 3.0], dtype="Float64"),
        transform=matrix,
        classes_=[np.array([0, 1]), np.array(["a", "b", "c"], dtype=object)],
    )
    answers = answer(model, [0, 1, 2], answerable(model))
    assert answers.methods == tuple(m for m in ANSWER_METHODS if m != "kneighbors")
    arrays = answers.arrays
    assert list(arrays["predict"]) == ["yes", "<NoneType> None", "<float> 1.5"]
    assert arrays["predict_proba/1"].shape == (3, 3)
    assert arrays["decision_function"].shape == (3, 2)
    assert arrays["score_samples"].dtype.kind == "f"
    assert arrays["transform/data"].tolist() == [3.0, 3.0]
    assert arrays["transform/indptr"].tolist() == [0, 1, 2, 2]
    assert arrays["classes_/1"].dtype.kind == "U"
    assert all(array.dtype != object for array in arrays.values())
    np.testing.assert_array_equal(
        answers.outputs("transform")["transform"].toarray(), matrix.toarray()
    )


def test_lists_of_rows_and_odd_layouts():
    assert plain_arrays("p", ["a", "bb"])["p"].dtype.kind == "U"
    assert plain_arrays("p", [[0.1, 0.9], [0.2, 0.8]])["p"].shape == (2, 2)
    assert plain_arrays("p", [["a"], ["a", "b"]])["p"].shape == (2,)
    assert plain_arrays("p", [np.zeros(2), np.ones(2)])["p"].shape == (2, 2)
    big = plain_arrays("p", np.arange(4, dtype=">f8")[::2])["p"]
    assert big.dtype.isnative and big.flags.c_contiguous and big.tolist() == [0.0, 2.0]


def test_failures():
    model = Model(predict=np.zeros(2), transform=ValueError("no"), score_samples=KeyError("k"))
    answers = answer(model, [1, 2], (*answerable(model), "decision_function"))
    assert answers.failed["transform"] == "ValueError: no"
    assert answers.failed["score_samples"] == "KeyError: 'k'"
    assert "AttributeError" in answers.failed["decision_function"]
    assert answers.methods == ("predict",)
    with pytest.raises(PredictionError, match="Model: predict failed; got RuntimeError: broken"):
        answer(Model(predict=RuntimeError("broken")), [1], ("predict",))


def test_exhausted_memory_is_not_an_answer():
    with pytest.raises(MemoryError):
        answer(Model(transform=MemoryError()), [1], ("transform",))


KINDS = hnp.scalar_dtypes() | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes()
ARRAYS = KINDS.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["predict", "predict_proba/0", "transform", "classes_"]), ARRAYS
    ),
    st.dictionaries(st.text(), st.text()),
)
def test_files_round_trip_bit_for_bit(tmp_path_factory, arrays, failed):
    directory = tmp_path_factory.mktemp("answers")
    arrays = {name: plain_arrays(name, array)[name] for name, array in arrays.items()}
    Answers(arrays, failed).to_files(directory, "odd")
    back = Answers.from_files(directory, "odd")
    assert back.failed == failed
    assert list(back.arrays) == list(arrays)
    assert all(same_bits(back.arrays[key], arrays[key]) for key in arrays)


def test_files_that_cannot_be_trusted(tmp_path):
    with pytest.raises(WorkerError, match="cannot be read"):
        Answers.from_files(tmp_path)
    arrays, record = Answers({"predict": np.zeros(1000)}).to_files(tmp_path)
    with pytest.raises(LimitError, match="raise the limit decoded_bytes"):
        Answers.from_files(tmp_path, limits=Limits(decoded_bytes=100))
    record.write_text(json.dumps({"keys": ["predict", "more"], "failed": {}}))
    with pytest.raises(WorkerError, match="cannot be read"):
        Answers.from_files(tmp_path)
    record.write_text(json.dumps({"keys": ["predict"], "failed": {}}))
    np.savez(arrays, np.array([None]))
    with pytest.raises(WorkerError, match="ValueError"):
        Answers.from_files(tmp_path)
    arrays.write_bytes(b"PK")
    with pytest.raises(WorkerError, match="BadZipFile"):
        Answers.from_files(tmp_path)
