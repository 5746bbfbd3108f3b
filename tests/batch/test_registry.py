"""Runs from an MLflow registry to an MLflow registry, with stores in files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from model_quantization.batch.run import run_batch
from model_quantization.config.file import load_config
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import ConfigError, StorageError

mlflow = pytest.importorskip(
    "mlflow", reason="MLflow 3 is not installed: pip install 'model-quantization[mlflow]'"
)
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(400, 150))
Y = (X[:, 0] > 0).astype(int)


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


def register(name: str, model: Any, kind: str = "pickle") -> None:
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model, name=name, registered_model_name=name, serialization_format=kind
        )


def config(root: Path, url: str = "mlflow://latest", **more: Any) -> RunConfig:
    given = {
        "model_dir": url,
        "output_dir": str(root / "out"),
        "cache_dir": str(root / "cache"),
        "bit_depth": "exact",
        "latency_seconds": 0,
        "gate": {"min_size_reduction": -10},  # these models are small
        **more,
    }
    return load_config(given=given, environ={})


def versions(name: str) -> list[Any]:
    return list(mlflow.MlflowClient().search_model_versions(f"name='{name}'"))


def test_models_come_from_a_registry_and_artifacts_go_to_it(store: Path) -> None:
    from model_quantization.mlflow import load_model

    churn, price = LogisticRegression().fit(X, Y), Ridge().fit(X, X[:, 0])
    register("churn", churn)
    register("price", price, "skops")
    settings = config(store, register_as="{name}-quantized")
    assert set(run_batch(settings).release.models) == {"churn", "price"}
    for name, model in (("churn", churn), ("price", price)):
        (version,) = versions(f"{name}-quantized")
        loaded = load_model(f"models:/{name}-quantized/{version.version}")
        assert loaded.predict(X).tobytes() == model.predict(X).tobytes()
        tags = mlflow.MlflowClient().get_model_version(version.name, version.version).tags
        assert (tags["source_version"], tags["guarantee"], tags["release"]) == ("1", "exact", "1")


def test_only_what_is_new_is_fetched_and_registered(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_quantization.batch.mirror import registry

    fetched: list[str] = []
    fetch = registry._fetch
    monkeypatch.setattr(
        registry,
        "_fetch",
        lambda version, mirror: fetched.append(version.name) or fetch(version, mirror),
    )
    register("churn", LogisticRegression().fit(X, Y))
    register("price", Ridge().fit(X, X[:, 0]))
    settings = config(store, register_as="{name}-quantized")
    run_batch(settings)
    run_batch(settings)
    register("price", Ridge(2.0).fit(X, X[:, 1]))
    run_batch(settings)
    originals = [name for name in fetched if not name.endswith("-quantized")]
    assert originals == ["churn", "price", "price"]
    assert [len(versions(f"{name}-quantized")) for name in ("churn", "price")] == [1, 2]


def test_an_alias_chooses_the_version_and_leaves_the_others_out(store: Path) -> None:
    register("churn", LogisticRegression(C=0.5).fit(X, Y))
    register("churn", LogisticRegression(C=5.0).fit(X, Y))
    register("price", Ridge().fit(X, X[:, 0]))
    mlflow.MlflowClient().set_registered_model_alias("churn", "champion", "1")
    settings = config(store, "mlflow://champion")
    assert set(run_batch(settings).release.models) == {"churn"}
    mirrored = settings.model_path / "churn.pkl"
    assert mirrored.is_file()
    assert mlflow.sklearn.load_model("models:/churn/1").C == 0.5
    with pytest.raises(ConfigError, match="no registered model has such a version"):
        run_batch(config(store, "mlflow://nobody"))


def test_a_model_that_left_the_registry_leaves_the_release(store: Path) -> None:
    register("churn", LogisticRegression().fit(X, Y))
    register("price", Ridge().fit(X, X[:, 0]))
    run_batch(config(store))
    mlflow.MlflowClient().delete_registered_model("price")
    assert set(run_batch(config(store)).release.models) == {"churn"}


def test_other_flavours_are_left_out_and_named(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register("churn", LogisticRegression().fit(X, Y))

    class Other(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input

    with mlflow.start_run():
        mlflow.pyfunc.log_model(name="other", python_model=Other(), registered_model_name="other")
    with caplog.at_level(logging.WARNING):
        assert set(run_batch(config(store)).release.models) == {"churn"}
    assert "'other', version 1, is left out: it has no flavour sklearn" in caplog.text


def test_a_description_that_leads_out_of_its_directory_is_refused(store: Path) -> None:
    register("churn", LogisticRegression().fit(X, Y))
    (description,) = (path for path in store.rglob("MLmodel") if "model.pkl" in path.read_text())
    description.write_text(
        description.read_text().replace(
            "pickled_model: model.pkl", "pickled_model: ../../meta.yaml"
        )
    )
    with pytest.raises(StorageError, match="names no file of its own"):
        run_batch(config(store))


def test_a_registry_that_fails_is_one_clear_line(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise mlflow.exceptions.MlflowException("no such host")

    monkeypatch.setattr(mlflow.MlflowClient, "search_model_versions", fail)
    with pytest.raises(StorageError, match="no such host"):
        run_batch(config(store))
