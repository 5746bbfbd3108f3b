"""A child process tries what it must not be able to do, and says what happened.

`model-quantization doctor` shows it. Nothing here does harm where it succeeds.
"""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model_quantization.loading.sandbox.handler import Handler
from model_quantization.records import Record


@dataclass(frozen=True, slots=True)
class ProbeRequest(Record):
    """Asks the child to try things; `outside` is a directory where it should not write."""

    outside: Path


@dataclass(frozen=True, slots=True)
class ProbeReply(Record):
    """The state of the child, and the error of each attempt: empty where it succeeded.

    Attributes
    ----------
    uid, capabilities : int
    seccomp, no_new_privileges : bool
        As the kernel reports them.
    limits : dict of str to int
        Resource limits by name.
    network, process, write, own_write : str
        Opening a socket, starting a process, writing outside, writing in its own directory.
    """

    uid: int
    capabilities: int
    seccomp: bool
    no_new_privileges: bool
    limits: dict[str, int]
    network: str
    process: str
    write: str
    own_write: str


@Handler
def probe(request: ProbeRequest) -> ProbeReply:
    """Run in the child: its user, its kernel's verdicts, and what each attempt gave."""
    status = _status()
    return ProbeReply(
        uid=os.getuid(),
        capabilities=int(status.get("CapEff", "0"), 16),
        seccomp=status.get("Seccomp", "") == "2",
        no_new_privileges=status.get("NoNewPrivs", "") == "1",
        limits={
            name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
            for name in ("AS", "CPU", "NOFILE", "CORE", "FSIZE")
        },
        network=_attempt(_open_socket),
        process=_attempt(_start_process),
        write=_attempt((request.outside / "written-by-the-probe").touch),
        own_write=_attempt(lambda: tempfile.TemporaryFile().close()),
    )


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
