"""What a child that was taken over might try, and what a model honestly needs."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np


def open_socket(request: dict[str, Any]) -> dict[str, Any]:
    socket.socket(getattr(socket, request["family"]), socket.SOCK_STREAM)
    return {}


def fork(request: dict[str, Any]) -> dict[str, Any]:
    if os.fork() == 0:
        os._exit(0)
    return {}


def start_program(request: dict[str, Any]) -> dict[str, Any]:
    subprocess.run(["/bin/true"], check=True)
    return {}


def become_program(request: dict[str, Any]) -> dict[str, Any]:
    os.execv("/bin/true", ["true"])


def write_file(request: dict[str, Any]) -> dict[str, Any]:
    Path(request["path"]).write_text("written")
    return {}


def remove_file(request: dict[str, Any]) -> dict[str, Any]:
    Path(request["path"]).unlink()
    return {}


def truncate_file(request: dict[str, Any]) -> dict[str, Any]:
    os.truncate(request["path"], 0)
    return {}


def make_link(request: dict[str, Any]) -> dict[str, Any]:
    (Path(tempfile.gettempdir()) / "link").symlink_to("/etc/passwd")
    return {}


def make_pipe(request: dict[str, Any]) -> dict[str, Any]:
    os.mkfifo(Path(tempfile.gettempdir()) / "pipe")
    return {}


def kill_parent(request: dict[str, Any]) -> dict[str, Any]:
    os.kill(os.getppid(), signal.SIGKILL)
    return {}


def raise_limit(request: dict[str, Any]) -> dict[str, Any]:
    try:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError as error:  # how Python words EPERM here
        raise PermissionError(str(error)) from error
    return {}


def become_root(request: dict[str, Any]) -> dict[str, Any]:
    os.setuid(0)
    return {}


def read_environment_of_parent(request: dict[str, Any]) -> dict[str, Any]:
    return {"read": len(Path(f"/proc/{os.getppid()}/environ").read_bytes())}


def io_uring(request: dict[str, Any]) -> dict[str, Any]:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(425, 1, ctypes.create_string_buffer(120)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return {}


def environment(request: dict[str, Any]) -> dict[str, Any]:
    return {"names": sorted(os.environ)}


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Threads, native threads, temporary files, `/dev/null`, joblib, signals to itself."""
    from joblib import Parallel, delayed
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from threadpoolctl import threadpool_limits

    seen: list[int] = []
    threads = [threading.Thread(target=seen.append, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = np.random.default_rng(0).normal(size=(200, 4))
    labels = (rows[:, 0] > 0).astype(int)
    boosted = HistGradientBoostingClassifier(max_iter=5).fit(rows, labels)
    with threadpool_limits(4):
        boosted_score = boosted.score(rows, labels)
    forest = RandomForestClassifier(5, n_jobs=2, random_state=0).fit(rows, labels)
    with tempfile.TemporaryFile() as file, Path("/dev/null").open("wb") as null:
        file.write(b"x")
        null.write(b"x")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGUSR1)
    resource.getrlimit(resource.RLIMIT_AS)
    return {
        "threads": len(seen),
        "scores": [boosted_score, forest.score(rows, labels)],
        "parallel": Parallel(n_jobs=2)(delayed(abs)(-i) for i in range(3)),
        "directory": tempfile.gettempdir(),
    }
