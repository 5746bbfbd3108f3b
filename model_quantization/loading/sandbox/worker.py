"""Run a function on an untrusted file in a child process with limits, and get data back.

The fork server is our own: multiprocessing's imports the user's `__main__` again, which breaks
scripts without a guard, and daemonic processes (Dask's workers) may not start children with it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass
from typing import IO, Any, Final

from model_quantization.errors import WorkerError
from model_quantization.limits import Limits
from model_quantization.loading.sandbox.call import Call, last_line
from model_quantization.loading.sandbox.channel import REQUEST_BYTES, Message, encode_record
from model_quantization.loading.sandbox.confinement import Access, Confinement
from model_quantization.loading.sandbox.handler import Handler, Reply, Request
from model_quantization.locks import ForkSafeLock

_ONE_THREAD: Final = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
    "LOKY_MAX_CPU_COUNT": "1",  # or joblib counts cores by starting a program
}
# Variables that Python and the libraries read. Others often hold secrets.
_KEPT: Final = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV",
    "MODEL_QUANTIZATION_KERNELS",
})  # fmt: skip
_KEPT_PREFIXES: Final = (
    "CONDA_", "COVERAGE_", "DYLD_", "JOBLIB_", "KMP_", "LC_", "LD_", "MALLOC_", "MKL_",
    "OMP_", "OPENBLAS_", "PYTHON", "SCIPY_", "SKLEARN_",
)  # fmt: skip
_BOOT: Final = (
    "import json, sys; setup = json.loads(sys.argv[1]); sys.path[:] = setup.pop('path');"
    "from model_quantization.loading.sandbox.server import main; main(**setup)"
)
_STOP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Server:
    process: subprocess.Popen[bytes]
    control: socket.socket
    log: IO[bytes]
    owner: int

    def stop(self) -> str:
        """Close the socket, which ends the server, and give the last line it printed.

        It has no state to lose, so that it is killed when it does not end at once.
        """
        self.control.close()
        if os.getpid() != self.owner:  # a fork of the parent: not its server
            self.process.returncode = 0
        else:
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        with self.log:
            return last_line(os.pread(self.log.fileno(), 1 << 20, 0)[-4096:])


class Worker:
    """Calls handlers in children of one fork server, from any number of threads.

    Parameters
    ----------
    handlers : frozenset of str
        The functions that may be called, `module:function`; each takes and gives a JSON record.
    preload : tuple of str
        Modules that the server imports once, so that its children have them at no cost.
    confinement : Confinement, optional
        The actions that are denied to the children. Default: as the environment says when the
        server is started.
    """

    def __init__(
        self,
        handlers: frozenset[str],
        preload: tuple[str, ...],
        confinement: Confinement | None = None,
    ) -> None:
        self._handlers = handlers
        self._confinement = confinement
        self._preload = preload
        self._lock = ForkSafeLock()
        self._server: _Server | None = None
        self._last_words = ""
        self._finalizer: weakref.finalize[Any, Any] | None = None
        _WORKERS.add(self)

    def call(
        self,
        handler: str,
        request: dict[str, Any],
        limits: Limits,
        access: Access | None = None,
    ) -> dict[str, Any]:
        """Return what `handler(request)` gives in a child of its own; paths must be absolute.

        Parameters
        ----------
        access : Access, optional
            Its rights beside reading files that everybody can read; default: no writing.

        Raises
        ------
        QuantizationError
            The error of this library that the handler raised.
        LimitError
            The child needed more memory than allowed, or the request or answer is too large.
        WorkerTimeout
            It took longer than allowed and was killed with everything it had started.
        WorkerCrashed
            It died; the message names the signal or exit code and quotes its last line.
        WorkerError
            The handler is unknown or raised something else, or no child could be started.
        """
        if handler not in self._handlers:
            expected = ", ".join(sorted(self._handlers))
            raise WorkerError("no such handler", where=handler, expected=expected, do="register it")
        payload = encode_record(Message(handler, request, limits, access or Access()).to_wire())
        if len(payload) > REQUEST_BYTES:
            expected, got = f"at most {REQUEST_BYTES:,} bytes", f"{len(payload):,}"
            do = "pass data in files and their paths in the request"
            raise WorkerError("the request is too large", where=handler, expected=expected, got=got,
                              do=do)  # fmt: skip
        for _ in range(2):  # a server that died before it forked has run nothing: once more
            with Call(handler, payload, limits) as call:
                server = self._submit(call)
                if server is not None and call.wait():
                    return call.answer()
            if server is not None:
                self._retire(server)
        do = f"see whether this Python can import {handler.partition(':')[0]}"
        got = self._last_words
        raise WorkerError("the worker process does not start", where=handler, got=got, do=do)

    def ask(
        self,
        handler: Handler[Request, Reply],
        request: Request,
        limits: Limits,
        access: Access | None = None,
    ) -> Reply:
        """Return the reply of `handler` to `request`, from a child of its own; see `call`.

        Raises
        ------
        WorkerError
            As `call`, and when the child's reply is malformed.
        """
        return handler.read_reply(self.call(handler.name, request.to_wire(), limits, access))

    def close(self) -> None:
        """End the server; a later call starts a new one."""
        with self._lock:
            self._drop()

    def _submit(self, call: Call) -> _Server | None:
        with self._lock:
            if self._server is None or self._server.process.poll() is not None:
                self._drop()
                self._server = self._start()
            server = self._server
            try:
                socket.send_fds(server.control, [b"+"], call.descriptors())
            except OSError:  # it died a moment ago
                self._drop()
                return None
            finally:
                call.hand_over()
        return server

    def _retire(self, server: _Server) -> None:
        with self._lock:
            if self._server is server:  # and not one that another thread has started since
                self._drop()

    def _start(self) -> _Server:
        ours, theirs = socket.socketpair()
        log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the server
        setup = {
            "path": [entry for entry in sys.path if isinstance(entry, str)],
            "control": theirs.fileno(),
            "handlers": sorted(self._handlers),
            "preload": list(self._preload),
            "confinement": (self._confinement or Confinement.from_environment()).to_json(),
        }
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, json.dumps(setup)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=_environment(),
                start_new_session=True,
            )
        server = _Server(process, ours, log, os.getpid())
        self._finalizer = weakref.finalize(self, server.stop)
        return server

    def _drop(self) -> None:
        if self._server is not None and self._finalizer is not None:
            self._finalizer.detach()
            self._last_words = self._server.stop()
        self._server = self._finalizer = None

    def _forget(self) -> None:
        # In a fork of this process: the server is the parent's.
        self._drop()


_WORKERS: Final[weakref.WeakSet[Worker]] = weakref.WeakSet()


def _forget_all() -> None:
    for worker in list(_WORKERS):
        worker._forget()


os.register_at_fork(after_in_child=_forget_all)


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    return kept | _ONE_THREAD
