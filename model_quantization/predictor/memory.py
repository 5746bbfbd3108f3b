"""Returns memory to the system that decoding needed and serving does not."""

from __future__ import annotations

import ctypes
import sys

WORTH_IT = 1 << 20  # bytes


def give_back(freed_bytes: int) -> bool:
    """Return whether the C library was asked to return freed pages to the system.

    glibc keeps freed memory between blocks that are still used: 9 of 14.5 MB after a vocabulary of
    288,000 terms was decoded. Only its `malloc_trim` returns it, in about a millisecond. Nothing is
    done for other C libraries, or for less than `WORTH_IT`.

    Parameters
    ----------
        freed_bytes : int
            Bytes that were freed just before.
    """
    if freed_bytes < WORTH_IT or not sys.platform.startswith("linux"):
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:  # musl, for one, has no `malloc_trim`
        return False
    trim(0)
    return True
