"""Locks over a fork; no file of the library makes one of its own."""

from __future__ import annotations

import ast
import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import model_quantization.locks as locks
from model_quantization.locks import ForkSafeLock, cached_property
from tests.forking import held_by_another_thread, in_a_fork
from tests.test_import_rules import MODULES, ROOT

BOTH = pytest.mark.parametrize("reentrant", [False, True])
RAW = frozenset({"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"})


# --- nobody makes another lock --------------------------------------------------------------


def raw_locks(source: str) -> Iterator[str]:
    """Every name in a file that stands for a lock which a fork would inherit."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if node.module in ("threading", "_thread", "multiprocessing"):
                yield from names & (RAW | {"allocate_lock"})
            if node.module == "functools":
                yield from names & {"cached_property"}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("threading", "_thread", "multiprocessing"):
                yield from {node.attr} & (RAW | {"allocate_lock"})
            if node.value.id == "functools":
                yield from {node.attr} & {"cached_property"}


@pytest.mark.parametrize("module", sorted(set(MODULES) - {locks.__name__}))
def test_every_lock_comes_from_the_factory(module: str) -> None:
    found = list(raw_locks(MODULES[module].read_text("utf-8")))
    assert not found, f"{MODULES[module].relative_to(ROOT)}: use model_quantization.locks"


@pytest.mark.parametrize(
    "source",
    [
        "import threading\nx = threading.Lock()",
        "import threading\nx = field(default_factory=threading.RLock)",
        "from threading import Condition as C",
        "from functools import cached_property",
        "import functools\n@functools.cached_property\ndef f(self): ...",
    ],
)
def test_a_raw_lock_is_found(source: str) -> None:
    assert list(raw_locks(source))


# --- what a lock does -----------------------------------------------------------------------


@BOTH
def test_one_thread_at_a_time(reentrant: bool) -> None:
    lock = ForkSafeLock(reentrant=reentrant)
    with held_by_another_thread(lock):
        assert not lock.acquire(blocking=False)
    assert lock.acquire(blocking=False)
    lock.release()
    with pytest.raises(RuntimeError):
        lock.release()


def test_only_a_reentrant_one_is_acquired_twice() -> None:
    with (outer := ForkSafeLock(reentrant=True)), outer:
        assert outer.acquire(blocking=False)
        outer.release()
    plain = ForkSafeLock()
    with plain:
        assert not plain.acquire(blocking=False)


@BOTH
def test_a_child_finds_free_what_another_thread_held(reentrant: bool) -> None:
    lock = ForkSafeLock(reentrant=reentrant)
    with held_by_another_thread(lock):
        assert in_a_fork(lambda: lock.acquire(blocking=False)) == 0
        assert not lock.acquire(blocking=False), "the parent's lock is as it was"


@BOTH
def test_a_child_still_holds_what_the_forking_thread_held(reentrant: bool) -> None:
    lock = ForkSafeLock(reentrant=reentrant)

    def others_wait_until_it_is_released() -> bool:
        tried: list[bool] = []

        def attempt() -> None:
            if taken := lock.acquire(blocking=False):
                lock.release()
            tried.append(taken)

        def other() -> None:
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()

        other()
        lock.release()
        other()
        return tried == [False, True]

    with lock:
        assert in_a_fork(others_wait_until_it_is_released) == 0


@BOTH
def test_a_child_of_a_child(reentrant: bool) -> None:
    lock = ForkSafeLock(reentrant=reentrant)

    def fork_again() -> bool:
        with held_by_another_thread(lock):
            return in_a_fork(lambda: lock.acquire(blocking=False)) == 0

    with held_by_another_thread(lock):
        assert in_a_fork(fork_again) == 0


def test_locks_are_let_go_of() -> None:
    gc.collect()
    before = len(locks._LOCKS)
    made = [ForkSafeLock() for _ in range(5)]
    assert len(locks._LOCKS) == before + len(made)
    made.clear()
    gc.collect()
    assert len(locks._LOCKS) == before


# --- imports --------------------------------------------------------------------------------

MODULE = "slow_to_import_while_forking"


def test_a_fork_waits_for_an_import_of_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{MODULE}.py").write_text(
        "import logging, time\ntime.sleep(1)\nlogging.getLogger(__name__)\nanswer = 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    thread = threading.Thread(target=__import__, args=(MODULE,))
    thread.start()
    while MODULE not in sys.modules:
        time.sleep(0.001)
    try:
        assert in_a_fork(lambda: __import__(MODULE).answer == 1, seconds=20) == 0
    finally:
        thread.join()
        del sys.modules[MODULE]


def test_a_fork_does_not_wait_for_an_import_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "IMPORT_SECONDS", 0.05)
    (tmp_path / f"{MODULE}.py").write_text(
        "import threading\nbegun, leave = threading.Event(), threading.Event()\nbegun.set()\n"
        "leave.wait(60)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    thread = threading.Thread(target=__import__, args=(MODULE,))
    thread.start()
    while not hasattr(sys.modules.get(MODULE), "begun"):
        time.sleep(0.001)
    try:
        assert in_a_fork(lambda: True) == 0
    finally:
        sys.modules[MODULE].leave.set()
        thread.join()
        del sys.modules[MODULE]


def test_a_module_that_forks_when_imported_does_not_wait_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{MODULE}.py").write_text(
        "from tests.forking import in_a_fork\ncode = in_a_fork(lambda: True)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(locks, "IMPORT_SECONDS", 3600.0)
    assert __import__(MODULE).code == 0
    del sys.modules[MODULE]


# --- attributes computed once ---------------------------------------------------------------


class Counted:
    """Counts how often its attribute is computed."""

    def __init__(self) -> None:
        self.times = 0
        self.waiting = threading.Barrier(1)

    @cached_property
    def value(self) -> list[int]:
        """The attribute."""
        self.times += 1
        self.waiting.wait(10)
        return [self.times]


def test_an_attribute_is_computed_once() -> None:
    one, other = Counted(), Counted()
    assert one.value is one.value
    assert (one.times, other.times) == (1, 0)
    assert other.value is not one.value
    assert isinstance(Counted.value, cached_property)
    assert Counted.value.__doc__ == "The attribute."


def test_an_attribute_whose_method_fails_is_tried_again() -> None:
    one = Counted()
    one.waiting.abort()
    with pytest.raises(threading.BrokenBarrierError):
        _ = one.value
    one.waiting = threading.Barrier(1)
    assert one.value == [2]


def test_threads_that_come_first_together_are_given_one_value() -> None:
    one = Counted()
    one.waiting = threading.Barrier(2)  # each computes it while the other does
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda: found.append(one.value)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1] is one.value


def test_a_child_computes_what_another_thread_was_computing() -> None:
    one = Counted()
    one.waiting = threading.Barrier(2)
    thread = threading.Thread(target=lambda: one.value)
    thread.start()
    while not one.times:
        time.sleep(0.001)

    def ask() -> bool:
        one.waiting = threading.Barrier(1)
        return one.value == [2]

    assert in_a_fork(ask) == 0
    one.waiting.wait(10)
    thread.join()


FORKS_DURING_AN_IMPORT = """
import os, sys, threading, time
if sys.argv[2] == "ours first":  # as a file would that registers its hook before logging has one
    register, ours = os.register_at_fork, []
    register(before=lambda: [hook() for hook in ours])
    import concurrent.futures.thread, logging
    os.register_at_fork = lambda *, before, **others: [ours.append(before), register(**others)]
    import model_quantization.locks as locks
    os.register_at_fork = register
    assert len(ours) == 1
