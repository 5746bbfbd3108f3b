"""Child processes that end with the block that started them, with all their descendants."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "QUANTIZATION_STARTED_BY"
GRACE_SECONDS = 15.0
LINES_SHOWN = 15


class ProcessFailed(RuntimeError):
    """A process failed; the message has its command and its last lines of output."""


@contextmanager
def kept_process(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str],
    grace_seconds: float = GRACE_SECONDS,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the block ends; its output goes to `log`.

    At the end the process gets SIGTERM. After `grace_seconds` it and every process that it started
    get SIGKILL: a variable in their environment, which children inherit, marks them.
    """
    mark = f"{name}-{uuid.uuid4()}"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**env, MARK: mark},
            # Ctrl-C on the terminal reaches only this program, which then ends them in order.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
        kill_marked(mark)
        process.kill()
        process.wait()


def kill_marked(mark: str) -> None:
    """Kill every process with this mark in its environment (Linux)."""
    needle = f"{MARK}={mark}".encode()
    while found := [pid for pid in _processes() if needle in _environment(pid)]:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _environment(pid: int) -> list[bytes]:
    """The environment of a process; empty when it has ended or belongs to another user."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def run_to_end(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], seconds: float
) -> None:
    """Run a command to its end.

    Raises
    ------
    ProcessFailed
        It ended with another code than 0, or not within `seconds`.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=dict(env),
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProcessFailed(f"`{' '.join(command)}` did not end within {seconds:.0f} s") from None
    if done.returncode:
        raise ProcessFailed(
            f"`{' '.join(command)}` ended with {done.returncode}:\n{_last_lines(done.stdout)}"
        )


def wait_until(
    ready: Callable[[], bool],
    process: subprocess.Popen[bytes],
    *,
    name: str,
    log: Path,
    seconds: float,
) -> None:
    """Wait until `ready()` is true.

    Raises
    ------
    ProcessFailed
        The process ended first, or `seconds` have passed.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        ended = process.poll()
        if ended is None and time.monotonic() < deadline:
            time.sleep(0.2)
            continue
        why = f"was not ready within {seconds:.0f} s" if ended is None else f"ended with {ended}"
        raise ProcessFailed(f"the {name} {why}; {last_lines_of(log)}")


def last_lines_of(log: Path) -> str:
    """Return the end of a log, with a heading."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return f"the end of {log}:\n{_last_lines(text)}"


def _last_lines(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-LINES_SHOWN:])
