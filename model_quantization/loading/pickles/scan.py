"""Scan a model file: copy it, walk its opcodes against the allow-list, run nothing.

A file that passes is safe to load in this sense: no name outside the list is imported, and only
listed reconstructors are called. Its values may still be wrong: they are loaded in a child process
first (`worker.py`).
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from model_quantization.errors import InputRefused, LimitError, ScanMalformed, ScanRefused
from model_quantization.limits import Limits
from model_quantization.loading.pickles.machine import Findings
from model_quantization.loading.pickles.nesting import check_nesting
from model_quantization.loading.pickles.opcodes import walk_pickle
from model_quantization.loading.pickles.snapshot import Snapshot, take_snapshot
from model_quantization.loading.skops_files import write_as_pickle
from model_quantization.trust import TrustPolicy

_TEXT_BYTES: Final = 4096  # of a file's head tell whether it is a text
_MEMO: Final = re.compile(r"\np\d+\n")  # protocol 0 writes such lines
_LFS: Final = "version https://git-lfs.github.com/"


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A model file that may be loaded.

    Attributes
    ----------
    source, snapshot : Path
        Where it came from, and the private copy, decompressed, that was scanned and is loaded;
        of a skops file, the pickle that says the same.
    size_bytes, sha256
        Size and hash of the source on the disk.
    format : "pickle" or "joblib"
        What loads it: joblib keeps the bytes of arrays between the opcodes.
    compression : str
        "", "zlib", "gzip", "bz2", "lzma" or "xz".
    protocol : int
        Pickle protocol; without a mark in the file, 0 or 1.
    sklearn_version : str or None
        The version of scikit-learn that the outermost estimator says it was saved with.
    names : frozenset of str
        Every class and function that it names, `module:qualname`.
    """

    source: Path
    snapshot: Path
    size_bytes: int
    sha256: str
    format: Literal["pickle", "joblib"]
    compression: str
    protocol: int
    sklearn_version: str | None
    names: frozenset[str]


def scan(source: Path, trust: TrustPolicy, limits: Limits, workspace: Path) -> ScannedFile:
    """The file, copied into `workspace` and found harmless; nothing of it was run.

    Parameters
    ----------
    workspace : Path
        A private directory (mode 0700), one per file, which the caller made and removes.

    Raises
    ------
    PathRefused
        `source` is a link, a directory, a pipe, a device, or cannot be read.
    ScanMalformed
        It is no pickle and no skops file, or a broken one.
    ScanRefused
        It names or does something that is not on the allow-list.
    LimitError
        It is larger or longer than `limits` allow.
    """
    snapshot = take_snapshot(source, limits, workspace)
    try:
        if snapshot.is_archive:
            snapshot = _translated(snapshot, limits)
        found, protocol = _walk(snapshot.path, trust, limits)
    except (InputRefused, LimitError) as error:
        raise (_as_text(snapshot.path, error) or error).at(str(source)) from error
    return _scanned(source, snapshot, found, protocol)


def _as_text(path: Path, error: InputRefused | LimitError) -> ScanMalformed | None:
    """The error that says what a broken pickle really is: text, which is often a mistake.

    A name that is not allowed is always told: old pickles are text as well.
    """
    if not isinstance(error, ScanMalformed):
        return None
    with path.open("rb") as file:
        head = file.read(_TEXT_BYTES)
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if _MEMO.search(text) or not all(one.isprintable() or one.isspace() for one in text):
        return None
    if text.startswith(_LFS):
        return ScanMalformed(
            "is a pointer of Git LFS, and not the model", do="fetch the model with `git lfs pull`"
        )
    return ScanMalformed(
        "is a text file",
        expected="a pickle, joblib or skops file",
        got=repr(text.strip().partition("\n")[0][:40]),
        do="put the model's own file here, or take this one away",
    )


def _translated(snapshot: Snapshot, limits: Limits) -> Snapshot:
    """The skops file as a pickle; size and hash stay those of the source."""
    path = snapshot.path.with_name("translated")
    write_as_pickle(snapshot.path, path, limits)
    snapshot.path.unlink()
    return replace(snapshot, path=path)


def _walk(path: Path, trust: TrustPolicy, limits: Limits) -> tuple[Findings, int]:
    found = Findings(trust, limits)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        root, end, protocol = walk_pickle(data, 0, found)
        if end != len(data):
            raise ScanRefused(
                "more bytes follow the end of the pickle",
                where=f"byte {end:,}",
                expected=f"{end:,} bytes in all",
                got=f"{len(data):,}",
                do="save one object to a file, with one call of dump",
            )
    check_nesting(root, limits, trust)
    return found, protocol


def _scanned(source: Path, snapshot: Snapshot, found: Findings, protocol: int) -> ScannedFile:
    return ScannedFile(
        source=source,
        snapshot=snapshot.path,
        size_bytes=snapshot.size_bytes,
        sha256=snapshot.sha256,
        format="joblib" if found.joblib_arrays else "pickle",
        compression=snapshot.compression,
        protocol=protocol,
        sklearn_version=found.sklearn_version,
        names=frozenset(found.names),
    )
