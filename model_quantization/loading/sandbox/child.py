"""The child process of one call: it limits itself, runs one handler, answers, and ends."""

from __future__ import annotations

import ctypes
import errno
import importlib
import math
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from model_quantization.errors import LimitError, QuantizationError, WorkerError
from model_quantization.limits import Limits
from model_quantization.loading.sandbox.channel import (
    REQUEST_BYTES,
    Answer,
    Message,
    encode_record,
    receive_record,
)
from model_quantization.loading.sandbox.confinement import Access, Confinement, confine
from model_quantization.records import ErrorRecord

_OPEN_FILES = 256
_GRACE_SECONDS = 5
_PR_SET_PDEATHSIG = 1


def harden(limits: Limits, access: Access, confinement: Confinement) -> None:
    """Give up what one call does not need: memory, time, files, network, other processes.

    Every restriction of the child belongs here; it runs before anything of the file is read.
    """
    statm = Path("/proc/self/statm")
    if statm.exists():  # what the child has already, shared with the server, does not count
        pages = int(statm.read_text().split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + limits.worker_memory_bytes)
    seconds = max(1, math.ceil(limits.worker_cpu_seconds))
    _lower(resource.RLIMIT_CPU, seconds, seconds + _GRACE_SECONDS)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits.decompressed_bytes)
    confine(access, confinement)


def _end_with(server: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it died before that took effect
        os._exit(1)


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(kind)[1]
    wanted = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        wanted = min(wanted, ceiling)
    resource.setrlimit(kind, (min(soft, wanted), wanted))


def serve_call(
    data: socket.socket,
    output: int,
    handlers: frozenset[str],
    server: int,
    confinement: Confinement,
) -> NoReturn:
    """Answer the one request that comes through `data`, then end the process.

    Parameters
    ----------
    data : socket
        Carries the request and the answer.
    output : int
        Descriptor that takes whatever the handler prints.
    handlers : frozenset of str
        The only functions that a request may name.
    server : int
        The process id of the server; the child ends when that does.
    confinement : Confinement
        The actions that are denied to it.
    """
    os.setsid()
    _end_with(server)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, data.fileno())  # the server's own sockets, and those of other calls
    os.closerange(data.fileno() + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    message = Message.from_json(receive_record(data, REQUEST_BYTES))
    handler, limits = message.handler, message.limits
    harden(limits, message.access, confinement)
    _end_with(server)  # a change of user has undone it
    try:
        answer = encode_record(Answer(_handle(message, handlers)).to_wire())
    except MemoryError:
        error: QuantizationError = LimitError(
            "needs more memory than a worker may use",
            where=handler,
            expected=f"at most {limits.worker_memory_bytes:,} bytes",
            do="raise `limits.worker_memory_bytes`",
        )
        answer = _error_record(error)
    except QuantizationError as known:
        answer = _error_record(known)
    except PermissionError as refused:
        error = WorkerError(
            "the model tried what a worker may not do, or needs a file that it may not read",
            where=handler,
            expected="no network, no other process, no file written outside its own directory",
            got=str(refused)[:2000],
            do="leave this file out, unless you know why it does that (SECURITY.md)",
        )
        answer = _error_record(error)
    except OSError as refused:
        answer = _error_record(_system_error(refused, handler, limits))
    except Exception as unknown:  # noqa: BLE001  the boundary: whatever a model raises is an answer
        kind, text = type(unknown).__name__, str(unknown)[:2000]
        what = "the model could not be handled"
        answer = _error_record(WorkerError(what, where=handler, got=f"{kind}: {text}"))
    data.sendall(answer)
    os._exit(0)


def _handle(message: Message, handlers: frozenset[str]) -> dict[str, Any]:
    name = message.handler
    if name not in handlers:
        raise WorkerError("no such handler", where=name, expected=", ".join(sorted(handlers)))
    module, _, function = name.partition(":")
    answer = getattr(importlib.import_module(module), function)(message.request)
    if not isinstance(answer, dict):
        got = type(answer).__name__
        raise WorkerError("the handler gave no record", where=name, expected="a dict", got=got)
    return answer


def _system_error(error: OSError, handler: str, limits: Limits) -> QuantizationError:
    """The error for a refusal of the system, with advice where there is any."""
    if error.errno == errno.EFBIG:
        return LimitError(
            "writes a larger file than a worker may",
            where=handler,
            expected=f"at most {limits.decompressed_bytes:,} bytes",
            do="raise `limits.decompressed_bytes`",
        )
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return WorkerError(
        "the model could not be handled",
        where=handler,
        got=f"{type(error).__name__}: {error}"[:2000],
        do="free some space and run again" if full else "",
    )


def _error_record(error: QuantizationError) -> bytes:
    return encode_record(Answer(error=ErrorRecord.of(error)).to_wire())
