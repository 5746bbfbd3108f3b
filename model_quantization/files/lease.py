"""A lock on an output directory in object storage: a file that names its holder and expires.

It keeps runs apart, and names the active one. A release stays whole even without the lock, by the
condition on replacing its manifest.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from model_quantization.errors import ReleaseLocked, StorageError
from model_quantization.files.object_store import Location, StoredFile

LOCK = ".lock"
LEASE_SECONDS = 300.0
RENEW_SECONDS = 60.0
_LOCK_BYTES = 1 << 12
_log = logging.getLogger(__name__)


@contextmanager
def leased(location: Location) -> Iterator[None]:
    """Lock the location for this run alone until the block or the process ends.

    A lock whose holder does not renew it expires after `LEASE_SECONDS`; that of a dead process of
    this machine is taken over at once.

    Raises
    ------
    ReleaseLocked
        Another run holds it; the message names its machine and process.
    StorageError
    """
    token = secrets.token_hex(8)
    _take(location, token)
    ended = threading.Event()
    renewal = threading.Thread(
        target=_renew, args=(location, token, ended), name="lease", daemon=True
    )
    renewal.start()
    try:
        yield
    finally:
        ended.set()
        renewal.join()
        with suppress(StorageError):  # it expires by itself
            if _read(location).get("token") == token:
                location.remove([LOCK])


def _take(location: Location, token: str) -> None:
    before = location.find(LOCK)
    holder = _read(location) if before else {}
    if before is None or _is_over(holder):
        if location.replace(LOCK, _record(token), before):
            return
        holder = _read(location)  # another run was faster
    process = f"process {holder.get('pid', '?')} on {holder.get('host', 'another machine')}"
    left = max(0, round(_expiry(holder) - time.time()))
    raise ReleaseLocked(
        f"another run is writing here ({process})",
        where=location.url,
        do=f"wait for it to end (if it was killed, its lock expires in {left} s), or use another "
        "output directory",
    )


def _renew(location: Location, token: str, ended: threading.Event) -> None:
    while not ended.wait(RENEW_SECONDS):
        try:
            mine: StoredFile | None = location.find(LOCK)
            if mine is None or _read(location).get("token") != token:
                _log.warning("%s: another run has taken this run's lock", location.url)
                return
            location.replace(LOCK, _record(token), mine)
        except StorageError as error:
            _log.warning("the lock could not be renewed: %s", error)


def _record(token: str) -> bytes:
    record = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "token": token,
        "expires": time.time() + LEASE_SECONDS,
    }
    return json.dumps(record).encode()


def _read(location: Location) -> dict[str, object]:
    try:
        record = json.loads(location.read(LOCK, _LOCK_BYTES))
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _expiry(holder: dict[str, object]) -> float:
    expires = holder.get("expires")
    return float(expires) if isinstance(expires, int | float) else 0.0


def _is_over(holder: dict[str, object]) -> bool:
    if _expiry(holder) < time.time():
        return True
    pid = holder.get("pid")
    if holder.get("host") != socket.gethostname() or not isinstance(pid, int) or pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
