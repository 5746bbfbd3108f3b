"""Reading files that somebody else may have put there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from model_quantization.errors import LimitError
from model_quantization.files.atomic import open_regular


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a plain file; links are not followed, devices and pipes not opened.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    PathRefused
        A link, directory, device, pipe or socket.
    LimitError
        Larger than `max_bytes`.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise LimitError(
                "file too large",
                where=str(path),
                expected=f"at most {max_bytes} bytes",
                got=f"{size} bytes",
                do="raise limits.file_bytes if this file is meant to be that large",
            )
        return file.read(size)


def present_once(paths: Iterable[Path]) -> list[Path]:
    """Those of `paths` that exist, links included; one of them for each file or directory.

    Two spellings of a name are two files on some file systems and one on others.
    """
    found: dict[tuple[int, int], Path] = {}
    for path in paths:
        with suppress(OSError):
            status = path.lstat()
            found.setdefault((status.st_dev, status.st_ino), path)
    return list(found.values())
