"""Publishes an earlier release again, or lists those there are."""

from __future__ import annotations

from pathlib import Path

from ml.quantization.errors import QuantizationError
from ml.quantization.provenance import read_signer
from ml.quantization.publish import rollback
from ml.quantization.release import find_release, read_manifest, release_files


def run(
    directory: Path,
    number: int | None,
    *,
    signing_key: str | None = None,
    public_keys: tuple[str, ...] = (),
) -> int:
    """Print what is released now; without a number, what there is to go back to.

    Raises
    ------
    ReleaseError, IntegrityError, SignatureError
        There is no such release, or it cannot be brought back.
    """
    if number is None:
        return _list(directory)
    release = rollback(directory, number, read_signer(signing_key, public_keys))
    print(f"release {release.number} is now what release {number} was")
    return 0


def _list(directory: Path) -> int:
    current = find_release(directory)
    for number, path in sorted(release_files(directory).items(), reverse=True):
        try:
            release = read_manifest(path, directory)
        except QuantizationError as error:
            print(f"{number:6}  cannot be read: {error}")
            continue
        artifacts = sum(model.artifact is not None for model in release.models.values())
        mark = "  current" if current and current.number == number else ""
        print(f"{number:6}  {release.created}  {artifacts} artifacts{mark}")
    return 0
