"""Forks in tests: a child that answers a question, bounded in time, and locks held elsewhere."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from model_quantization.locks import ForkSafeLock

SECONDS = 60


def in_a_fork(question: Callable[[], object], seconds: int = SECONDS) -> int:
    """The exit code of a child that asks: 0 when the question is true, -14 when it hangs.

    A child that hangs prints where.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            faulthandler.register(signal.SIGALRM, chain=True)
            signal.alarm(seconds)
            code = 0 if question() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextmanager
def held_by_another_thread(lock: ForkSafeLock) -> Iterator[None]:
    """A thread that does not end before the block does holds the lock."""
    taken, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            leave.wait(SECONDS)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(SECONDS)
    try:
        yield
    finally:
        leave.set()
        thread.join()
