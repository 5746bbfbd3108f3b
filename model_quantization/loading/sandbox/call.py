"""One call as the parent sees it: three descriptors, a deadline, and the answer."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from types import TracebackType
from typing import Any, Final, Self

from model_quantization.errors import (
    LimitError,
    WorkerCrashed,
    WorkerError,
    WorkerTimeout,
)
from model_quantization.limits import Limits
from model_quantization.loading.sandbox.channel import (
    EXIT_STATUS,
    FORKED,
    LENGTH,
    Answer,
    parse_record,
)

_START_SECONDS: Final = 120.0
_KILL_SECONDS: Final = 10.0
_OUTPUT_BYTES: Final = 8192
_CHUNK: Final = 1 << 20
_GOT_CHARACTERS: Final = 200


class Call:
    """Sends one request, waits for the answer, and ends the child whatever happens.

    Closing the status socket is what kills the child: it happens on every way out, even when the
    parent is interrupted or dies.
    """

    def __init__(self, handler: str, payload: bytes, limits: Limits) -> None:
        self._handler = handler
        self._limits = limits
        self._to_send = memoryview(payload)
        self._data, self._child_data = socket.socketpair()
        self._status, self._child_status = socket.socketpair()
        self._output, self._child_output = os.pipe()
        self._data.setblocking(False)
        self._received = bytearray()
        self._said = bytearray()
        self._printed = b""
        self._selector = selectors.DefaultSelector()

    def descriptors(self) -> list[int]:
        """Return the descriptors for the server: the child's socket, the status socket, output."""
        return [self._child_data.fileno(), self._child_status.fileno(), self._child_output]

    def hand_over(self) -> None:
        """Close this side's copies of what the server was sent."""
        self._child_data.close()
        self._child_status.close()
        if self._child_output >= 0:
            os.close(self._child_output)
            self._child_output = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.hand_over()
        self._selector.close()
        self._status.close()
        self._data.close()
        os.close(self._output)

    def wait(self) -> bool:
        """Whether a child was forked; it has then answered, or ended.

        Raises
        ------
        WorkerTimeout, LimitError
            It did not answer in time, or its answer is too large.
        """
        select = self._selector
        select.register(self._data, selectors.EVENT_READ | selectors.EVENT_WRITE)
        select.register(self._status, selectors.EVENT_READ)
        select.register(self._output, selectors.EVENT_READ)
        deadline = time.monotonic() + _START_SECONDS
        forked = False
        while not self._answered() and not self._ended():
            left = deadline - time.monotonic()
            events = select.select(max(left, 0))
            if not events and left <= 0:
                self._give_up(forked)
            for key, mask in events:
                if key.fileobj is self._status:
                    if not self._read_status():
                        if forked:
                            raise self._server_died()
                        return False
                    if not forked and self._said.startswith(FORKED):
                        forked = True
                        deadline = time.monotonic() + self._limits.worker_wall_seconds
                elif key.fileobj is self._data:
                    self._move(mask)
                else:
                    self._read_output()
        self._drain()
        return True

    def answer(self) -> dict[str, Any]:
        """Return the record that the child sent.

        Raises
        ------
        QuantizationError
            The error of the handler, or the way in which the child ended without an answer.
        """
        if not self._answered():
            raise self._how_it_ended()
        what = "the child's answer cannot be read"
        try:
            answer = Answer.from_json(parse_record(self._received[LENGTH.size :]))
        except ValueError as error:
            got = str(error)[:_GOT_CHARACTERS]
            raise WorkerError(what, where=self._handler, got=got) from error
        if answer.error is not None:
            raise answer.error.error()
        if answer.answer is None:
            raise WorkerError(what, where=self._handler, got="neither an answer nor an error")
        return answer.answer

    def _answered(self) -> bool:
        if len(self._received) < LENGTH.size:
            return False
        (size,) = LENGTH.unpack_from(self._received)
        if size > self._limits.manifest_bytes:
            raise LimitError(
                "the child's answer is too large",
                where=self._handler,
                expected=f"at most {self._limits.manifest_bytes:,} bytes",
                got=f"{size:,}",
                do="raise `limits.manifest_bytes`",
            )
        return len(self._received) >= LENGTH.size + int(size)

    def _ended(self) -> bool:
        return len(self._said) >= len(FORKED) + EXIT_STATUS.size

    def _read_status(self) -> bool:
        try:
            chunk = self._status.recv(64)
        except OSError:
            return False
        self._said += chunk
        return bool(chunk)

    def _move(self, mask: int) -> None:
        try:
            if mask & selectors.EVENT_WRITE and self._to_send:
                self._to_send = self._to_send[self._data.send(self._to_send[:_CHUNK]) :]
            chunk = self._data.recv(_CHUNK) if mask & selectors.EVENT_READ else None
        except BlockingIOError:
            return
        except OSError:  # the child is gone: its status will follow
            chunk = b""
        if chunk == b"":
            self._selector.unregister(self._data)
            return
        self._received += chunk or b""
        if not self._to_send:
            self._selector.modify(self._data, selectors.EVENT_READ)

    def _read_output(self) -> None:
        chunk = os.read(self._output, _CHUNK)
        if not chunk:
            self._selector.unregister(self._output)
        self._printed = (self._printed + chunk)[-_OUTPUT_BYTES:]

    def _drain(self) -> None:
        # What the child wrote before it ended is still in the sockets.
        if not self._answered():
            with contextlib.suppress(OSError):
                while chunk := self._data.recv(_CHUNK):
                    self._received += chunk
        os.set_blocking(self._output, False)
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._output, _CHUNK):
                self._printed = (self._printed + chunk)[-_OUTPUT_BYTES:]

    def _give_up(self, forked: bool) -> None:
        self._status.shutdown(socket.SHUT_WR)  # the server kills the child and says so
        self._status.settimeout(_KILL_SECONDS)
        while not self._ended() and self._read_status():
            pass
        if not forked:
            what, expected = "the worker process does not answer", f"{_START_SECONDS:g} s"
            raise WorkerTimeout(what, where=self._handler, expected=expected)
        raise WorkerTimeout(
            "took too long and was stopped",
            where=self._handler,
            expected=f"at most {self._limits.worker_wall_seconds:g} s",
            do="raise `limits.worker_wall_seconds`, or leave this file out",
        )

    def _server_died(self) -> WorkerCrashed:
        return WorkerCrashed(
            "the worker process died, and this call with it",
            where=self._handler,
            do="run it again: the next call starts a new one",
        )

    def _how_it_ended(self) -> WorkerError:
        _, wait_status = EXIT_STATUS.unpack_from(self._said, len(FORKED))
        code = os.waitstatus_to_exitcode(wait_status)
        if code == -signal.SIGXCPU:
            return WorkerTimeout(
                "used too much CPU time and was stopped",
                where=self._handler,
                expected=f"at most {self._limits.worker_cpu_seconds:g} s",
                do="raise `limits.worker_cpu_seconds`, or leave this file out",
            )
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        said = last_line(self._printed)
        return WorkerCrashed(
            "the child process died while it handled the model",
            where=self._handler,
            got=f"{how}, last words: {said}" if said else how,
            do="do not use this file: it crashes native code, or needs more memory than allowed",
        )


def last_line(printed: bytes) -> str:
    """The last line that is not blank, at most 200 characters, safe to print."""
    lines = printed.decode("utf-8", "replace").split("\n")
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")[:200]
    return line if line.isprintable() else ascii(line)
