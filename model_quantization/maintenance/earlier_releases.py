"""Earlier releases of an output directory: lists them, and publishes one of them again.

The directory is local, or in object storage and mirrored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model_quantization.batch.mirror import mirrored
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import ArtifactError, PathRefused
from model_quantization.files.atomic import exclusive
from model_quantization.release.manifest import (
    MANIFEST,
    Release,
    find_release,
    read_manifest,
    release_files,
)
from model_quantization.release.publish import rollback
from model_quantization.release.signer import read_signer
from model_quantization.report.publication import write_reports


@dataclass(frozen=True, slots=True)
class EarlierRelease:
    """One manifest of an output directory.

    Attributes
    ----------
    number : int
        0 for a `manifest.json` that cannot be read.
    current : bool
        Whether loaders use it now.
    created : str
        When it was published, in ISO 8601; empty when the manifest cannot be read.
    artifacts : int
        How many models of the release have an artifact.
    error : str
        Why the manifest cannot be read; empty when it can.
    """

    number: int
    current: bool = False
    created: str = ""
    artifacts: int = 0
    error: str = ""


def list_releases(config: RunConfig) -> list[EarlierRelease]:
    """The releases of the output directory of `config`, newest first.

    A current manifest that cannot be read comes first: roll back to one of the kept releases.

    Raises
    ------
    StorageError
        The object store cannot be reached.
    """
    with mirrored(config, push=False):
        return list(_releases(config))


def roll_back(config: RunConfig, number: int) -> Release:
    """Publish the content of release `number` as a new release, and return that.

    Parameters
    ----------
    config : RunConfig
        Names the output directory, the signing key and the public keys.
    number : int

    Raises
    ------
    ReleaseError, IntegrityError, SignatureError
        There is no such release, or it cannot be published again.
    StorageError
        The object store cannot be reached.
    """
    signer = read_signer(config.signing_key, config.public_keys)
    with mirrored(config, all_objects=True), exclusive(config.output_path):
        release = rollback(config.output_path, number, signer)
        write_reports(config.output_path, release, ())
    return release


def _releases(config: RunConfig) -> Iterator[EarlierRelease]:
    directory, current = config.output_path, 0
    try:
        release = find_release(directory)
        current = release.number if release else 0
    except (ArtifactError, PathRefused) as error:
        yield EarlierRelease(0, current=True, error=f"{MANIFEST}: {error}")
    for number, path in sorted(release_files(directory).items(), reverse=True):
        try:
            release = read_manifest(path, directory)
        except ArtifactError as error:
            yield EarlierRelease(number, error=str(error))
            continue
        artifacts = sum(model.artifact is not None for model in release.models.values())
        yield EarlierRelease(number, number == current, release.created, artifacts)
