"""The corpus as one file: what versions have in common is stored once.

    .venv/bin/python -m tests.versions.corpus_file FOLDER tests/versions/corpus.tar.xz

packs the files that `make_corpus` wrote, and those that the target has of other versions. Members
of one kind lie side by side, so that the compression finds what versions share: twelve versions
take a third of what they take apart.
"""

from __future__ import annotations

import functools
import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

Files = dict[str, bytes]
ANSWERS = "answers.npz"
INDEX = "index.json"


def read_corpus(path: Path) -> dict[str, Files]:
    """The files of each version, by name: of a packed corpus, or of a folder of `make_corpus`."""
    if path.is_dir():
        return {_version_of(each): dict(_members(each)) for each in path.glob("sklearn-*.tar.xz")}
    return _packed(path)


@functools.lru_cache(maxsize=2)
def _packed(path: Path) -> dict[str, Files]:
    found: dict[str, Files] = {}
    for name, data in _members(path):
        version, _, rest = name.partition("/")
        found.setdefault(version, {})[rest] = data
    return {version: _with_answers(files) for version, files in found.items()}


def _with_answers(files: Files) -> Files:
    """The files with the answers in one archive again, as `make_corpus` writes them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in [name for name in files if name.startswith("answers/")]:
            archive.writestr(name.partition("/")[2], files.pop(name))
    return {**files, ANSWERS: stream.getvalue()}


def _members(path: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        return [(name, archive.extractfile(name).read()) for name in archive.getnames()]  # type: ignore[union-attr]


def _version_of(path: Path) -> str:
    return path.name.removeprefix("sklearn-").removesuffix(".tar.xz")


def pack(folder: Path, target: Path) -> None:
    """Write the versions in `folder`, and the others that `target` has, into `target`."""
    corpus = (read_corpus(target) if target.exists() else {}) | read_corpus(folder)
    members = sorted(
        (order, version, name, data)
        for version, files in corpus.items()
        for order, name, data in _parts(files)
    )
    with tarfile.open(target, "w:xz", preset=9) as archive:
        for _, version, name, data in members:
            member = tarfile.TarInfo(f"{version}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    print(f"{target}: {len(corpus)} versions, {target.stat().st_size:,} bytes")


def _parts(files: Files) -> list[tuple[str, str, bytes]]:
    """What to sort by, name and bytes of each part of a version."""
    index: dict[str, Any] = json.loads(files[INDEX])
    parts = [(kind, entry["file"], files[entry["file"]]) for kind, entry in index["kinds"].items()]
    with zipfile.ZipFile(io.BytesIO(files[ANSWERS])) as archive:
        parts += [
            (f"~{name}", f"answers/{name}", archive.read(name)) for name in archive.namelist()
        ]
    return [*parts, ("~~", INDEX, files[INDEX])]


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
