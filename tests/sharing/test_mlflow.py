"""The MLflow flavour with a file store: log, register, load, and what a broken file gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import model_quantization as mq
from model_quantization.errors import ArtifactError, ConfigError, PathRefused

mlflow = pytest.importorskip(
    "mlflow", reason="MLflow 3 is not installed: pip install 'model-quantization[mlflow]'"
)
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
ROWS = np.random.default_rng(1).normal(size=(20, 150))


@pytest.fixture(scope="module")
def model() -> LogisticRegression:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 150))
    return LogisticRegression().fit(X, (X[:, 0] > 0).astype(int))


@pytest.fixture(scope="module")
def artifact(model: LogisticRegression, tmp_path_factory: pytest.TempPathFactory) -> Path:
    quantized, _ = mq.ModelQuantizer(bit_depth="exact").quantize_model(model)
    made: Path = quantized.save(tmp_path_factory.mktemp("artifact") / "churn.qma")
    return made


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tracking store and a registry in files, and no other."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    address = (tmp_path / "store").as_uri()
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(address)
    yield tmp_path
    mlflow.set_tracking_uri(before)


def test_a_logged_and_registered_model_answers(
    model: LogisticRegression, artifact: Path, store: Path
) -> None:
    from model_quantization.mlflow import load_model, log_model

    with mlflow.start_run():
        info = log_model(artifact, name="churn", registered_model_name="churn")
    for uri in (info.model_uri, "models:/churn/1"):
        loaded = load_model(uri)
        assert type(loaded).__name__ == "QuantizedModel"
        assert loaded.predict_proba(ROWS).tobytes() == model.predict_proba(ROWS).tobytes()
        function: Any = mlflow.pyfunc.load_model(uri)
        assert list(function.predict(ROWS)) == list(model.predict(ROWS))
        raw = function.get_raw_model()
        assert raw.decision_function(ROWS).shape == (20,)
    assert info.metadata["model_type"] == "LogisticRegression"


def test_a_saved_directory_is_a_model(artifact: Path, tmp_path: Path) -> None:
    from model_quantization.mlflow import load_model, save_model

    save_model(artifact, tmp_path / "saved")
    found = {path.name for path in (tmp_path / "saved").iterdir()}
    assert found >= {"MLmodel", "model.qma", "requirements.txt"}
    assert (tmp_path / "saved" / "model.qma").read_bytes() == artifact.read_bytes()
    load_model(str(tmp_path / "saved")).predict(ROWS)
    with pytest.raises(ConfigError, match="not an empty directory"):
        save_model(artifact, tmp_path / "saved")


def test_another_file_than_the_logged_one_is_not_opened(artifact: Path, tmp_path: Path) -> None:
    from model_quantization.mlflow import load_model, save_model

    save_model(artifact, tmp_path / "saved")
    other = Path(__file__).resolve().parents[1] / "artifact" / "golden" / "linear.qma"
    (tmp_path / "saved" / "model.qma").write_bytes(other.read_bytes())
    with pytest.raises(ArtifactError):
        load_model(str(tmp_path / "saved"))


def test_nothing_is_logged_of_a_broken_file(artifact: Path, store: Path) -> None:
    from model_quantization.mlflow import log_model

    broken = store / "broken.qma"
    broken.write_bytes(artifact.read_bytes()[:-1] + b"x")
    with mlflow.start_run(), pytest.raises(ArtifactError):
        log_model(broken, name="broken")


def test_a_model_of_another_flavour_is_refused(tmp_path: Path) -> None:
    from mlflow.models import Model

    from model_quantization.mlflow import load_model

    described = Model()
    described.add_flavor("other", data="x")
    (tmp_path / "other").mkdir()
    described.save(str(tmp_path / "other" / "MLmodel"))
    with pytest.raises(PathRefused, match="not a model of this flavour"):
        load_model(str(tmp_path / "other"))
