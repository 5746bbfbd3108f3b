"""What must hold for every family: each `check_*` takes one example and asserts one promise.

A family is checked on its own `examples()`; a new one is found without being named here.
"""

from __future__ import annotations

import io
import multiprocessing
import pickle
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from multiprocessing.pool import Pool
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from model_quantization.api import ModelQuantizer
from model_quantization.errors import DroppedAttribute
from model_quantization.estimators.capture import capture, capture_objects
from model_quantization.evaluation.agreement import same_bits
from model_quantization.evaluation.answers import ANSWER_METHODS, plain_arrays
from model_quantization.families import Example, all_families
from model_quantization.graph.methods import FITTING_METHODS as FITTING
from model_quantization.graph.methods import PUBLIC_METHODS
from model_quantization.loading.pickles.migrations.steps import installed
from model_quantization.planning.packing import prepare_graph
from model_quantization.planning.plan import make_plan
from model_quantization.predictor.quantized_model import QuantizedModel
from model_quantization.schemes.recipe import recipe_for
from model_quantization.trust import TrustPolicy

ROUNDED = ("8", "16", "32")
DEPTHS = ("exact", *ROUNDED)
LONGER = frozenset({"16", "32"})
RELATIVE_ERROR = 1e-6  # of a fast predictor's numbers, against the largest of the restored one's

# Methods that draw random numbers: nothing to compare without seeding numpy first.
DRAWING = frozenset({"sample", "sample_y"})


_REARRANGED = {
    "mixture-": (1, 8), "preprocessing-powers": (1, 8), "preprocessing-plain_powers": (1, 8),
    "multiclass-of_trees": (1, 8),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One example of one family."""

    family: str
    example: Example

    def __str__(self) -> str:
        return f"{self.family}-{self.example.name}".replace(" ", "_")

    @property
    def rounds_otherwise(self) -> bool:
        """Whether the installed scikit-learn rounds on the way to its answers as today's does not.

        Its formulas were rearranged: mixtures and powers in 1.8, shares of classes in 1.7. The
        probes find such a method and leave it to the restored estimator.
        """
        return any(
            str(self).startswith(name) and installed("sklearn") < since
            for name, since in _REARRANGED.items()
        )

    @property
    def is_text(self) -> bool:
        """Whether the rows are a list: documents, mappings or the like."""
        return isinstance(self.example.rows, list)

    @property
    def is_numeric(self) -> bool:
        """Whether the rows are a matrix of numbers."""
        rows = self.example.rows
        return isinstance(rows, np.ndarray) and rows.dtype.kind in "iuf" and rows.ndim == 2


@cache
def all_cases() -> tuple[Case, ...]:
    """Every example of every family."""
    return tuple(Case(family.name, item) for family in all_families() for item in family.examples())


@cache
def quantized(case: Case, bit_depth: str) -> QuantizedModel:
    """The example quantized in this process; it is made once."""
    # Of a copy that nobody asked: trees of neighbours count the questions they were asked.
    unasked = pickle.loads(pickle.dumps(case.example.model))
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(unasked)
    assert isinstance(made, QuantizedModel)
    return made


@cache
def quantized_in_memory(case: Case, bit_depth: str) -> QuantizedModel:
    """The example itself quantized, which leaves it as it was; it is made once."""
    before = pickle.dumps(case.example.model)
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(case.example.model)
    assert pickle.dumps(case.example.model) == before
    assert isinstance(made, QuantizedModel)
    return made


@cache
def original(case: Case) -> Any:
    """The example as its own pickle gives it back: what a restored model is compared with."""
    return pickle.loads(pickle.dumps(case.example.model))


def check_plan_is_total(case: Case, bit_depth: str) -> None:
    """Every array has one choice, with a reason."""
    graph = prepare_graph(capture(case.example.model, TrustPolicy())).graph
    plan = make_plan(graph, recipe_for(bit_depth))
    assert len(plan.choices) == len(plan.graph.arrays)
    assert all(choice.reason and choice.family and choice.pool for choice in plan.choices)
    assert plan.exact or bit_depth != "exact"


def check_round_trip_is_exact(case: Case) -> None:
    """The restored estimator answers with the original's bits."""
    restored = quantized(case, "exact").restore()
    assert type(restored).__qualname__ == type(case.example.model).__qualname__
    assert isinstance(restored, type(case.example.model))
    for name in (*ANSWER_METHODS, "predict_log_proba", "apply", "inverse_transform"):
        if hasattr(original(case), name) and (name != "inverse_transform"):
            check_same_answer(case, name, original(case), restored, case.example.rows)


def check_input_is_not_changed(case: Case, bit_depth: str) -> None:
    """Quantizing leaves the model as it was, answering leaves the rows as they were."""
    before = pickle.dumps(case.example.rows)
    model = quantized_in_memory(case, bit_depth)
    for name in model.fast_methods:
        reaction(model, name, case.example.rows)
    assert pickle.dumps(case.example.rows) == before


def check_bytes_are_reproducible(case: Case, bit_depth: str) -> None:
    """The same model gives the same bytes, and so does the same pickle read twice."""
    copy = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(case.example.model))))
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(copy)
    assert made.artifact.data == quantized(case, bit_depth).artifact.data
    # The model in memory may differ from its pickle, which gives an array that is a part of a
    # larger one another order: the order shows in the last bits of answers, so it is kept.
    again, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(case.example.model)
    assert again.artifact.data == quantized_in_memory(case, bit_depth).artifact.data


