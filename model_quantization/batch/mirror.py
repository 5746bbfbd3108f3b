"""Runs on directories in object storage: mirrored here, done here, published there.

::

    lock the output there
    pull     models and held-out data that changed; the release, so that nothing is done twice
    (the run, on the mirrors, as on any local directory)
    push     objects -> releases/<n>.json -> manifest.json -> names, statistics, tables
    unlock

Replacing the manifest is one conditional request: it fails when another run has published since
the pull. A run that is killed before it leaves the old release whole; one that is killed after it
leaves names and tables that the next run makes good. What a killed run had already released here
is pushed by the next one, unless the release there has changed in the meantime.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_quantization.config.run_config import RunConfig
from model_quantization.errors import ConfigError, FormatError, ReleaseError
from model_quantization.evaluation.rows.formats import SUFFIXES as HELD_OUT_SUFFIXES
from model_quantization.files.atomic import hash_file, read_json_object, write_json
from model_quantization.files.kept_copies import clear_the_way, is_whole
from model_quantization.files.lease import LOCK, held
from model_quantization.files.object_store import Location, StoredFile, is_plain_part
from model_quantization.limits import Limits
from model_quantization.names import looks_like_model
from model_quantization.release.manifest import MANIFEST, find_release, read_manifest, release_files
from model_quantization.release.objects import kept_releases

INDEX = ".mirror.json"
TRANSFERS = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a mirrored file was when it was last the same here and there."""

    size_bytes: int
    version: str
    sha256: str


Index = dict[str, _Seen]


@contextmanager
def mirrored(config: RunConfig, *, all_objects: bool = False, push: bool = True) -> Iterator[None]:
    """The directories of `config` are here; what becomes of the release is there afterwards.

    Does nothing for local directories. When the block raises, nothing is pushed.

    Parameters
    ----------
    all_objects : bool
        Also mirror the artifacts of earlier releases, for rolling back.
    push : bool
        False: only to look; the output directory is locked all the same.

    Raises
    ------
    ConfigError
        There is nothing at a URL, or its package is not installed.
    ReleaseLocked
        Another run holds the output directory, or has published there meanwhile.
    StorageError
        The store cannot be reached.
    """
    index: Index = {}
    with ExitStack() as stack:
        output = Location(config.output_url) if config.output_url else None
        if output is not None:
            stack.enter_context(held(output))
        if config.model_url is not None:
            outputs = f"{config.output_url}/" if config.output_url else None
            _pull_inputs(config.model_url, config.model_path, looks_like_model, outputs)
        if config.holdout_url is not None and config.holdout_path is not None:
            _pull_inputs(config.holdout_url, config.holdout_path, _looks_held_out, None)
        if output is not None:
            index = _pull_release(output, config.output_path, all_objects=all_objects)
        yield
        if output is not None and push:
            _push_release(output, config.output_path, index)


def _looks_held_out(name: str) -> bool:
    return name.endswith(HELD_OUT_SUFFIXES)


def _pull_inputs(
    url: str, mirror: Path, wanted: Callable[[str], bool], outputs: str | None
) -> None:
    """The wanted files of `url` are in `mirror` as they are there, and no others."""
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
    index = {name: seen for name, seen in _read_index(mirror).items() if name in files}
    _fetch(location, mirror, _mappable(location, files), index)
    inside = None if outputs is None else Path(outputs.removeprefix(f"{below}/"))
    for path in sorted(mirror.rglob("*")):
        relative = path.relative_to(mirror)
        gone = relative.as_posix() not in files and wanted(path.name)
        if gone and not (inside and relative.is_relative_to(inside)) and path.is_file():
            path.unlink()


def _mappable(location: Location, files: Mapping[str, StoredFile]) -> dict[str, StoredFile]:
    """Those of `files` that can lie in a local directory; the others are named in the log."""
    kept = {}
    for name, file in files.items():
        parts = name.split("/")
        below = any("/".join(parts[:end]) in files for end in range(1, len(parts)))
        if below or not all(is_plain_part(part) for part in parts):
            _log.warning("%s: %r is passed over: no local file can be named so", location.url, name)
        else:
            kept[name] = file
    return kept


def _pull_release(location: Location, mirror: Path, *, all_objects: bool) -> Index:
    """What is known of the mirror once the release there is the one here.

    With it comes what later runs need of the release.
    """
    found = _mappable(location, location.list())
    for name in found:
        clear_the_way(mirror, name)
    index = {name: seen for name, seen in _read_index(mirror).items() if name in found}
    last = index.get(MANIFEST)
    if last is not None and _is_same(found.get(MANIFEST), last) and _is_ahead(mirror, last):
        _log.info("%s: a release that a killed run made here is still to be pushed", location.url)
        return index
    small = {name: file for name, file in found.items() if _is_record(name)}
    for path in [mirror / MANIFEST, *release_files(mirror).values(), *_local(mirror, "stats")]:
        if path.relative_to(mirror).as_posix() not in small:
            path.unlink(missing_ok=True)
    _fetch(location, mirror, small, index)
    try:
        needed = _referenced(mirror, current_only=not all_objects)
    except FormatError:  # planning says what is wrong with it
        needed = set()
    _fetch(
        location, mirror, {name: found[name] for name in needed & found.keys()}, index, _is_object
    )
    return index


def _is_record(name: str) -> bool:
    """Whether a file of a release is neither an artifact nor a lock nor hidden."""
    return not name.endswith(".qma") and not any(part.startswith(".") for part in name.split("/"))


