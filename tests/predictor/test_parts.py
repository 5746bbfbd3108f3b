"""Parts of a quantized model by `[]`, `len` and iteration: as the original's class has them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from model_quantization.api import ModelQuantizer
from model_quantization.errors import ConfigError
from model_quantization.predictor.quantized_model import QuantizedModel
from tests.families.checks import check_same_bits, reaction

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6))
Y = (X[:, 0] > X[:, 1]).astype(int)
TEXTS = ["red fish", "blue fish", "old red boat", "new boat"] * 3
FRAME = pd.DataFrame(X[:, :2], columns=["a", "b"])


def quantized(model: Any) -> QuantizedModel:
    made, _ = ModelQuantizer(bit_depth="exact").quantize_model(model)
    assert isinstance(made, QuantizedModel)
    return made


PIPELINE = make_pipeline(
    StandardScaler(), "passthrough", MinMaxScaler(), LogisticRegression(max_iter=50)
).fit(X, Y)
FOREST = RandomForestClassifier(4, random_state=0).fit(X, Y)
BAGGED = BaggingClassifier(make_pipeline(StandardScaler(), LogisticRegression()), 3).fit(X, Y)
MODELS: dict[str, Any] = {
    "pipeline": PIPELINE,
    "nested": make_pipeline(make_pipeline(StandardScaler(), MinMaxScaler()), FOREST).fit(X, Y),
    "forest": FOREST,
    "bagged pipelines": BAGGED,
    "boosted": GradientBoostingRegressor(n_estimators=2).fit(X, X[:, 0]),
    "weighted": AdaBoostClassifier(n_estimators=2).fit(X, Y),
    "union": make_union(TfidfVectorizer(), CountVectorizer()).fit(TEXTS),
    "columns": make_column_transformer((StandardScaler(), ["a"]), ("drop", ["b"])).fit(FRAME),
    "frozen": FrozenEstimator(PIPELINE),
    "no parts": LogisticRegression(max_iter=50).fit(X, Y),
    "votes": VotingClassifier([("a", LogisticRegression())]).fit(X, Y),
}
ASKED: dict[str, Callable[[Any], Any]] = {
    "length": len,
    "truth": bool,
    "first": lambda model: model[0],
    "last": lambda model: model[-1],
    "numpy index": lambda model: model[np.int64(0)],
    "beyond": lambda model: model[99],
    "name": lambda model: model["standardscaler"],
    "other name": lambda model: model["countvectorizer"],
    "unknown name": lambda model: model["nonsense"],
    "None": lambda model: model[None],
    "all but the last": lambda model: model[:-1],
    "two": lambda model: model[1:3],
    "none of them": lambda model: model[5:],
    "every other": lambda model: model[::2],
    "iteration": list,
    "member": lambda model: "nonsense" in model,
}


def shown(value: Any) -> Any:
    """The classes of what an answer holds; a quantized model counts as its original's class."""
    if isinstance(value, QuantizedModel):
        return value._view.type.rpartition(":")[2]
    if isinstance(value, list | np.ndarray):
        return [shown(one) for one in value]
    return value if isinstance(value, str | int | bool | None) else type(value).__name__


def outcome(ask: Callable[[Any], Any], model: Any) -> Any:
    try:
        return shown(ask(model))
    except (TypeError, KeyError, IndexError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize("name", MODELS)
def test_python_reaches_the_same_parts(name: str) -> None:
    made = quantized(MODELS[name])
    for kind, ask in ASKED.items():
        assert outcome(ask, made) == outcome(ask, MODELS[name]), kind
    for protocol in ("__len__", "__getitem__", "__iter__"):
        assert hasattr(type(made), protocol) == hasattr(type(MODELS[name]), protocol)


def test_parts_of_a_pipeline_answer_fast_and_the_same() -> None:
    made = quantized(PIPELINE)
    for ask in (
        lambda model: model[:-1],
        lambda model: model[0],
        lambda model: model["minmaxscaler"],
        lambda model: model[1:],
        lambda model: model[-1],
    ):
        part, original = ask(made), ask(PIPELINE)
        assert isinstance(part, QuantizedModel) and part.fast_methods
        for method in part.fast_methods:
            check_same_bits(method, getattr(original, method)(X), getattr(part, method)(X))
        expected, got = (reaction(each, "score", X) for each in (original, part))
        assert got.error == expected.error
        assert part.get_params().keys() == original.get_params().keys()
    assert made[1] == "passthrough"
    assert made[0] is made["standardscaler"]


def test_a_part_is_no_more_than_the_whole_is() -> None:
    made = quantized(PIPELINE)
    before = made.explain()
    assert made[-1].explain().methods and made[:-1].explain().components
    assert made.explain() == before
    assert hasattr(made[-1], "predict_proba") and not hasattr(made[-1], "transform")
    assert not hasattr(made[0], "partial_fit") and not hasattr(made[0], "nonsense")
    assert made[0].self_test() is False
    with pytest.raises(
        ConfigError,
        match=r"a\.qma: a part of a model has no artifact of its own; got StandardScaler, exact; "
        r"save the whole model, and take the part of it when it is loaded",
    ):
        made[0].save("a.qma")


@pytest.mark.parametrize("key", [slice(None, -1), 0, "logisticregression"], ids=str)
def test_a_part_pickles(key: Any) -> None:
    part = quantized(PIPELINE)[key]
    again = pickle.loads(pickle.dumps(part))
    assert again.fast_methods == part.fast_methods and type(again) is type(part)
    method = part.fast_methods[0]
    check_same_bits(method, getattr(part, method)(X), getattr(again, method)(X))


def test_members_that_are_components_answer_fast() -> None:
    for part, original in zip(quantized(BAGGED), BAGGED, strict=True):
        assert "predict_proba" in part.fast_methods
        check_same_bits("predict_proba", original.predict_proba(X), part.predict_proba(X))


def test_a_saved_model_is_the_artifact(tmp_path: Path) -> None:
    import model_quantization as mq

    made = quantized(PIPELINE)
    path = made.save(tmp_path / "new" / "model.qma")
    assert path.read_bytes() == made.artifact.data
    assert [found.name for found in path.parent.iterdir()] == ["model.qma"]
    again = mq.load(path)
    assert again.artifact.data == made.artifact.data
    check_same_bits("predict", PIPELINE.predict(X), again.predict(X))
    assert made.save(str(path)) == path  # written over
