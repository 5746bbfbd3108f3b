"""What a worker's child finds that it cannot do: it tries, and says what happened.

`python -m model_quantization doctor` shows it. Nothing here does harm where it succeeds.
"""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HANDLER = "model_quantization.loading.sandbox.probe:probe"


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Run in the child: its user, its kernel's verdicts, and what each attempt gave.

    Parameters
    ----------
    request : dict
        `outside`: a directory that the caller can write in and the child should not.
    """
    status = _status()
    outside = Path(request["outside"])
    return {
        "uid": os.getuid(),
        "capabilities": int(status.get("CapEff", "0"), 16),
        "seccomp": status.get("Seccomp", "") == "2",
        "no_new_privileges": status.get("NoNewPrivs", "") == "1",
        "limits": {
            name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
            for name in ("AS", "CPU", "NOFILE", "CORE", "FSIZE")
        },
        "network": _attempt(_open_socket),
        "process": _attempt(_start_process),
        "write": _attempt((outside / "written-by-the-probe").touch),
        "own_write": _attempt(lambda: tempfile.TemporaryFile().close()),
    }


def _attempt(action: Callable[[], object]) -> str:
    """Empty when it succeeded; otherwise what it raised."""
    try:
        action()
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}"
    return ""


def _open_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def _start_process() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _status() -> dict[str, str]:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