def _is_ahead(mirror: Path, last: _Seen) -> bool:
    """Whether the manifest here is one that was never pushed."""
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
    """Each of `files` is in `mirror`, unless its content does not pass `check(name, sha256)`.

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
            index.pop(name, None)  # so it is pushed again, if it is whole here
            _log.warning("%s: %s is damaged there", location.url, name)
            return
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        staged.replace(mirror / name)
        index[name] = _Seen(file.size_bytes, file.version, sha256)

    missing = [
        name
        for name, file in files.items()
        if not (_is_same(file, index.get(name)) and is_whole(mirror / name, index[name].sha256))
    ]
    try:
        with ThreadPoolExecutor(TRANSFERS, thread_name_prefix="pull") as pool:
            list(pool.map(fetch, missing))
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
        _write_index(mirror, index)


def _push_release(location: Location, mirror: Path, index: Index) -> None:
    """The release here is the one there, switched in one request."""
    release = find_release(mirror)
    if release is None:
        return
    found = location.list()

    def upload(name: str) -> None:
        location.upload(mirror / name, name)

    referenced = _referenced(mirror, current_only=True)
    objects = {name for name in referenced if (mirror / name).is_file()}
    records = [path.relative_to(mirror).as_posix() for path in release_files(mirror).values()]
    with ThreadPoolExecutor(TRANSFERS, thread_name_prefix="push") as pool:
        # Index and listing agree only about what nobody has touched since it was checked.
        for group in (objects, records):
            stale = [name for name in group if not _is_same(found.get(name), index.get(name))]
            list(pool.map(upload, sorted(stale)))
        _switch(location, mirror, found.get(MANIFEST), index.get(MANIFEST))
        rest = [
            path.relative_to(mirror).as_posix()
            for path in mirror.rglob("*")
            if path.is_file() and _is_record(path.relative_to(mirror).as_posix())
        ]
        late = [name for name in rest if name not in (MANIFEST, *records)]
        list(pool.map(upload, [name for name in late if _differs(mirror, name, found, index)]))
        named = {f"{n}.qma": str(m.artifact) for n, m in release.models.items() if m.artifact}
        now = location.list()
        list(pool.map(lambda item: _name(location, now, *item), named.items()))
    kept = {*records, *rest, *named, *_referenced(mirror, current_only=False)}
    if not all(kept_releases(mirror).values()):  # nobody knows what a damaged one refers to
        kept |= {name for name in now if name.startswith("objects/")}
    location.remove(name for name in now if name not in kept and _is_ours(name))
    _write_index(mirror, _matched(mirror, location.list(), {*objects, *rest}))


def _switch(location: Location, mirror: Path, there: StoredFile | None, last: _Seen | None) -> None:
    """The one moment of publishing."""
    data = (mirror / MANIFEST).read_bytes()
    if there is not None and last is not None and _is_same(there, last):
        if hash_file(mirror / MANIFEST)[0] == last.sha256:
            return
    elif (there is None) != (last is None) or (there and there.version):
        raise _overtaken(location)
    if not location.replace(MANIFEST, data, there):
        raise _overtaken(location)


def _overtaken(location: Location) -> ReleaseError:
    return ReleaseError(
        "another run has published here since this one began",
        where=location.url,
        do="run again; what this run did is kept",
    )


def _name(location: Location, now: Mapping[str, StoredFile], name: str, target: str) -> None:
    """`name` has the content of the object; an ETag says so, but for encrypted stores."""
    if name not in now or not now[name].version or now[name] != now.get(target):
        location.copy(target, name)


def _differs(
    mirror: Path, name: str, found: Mapping[str, StoredFile], index: Mapping[str, _Seen]
) -> bool:
    seen = index.get(name)
    return (
        not _is_same(found.get(name), seen)
        or seen is None
        or hash_file(mirror / name)[0] != seen.sha256
    )


def _matched(mirror: Path, found: Mapping[str, StoredFile], names: set[str]) -> Index:
    index = {}
    for name in names & found.keys():
        sha256, size_bytes = hash_file(mirror / name)
        if size_bytes == found[name].size_bytes:
            index[name] = _Seen(size_bytes, found[name].version, sha256)
    return index


def _referenced(mirror: Path, *, current_only: bool) -> set[str]:
    """The objects that the release here refers to, or any kept one."""
    releases = [] if current_only else list(kept_releases(mirror).values())
    if (mirror / MANIFEST).is_file():
        releases.append(read_manifest(mirror / MANIFEST, mirror))
    models = [model for release in releases if release for model in release.models.values()]
    return {model.artifact for model in models if model.artifact}


def _is_ours(name: str) -> bool:
    """Whether releases own every file of this name, so that one they do not know is left over."""
    inside = name.startswith(("objects/", "releases/", "stats/"))
    return name != LOCK and (inside or name.endswith(".qma"))


def _local(mirror: Path, folder: str) -> list[Path]:
    return [path for path in (mirror / folder).rglob("*") if path.is_file()]


def _is_same(file: StoredFile | None, seen: _Seen | None) -> bool:
    """Whether the file there is still the one that was seen; never without a reliable version."""
    return (
        file is not None
        and seen is not None
        and bool(file.version)
        and (file.size_bytes, file.version) == (seen.size_bytes, seen.version)
    )


def _read_index(mirror: Path) -> Index:
    """What is known of the mirror; nothing when it cannot be read, which only costs time."""
    try:
        record = read_json_object(mirror / INDEX, Limits().manifest_bytes)
        return {name: _Seen(**seen) for name, seen in record.items()}
    except (OSError, FormatError, TypeError):
        return {}


def _write_index(mirror: Path, index: Index) -> None:
    record = {
        name: {"size_bytes": s.size_bytes, "version": s.version, "sha256": s.sha256}
        for name, s in index.items()
    }
    try:
        clear_the_way(mirror, INDEX)
        write_json(mirror / INDEX, record, flush=False)
    except (ReleaseError, OSError) as error:  # the next run fetches everything again
        _log.warning("%s", error)