def check_explanation_says_why(case: Case) -> None:
    """Each method and each component is fast, or says why it is not."""
    found = quantized(case, "8").explain()
    assert found.methods and found.components
    for one in (*found.methods, *found.components):
        assert one.by and one.fast != bool(one.why)


def check_predictor_equals_restored(case: Case, bit_depth: str) -> None:
    """Fast methods answer what the restored estimator does, for any number of rows."""
    model = quantized(case, bit_depth)
    restored = model.restore()
    rows = case.example.rows
    for name in model.fast_methods:
        for some in (rows, rows[:1], rows[:7], _many(rows)):
            with np.errstate(all="ignore"):
                fast, slow = (getattr(each, name)(some) for each in (model, restored))
            if bit_depth == "exact":
                check_same_bits(name, slow, fast)
            else:
                check_close(name, slow, fast)


def check_surface_is_the_originals(case: Case) -> None:
    """Just the original's public methods are there; and its fitted attributes, with their values.

    Methods that fit are not: an artifact is fitted for good. Residue says that it was dropped.
    """
    model, known = quantized(case, "exact"), original(case)
    restored = model.restore()
    for name in PUBLIC_METHODS:
        expected = name not in FITTING and callable(getattr(known, name, None))
        assert hasattr(model, name) == expected, name
    for name in sorted({*dir(type(known)), *vars(known)} - set(PUBLIC_METHODS)):
        if not name.startswith("_"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # attributes on their way out
                check_same_attribute(name, known, restored, model)


def check_same_attribute(name: str, known: Any, restored: Any, model: Any) -> None:
    """An attribute of the original is there with its value, or says that it was dropped."""
    if not hasattr(known, name):
        assert not hasattr(model, name), name
    elif hasattr(restored, name):
        mine, theirs = getattr(model, name), getattr(restored, name)
        if not callable(theirs):
            check_same_value(name, theirs, mine)
    else:
        for each in (restored, model):
            with pytest.raises(DroppedAttribute, match="was needed for training only"):
                getattr(each, name)


def check_odd_input_is_the_originals(case: Case) -> None:
    """Input of another kind gets the original's answer, warnings and errors."""
    table = NUMERIC_ROWS if case.is_numeric else OTHER_ROWS if case.is_text else {}
    for name in quantized(case, "exact").fast_methods:
        for kind, odd in table.items():
            check_same_outcome(case, name, odd, kind)


def check_it_pickles(case: Case, bit_depth: str) -> None:
    """A copy made by pickle or joblib answers the same, and costs no more than the artifact."""
    model = quantized(case, bit_depth)
    data = pickle.dumps(model)
    assert len(data) < len(model.artifact.data) + 500
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    for copy in (pickle.loads(data), joblib.load(file)):
        assert copy.artifact.data == model.artifact.data
        assert copy.fast_methods == model.fast_methods
        check_first_answer(case, model, copy)


def check_it_answers_in_another_process(case: Case, pool: Pool) -> None:
    """A fresh interpreter that gets the model through multiprocessing answers the same."""
    model = quantized(case, "8")
    name = _first_method(model)
    if name is not None:
        mine = plain_arrays(name, getattr(model, name)(case.example.rows))
        theirs = pool.apply(answer_here, (model, name, case.example.rows))
        assert mine.keys() == theirs.keys()
        assert all(same_bits(mine[key], theirs[key]) for key in mine)


def answer_here(model: Any, name: str, rows: Any) -> dict[str, Any]:
    """Run in the other process."""
    return plain_arrays(name, getattr(model, name)(rows))


def start_pool() -> Pool:
    """One fresh interpreter."""
    return multiprocessing.get_context("spawn").Pool(1)


def check_residue_is_reported(case: Case) -> None:
    """Reading what was dropped names it, on the restored object that it was dropped from."""
    model = quantized(case, "exact")
    objects = capture_objects(model.restore(), TrustPolicy(frozenset(RESTORED))).objects
    for path, note in model.artifact.manifest["residue"].items():
        assert note
        where, _, name = path.rpartition("/")
        if where in objects and name not in dir(type(objects[where])):
            with pytest.raises(DroppedAttribute, match=f"{name} was needed for training only"):
                getattr(objects[where], name)


RESTORED = tuple(
    f"model_quantization.estimators.slim_trees:{name}"
    for name in ("RestoredTree", "RestoredLeaves", "RestoredPredictor", "RestoredBinMapper")
)


# Input of other kinds ---------------------------------------------------------------------


def read_only(rows: Any) -> Any:
    copy = rows.copy()
    copy.setflags(write=False)
    return copy


NUMERIC_ROWS: dict[str, Callable[[Any], Any]] = {
    "float32": lambda rows: rows.astype(np.float32),
    "float16": lambda rows: rows[:4].astype(np.float16),
    "longdouble": lambda rows: rows[:4].astype(np.longdouble),
    "int64": lambda rows: rows.astype(np.int64),
    "uint8": lambda rows: np.abs(rows).astype(np.uint8),
    "bool": lambda rows: rows > 0,
    "big-endian": lambda rows: rows.astype(">f8"),
    "Fortran": np.asfortranarray,
    "strided": lambda rows: np.repeat(rows, 3, axis=1)[:, ::3],
    "reversed": lambda rows: rows[::-1],
    "read-only": read_only,
    "list": lambda rows: rows[:5].tolist(),
    "list of arrays": lambda rows: list(rows[:5]),
    "tuple": lambda rows: tuple(map(tuple, rows[:5].tolist())),
    "one row": lambda rows: rows[:1],
    "frame": pd.DataFrame,
    "named frame": lambda rows: pd.DataFrame(rows).add_prefix("x"),
    "object": lambda rows: rows[:5].astype(object),
    "matrix of text": lambda rows: rows[:5].astype(str),
    "sparse": csr_array,
    "no rows": lambda rows: rows[:0],
    "one dimension": lambda rows: rows[0],
    "three dimensions": lambda rows: rows[None],
    "a column short": lambda rows: rows[:, 1:],
    "NaN": lambda rows: _with_value(rows, np.nan),
    "infinity": lambda rows: _with_value(rows, np.inf),
    "negative infinity": lambda rows: _with_value(rows, -np.inf),
    "huge": lambda rows: rows * 1e200,
    "complex": lambda rows: rows[:5].astype(complex),
    "None": lambda rows: None,
    "a number": lambda rows: 3.0,
    "text": lambda rows: "x",
    "ragged": lambda rows: [[1.0, 2.0], [3.0]],
}
OTHER_ROWS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "generator": lambda rows: (row for row in rows),
    "array": lambda rows: np.array(rows, dtype=object),
    "series": lambda rows: pd.Series(list(rows)),
    "one row": lambda rows: rows[:1],
    "no rows": lambda rows: rows[:0],
    "a row alone": lambda rows: rows[0],
    "None among rows": lambda rows: [rows[0], None],
    "NaN among rows": lambda rows: [rows[0], float("nan")],
    "a number among rows": lambda rows: [rows[0], 3],
    "bytes": lambda rows: [b"one fish"],
    "empty text": lambda rows: ["", " ", "\n"],
    "odd text": lambda rows: [
        "İstanbul ß ǅ",
        "a\0b",
        "\ud800",
        "x" * 3000,
        "日本語 テキスト",
        "é e\u0301",
    ],
    "None": lambda rows: None,
    "a number": lambda rows: 3.0,
    "numbers": lambda rows: np.zeros((2, 2)),
}


