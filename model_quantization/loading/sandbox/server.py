"""A process that has imported the libraries and forks a child for each call.

It is started once per parent process and ends when the parent's end of the socket closes. It runs
no threads of its own and never looks at a model or a request: a fork of it is safe and clean.

Of each request it gets three descriptors: the child's socket, the status socket and the child's
output. Through the status socket it says that it forked and how the child ended; when the parent
closes its end of that, the child and everything it started are killed. The server alone reaps its
children, so that it never kills a process id that has passed to someone else.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import Any, NoReturn

from model_quantization.loading.sandbox.channel import EXIT_STATUS, FORKED
from model_quantization.loading.sandbox.child import serve_call
from model_quantization.loading.sandbox.confinement import Confinement

_OWN = __name__.partition(".")[0]
_CRASHED = 70


@dataclass(slots=True)
class _Server:
    control: socket.socket
    handlers: frozenset[str]
    confinement: Confinement
    children: dict[int, socket.socket] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def serve(self) -> None:
        """Fork for each request until the parent goes away."""
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.selector.register(self.control, selectors.EVENT_READ)
        self.selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fd == woken:
                    os.read(woken, 4096)
                    self._reap()
                elif key.fileobj is self.control:
                    if not self._accept():
                        self._kill_all()
                        return
                elif key.data in self.children:
                    self.selector.unregister(key.fileobj)  # the parent does not wait any more
                    _kill(key.data)

    def _accept(self) -> bool:
        request, descriptors, _, _ = socket.recv_fds(self.control, 1, 3)
        if not request:
            return False
        data, status = (socket.socket(fileno=descriptor) for descriptor in descriptors[:2])
        output, server = descriptors[2], os.getpid()
        with data:
            try:
                child = os.fork()
            except OSError:  # no more processes: the closed status says that nothing ran
                status.close()
                os.close(output)
                return True
            if child == 0:
                self._become_child(data, output, server)
        os.close(output)
        self.children[child] = status
        self.selector.register(status, selectors.EVENT_READ, child)
        with contextlib.suppress(OSError):
            status.sendall(FORKED)
        return True

    def _become_child(self, data: socket.socket, output: int, server: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve_call(data, output, self.handlers, server, self.confinement)
        finally:
            os._exit(_CRASHED)

    def _reap(self) -> None:
        while self.children:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None:
                return
            _kill(found.si_pid)  # what the child started dies with it, before its id is free again
            pid, wait_status = os.waitpid(found.si_pid, 0)
            status = self.children.pop(pid)
            with contextlib.suppress(KeyError):
                self.selector.unregister(status)
            with status, contextlib.suppress(OSError):
                status.sendall(EXIT_STATUS.pack(b"x", wait_status))

    def _kill_all(self) -> None:
        for child in self.children:
            _kill(child)


def _kill(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # not yet the leader of its own group
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def preload_modules(names: list[str]) -> None:
    """Import the modules of the children; a third-party one that is not installed is skipped.

    Raises
    ------
    ImportError
        One of this library's own modules cannot be imported.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            if name.partition(".")[0] == _OWN:
                raise


def main(
    control: int, handlers: list[str], preload: list[str], confinement: dict[str, Any]
) -> None:
    """Serve the socket with this descriptor until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload_modules(preload)
    gc.collect()
    gc.freeze()  # the children's collections would otherwise copy every page
    served = frozenset(handlers)
    _Server(socket.socket(fileno=control), served, Confinement.from_json(confinement)).serve()
    sys.stdout.flush()
    os._exit(0)
