"""Publishes an earlier release again, or lists those there are; here, or in object storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_quantization.errors import ArtifactError
from model_quantization.files.atomic import exclusive
from model_quantization.files.object_store import is_url
from model_quantization.release.manifest import find_release, read_manifest, release_files
from model_quantization.release.publish import rollback
from model_quantization.release.signer import read_signer


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
        from model_quantization.report.publication import write_reports

        with exclusive(place):
            release = rollback(place, number, read_signer(signing_key, public_keys))
            write_reports(place, release, ())
    print(f"release {release.number} is now what release {number} was")
    return 0


@contextmanager
def _placed(directory: str, *, changing: bool) -> Iterator[Path]:
    """Where the releases of the directory are here; changes are there when the block ends."""
    if not is_url(directory):
        yield Path(directory)
        return
    from model_quantization.batch.mirror import mirrored
    from model_quantization.config.run_config import RunConfig

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
