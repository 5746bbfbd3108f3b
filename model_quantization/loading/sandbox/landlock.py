"""Landlock: the directories a worker's child may write in, and no other place.

Reading stays free: what a model needs to be loaded (libraries, fonts, time zones) is nobody's list.
Numbers are the kernel's, from `linux/landlock.h`.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Sequence
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

_EXECUTE, _WRITE_FILE, _REMOVE_DIR, _REMOVE_FILE = 1 << 0, 1 << 1, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_MAKE_SPECIAL: Final = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 12)
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15  # since versions 2, 3, 5
_IN_A_DIRECTORY: Final = (
    _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
)
_IN_A_FILE: Final = _WRITE_FILE | _TRUNCATE
_TCP: Final = 0b11  # bind and connect, since version 4
_SCOPES: Final = 0b11  # abstract sockets and signals, since version 6


def landlock_version() -> int:
    """Return the version that the kernel has; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    found = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    return max(int(found), 0)


def open_places(places: Sequence[str]) -> list[int]:
    """Return a descriptor for each place that exists, to be given to `confine_writes`."""
    if landlock_version() == 0:
        return []
    found = []
    for place in places:
        try:
            found.append(os.open(place, os.O_PATH | os.O_CLOEXEC))
        except OSError:  # not there: there is nothing to allow
            continue
    return found


def confine_writes(places: Sequence[int]) -> bool:
    """Whether this process can, from now on, write below these places only; they are closed.

    It cannot make anything but plain files and directories there, either, and, where the kernel's
    version knows how, has no TCP and cannot signal a process outside.
    """
    version = landlock_version()
    try:
        return version > 0 and _restrict(version, places)
    finally:
        for place in places:
            os.close(place)


def _restrict(version: int, places: Sequence[int]) -> bool:
    handled = _EXECUTE | _IN_A_DIRECTORY | _MAKE_SPECIAL | _IOCTL_DEVICE
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        if version < since:
            handled &= ~right
    fields = [handled]
    if version >= 4:
        fields.append(_TCP)
    if version >= 6:
        fields.append(_SCOPES)
    attribute = struct.pack(f"={len(fields)}Q", *fields)
    libc = ctypes.CDLL(None)
    size = ctypes.c_size_t(len(attribute))
    ruleset = libc.syscall(_CREATE_RULESET, attribute, size, 0)
    if ruleset < 0:
        return False
    try:
        for place in places:
            rights = _IN_A_DIRECTORY if stat.S_ISDIR(os.fstat(place).st_mode) else _IN_A_FILE
            rule = struct.pack("=Qi", rights & handled, place)
            if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) != 0:
                return False
        zero = ctypes.c_ulong(0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
