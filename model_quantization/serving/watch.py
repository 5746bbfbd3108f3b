"""Notices a new release: one `stat` call, at most once per interval."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from model_quantization.errors import ConfigError
from model_quantization.locks import ForkSafeLock

logger = logging.getLogger("model_quantization.serving")
SECONDS = 2.0
# After a failure, the pause is this many times as long as the attempt: a tenth of a core at most.
PATIENCE = 10.0
_Stamp = tuple[int, int, int, int]


class ReleaseWatch:
    """Watches one manifest. Publishing renames a new file into its place.

    Parameters
    ----------
    manifest : Path
    seconds : float
        Least time between two looks; 0: every call looks.
    """

    def __init__(self, manifest: Path, seconds: float) -> None:
        self._manifest = manifest
        self._seconds = seconds
        self._seen: _Stamp | None = None
        self._next = 0.0
        self._lock = ForkSafeLock()
        self._looking: threading.Thread | None = None

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
        """Note the present manifest as known."""
        self._seen = self._stamp()
        self._next = time.monotonic() + self._seconds

    def poll(self, take: Callable[[], bool]) -> None:
        """Call `take` in a thread of its own when there is another manifest.

        One call runs at a time. When it returns False or raises, it is called again later.
        """
        if time.monotonic() < self._next or not self._lock.acquire(blocking=False):
            return
        try:
            if self._is_looking():
                return
            self._next = time.monotonic() + self._seconds
            stamp = self._stamp()
            if stamp is not None and stamp != self._seen:
                self._looking = threading.Thread(
                    target=self._run, args=(take,), name="take-release", daemon=True
                )
                self._looking.start()
        except RuntimeError as error:  # the system has no more threads: the next look tries again
            self._looking = None
            logger.warning("a new release is not looked at yet: %s", error)
        finally:
            self._lock.release()

    def _is_looking(self) -> bool:
        """Whether the thread that takes a release over is running."""
        if self._looking is None:
            return False
        if self._looking.is_alive():
            return True
        # The thread ran in the process that forked this one: here the release was not taken over.
        self._looking = self._seen = None
        return False

    def _run(self, take: Callable[[], bool]) -> None:
        started = time.monotonic()
        taken = False
        try:
            taken = take()
        finally:
            if not taken:
                now = time.monotonic()
                self._seen = None
                self._next = now + max(self._seconds, PATIENCE * (now - started))
            self._looking = None

    def _stamp(self) -> _Stamp | None:
        """The identity of the present manifest; None without one."""
        try:
            status = self._manifest.stat()
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