else:
    import model_quantization.locks as locks
locks.IMPORT_SECONDS = float(sys.argv[3])
sys.path.insert(0, sys.argv[1])
thread = threading.Thread(target=__import__, args=("slow_and_logging",))
thread.start()
while "slow_and_logging" not in sys.modules:
    time.sleep(0.001)
child = os.fork()
finished = hasattr(sys.modules["slow_and_logging"], "finished")
if child == 0:
    os._exit(0 if finished else 1)
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(("order", "seconds", "code"), [("as is", 60, "0"), ("ours first", 1, "1")])
def test_the_hook_of_logging_runs_after_ours(
    order: str, seconds: float, code: str, tmp_path: Path
) -> None:
    """Were it first, it would hold a lock that the import needs which a fork waits for.

    The second case has the other order: the fork gives up, and its child has half a module.
    """
    (tmp_path / "slow_and_logging.py").write_text(
        "import time, logging\ntime.sleep(0.5)\nlogging.getLogger('x').setLevel(10)\nfinished = 1\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", FORKS_DURING_AN_IMPORT, str(tmp_path), order, str(seconds)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == code, done.stderr


IMPORT_BEGINS_DURING_THE_FORK = """
import os, sys, threading, time
begin = threading.Event()
def other_hook():  # it was registered earlier, so that it runs later
    begin.set()
    time.sleep(0.3)
os.register_at_fork(before=other_hook)
import model_quantization.locks
from tests.forking import in_a_fork
sys.path.insert(0, sys.argv[1])
def import_slowly():
    begin.wait()
    import slow
thread = threading.Thread(target=import_slowly)
thread.start()
print(in_a_fork(lambda: __import__("slow").finished, 10))
thread.join(10)
print(thread.is_alive())
"""


def test_no_import_begins_between_the_wait_for_imports_and_the_fork(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.6)\nfinished = 1\n")
    assert _said(IMPORT_BEGINS_DURING_THE_FORK, tmp_path) == "0\nFalse"


FORKS_WHILE_LOGGING_IS_CONFIGURED = """
import logging, os, sys, threading, time
import model_quantization.locks
from tests.forking import in_a_fork
sys.path.insert(0, sys.argv[1])
taken = threading.Event()
def configure():
    with logging._lock:
        taken.set()
        time.sleep(0.3)
        import handlers_of_mine
thread = threading.Thread(target=configure)
thread.start()
taken.wait()
print(in_a_fork(lambda: __import__("handlers_of_mine"), 10))
thread.join(10)
print(thread.is_alive(), logging._lock.acquire(False))
"""


def test_a_thread_that_configures_logging_imports_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "handlers_of_mine.py").write_text("finished = 1\n")
    assert _said(FORKS_WHILE_LOGGING_IS_CONFIGURED, tmp_path) == "0\nFalse True"


def test_a_child_makes_a_temporary_file_that_another_thread_was_about_to_make(
    tmp_path: Path,
) -> None:
    with tempfile._once_lock:  # type: ignore[attr-defined]
        assert in_a_fork(lambda: tempfile.mkdtemp(dir=tmp_path), 10) == 0


def _said(script: str, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, str(directory)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
