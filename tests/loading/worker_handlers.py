"""What the tests let a child process do."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from model_quantization.errors import EnvironmentMismatch, QuantizationError


def echo(request: dict[str, Any]) -> dict[str, Any]:
    return {"request": request, "pid": os.getpid(), "group": os.getpgrp()}


def describe(request: dict[str, Any]) -> dict[str, Any]:
    import resource

    kinds = {name: getattr(resource, f"RLIMIT_{name}") for name in ("AS", "CPU", "NOFILE", "CORE")}
    return {
        "limits": {name: resource.getrlimit(kind) for name, kind in kinds.items()},
        "threads": os.environ["OMP_NUM_THREADS"],
        "modules": sorted(sys.modules),
        "descriptors": sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir()),
        "interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
    }


def raise_known(request: dict[str, Any]) -> dict[str, Any]:
    raise EnvironmentMismatch("wrong", where="a/b", expected="1", got="2", do="install 1")


def raise_unknown(request: dict[str, Any]) -> dict[str, Any]:
    raise KeyError("no such thing")


def raise_system_error(request: dict[str, Any]) -> dict[str, Any]:
    raise OSError(request["errno"], os.strerror(request["errno"]))


def write_file(request: dict[str, Any]) -> dict[str, Any]:
    Path(request["path"]).write_bytes(bytes(request["size"]))
    return {}


def exhaust_memory(request: dict[str, Any]) -> dict[str, Any]:
    return {"length": len(bytearray(1 << 40))}


def spin(request: dict[str, Any]) -> dict[str, Any]:
    while True:
        pass


def sleep_with_grandchild(request: dict[str, Any]) -> dict[str, Any]:
    grandchild = subprocess.Popen(["sleep", "60"])
    Path(request["pids"]).write_text(f"{os.getpid()} {grandchild.pid}")
    time.sleep(60)
    return {}


def crash(request: dict[str, Any]) -> dict[str, Any]:
    print("about to crash\n", file=sys.stderr, flush=True)
    ctypes.string_at(0)
    return {}


def leave(request: dict[str, Any]) -> dict[str, Any]:
    os._exit(3)


def talk(request: dict[str, Any]) -> dict[str, Any]:
    for _ in range(200):
        print("x" * 10_000)
        print("y" * 10_000, file=sys.stderr)
    return {"done": True}


def answer_with_text(request: dict[str, Any]) -> dict[str, Any]:
    return {"text": "z" * request["size"]}


def answer_with_list(request: dict[str, Any]) -> Any:
    return [1]


def kill_server(request: dict[str, Any]) -> dict[str, Any]:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
    return {}


def _write_raw(raw: bytes) -> None:
    # What a child that was taken over could send: find the data socket and answer by hand.
    import socket
    import stat

    for descriptor in range(3, 256):
        try:
            is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
        except OSError:
            continue
        if is_socket:
            socket.socket(fileno=descriptor).sendall(raw)
            os._exit(0)


def answer_raw(request: dict[str, Any]) -> dict[str, Any]:
    _write_raw(bytes.fromhex(request["hex"]))
    raise QuantizationError("no socket found")
