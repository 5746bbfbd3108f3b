"""Copies of stored files on this machine: fetched again when damaged, and never required.

A copy is derived. Nothing may fail because of its state while the file itself can be had: one that
is damaged or cannot be read is fetched again, and where none can be kept, a directory of this
process holds it as long as the process lives.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

from model_quantization.errors import ReleaseError, StorageError
from model_quantization.files.atomic import hash_file, write_atomically
from model_quantization.files.object_store import Location
from model_quantization.locks import ForkSafeLock

logger = logging.getLogger(__name__)


def is_whole(path: Path, sha256: str) -> bool:
    """Whether `path` is a readable plain file with this content."""
    try:
        return hash_file(path)[0] == sha256
    except OSError:
        return False


def clear_the_way(root: Path, relative: str) -> None:
    """Remove files and directories that are in the way of a file at `root/relative`.

    Parameters
    ----------
    root : Path
        A directory of copies; nothing outside of it is touched.
    relative : str
        Name of the file to come, with `/` between its parts.
    """
    path = root / relative
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    for folder in Path(relative).parents:
        if folder != Path() and (root / folder).is_file():
            (root / folder).unlink(missing_ok=True)


def fetch(location: Location, relative: str, root: Path, name: str | None = None) -> Path:
    """Return the path of a complete copy of the stored file on this machine.

    Parameters
    ----------
    location : Location
    relative : str
        Which file of it.
    root : Path
        The directory of copies.
    name : str, optional
        Name of the copy below `root`; default `relative`.

    Raises
    ------
    StorageError, FileNotFoundError
        The file cannot be had.
    """
    name = relative if name is None else name
    try:
        clear_the_way(root, name)
        location.download(relative, root / name)
    except (StorageError, FileNotFoundError):
        raise
    except (ReleaseError, OSError) as error:  # full, read-only, somebody else's
        logger.warning("no copy of %s/%s is kept: %s", location.url, relative, error)
    else:
        return root / name
    spare = _SPARE.directory() / root.absolute().relative_to("/") / name
    location.download(relative, spare)
    return spare


def keep(path: Path, data: bytes, root: Path) -> None:
    """Write a copy with this content to `path`, below `root`, if possible."""
    try:
        if path.is_file() and path.read_bytes() == data:
            return
    except OSError:
        logger.debug("%s cannot be read and is written anew", path)
    try:
        clear_the_way(root, path.relative_to(root).as_posix())
        write_atomically(path, data, flush=False)
    except (ReleaseError, OSError) as error:
        logger.warning("no copy is kept at %s: %s", path, error)


class _Spare:
    """A temporary directory, made when it is first needed; a forked child makes its own."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._path: Path | None = None
        self._owner = 0

    def directory(self) -> Path:
        with self._lock:
            if self._path is None or self._owner != os.getpid():
                self._path = Path(tempfile.mkdtemp(prefix="model-quantization-"))
                self._owner = os.getpid()
                atexit.register(_remove, self._path, self._owner)
            return self._path


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # and not one that was forked since
        shutil.rmtree(path, ignore_errors=True)


_SPARE = _Spare()