def _with_value(rows: Any, value: float) -> Any:
    copy = np.array(rows[:5], dtype=np.float64)
    copy[2, -1] = value
    return copy


def _many(rows: Any) -> Any:
    """Rows enough for every path that is taken for large batches only."""
    times = 300 // (len(rows) if isinstance(rows, list) else rows.shape[0]) + 1
    if isinstance(rows, list):
        return rows * times
    count = rows.shape[0]
    many = np.resize(np.arange(count), count * times)
    return rows.iloc[many] if isinstance(rows, pd.DataFrame) else rows[many]


# Comparing --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a method did: its answer or its error, and what it warned of."""

    answer: dict[str, Any] | None
    error: str
    warned: tuple[str, ...]


# LightGBM 4.6 says so of arrays, whatever it was fitted on.
_UNFOUNDED = "X does not have valid feature names, but LGBM"


def reaction(model: Any, name: str, rows: Any) -> Reaction:
    """What the method of this name does when it is given these rows."""
    answer, error = None, ""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            answer = plain_arrays(name, getattr(model, name)(rows))
            # The bytes that pad a long double are whatever was there before.
            answer = {
                key: array.astype(np.float64) if array.dtype.char == "g" else array
                for key, array in answer.items()
            }
        except Exception as raised:  # noqa: BLE001  whatever it is, the other must raise it too
            error = f"{type(raised).__name__}: {_NATIVE.sub('', str(raised))}"
    warned = tuple(
        f"{item.category.__name__}: {item.message}"
        for item in caught
        if not _NATIVE.match(str(item.message)) and _UNFOUNDED not in str(item.message)
    )
    return Reaction(answer, error, warned)


