"""Models quantized in memory: the same artifact as from a file, without one."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LassoCV, LogisticRegression, Ridge
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import model_quantization as mq
from model_quantization.errors import (
    ConfigError,
    LimitError,
    PredictionError,
    ScanRefused,
    SchemeError,
    UnfittedModel,
    UnsupportedComponent,
)
from model_quantization.families import Lowered
from model_quantization.limits import Limits
from model_quantization.pipeline import in_memory
from model_quantization.pipeline.in_memory import (
    QuantizedInMemory,
    quantize_live_model,
    quantize_pickle,
)
from model_quantization.predictor.component import ComponentView
from model_quantization.predictor.quantized_model import QuantizedModel
from model_quantization.probes.compare import ProbeReport
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
        "residue", "notes", "note", "probes",
    }  # fmt: skip


@pytest.mark.parametrize("depth", ["8", "exact"])
def test_the_model_is_asked_probe_rows_whichever_way_it_came(depth: str, tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, TARGET[:, 0] > 0)
    for made in (live(model, depth), from_pickle(model, tmp_path, depth)):
        found = ProbeReport.from_json(made.stats["probes"][""])
        assert (found.rows, found.restored, found.differs) == (64, {}, "")
        assert found.calls > 20
        assert (
            made.stats["note"]
            == f"asked on 64 probe rows: answers of predict equal on {found.equal}"
        )
        assert made.stats["guarantee"] == ("exact" if depth == "exact" else "unverified")


def test_each_model_of_a_container_is_asked() -> None:
    held = {"scaler": StandardScaler().fit(X), "model": Ridge().fit(X, TARGET)}
    stats = live(held, "exact").stats
    assert stats["probes"].keys() == {"scaler", "model"}
    assert stats["note"] == "asked on 16 probe rows (and 1 other models)"


def test_a_method_whose_fast_answer_differs_is_left_to_scikit_learn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Ridge().fit(X, TARGET)
    lower = ComponentView.lower

    def off_by_one(self: ComponentView, exact: bool) -> Any:
        made = lower(self, exact)
        assert isinstance(made, Lowered)
        wrong = {
            name: lambda rows, call=call: call(rows) + 1 for name, call in made.methods.items()
        }
        return Lowered(wrong, by=made.by, names=made.names, n_features=made.n_features)

    monkeypatch.setattr(ComponentView, "lower", off_by_one)
    made = live(model, "exact")
    assert made.stats["probes"][""]["restored"].keys() == {"predict"}
    assert made.model.fast_methods == ()
    (predict,) = [each for each in mq.load(made.data).explain().methods if each.method == "predict"]
    assert not predict.fast
    assert "all rows" in predict.why
    np.testing.assert_array_equal(made.model.predict(X), model.predict(X))


@pytest.mark.parametrize("way", ["live", "pickle"])
def test_a_model_that_answers_otherwise_is_not_handed_out(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = in_memory.artifact_of

    def another_model(plan: Any, source: Any, description: Any) -> Any:
        arrays = tuple(array * (1 + 1e-15) for array in plan.graph.arrays)
        changed = replace(plan, graph=replace(plan.graph, arrays=arrays))
        return make(changed, source, description)

    monkeypatch.setattr(in_memory, "artifact_of", another_model)
    model = Ridge().fit(X, TARGET)
    with pytest.raises(PredictionError, match=r"Ridge: .*differently.*values of predict differ"):
        live(model, "exact") if way == "live" else from_pickle(model, tmp_path, "exact")


def test_asking_leaves_the_callers_model_as_it_is() -> None:
    model = BernoulliRBM(4, random_state=np.random.RandomState(0), n_iter=2).fit(X > 0)
    before = pickle.dumps(model)
    live(model)
    assert pickle.dumps(model) == before


def test_a_model_that_cannot_be_asked_stays_unverified() -> None:
    made = live(FeatureHasher(input_type="pair").fit(), "exact")  # its rows are pairs
    assert made.stats["guarantee"] == "unverified"
    assert made.stats["note"] == ""


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
