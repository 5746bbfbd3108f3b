"""The index of a mirror: its files of object storage, and their state when they were fetched."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_quantization.errors import FormatError, ReleaseError
from model_quantization.files.atomic import hash_file, read_json_object, write_json
from model_quantization.files.kept_copies import clear_the_way
from model_quantization.files.object_store import StoredFile
from model_quantization.limits import Limits
from model_quantization.release.manifest import MANIFEST, read_manifest
from model_quantization.release.objects import kept_releases

INDEX = ".mirror.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of a mirrored file when the mirror and the store last agreed."""

    size_bytes: int
    version: str
    sha256: str


Index = dict[str, Seen]


def is_same(file: StoredFile | None, seen: Seen | None) -> bool:
    """Whether the store's file is unchanged; never without a reliable version."""
    return (
        file is not None
        and seen is not None
        and bool(file.version)
        and (file.size_bytes, file.version) == (seen.size_bytes, seen.version)
    )


def matched_index(mirror: Path, found: Mapping[str, StoredFile], names: set[str]) -> Index:
    """The index of those of `names` that have the same size in mirror and store."""
    index = {}
    for name in names & found.keys():
        sha256, size_bytes = hash_file(mirror / name)
        if size_bytes == found[name].size_bytes:
            index[name] = Seen(size_bytes, found[name].version, sha256)
    return index


def is_record(name: str) -> bool:
    """Whether a file of a release is neither an artifact nor a lock nor hidden."""
    return not name.endswith(".qma") and not any(part.startswith(".") for part in name.split("/"))


def referenced_objects(mirror: Path, *, current_only: bool) -> set[str]:
    """The objects that the mirrored release, or a kept one, refers to."""
    releases = [] if current_only else list(kept_releases(mirror).values())
    if (mirror / MANIFEST).is_file():
        releases.append(read_manifest(mirror / MANIFEST, mirror))
    models = [model for release in releases if release for model in release.models.values()]
    return {model.artifact for model in models if model.artifact}


def read_index(mirror: Path) -> Index:
    """The stored index; an empty one if it cannot be read, which only costs time."""
    try:
        record = read_json_object(mirror / INDEX, Limits().manifest_bytes)
        return {name: Seen(**seen) for name, seen in record.items()}
    except (OSError, FormatError, TypeError):
        return {}


def write_index(mirror: Path, index: Index) -> None:
    """Keep the index for the next run; without it the next run fetches every file again."""
    record = {
        name: {"size_bytes": s.size_bytes, "version": s.version, "sha256": s.sha256}
        for name, s in index.items()
    }
    try:
        clear_the_way(mirror, INDEX)
        write_json(mirror / INDEX, record, flush=False)
    except (ReleaseError, OSError) as error:
        _log.warning("%s", error)
