"""Notices that another release lies there: one `stat`, at most every so many seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from model_quantization.errors import ConfigError

logger = logging.getLogger("model_quantization.serving")
SECONDS = 2.0
# After a failure, as many times as long as the attempt took: trying costs a tenth of a core.
PATIENCE = 10.0
_Stamp = tuple[int, int, int, int]


class ReleaseWatch:
    """Watches one manifest. Publishing renames it into place, so that it is another file then.

    Parameters
    ----------
    manifest : Path
    seconds : float
        How long after a look no other is taken; 0: none is left out.
    """

    def __init__(self, manifest: Path, seconds: float) -> None:
        self._manifest = manifest
        self._seconds = seconds
        self._seen: _Stamp | None = None
        self._next = 0.0
        self._busy = threading.Lock()

    @classmethod
    def of(cls, manifest: Path, watch: bool | float) -> Self | None:
        """The watch that a loader's argument asks for; None for False.

        Raises
        ------
        ConfigError
            A negative number of seconds.
        """
        if watch is False:
            return None
        seconds = SECONDS if watch is True else float(watch)
        if not seconds >= 0:
            raise ConfigError(
                "not a number of seconds", where="watch", expected="0 or more", got=repr(watch)
            )
        return cls(manifest, seconds)

    def note(self) -> None:
        """Take the manifest as it lies there for known."""
        self._seen = self._stamp()
        self._next = time.monotonic() + self._seconds

    def poll(self, take: Callable[[], bool]) -> None:
        """Have `take` called in a thread of its own when there is another manifest.

        No two at a time. When it gives False, or raises, it is called again later.
        """
        busy = self._busy
        if time.monotonic() < self._next or not busy.acquire(blocking=False):
            return
        started = False
        try:
            self._next = time.monotonic() + self._seconds
            stamp = self._stamp()
            if stamp is not None and stamp != self._seen:
                thread = threading.Thread(
                    target=self._run, args=(take, busy), name="take-release", daemon=True
                )
                thread.start()
                started = True
        except RuntimeError as error:  # no more threads: the next look tries again
            logger.warning("a new release is not looked at yet: %s", error)
        finally:
            if not started:
                busy.release()

    def renew(self) -> None:
        """Forget a look that was under way in the process that this one is a fork of."""
        self._busy = threading.Lock()

    def _run(self, take: Callable[[], bool], busy: threading.Lock) -> None:
        started = time.monotonic()
        taken = False
        try:
            taken = take()
        finally:
            if not taken:
                now = time.monotonic()
                self._seen = None
                self._next = now + max(self._seconds, PATIENCE * (now - started))
            busy.release()

    def _stamp(self) -> _Stamp | None:
        """What tells one manifest from another; None while there is none."""
        try:
            status = self._manifest.stat()
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