# XGBoost's own log: it has the time of day, and a warning comes once per process.
_NATIVE = re.compile(r"\[\d\d:\d\d:\d\d\] ")


def check_same_outcome(case: Case, name: str, odd: Callable[[Any], Any], kind: str) -> None:
    """Both models do the same with `odd(rows)`, which is made anew for each."""
    rows, where = case.example.rows, f"{name} of {kind}"
    with np.errstate(all="ignore"):
        made = odd(rows), odd(rows)
    expected = reaction(original(case), name, made[0])
    got = reaction(quantized(case, "exact"), name, made[1])
    assert got.error == expected.error, where
    assert got.warned == expected.warned, where
    if expected.answer is not None:
        assert got.answer is not None and got.answer.keys() == expected.answer.keys(), where
        for key, array in expected.answer.items():
            if case.rounds_otherwise and array.dtype.kind == "f":
                np.testing.assert_allclose(got.answer[key], array, 1e-9, 1e-12, err_msg=where)
            else:
                assert same_bits(array, got.answer[key]), f"{where}: {key}"


def check_same_answer(case: Case, name: str, one: Any, other: Any, rows: Any) -> None:
    """Two models give the same bits, or the same error."""
    expected, got = reaction(one, name, rows), reaction(other, name, rows)
    assert got.error == expected.error
    if expected.answer is not None:
        assert got.answer is not None and got.answer.keys() == expected.answer.keys()
        assert all(same_bits(expected.answer[key], got.answer[key]) for key in expected.answer)


def check_first_answer(case: Case, one: Any, other: Any) -> None:
    """Two models give the same bits where they answer at all."""
    name = _first_method(one)
    if name is not None:
        check_same_answer(case, name, one, other, case.example.rows)


def _first_method(model: Any) -> str | None:
    return next((name for name in ANSWER_METHODS if hasattr(model, name)), None)


def check_same_bits(name: str, expected: Any, got: Any) -> None:
    """The answers are equal in type, shape and every bit."""
    one, other = plain_arrays(name, expected), plain_arrays(name, got)
    assert one.keys() == other.keys()
    for key, array in one.items():
        assert same_bits(array, other[key]), key


def check_close(name: str, expected: Any, got: Any) -> None:
    """Labels are equal, numbers are within `RELATIVE_ERROR`."""
    one, other = plain_arrays(name, expected), plain_arrays(name, got)
    assert one.keys() == other.keys()
    for key, array in one.items():
        assert array.dtype == other[key].dtype and array.shape == other[key].shape, key
        if array.dtype.kind == "f":
            known = np.abs(array[np.isfinite(array)])
            bound = RELATIVE_ERROR * known.max(initial=0.0)
            np.testing.assert_allclose(other[key], array, rtol=0, atol=bound, err_msg=key)
        else:
            np.testing.assert_array_equal(other[key], array, err_msg=key)


def check_same_value(name: str, expected: Any, got: Any) -> None:
    """A fitted attribute or parameter has the restored estimator's value."""
    if isinstance(expected, np.ndarray) or hasattr(expected, "tocsr"):
        check_same_bits(name, expected, got)
    elif isinstance(expected, float):
        assert type(got) is type(expected) and (got == expected or expected != got != got), name
    elif isinstance(expected, str | int | bool | type(None)):
        assert type(got) is type(expected) and got == expected, name
    else:
        assert type(got) is type(expected) or isinstance(got, type(expected)), name


def pairs(cases: Iterable[Case], depths: Iterable[str]) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`: every case at every depth.

    16 and 32 bits take the same ways as 8, with other widths: they are the longer proof.
    """
    return [
        pytest.param(
            case,
            depth,
            id=f"{case}-{depth}",
            marks=(pytest.mark.slow,) if depth in LONGER else (),
        )
        for case in cases
        for depth in depths
    ]
