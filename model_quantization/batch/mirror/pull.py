"""From object storage to the mirror: models, held-out data, and the release."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model_quantization.batch.mirror.index import (
    Index,
    Seen,
    is_record,
    is_same,
    read_index,
    referenced_objects,
    write_index,
)
from model_quantization.errors import ConfigError, FormatError
from model_quantization.files.atomic import hash_file
from model_quantization.files.kept_copies import clear_the_way, is_whole
from model_quantization.files.object_store import Location, StoredFile, is_plain_part
from model_quantization.release.manifest import MANIFEST, find_release, release_files

TRANSFERS = 8
_log = logging.getLogger(__name__)


def pull_inputs(url: str, mirror: Path, wanted: Callable[[str], bool], outputs: str | None) -> None:
    """Bring the wanted files of `url` into `mirror`, and remove others."""
    location = Location(url)
    try:
        found = location.list()
    except FileNotFoundError:
        found = {}
    below = url.rstrip("/")
    inputs = {
        name: file
        for name, file in found.items()
        if outputs is None or not f"{below}/{name}".startswith(outputs)
    }
    if not inputs:
        raise ConfigError(
            "there is nothing at this URL",
            where=url,
            do="put the files there, or name another directory",
        )
    files = {name: file for name, file in inputs.items() if wanted(name)}
    index = {name: seen for name, seen in read_index(mirror).items() if name in files}
    _fetch(location, mirror, _mappable(location, files), index)
    inside = None if outputs is None else Path(outputs.removeprefix(f"{below}/"))
    for path in sorted(mirror.rglob("*")):
        relative = path.relative_to(mirror)
        gone = relative.as_posix() not in files and wanted(path.name)
        if gone and not (inside and relative.is_relative_to(inside)) and path.is_file():
            path.unlink()


def _mappable(location: Location, files: Mapping[str, StoredFile]) -> dict[str, StoredFile]:
    """Those of `files` that can be local files; the log names the others."""
    kept = {}
    for name, file in files.items():
        parts = name.split("/")
        below = any("/".join(parts[:end]) in files for end in range(1, len(parts)))
        if below or not all(is_plain_part(part) for part in parts):
            _log.warning("%s: %r is skipped: no local file can have this name", location.url, name)
        else:
            kept[name] = file
    return kept


def pull_release(location: Location, mirror: Path, *, all_objects: bool) -> Index:
    """Fetch the store's release into the mirror; return the mirror's index.

    The files that later runs need of the release come with it.
    """
    found = _mappable(location, location.list())
    for name in found:
        clear_the_way(mirror, name)
    index = {name: seen for name, seen in read_index(mirror).items() if name in found}
    last = index.get(MANIFEST)
    if last is not None and is_same(found.get(MANIFEST), last) and _is_ahead(mirror, last):
        _log.info("%s: a killed run has made a release here that is not pushed yet", location.url)
        return index
    small = {name: file for name, file in found.items() if is_record(name)}
    for path in [mirror / MANIFEST, *release_files(mirror).values(), *_local(mirror, "stats")]:
        if path.relative_to(mirror).as_posix() not in small:
            path.unlink(missing_ok=True)
    _fetch(location, mirror, small, index)
    try:
        needed = referenced_objects(mirror, current_only=not all_objects)
    except FormatError:  # planning reports the fault
        needed = set()
    _fetch(
        location, mirror, {name: found[name] for name in needed & found.keys()}, index, _is_object
    )
    return index


def _is_ahead(mirror: Path, last: Seen) -> bool:
    """Whether the mirror's manifest was never pushed."""
    try:
        return hash_file(mirror / MANIFEST)[0] != last.sha256 and find_release(mirror) is not None
    except (OSError, FormatError):
        return False


def _is_object(name: str, sha256: str) -> bool:
    return name == f"objects/{sha256}.qma"


def _fetch(
    location: Location,
    mirror: Path,
    files: Mapping[str, StoredFile],
    index: Index,
    check: Callable[[str, str], bool] | None = None,
) -> None:
    """Fetch `files` into `mirror`, without those whose content does not pass `check(name, sha256)`.

    `index` is brought up to date, in memory and on the disk.
    """
    for name in files:
        clear_the_way(mirror, name)
    incoming = mirror / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)

    def fetch(name: str) -> None:
        file, staged = files[name], incoming / name
        sha256 = location.download(name, staged)
        if check is not None and not check(name, sha256):
            index.pop(name, None)  # so it is pushed again, if the mirror's copy is good
            _log.warning("%s: %s is damaged in object storage", location.url, name)
            return
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        staged.replace(mirror / name)
        index[name] = Seen(file.size_bytes, file.version, sha256)

    missing = [
        name
        for name, file in files.items()
        if not (is_same(file, index.get(name)) and is_whole(mirror / name, index[name].sha256))
    ]
    try:
        with ThreadPoolExecutor(TRANSFERS, thread_name_prefix="pull") as pool:
            list(pool.map(fetch, missing))
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
        write_index(mirror, index)


def _local(mirror: Path, folder: str) -> list[Path]:
    return [path for path in (mirror / folder).rglob("*") if path.is_file()]
