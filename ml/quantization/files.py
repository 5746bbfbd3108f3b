"""Opening files that somebody else may have put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ml.quantization.errors import LimitError, PathRefused


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
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PathRefused(
            "cannot be opened as a plain file",
            where=str(path),
            expected="a regular file",
            got=error.strerror or str(error),
            do="replace a link by the file it points to",
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PathRefused("not a plain file", where=str(path), expected="a regular file")
        if status.st_size > max_bytes:
            raise LimitError(
                "file too large",
                where=str(path),
                expected=f"at most {max_bytes} bytes",
                got=f"{status.st_size} bytes",
                do="raise limits.file_bytes if this file is meant to be that large",
            )
        return file.read(status.st_size)
