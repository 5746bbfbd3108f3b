"""Files that are complete or absent: the few file operations of a release.

Every write goes to a temporary name in the same directory, is flushed to the disk and renamed, so
that a reader sees the old file or the new one, even after a power cut.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from model_quantization.errors import FormatError, PathRefused, ReleaseError, ReleaseLocked

CHUNK_BYTES = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns errors of the file system into a `ReleaseError` that names `path`."""
    try:
        yield
    except PathRefused:
        raise
    except OSError as error:
        full = error.errno in _FULL
        raise ReleaseError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            do=("free some space" if full else "make the output directory writable")
            + " and run again; what is released is whole",
        ) from error


def write_atomically(path: Path, data: bytes, *, flush: bool = True) -> None:
    """Write `data` to `path`, whole or not at all.

    Parameters
    ----------
    flush : bool
        False for files that can be made again: after a power cut the file may be empty.

    Raises
    ------
    ReleaseError
        Full disk, read-only directory.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                if flush:
                    os.fsync(stream.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        if flush:
            sync_directory(path.parent)


def write_json(path: Path, value: Any, *, flush: bool = True) -> None:
    """Write `value` to `path` as canonical JSON (sorted keys), indented for readers."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode("utf-8", "backslashreplace"), flush=flush)


def move_durably(source: Path, target: Path) -> None:
    """Rename `source` to `target`, with content and name both on the disk."""
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as stream:
            os.fsync(stream.fileno())
        source.replace(target)
        sync_directory(target.parent)


def link_atomically(target: Path, path: Path) -> None:
    """Make `path` another name of the file `target` (a copy where hard links do not work)."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renaming one link of a file over another does nothing and would leave the temporary name.
        if path.exists() and not path.is_symlink() and path.samefile(target):
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(target)
        except OSError:  # no hard links here (FAT, some network mounts), or too many of one file
            write_atomically(path, target.read_bytes())
        else:
            temporary.replace(path)


def sync_directory(directory: Path) -> None:
    """Flush the names in `directory` to the disk (where the file system can do that)."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # EINVAL on file systems that cannot sync a directory
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def open_regular(path: Path) -> Iterator[IO[bytes]]:
    """The plain file at `path`, open for reading; links, pipes and devices are never opened.

    Raises
    ------
    PathRefused
        Not a plain file.
    FileNotFoundError
        Nothing there.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for a writer that never comes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_plain(path, "a link" if error.errno == errno.ELOOP else "a socket") from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _not_plain(path, "a directory" if stat.S_ISDIR(mode) else "a pipe or a device")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def _not_plain(path: Path, got: str) -> PathRefused:
    return PathRefused("not opened", where=str(path), expected="a plain file", got=got)


def hash_file(path: Path) -> tuple[str, int]:
    """(sha256 as hex, size in bytes) of a plain file.

    Raises
    ------
    PathRefused
        Not a plain file.
    OSError
        Missing or unreadable.
    """
    digest = hashlib.sha256()
    size_bytes = 0
    with open_regular(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


def read_json_object(path: Path, limit_bytes: int) -> dict[str, Any]:
    """The JSON object in a plain file, read strictly.

    Raises
    ------
    FormatError
        Not JSON, not an object, larger than `limit_bytes`, a key twice, NaN, nested too deep.
    PathRefused
        Not a plain file.
    FileNotFoundError
        Nothing there.
    """
    with open_regular(path) as stream:
        data = stream.read(limit_bytes + 1)
    return parse_json_object(data, str(path), limit_bytes)


def parse_json_object(data: bytes, where: str, limit_bytes: int) -> dict[str, Any]:
    """As `read_json_object`, of bytes that came from `where`."""
    if len(data) > limit_bytes:
        raise FormatError("too large", where=where, expected=f"at most {limit_bytes:,} bytes")
    try:
        value = json.loads(data, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not strict JSON ({error})", where=where) from None
    if not isinstance(value, dict):
        raise FormatError("not a JSON object", where=where, got=type(value).__name__)
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Make and lock `directory` for this run alone until the block ends.

    The lock is the kernel's, on `.lock`: it always ends with the process.

    Raises
    ------
    ReleaseLocked
        Another run holds it; the message names its process id.
    PathRefused
        The directory is a link, or something else than a directory.
    ReleaseError
        It cannot be made or written.
    """
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise PathRefused(
            "not used as output",
            where=str(directory),
            expected="a directory",
            got="a link" if directory.is_symlink() else "another kind of file",
            do="name the directory itself",
        )
    lock = directory / ".lock"
    with writing(lock):
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise ReleaseLocked(
                f"another run is writing here (process {holder})",
                where=str(directory),
                do="wait for it to end, or use another output directory",
            ) from None
        with writing(lock):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
