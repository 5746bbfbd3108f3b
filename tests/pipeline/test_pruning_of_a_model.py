"""A model whose features are large keeps what it knows, with and without rows to see that."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_quantization.evaluation.policy import GatePolicy
from model_quantization.pipeline.in_memory import quantize_live_model
from model_quantization.pipeline.stages import quantize_file
from model_quantization.predictor.opening import load
from model_quantization.schemes.recipe import recipe_for
from model_quantization.trust import TrustPolicy
from tests.pipeline.test_stages import QUICK

FEATURES = 40
ROWS = np.random.default_rng(0).normal(size=(6000, FEATURES)) * 1000.0  # amounts of money
CHANCE = 1 / (1 + np.exp(4.6 - ROWS @ np.random.default_rng(1).normal(size=FEATURES) * 2e-4))
FRAUD = (np.random.default_rng(2).random(len(ROWS)) < CHANCE).astype(int)  # about 2 %


@pytest.fixture(scope="module")
def fraud_model() -> LogisticRegression:
    model = LogisticRegression(max_iter=3000).fit(ROWS[:3000], FRAUD[:3000])
    assert (np.abs(model.coef_) < 0.001).all()
    return model


def ranking(model: object) -> float:
    return float(roc_auc_score(FRAUD[3000:], model.predict_proba(ROWS[3000:])[:, 1]))  # type: ignore[attr-defined]


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("rows", [None, ROWS[:500]], ids=["no rows", "calibrated"])
def test_a_live_model_keeps_its_ranking(
    fraud_model: LogisticRegression, depth: int, rows: np.ndarray | None
) -> None:
    made = quantize_live_model(fraud_model, recipe_for(depth), TrustPolicy(), calibration_rows=rows)
    assert abs(ranking(made.model) - ranking(fraud_model)) < 0.01
    assert sum(cost["weights_kept"] for cost in made.stats["components"]) > FEATURES / 2


@pytest.mark.parametrize("depth", ["8", "auto"])
def test_a_file_keeps_its_ranking_and_says_what_was_kept(
    fraud_model: LogisticRegression, tmp_path: Path, depth: str
) -> None:
    (tmp_path / "fraud.pkl").write_bytes(pickle.dumps(fraud_model))
    np.savez(tmp_path / "rows.npz", X=ROWS[3000:], y=FRAUD[3000:])
    # 66 rows of the rare class bound no loss of ranking within the default of 0.02.
    gate = GatePolicy(min_size_reduction=-10.0, allowed_ranking_drop=0.1)
    settings = replace(QUICK, bit_depth=depth, gate=gate, weight_threshold=0.001)
    outcome = quantize_file(
        tmp_path / "fraud.pkl", tmp_path / "staging", settings, tmp_path / "rows.npz"
    )
    kept = sum(cost["weights_kept"] for cost in outcome.components)
    assert kept > FEATURES / 2, outcome.note
    name = "candidate.qma" if depth == "8" else "plan-00.qma"
    (artifact,) = (tmp_path / "staging").rglob(name)
    assert abs(ranking(load(artifact)) - ranking(fraud_model)) < 0.01


def test_one_small_weight_of_a_large_feature_is_seen_on_rows() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(2000, 64))
    rows[:, 0] *= 1e5
    target = (rows[:, 0] * 5e-5 + rows[:, 1:] @ rng.normal(size=63) > 0).astype(int)
    model = LogisticRegression(max_iter=500).fit(rows, target)
    model.coef_[0, 0] = 5e-4  # alone it moves the score more than all the others
    made = quantize_live_model(model, recipe_for(32), TrustPolicy(), calibration_rows=rows[:500])
    assert (made.model.predict(rows) == model.predict(rows)).mean() > 0.999
    assert sum(cost["weights_kept"] for cost in made.stats["components"]) == 1


def test_behind_a_scaler_and_in_a_network_small_weights_still_go() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(500, 64)) * 1000
    target = (rows[:, 0] > 0).astype(int)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-1)).fit(rows, target)
    linear[-1].coef_[0, 32:] = 5e-4
    network = MLPClassifier((32,), max_iter=20, random_state=0)
    network = make_pipeline(StandardScaler(), network)
    with pytest.warns(UserWarning, match="converge"):
        network.fit(rows, target)
    network[-1].coefs_[0][32:, :] = 5e-4
    for model, given in ((linear, None), (linear, rows), (network, None), (network, rows)):
        made = quantize_live_model(model, recipe_for(8), TrustPolicy(), calibration_rows=given)
        restored = made.model.restore()[-1]
        weights = restored.coef_[0, 32:] if hasattr(restored, "coef_") else restored.coefs_[0][32:]
        assert not weights.any()
