"""Watches the server and its worker, and restarts a worker that has died."""

from __future__ import annotations

import json
import logging
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from flows.processes import ProcessFailed, last_lines_of

RESTARTS = 3
RESTARTS_WITHIN_SECONDS = 600.0
LOOK_SECONDS = 1.0
_log = logging.getLogger("flows.serve")


@dataclass(slots=True)
class Supervision:
    """The server and its worker while they run.

    Parameters
    ----------
    server : Popen
    server_log, worker_log : Path
        Where their output goes; a message quotes its end.
    start_worker : callable
        Starts the worker of this number (0, 1, ...), waits until it is online, and returns it.
    tell : callable
        Is called with one sentence when the worker has died.
    restarts : int
        The number of times that a worker is started again within `within_seconds`; one more death
        ends everything.
    within_seconds : float
    """

    server: subprocess.Popen[bytes]
    server_log: Path
    worker_log: Path
    start_worker: Callable[[int], subprocess.Popen[bytes]]
    tell: Callable[[str], None]
    restarts: int = RESTARTS
    within_seconds: float = RESTARTS_WITHIN_SECONDS
    worker: subprocess.Popen[bytes] = field(init=False)
    _deaths: deque[float] = field(init=False, default_factory=deque)
    _started: int = field(init=False, default=0)

    def start(self) -> None:
        """Start the first worker."""
        self.worker = self.start_worker(0)

    def watch(self, stop: threading.Event, *, look_seconds: float = LOOK_SECONDS) -> None:
        """Look after both until `stop` is set.

        Raises
        ------
        ProcessFailed
            The server died, or the worker too often.
        """
        while not stop.wait(look_seconds):
            self.look()

    def look(self) -> None:
        """Start the worker again if it has died.

        Raises
        ------
        ProcessFailed
            See `watch`.
        """
        ended = self.server.poll()
        if ended is not None:
            self.tell(f"the Prefect server ended with {ended}; nothing runs until it is back")
            raise ProcessFailed(f"the server ended with {ended}; {last_lines_of(self.server_log)}")
        ended = self.worker.poll()
        if ended is None:
            return
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] > self.within_seconds:
            self._deaths.popleft()
        if len(self._deaths) > self.restarts:
            self.tell(
                f"the worker ended with {ended}, for the {len(self._deaths)}th time within "
                f"{self.within_seconds / 60:.0f} minutes; it is not started again"
            )
            raise ProcessFailed(
                f"the worker ended with {ended} and was started again {self.restarts} times "
                f"before; {last_lines_of(self.worker_log)}"
            )
        self.tell(f"the worker ended with {ended}; it is started again")
        self._started += 1
        self.worker = self.start_worker(self._started)
        _log.info("a worker is online again")


def teller(addresses: Iterable[str]) -> Callable[[str], None]:
    """Return a function that sends a sentence to webhooks; an address that fails is logged."""
    known = tuple(addresses)

    def tell(text: str) -> None:
        _log.warning("%s", text)
        body = json.dumps({"text": text, "event": "quantization.worker"}).encode()
        for address in known:
            request = urllib.request.Request(
                address, data=body, headers={"Content-Type": "application/json"}
            )
            try:
                urllib.request.urlopen(request, timeout=10).close()
            except (urllib.error.URLError, OSError) as error:
                _log.warning("an alert was not delivered: %s", error)

    return tell
