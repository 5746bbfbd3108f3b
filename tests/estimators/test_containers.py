"""Models in dicts, lists, tuples and objects of the user's own; and what cannot be held."""

from __future__ import annotations

import pickle
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import model_quantization as mq
from model_quantization.api import ModelQuantizer, quantize_model_file
from model_quantization.errors import (
    ConfigError,
    LimitError,
    QuantizationError,
    UnfittedModel,
    UnsupportedComponent,
    UntrustedTypeError,
)
from model_quantization.limits import Limits
from model_quantization.predictor.quantized_model import QuantizedModel
from tests.estimators.test_composites import ANY_SIZE, LABELS, X, check_same_answers, write

SOURCE = '''
import numpy as np


class Thermostat:
    """A model of a user's own: a scikit-learn model, and what to do with its answer."""

    def __init__(self, inner, limit):
        self.inner, self.limit = inner, limit
        self.history = {"runs": 3, "notes": ["a", "b"]}

    def predict(self, rows):
        return np.minimum(self.inner.predict(rows), self.limit)


class Slotted:
    __slots__ = ("inner", "shift")

    def __init__(self, inner):
        self.inner, self.shift = inner, 2.5

    def predict(self, rows):
        return self.inner.predict(rows) + self.shift


class Record:
    """Not a model: it only holds one."""

    def __init__(self, model, made):
        self.model, self.made = model, made


def halved(rows):
    return rows / 2
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A user's module, importable here and in child processes."""
    import importlib

    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "own_models.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield importlib.import_module("own_models")
    sys.modules.pop("own_models", None)


def quantized(model: Any, **options: Any) -> Any:
    made, _ = ModelQuantizer(recipe="exact", **options).quantize_model(model)
    return made


def reopened(model: Any, folder: Path) -> Any:
    record = quantize_model_file(write(model, folder), recipe="exact", gate=ANY_SIZE)
    return mq.load(record["output_path"])


def test_models_in_a_dict_with_other_things(tmp_path: Path) -> None:
    held = {
        "model": LogisticRegression().fit(X, LABELS),
        "eu/model": GaussianNB().fit(X, LABELS),
        7: StandardScaler().fit(X),
        "columns": ["a", "b"],
        "threshold": 0.25,
        "nested": [{"ridge": Ridge().fit(X, X[:, 0])}, (1, KMeans(2, n_init=1).fit(X))],
        "array": np.arange(5.0),
    }
    loaded = reopened(held, tmp_path)
    assert list(loaded) == list(held)
    for key in ("model", "eu/model", 7):
        check_same_answers(held[key], loaded[key], X)
    assert loaded["columns"] == ["a", "b"] and loaded["threshold"] == 0.25
    check_same_answers(held["nested"][0]["ridge"], loaded["nested"][0]["ridge"], X)
    assert loaded["nested"][1][0] == 1 and type(loaded["nested"][1]) is tuple
    check_same_answers(held["nested"][1][1], loaded["nested"][1][1], X)
    np.testing.assert_array_equal(loaded["array"], held["array"])
    paths = {loaded[key].path for key in ("model", "eu/model", 7)}
    assert paths == {"model", "eu/model", "7"}


@pytest.mark.parametrize("kind", [list, tuple])
def test_models_in_a_sequence(kind: type, tmp_path: Path) -> None:
    held = kind([Ridge().fit(X, X[:, 0]), GaussianNB().fit(X, LABELS)])
    loaded = reopened(held, tmp_path)
    assert type(loaded) is kind
    for one, other in zip(held, loaded, strict=True):
        check_same_answers(one, other, X)
        copy = pickle.loads(pickle.dumps(other))
        assert copy.path == other.path
        check_same_answers(one, copy, X)


def test_one_model_held_twice_is_one_model(tmp_path: Path) -> None:
    model, scaler = LogisticRegression().fit(X, LABELS), StandardScaler().fit(X)
    loaded = reopened([model, model, {"again": model}], tmp_path)
    assert loaded[0] is loaded[1] is loaded[2]["again"]
    pipeline = Pipeline([("scale", scaler), ("model", model)])
    loaded = reopened({"pipeline": pipeline, "model": model, "scaler": scaler}, tmp_path)
    check_same_answers(pipeline, loaded["pipeline"], X)
    check_same_answers(model, loaded["model"], X)
    check_same_answers(scaler, loaded["scaler"], X)
    loaded = reopened({"model": model, "pipeline": pipeline}, tmp_path)
    check_same_answers(pipeline, loaded["pipeline"], X)


def test_residue_of_one_model_is_not_anothers() -> None:
    from sklearn.linear_model import LassoCV

    loaded = quantized({"a": LassoCV(cv=2).fit(X, X[:, 0]), "a2": Ridge().fit(X, X[:, 0])})
    with pytest.raises(AttributeError, match="mse_path_ was needed for training only"):
        _ = loaded["a"].mse_path_
    with pytest.raises(AttributeError, match="object has no attribute 'mse_path_'"):
        _ = loaded["a2"].restore().mse_path_


def test_an_object_of_a_users_class_is_trusted_by_passing_it(own: ModuleType) -> None:
    model = own.Thermostat(Ridge().fit(X, X[:, 0]), 0.5)
    made, stats = ModelQuantizer(bit_depth=16).quantize_model(model, model_format="custom")
    assert isinstance(made, QuantizedModel)
    np.testing.assert_allclose(made.predict(X), model.predict(X), atol=1e-3)
    restored = made.restore()
    assert type(restored) is own.Thermostat and restored.history == model.history
    assert "own_models:Thermostat" not in {line["type"] for line in stats["components"]}
    with pytest.raises(UntrustedTypeError, match=r"own_models:Thermostat is not on the allow-list"):
        ModelQuantizer().quantize_model(model)


@pytest.mark.parametrize("kind", ["Thermostat", "Slotted"])
def test_a_users_class_in_a_file_is_trusted_by_name(
    kind: str, own: ModuleType, tmp_path: Path
) -> None:
    inner = Ridge().fit(X, X[:, 0])
    model = own.Thermostat(inner, 0.5) if kind == "Thermostat" else own.Slotted(inner)
    path = write(model, tmp_path)
    name = f"own_models:{kind}"
    with pytest.raises(QuantizationError, match=rf"own_models[.:]{kind}"):
        quantize_model_file(path, recipe="exact")
    record = quantize_model_file(path, recipe="exact", trusted=[name], gate=ANY_SIZE)
    loaded = mq.load(record["output_path"], trusted=(name,))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert type(pickle.loads(pickle.dumps(loaded)).restore()) is type(model)
    untrusting = mq.load(record["output_path"])
    with pytest.raises(UntrustedTypeError, match=rf"{name} is not on the allow-list.*trusted"):
        untrusting.predict(X)


def test_an_object_that_only_holds_a_model_comes_back_as_it_was(own: ModuleType) -> None:
    record = own.Record({"clf": GaussianNB().fit(X, LABELS)}, made="2026-11-24")
    made, stats = ModelQuantizer(recipe="exact").quantize_model(record, model_format="custom")
    assert type(made) is own.Record and made.made == record.made
    np.testing.assert_array_equal(made.model["clf"].predict(X), record.model["clf"].predict(X))
    assert stats["model_type"] == "Record"


def test_a_users_function_is_trusted_by_name(own: ModuleType, tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(own.halved), Ridge()).fit(X, X[:, 0])
    path = write(model, tmp_path)
    with pytest.raises(QuantizationError, match=r"own_models[.:]halved"):
        quantize_model_file(path, recipe="exact")
    with pytest.raises(UntrustedTypeError, match=r"steps/functiontransformer/func.*halved"):
        ModelQuantizer().quantize_model(model)
    trusted = ("own_models:halved",)
    record = quantize_model_file(path, recipe="exact", trusted=trusted, gate=ANY_SIZE)
    loaded = mq.load(record["output_path"], trusted=trusted)
    check_same_answers(model, loaded, X)
    assert loaded.restore().steps[0][1].func is own.halved


# What cannot be held ------------------------------------------------------------------------


def test_unfitted_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnfittedModel, match="LogisticRegression: the estimator was never fitted"):
        ModelQuantizer().quantize_model(LogisticRegression())
    with pytest.raises(UnfittedModel, match=r"models/0: Ridge: .*; expected a fitted estimator"):
        ModelQuantizer().quantize_model({"models": [Ridge()], "ok": StandardScaler().fit(X)})
    with pytest.raises(UnfittedModel, match="Pipeline"):
        quantize_model_file(write(make_pipeline(StandardScaler(), Ridge()), tmp_path))


def _numbers() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("thing", "kind", "why"),
    [
        (lambda: lambda x: x, "builtins.function", "no importable name"),
        (_numbers, "builtins.generator", "not data"),
        (threading.Lock, "_thread.lock", "not data"),
        (lambda: Path(__file__).open(), "_io.TextIOWrapper", "not data"),  # noqa: SIM115
        (lambda: memoryview(b"x"), "builtins.memoryview", "not data"),
        (lambda: sys, "builtins.module", "not data"),
        (lambda: 1 << 300, "builtins.int", "301 bits"),
        (lambda: np.zeros(1, dtype="i4,f8")[0], "numpy.void", "record or object scalar"),
    ],
    ids=["lambda", "generator", "lock", "file", "memoryview", "module", "large int", "record"],
)
def test_what_is_not_data_is_named_with_its_path_and_type(thing: Any, kind: str, why: str) -> None:
    made = thing()
    model = make_pipeline(StandardScaler(), Ridge()).fit(X, X[:, 0])
    model.steps[0][1].extra_ = [0, {"inner": made}]
    try:
        with pytest.raises(UnsupportedComponent) as caught:
            ModelQuantizer().quantize_model(model)
    finally:
        if hasattr(made, "close"):
            made.close()
    assert caught.value.where == "steps/standardscaler/extra_/1/inner"
    assert str(caught.value).startswith(
        f"steps/standardscaler/extra_/1/inner: {kind} cannot be represented as data:"
    )
    assert why in str(caught.value)
    assert "remove it from the model before saving" in str(caught.value)


def test_a_model_that_holds_itself_and_one_nested_too_deep() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UnsupportedComponent, match=r"0: builtins.list .* it refers to itself"):
        ModelQuantizer().quantize_model(loop)
    deep: Any = 0
    for _ in range(300):
        deep = (deep,)
    with pytest.raises(LimitError, match="nested too deep; expected <= 200"):
        ModelQuantizer().quantize_model(deep)
    with pytest.raises(LimitError, match="too many objects; expected <= 5"):
        from model_quantization.estimators.capture import capture
        from model_quantization.trust import TrustPolicy

        capture([[], [], [], [], []], TrustPolicy(), Limits(nodes=5))


def test_calibration_rows_for_several_models() -> None:
    held = [Ridge().fit(X, X[:, 0]), Ridge().fit(X, X[:, 1])]
    with pytest.raises(ConfigError, match=r"calibration_data: .*one model; got a list.*one by one"):
        ModelQuantizer().quantize_model(held, calibration_data=X)
