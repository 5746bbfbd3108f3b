"""Models quantized in memory: the same artifact as from a file, without one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LassoCV, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import model_quantization as mq
from model_quantization.errors import (
    ConfigError,
    LimitError,
    ScanRefused,
    SchemeError,
    UnfittedModel,
    UnsupportedComponent,
)
from model_quantization.limits import Limits
from model_quantization.pipeline.in_memory import (
    QuantizedInMemory,
    quantize_live_model,
    quantize_pickle,
)
from model_quantization.predictor.quantized_model import QuantizedModel
from model_quantization.schemes.recipe import recipe_for
from model_quantization.schemes.scheme import Float
from model_quantization.trust import TrustPolicy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 60)) * np.logspace(0, 1, 60)
TARGET = X[:, :5] + RNG.normal(size=(200, 5))
TRUST = TrustPolicy()


def live(model: Any, depth: str = "8", **options: Any) -> QuantizedInMemory:
    return quantize_live_model(model, recipe_for(depth), TRUST, **options)


def from_pickle(model: Any, folder: Path, depth: str = "8", **options: Any) -> QuantizedInMemory:
    folder.mkdir(exist_ok=True)
    source = folder / "model.pkl"
    source.write_bytes(pickle.dumps(model))
    workspace = folder / "work"
    workspace.mkdir()
    return quantize_pickle(source, workspace, recipe_for(depth), TRUST, **options)


def test_the_model_is_the_one_of_the_bytes() -> None:
    made = live(Ridge().fit(X, TARGET))
    assert isinstance(made.model, QuantizedModel)
    assert made.model.artifact.data == made.data
    np.testing.assert_array_equal(mq.load(made.data).predict(X), made.model.predict(X))
    assert made.stats["quantized_size_bytes"] == len(made.data)
    assert made.stats.keys() == {
        "model_type", "family", "bit_depth", "weight_threshold", "original_size_bytes",
        "quantized_size_bytes", "size_reduction_percent", "guarantee", "calibrated", "components",
        "residue", "notes",
    }  # fmt: skip


def test_a_live_model_and_its_pickle_become_the_same_model(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LassoCV(alphas=[0.5, 0.1], cv=2)).fit(X, TARGET[:, 0])
    for depth in ("8", "16", "32", "exact"):
        one, other = live(model, depth), from_pickle(model, tmp_path / depth, depth)
        mine, theirs = one.model.artifact.manifest, other.model.artifact.manifest
        assert {k for k in mine if mine[k] != theirs[k]} == {"source"}
        assert one.stats["components"] == other.stats["components"]
        assert one.stats["residue"] == other.stats["residue"] != {}
        np.testing.assert_array_equal(one.model.predict(X), other.model.predict(X))
    assert theirs["source"]["size_bytes"] == len(pickle.dumps(model)) and theirs["source"]["sha256"]
    assert mine["source"] == {"name": "live model", "sha256": "", "size_bytes": 0}


def test_calibration_is_the_same_whichever_way_the_model_came(tmp_path: Path) -> None:
    model = Ridge().fit(X, TARGET)
    one = live(model, calibration_rows=X)
    other = from_pickle(model, tmp_path, calibration_rows=X)
    assert one.stats["calibrated"] == other.stats["calibrated"] == ["coef_"]
    np.testing.assert_array_equal(one.model.coef_, other.model.coef_)
    assert (one.model.coef_ != live(model).model.coef_).any()
    errors = [
        np.square(made.model.predict(X) - model.predict(X)).sum() for made in (one, live(model))
    ]
    assert errors[0] <= errors[1]


def test_calibration_by_documents_and_inside_containers() -> None:
    texts = ["one fish two fish", "red fish blue fish", "old fish new fish"] * 20
    text = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())
    text.fit(texts, [0, 1, 2] * 20)
    assert live(text, calibration_rows=texts).stats["calibrated"] == [
        "steps/logisticregression/coef_"
    ]
    held = {"scaler": StandardScaler().fit(X), "model": Ridge().fit(X, TARGET)}
    assert live(held, calibration_rows=X).stats["calibrated"] == ["model/coef_"]
    assert live(StandardScaler().fit(X), calibration_rows=X).stats["calibrated"] == []
    with pytest.raises(ConfigError, match="calibration_data"):
        live([Ridge().fit(X, TARGET), Ridge().fit(X, TARGET)], calibration_rows=X)


def test_calibration_rows_of_another_shape_get_the_models_own_error() -> None:
    model = Ridge().fit(X, TARGET)
    with pytest.raises(ValueError, match="X has 3 features, but Ridge is expecting 60"):
        live(model, calibration_rows=X[:, :3])
    assert "predict" not in vars(model)  # what was watched is let go of


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnfittedModel):
        live(Ridge())
    with pytest.raises(UnsupportedComponent):
        live([lambda: 1])
    with pytest.raises(LimitError):
        live(make_pipeline(Ridge()).fit(X, TARGET), limits=Limits(depth=2))
    recipe = recipe_for("8", overrides=(("intercept_", Float(16)),))
    with pytest.raises(SchemeError, match="intercept_: float16 is not tolerated here"):
        quantize_live_model(Ridge().fit(X, TARGET), recipe, TRUST)
    (tmp_path / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ScanRefused):
        quantize_pickle(tmp_path / "evil.pkl", tmp_path, recipe_for("8"), TRUST)
