"""The artifacts of an output directory by content: stored once, checked, removed when unused."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

from model_quantization.errors import ArtifactError, FormatError, IntegrityError, PathRefused
from model_quantization.files.atomic import hash_file, move_durably, read_json_object
from model_quantization.limits import Limits
from model_quantization.outcome import Outcome
from model_quantization.release.manifest import (
    Release,
    ReleasedModel,
    read_manifest,
    read_release,
    release_files,
)

KEEP_RELEASES = 10
_OBJECT_NAME = re.compile(r"[0-9a-f]{64}\.qma")
_log = logging.getLogger(__name__)


def store_artifact(output_dir: Path, staged: Path, sha256: str) -> str:
    """Move the staged file to `objects/<sha256>.qma`; return that path.

    Nothing refers to it until a release does.

    Raises
    ------
    IntegrityError
        The staged file is not the one that was evaluated.
    ReleaseError
        Full disk, read-only directory.
    """
    found, _ = hash_file(staged)
    if found != sha256:
        raise IntegrityError(
            "the file changed after it was evaluated",
            where=str(staged),
            expected=sha256,
            got=found,
            do="find out which other program writes here, and run again",
        )
    relative = f"objects/{sha256}.qma"
    # Replacing an object by the same bytes is harmless, and repairs a damaged one.
    move_durably(staged, output_dir / relative)
    return relative


def object_is_whole(output_dir: Path, model: ReleasedModel | Outcome) -> bool:
    """Whether the model's object is there with the right size and hash (or it has none)."""
    if model.artifact is None:
        return True
    try:
        found = hash_file(output_dir / model.artifact)
    except OSError:
        return False
    return found == (model.artifact_sha256, model.artifact_size_bytes)


def kept_releases(output_dir: Path) -> dict[int, Release | None]:
    """Every release that is kept, by its number; None for a manifest that cannot be read.

    A damaged one does not stop publishing: it is logged, and removed when its turn comes.
    """
    found: dict[int, Release | None] = {}
    for number, path in release_files(output_dir).items():
        try:
            found[number] = read_manifest(path, output_dir)
        except (ArtifactError, PathRefused, OSError) as error:
            _log.warning("this release cannot be rolled back to: %s", error)
            found[number] = None
    return found


def remove_unreferenced(output_dir: Path, *, keep: int = KEEP_RELEASES) -> list[str]:
    """The objects removed: those that no kept release and no finished outcome refers to.

    The last `keep` manifests are kept, the current one always. While one of them cannot be read, no
    object is removed, as it may refer to any.
    """
    files = release_files(output_dir)
    current = read_release(output_dir)
    for number in sorted(files)[: -max(keep, 1)]:
        if number != current.number:
            files[number].unlink(missing_ok=True)
    releases = [current, *kept_releases(output_dir).values()]
    used = {artifact for release in releases if release for artifact in _artifacts(release)}
    used |= set(_waiting(output_dir))
    removed = []
    for path in sorted((output_dir / "objects").glob("*.qma")) if all(releases) else ():
        relative = f"objects/{path.name}"
        if _OBJECT_NAME.fullmatch(path.name) and relative not in used:
            path.unlink(missing_ok=True)
            removed.append(relative)
    for path in output_dir.rglob(".*.tmp"):  # a file of a killed run
        path.unlink(missing_ok=True)
    return removed


def _artifacts(release: Release) -> Iterator[str | None]:
    return (model.artifact for model in release.models.values())


def _waiting(output_dir: Path) -> Iterator[str | None]:
    """The artifacts of models that are finished and not released yet."""
    for path in sorted((output_dir / ".work" / "outcomes").rglob("*.json")):
        try:
            yield read_json_object(path, Limits().manifest_bytes).get("artifact")
        except (FormatError, OSError):  # a power cut left it empty: the model is quantized again
            continue
