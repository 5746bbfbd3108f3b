"""An MLflow flavour: artifacts are logged, registered and loaded as MLflow's own models are.

::

    with mlflow.start_run():
        info = log_model("models/quantized/churn.qma", name="churn", registered_model_name="churn")
    model = load_model(info.model_uri)                      # the quantized model
    mlflow.pyfunc.load_model(info.model_uri).predict(rows)  # as every other flavour

An artifact is data only, so that loading one from a registry runs no code of it. Needs the extra
`mlflow`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_quantization.artifact.reader import read_artifact
from model_quantization.errors import ConfigError, PathRefused
from model_quantization.extras import need
from model_quantization.files.atomic import write_atomically
from model_quantization.version import NOT_INSTALLED, installed_version

if TYPE_CHECKING:
    from mlflow.models import Model
    from mlflow.models.model import ModelInfo

FLAVOR_NAME = "model_quantization"
DATA, REQUIREMENTS, DESCRIPTION = "model.qma", "requirements.txt", "MLmodel"


def save_model(
    artifact: Path | str,
    path: Path | str,
    *,
    mlflow_model: Model | None = None,
    signature: Any = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write an artifact as an MLflow model into a new directory.

    Parameters
    ----------
    artifact : path
        A `.qma` file; it is checked before anything is written.
    path : path
        A directory that does not exist yet.
    mlflow_model : mlflow.models.Model, optional
        The description to extend; `log_model` gives one.
    signature : mlflow.models.ModelSignature, optional
    metadata : dict, optional
        Kept beside model, precision and sha256, which come from the file.

    Raises
    ------
    MissingExtra
        MLflow is not installed.
    ConfigError
        The directory exists, and is not empty.
    ArtifactError
        The file is broken.
    """
    need("the MLflow flavour", "mlflow")
    from mlflow import pyfunc
    from mlflow.models import Model

    opened = read_artifact(artifact)
    opened.check()
    folder = Path(path)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("not an empty directory", where=str(folder), do="name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / DATA, bytes(opened.data))
    version = installed_version()
    pin = "" if version == NOT_INSTALLED else f"=={version}"
    write_atomically(folder / REQUIREMENTS, f"model-quantization{pin}\n".encode())
    described = Model() if mlflow_model is None else mlflow_model
    if signature is not None:
        described.signature = signature
    described.metadata = {
        **(described.metadata or {}),
        **(metadata or {}),
        "model_type": opened.manifest["model"]["type"],
        "bit_depth": str(opened.manifest["recipe"]["bit_depth"]),
        "artifact_sha256": opened.sha256,
    }
    pyfunc.add_to_model(described, loader_module=__name__, data=DATA)
    described.add_flavor(FLAVOR_NAME, data=DATA, version=version)
    described.save(str(folder / DESCRIPTION))


def log_model(
    artifact: Path | str,
    *,
    name: str,
    registered_model_name: str | None = None,
    signature: Any = None,
    metadata: dict[str, Any] | None = None,
) -> ModelInfo:
    """Log an artifact to the active run, register it if asked to, and return MLflow's record of it.

    Parameters
    ----------
    artifact : path
        A `.qma` file.
    name : str
        Of the logged model.
    registered_model_name : str, optional
        The registry gets a new version of this model.
    signature, metadata
        As in `save_model`.

    Raises
    ------
    MissingExtra
        MLflow is not installed.
    ArtifactError
        The file is broken; nothing is logged.
    """
    need("the MLflow flavour", "mlflow")
    from mlflow.models import Model

    read_artifact(artifact).check()
    return Model.log(
        name=name,
        artifact_path=None,
        flavor=sys.modules[__name__],
        registered_model_name=registered_model_name,
        artifact=str(artifact),
        signature=signature,
        metadata=metadata,
    )


def load_model(model_uri: str, *, trusted: tuple[str, ...] = ()) -> Any:
    """Return the quantized model at an MLflow URI, as `mq.load` opens its file.

    Parameters
    ----------
    model_uri : str
        Such as `models:/churn/3`, `runs:/<run>/churn` or a directory.
    trusted : tuple of str
        Classes of your own that the model may hold. Only the caller can say this.

    Raises
    ------
    MissingExtra
        MLflow is not installed.
    PathRefused
        There is no model of this flavour.
    ArtifactError
        The file is broken, or was changed after it was logged.
    """
    need("the MLflow flavour", "mlflow")
    from mlflow.models import Model
    from mlflow.tracking.artifact_utils import _download_artifact_from_uri

    folder = Path(_download_artifact_from_uri(model_uri))
    described = Model.load(str(folder / DESCRIPTION))
    if FLAVOR_NAME not in described.flavors:
        raise PathRefused(
            "not a model of this flavour",
            where=model_uri,
            expected=FLAVOR_NAME,
            got=", ".join(sorted(described.flavors)),
        )
    return _open(folder / DATA, str((described.metadata or {}).get("artifact_sha256", "")), trusted)


def _load_pyfunc(path: str) -> _PythonFunction:
    """Return the object that `mlflow.pyfunc` calls; MLflow requires this function's name."""
    return _PythonFunction(_open(Path(path), "", ()))


def _open(path: Path, sha256: str, trusted: tuple[str, ...]) -> Any:
    from model_quantization.predictor.opening import load

    return load(path, sha256=sha256, trusted=trusted)


class _PythonFunction:
    """The interface that `mlflow.pyfunc` needs."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer rows; `params={"method": "predict_proba"}` names another method."""
        return getattr(self._model, (params or {}).get("method", "predict"))(data)

    def get_raw_model(self) -> Any:
        """Return the quantized model."""
        return self._model
