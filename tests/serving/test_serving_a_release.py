"""The loaders on a release that a run has really published."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import model_quantization as mq
from model_quantization.batch.run import run_batch
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import FallbackRefused
from model_quantization.serving.named_loaders import IntentModelLoader

FEATURES = 120


def rows_of(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, FEATURES))


def labels_of(rows: np.ndarray) -> np.ndarray:
    weights = np.random.default_rng(9).normal(size=(FEATURES, 5))
    return np.array(["a", "b", "c", "d", "e"])[(rows @ weights).argmax(axis=1)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a release of one linear model in it."""
    models = tmp_path_factory.mktemp("published")
    train = rows_of(400, 0)
    model = LogisticRegression(max_iter=300).fit(train, labels_of(train))
    (models / "intent.pkl").write_bytes(pickle.dumps(model))
    held_out = models / "held_out"
    held_out.mkdir()
    rows = rows_of(4000, 1)
    np.savez(held_out / "intent.npz", X=rows, target=labels_of(rows))
    config = RunConfig(model_dir=str(models), holdout_dir=str(held_out), latency_seconds=0)
    (outcome,) = run_batch(config).outcomes
    assert outcome.published, outcome.note
    return models


@pytest.fixture
def models(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_INTENT_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    return Path(shutil.copytree(published, tmp_path / "models"))


def artifact_of(models: Path) -> Path:
    return next((models / "quantized" / "objects").iterdir())


def test_the_artifact_answers_as_the_original_does(models: Path) -> None:
    loader = IntentModelLoader(model_dir=models)
    rows = rows_of(500, 2)
    assert isinstance(loader.model, mq.QuantizedModel)
    quantized, scores = loader.predict(rows), loader.predict_proba(rows)
    assert list(loader.classes_) == list("abcde") and loader.n_features_in_ == FEATURES
    status, sizes = loader.status(), loader.get_model_size_info()
    assert status["active"] == sizes["active"] == "quantized"
    assert sizes["quantized_size_bytes"] == artifact_of(models).stat().st_size
    assert sizes["original_size_bytes"] == (models / "intent.pkl").stat().st_size
    assert sizes["size_reduction_percent"] > 50
    loader.use_quantized_model(False)
    assert np.mean(loader.predict(rows) == quantized) > 0.98
    assert np.abs(loader.predict_proba(rows) - scores).max() < 0.1
    assert not hasattr(loader, "transform")


def test_a_wrong_shape_gets_the_estimators_error(models: Path) -> None:
    loader = IntentModelLoader(model_dir=models)
    with pytest.raises(ValueError, match=f"expecting {FEATURES} features as input"):
        loader.predict(rows_of(3, 2)[:, :7])
    assert loader.status()["active"] == "quantized" and loader.status()["fallbacks"] == 0


def test_every_damaged_byte_range_is_answered_by_the_original(models: Path) -> None:
    artifact = artifact_of(models)
    data = artifact.read_bytes()
    rows = rows_of(50, 3)
    with (models / "intent.pkl").open("rb") as stream:
        expected = pickle.load(stream).predict(rows)
    for at in range(0, len(data), len(data) // 12):
        artifact.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        loader = IntentModelLoader(model_dir=models)
        assert np.array_equal(loader.predict(rows), expected)
        assert loader.status()["reason_code"] == "integrity"


def test_an_artifact_that_the_manifest_vouches_for_and_that_is_broken(models: Path) -> None:
    data = artifact_of(models).read_bytes()[:-20]
    digest = sha256(data).hexdigest()
    (models / "quantized" / "objects" / f"{digest}.qma").write_bytes(data)
    manifest = models / "quantized" / "manifest.json"
    release = json.loads(manifest.read_text())
    release["models"]["intent"] |= {"artifact": f"objects/{digest}.qma", "artifact_sha256": digest}
    manifest.write_text(json.dumps(release))
    loader = IntentModelLoader(model_dir=models)
    assert len(loader.predict(rows_of(5, 3))) == 5
    assert loader.status()["active"] == "original"
    assert loader.status()["reason_code"] in ("format", "integrity")


def test_a_damaged_artifact_and_another_original_are_refused(models: Path) -> None:
    artifact_of(models).write_bytes(b"damaged")
    other = LogisticRegression().fit(rows_of(40, 5), labels_of(rows_of(40, 5)))
    (models / "intent.pkl").write_bytes(pickle.dumps(other))
    with pytest.raises(FallbackRefused):
        IntentModelLoader(model_dir=models).predict(rows_of(5, 3))


def test_serving_an_artifact_imports_neither_scikit_learn_nor_pandas(models: Path) -> None:
    code = f"""
import sys
import numpy
from ml.models.model_loader import IntentModelLoader
loader = IntentModelLoader(model_dir={str(models)!r})
assert len(loader.predict(numpy.zeros((3, {FEATURES})))) == 3
assert loader.status()["active"] == "quantized"
heavy = ("sklearn", "pandas", "scipy.sparse", "pyarrow", "pydantic", "rich", "joblib", "prefect")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
