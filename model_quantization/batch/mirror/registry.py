"""An MLflow registry as the place of models: pulled into the mirror, and registered when published.

`mlflow://latest` is the newest version of every registered model, `mlflow://champion` the version
that has this alias. Which server that is says ``MLFLOW_TRACKING_URI``, as for MLflow's own tools.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model_quantization.errors import ConfigError, FormatError, StorageError
from model_quantization.extras import need
from model_quantization.files.atomic import read_json_object, write_json
from model_quantization.files.object_store import REGISTRY, is_plain_part
from model_quantization.limits import Limits
from model_quantization.mlflow import FLAVOR_NAME, log_model
from model_quantization.release.manifest import ReleasedModel, find_release

_LATEST: Final = "latest"
_INDEX: Final = ".registry.json"
_SHA256: Final = "artifact_sha256"
_ENDINGS: Final = {"skops": ".skops"}  # of MLflow's `serialization_format`; else a pickle
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a registered model."""

    name: str
    number: int


def pull_registered(url: str, mirror: Path) -> None:
    """The scikit-learn models that the registry has are in `mirror`, and no others.

    A version that is there already is not fetched again. Registered models of other flavours are
    left out; the log says which.

    Parameters
    ----------
    url : str
        `mlflow://latest`, or `mlflow://` and an alias.
    mirror : Path

    Raises
    ------
    MissingExtra
        MLflow is not installed.
    ConfigError
        No registered model has such a version.
    StorageError
        The registry cannot be reached.
    """
    need("an MLflow registry", "mlflow")
    with _reached(url):
        versions = _versions(url.removeprefix(REGISTRY))
    if not versions:
        raise ConfigError(
            "no registered model has such a version",
            where=url,
            do="register models, give versions this alias, or set MLFLOW_TRACKING_URI",
        )
    mirror.mkdir(parents=True, exist_ok=True)
    before, index = _read_index(mirror), {}
    for version in versions:
        seen = before.get(version.name, {})
        if not _is_here(version, seen, mirror):
            with _reached(url):
                seen = {"version": version.number, "file": _fetch(version, mirror)}
        index[version.name] = seen
    write_json(mirror / _INDEX, index)
    kept = {entry["file"] for entry in index.values()} | {_INDEX}
    for path in mirror.iterdir():
        if path.is_file() and path.name not in kept:
            path.unlink()


def register_published(pattern: str, output: Path, mirror: Path | None) -> None:
    """Each artifact of the release is the newest version of its model in the registry.

    A version has tags: `artifact_sha256`, `source_sha256`, `guarantee`, `note`, `release`, and
    `source_version` where the original is registered too. An artifact that is the newest version
    already is not registered again.

    Parameters
    ----------
    pattern : str
        The name to register under; `{name}` is the model's, with `-` for `/`.
    output : Path
        The output directory.
    mirror : Path, optional
        Where `pull_registered` put the originals.

    Raises
    ------
    MissingExtra
        MLflow is not installed.
    StorageError
        The registry cannot be reached. The release stays, and the next run registers it.
    """
    need("an MLflow registry", "mlflow")
    release = find_release(output)
    if release is None:
        return
    index = _read_index(mirror) if mirror is not None else {}
    with _reached(pattern):
        newest = {version.name: version for version in _newest()}
        for name, model in release.models.items():
            if model.artifact is None:
                continue
            registered = pattern.replace("{name}", name.replace("/", "-"))
            source = index.get(name, {}).get("version", "")
            tags = _tags(model) | {"release": str(release.number), "source_version": str(source)}
            if not _is_there(newest.get(registered), model.artifact_sha256):
                _register(release.directory / model.artifact, registered, tags)


def _tags(model: ReleasedModel) -> dict[str, str]:
    return {
        _SHA256: model.artifact_sha256,
        "source_sha256": model.source_sha256,
        "guarantee": model.guarantee,
        "note": model.note,
    }


def _is_here(version: _Version, seen: dict[str, Any], mirror: Path) -> bool:
    file = seen.get("file")
    left_out = file == ""
    return seen.get("version") == version.number and (
        left_out or (isinstance(file, str) and (mirror / file).is_file())
    )


def _client() -> Any:
    from mlflow import MlflowClient

    return MlflowClient()


def _versions(alias: str) -> list[_Version]:
    newest = _newest()
    return newest if alias == _LATEST else [found for one in newest for found in _of(one, alias)]


def _newest() -> list[_Version]:
    """The newest version of each registered model."""
    found: dict[str, int] = {}
    for version in _pages(_client().search_model_versions):
        found[version.name] = max(found.get(version.name, 0), int(version.version))
    return [_Version(name, number) for name, number in sorted(found.items())]


def _of(model: _Version, alias: str) -> list[_Version]:
    aliases = _client().get_registered_model(model.name).aliases
    return [_Version(model.name, int(aliases[alias]))] if alias in aliases else []


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _fetch(version: _Version, mirror: Path) -> str:
    """The name of the model's file in the mirror; empty when the model is left out."""
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    with tempfile.TemporaryDirectory(prefix="registry-") as workspace:
        folder = Path(
            download_artifacts(
                artifact_uri=f"models:/{version.name}/{version.number}", dst_path=workspace
            )
        ).resolve()
        flavours = Model.load(str(folder / "MLmodel")).flavors
        if FLAVOR_NAME in flavours:  # an artifact that a run has registered
            return ""
        if "sklearn" not in flavours or not is_plain_part(version.name):
            why = (
                "no file can have its name"
                if "sklearn" in flavours
                else "it has no flavour sklearn"
            )
            _log.warning("%r, version %d, is left out: %s", version.name, version.number, why)
            return ""
        flavour = flavours["sklearn"]
        path = (folder / flavour["pickled_model"]).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            raise StorageError(
                "the version's description names no file of its own",
                where=f"models:/{version.name}/{version.number}",
                got=repr(flavour["pickled_model"]),
            )
        name = version.name + _ENDINGS.get(flavour.get("serialization_format", ""), ".pkl")
        shutil.copyfile(path, mirror / name)
        return name


def _is_there(newest: _Version | None, sha256: str) -> bool:
    if newest is None:
        return False
    tags = _client().get_model_version(newest.name, str(newest.number)).tags
    return bool(tags.get(_SHA256) == sha256)


def _register(artifact: Path, registered: str, tags: dict[str, str]) -> None:
    import mlflow

    with mlflow.start_run(run_name=registered):
        logged = log_model(artifact, name=registered, registered_model_name=registered)
    for key, value in tags.items():
        _client().set_model_version_tag(
            registered, str(logged.registered_model_version), key, value
        )


def _read_index(mirror: Path) -> dict[str, Any]:
    try:
        return read_json_object(mirror / _INDEX, Limits().manifest_bytes)
    except (OSError, FormatError):  # made anew
        return {}


@contextmanager
def _reached(where: str) -> Iterator[None]:
    """Name what the registry's client raises."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            "the MLflow registry does not do what is asked of it",
            where=where,
            got=str(error).split("\n", 1)[0][:200],
            do="check MLFLOW_TRACKING_URI and the server behind it, then run again",
        ) from error
