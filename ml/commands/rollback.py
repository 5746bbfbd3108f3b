"""Publishes an earlier release again, or lists those there are; here, or in object storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.quantization.errors import ArtifactError
from ml.quantization.provenance import read_signer
from ml.quantization.publish import rollback
from ml.quantization.release import find_release, read_manifest, release_files
from ml.quantization.storage import is_url


def run(
    directory: str,
    number: int | None,
    *,
    signing_key: str | None = None,
    public_keys: tuple[str, ...] = (),
) -> int:
    """Print what is released now; without a number, what there is to go back to.

    Parameters
    ----------
    directory : str
        A directory, or a URL of one, which is mirrored in the meantime.

    Raises
    ------
    ReleaseError, IntegrityError, SignatureError
        There is no such release, or it cannot be brought back.
    StorageError
        The store cannot be reached.
    """
    if number is None:
        with _placed(directory, changing=False) as place:
            _list(place)
        return 0
    with _placed(directory, changing=True) as place:
        release = rollback(place, number, read_signer(signing_key, public_keys))
    print(f"release {release.number} is now what release {number} was")
    return 0


@contextmanager
def _placed(directory: str, *, changing: bool) -> Iterator[Path]:
    """Where the releases of the directory are here; changes are there when the block ends."""
    if not is_url(directory):
        yield Path(directory)
        return
    from ml.quantization.config import RunConfig
    from ml.quantization.mirror import mirrored

    config = RunConfig(output_dir=directory)
    with mirrored(config, all_objects=changing, push=changing):
        yield config.output_path


def _list(directory: Path) -> None:
    current = 0
    try:
        release = find_release(directory)
        current = release.number if release else 0
    except ArtifactError as error:  # what is kept is the way out
        print(f"now     cannot be read: {error}")
    for number, path in sorted(release_files(directory).items(), reverse=True):
        try:
            release = read_manifest(path, directory)
        except ArtifactError as error:
            print(f"{number:6}  cannot be read: {error}")
            continue
        artifacts = sum(model.artifact is not None for model in release.models.values())
        mark = "  current" if number == current else ""
        print(f"{number:6}  {release.created}  {artifacts} artifacts{mark}")
