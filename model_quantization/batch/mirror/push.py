"""From the mirror to object storage: a release, switched by one conditional request."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model_quantization.batch.mirror.index import (
    Index,
    Seen,
    is_record,
    is_same,
    matched_index,
    referenced_objects,
    write_index,
)
from model_quantization.errors import ReleaseError
from model_quantization.files.atomic import hash_file
from model_quantization.files.lease import LOCK
from model_quantization.files.object_store import Location, StoredFile
from model_quantization.release.manifest import MANIFEST, find_release, release_files
from model_quantization.release.objects import kept_releases

TRANSFERS = 8


def push_release(location: Location, mirror: Path, index: Index) -> None:
    """Push the mirror's release; one request switches to it."""
    release = find_release(mirror)
    if release is None:
        return
    found = location.list()

    def upload(name: str) -> None:
        location.upload(mirror / name, name)

    referenced = referenced_objects(mirror, current_only=True)
    objects = {name for name in referenced if (mirror / name).is_file()}
    records = [path.relative_to(mirror).as_posix() for path in release_files(mirror).values()]
    with ThreadPoolExecutor(TRANSFERS, thread_name_prefix="push") as pool:
        # Index and listing agree only on files that did not change since they were checked.
        for group in (objects, records):
            stale = [name for name in group if not is_same(found.get(name), index.get(name))]
            list(pool.map(upload, sorted(stale)))
        _switch(location, mirror, found.get(MANIFEST), index.get(MANIFEST))
        rest = [
            path.relative_to(mirror).as_posix()
            for path in mirror.rglob("*")
            if path.is_file() and is_record(path.relative_to(mirror).as_posix())
        ]
        late = [name for name in rest if name not in (MANIFEST, *records)]
        list(pool.map(upload, [name for name in late if _differs(mirror, name, found, index)]))
        named = {f"{n}.qma": str(m.artifact) for n, m in release.models.items() if m.artifact}
        now = location.list()
        list(pool.map(lambda item: _name(location, now, *item), named.items()))
    kept = {*records, *rest, *named, *referenced_objects(mirror, current_only=False)}
    if not all(kept_releases(mirror).values()):  # the objects of a damaged manifest are unknown
        kept |= {name for name in now if name.startswith("objects/")}
    location.remove(name for name in now if name not in kept and _is_ours(name))
    write_index(mirror, matched_index(mirror, location.list(), {*objects, *rest}))


def _switch(location: Location, mirror: Path, there: StoredFile | None, last: Seen | None) -> None:
    """Publish: replace the manifest."""
    data = (mirror / MANIFEST).read_bytes()
    if there is not None and last is not None and is_same(there, last):
        if hash_file(mirror / MANIFEST)[0] == last.sha256:
            return
    elif (there is None) != (last is None) or (there and there.version):
        raise _overtaken(location)
    if not location.replace(MANIFEST, data, there):
        raise _overtaken(location)


def _overtaken(location: Location) -> ReleaseError:
    return ReleaseError(
        "another run has published since this one began",
        where=location.url,
        do="run again; the results of this run are kept",
    )


def _name(location: Location, now: Mapping[str, StoredFile], name: str, target: str) -> None:
    """Whether the store's object equals `name`, by its ETag; encrypted stores have none."""
    if name not in now or not now[name].version or now[name] != now.get(target):
        location.copy(target, name)


def _differs(
    mirror: Path, name: str, found: Mapping[str, StoredFile], index: Mapping[str, Seen]
) -> bool:
    seen = index.get(name)
    return (
        not is_same(found.get(name), seen)
        or seen is None
        or hash_file(mirror / name)[0] != seen.sha256
    )


def _is_ours(name: str) -> bool:
    """Whether only releases write files of this name, so that an unknown one is a leftover."""
    inside = name.startswith(("objects/", "releases/", "stats/"))
    return name != LOCK and (inside or name.endswith(".qma"))
