"""The user of a worker's child; when started as root, an unprivileged one.

All rights of root but reading and writing files are given up in any case. Reading what is closed to
others (a virtual environment below /root, a directory of mode 0700) is kept only when the child
needs it: it has to import libraries and read its input.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

READ_ANYTHING: Final = 2  # CAP_DAC_READ_SEARCH
_VERSION_3: Final = 0x20080522
_PR_SET_KEEPCAPS: Final = 8


def hand_over(directory: str, uid: int, gid: int) -> None:
    """Give a directory and the files in it to another user, and keep everybody else out."""
    with os.scandir(directory) as entries:
        for entry in entries:
            os.chown(entry.path, uid, gid, follow_symlinks=False)
    os.chown(directory, uid, gid, follow_symlinks=False)
    Path(directory).chmod(0o700)


def become(uid: int, gid: int, kept: Iterable[int]) -> bool:
    """Whether this process, which was root, is now this user with no more than `kept` rights."""
    libc = ctypes.CDLL(None)
    zero = ctypes.c_ulong(0)
    libc.prctl(_PR_SET_KEEPCAPS, ctypes.c_ulong(1), zero, zero, zero)
    try:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError:  # a container without these rights, or with fewer users
        return False
    return _keep_capabilities(kept)


def _keep_capabilities(kept: Iterable[int]) -> bool:
    """Whether this process has given up every capability but `kept`."""
    mask = sum(1 << number for number in kept)
    header = struct.pack("=Ii", _VERSION_3, 0)
    data = struct.pack("=6I", mask, mask, 0, 0, 0, 0)
    return bool(ctypes.CDLL(None).capset(header, data) == 0)


def is_open_to_others(path: str, known: dict[str, bool]) -> bool:
    """Whether a user who owns nothing can get to `path` and read it, by its permission bits.

    Parameters
    ----------
    known : dict
        Directories looked at before; added to.
    """
    place = Path(os.path.realpath(path))
    try:
        mode = place.stat().st_mode
    except OSError:
        return True  # a missing path is closed to nobody
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    if mode & wanted != wanted:
        return False
    for parent in map(str, place.parents):
        if parent not in known:
            known[parent] = bool(Path(parent).stat().st_mode & stat.S_IXOTH)
        if not known[parent]:
            return False
    return True
