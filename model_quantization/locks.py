"""Locks that a forked child can use, and attributes that are computed once without a lock.

A fork copies every lock as it is, but only the forking thread. A lock that another thread held is
never released in the child, and the child hangs at its first use. So every lock of this library is
made here, and the child replaces all that no surviving thread holds.

Python's own locks have the same fault. Before a fork, imports of other threads are waited for, and
none can begin until the fork is made. The lock of `tempfile`, which is held while the directory for
temporary files is found, is replaced in the child.
"""

from __future__ import annotations

import _imp
import concurrent.futures.thread  # noqa: F401  registers its hook for forks before ours, see below
import importlib
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, overload

Value = TypeVar("Value")

# A fork goes ahead after this time even if an import is still going on: it must not wait for ever.
IMPORT_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.001
_LOGGING: Final = vars(logging)["_lock"]  # taken again by the hook of `logging`: it is reentrant


class ForkSafeLock:
    """A lock that a forked child finds free, unless the thread that forked holds it.

    Use it in a `with` statement, or by `acquire` and `release`. The thread that acquires it must be
    the one that releases it.

    Parameters
    ----------
    reentrant : bool
        Whether the thread that holds it may acquire it again.
    """

    __slots__ = ("__weakref__", "_depth", "_inner", "_owner", "_reentrant")

    def __init__(self, *, reentrant: bool = False) -> None:
        self._reentrant = reentrant
        self._inner = self._made()
        self._owner = 0
        self._depth = 0
        _LOCKS.add(self)

    def acquire(self, *, blocking: bool = True) -> bool:
        """Whether the lock is held now; False only when it is taken and `blocking` is False."""
        if not self._inner.acquire(blocking):
            return False
        self._owner = threading.get_ident()
        self._depth += 1
        return True

    def release(self) -> None:
        """Release the lock once; it is free when it was released as often as it was acquired.

        Raises
        ------
        RuntimeError
            It is not held.
        """
        self._depth -= 1
        if self._depth <= 0:
            self._owner = self._depth = 0
        self._inner.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _made(self) -> Any:
        return threading.RLock() if self._reentrant else threading.Lock()

    def _renew(self) -> None:
        """Run in a forked child, where one thread is left."""
        self._inner = self._made()
        if self._owner != threading.get_ident():
            self._owner = self._depth = 0
        for _ in range(self._depth):  # the fork was made while the lock was held
            self._inner.acquire()


_LOCKS: Final[weakref.WeakSet[ForkSafeLock]] = weakref.WeakSet()


class cached_property(Generic[Value]):  # noqa: N801  named and used as functools.cached_property
    """An attribute that a method computes at its first use, and that is kept from then on.

    `functools.cached_property` of Python 3.11 has one lock for all instances of the class, holds it
    while it computes the value, and a fork inherits it. This one has no lock. Two threads that come
    first may both compute the value; all are given the one that was kept.

    Parameters
    ----------
    method : callable
        Takes the instance, which needs a `__dict__`.
    """

    def __init__(self, method: Callable[[Any], Value]) -> None:
        self._method = method
        self._name = method.__name__
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> cached_property[Value]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...
    def __get__(self, instance: object | None, owner: type) -> cached_property[Value] | Value:
        if instance is None:
            return self
        value: Value = instance.__dict__.setdefault(self._name, self._method(instance))
        return value


def _hold_imports() -> None:
    """Return when no other thread imports a module, and none can begin; or after `IMPORT_SECONDS`.

    A child that is forked in the middle of an import of another thread can never import that
    module: its lock is held, and half of it is there. Python offers no public list of these locks;
    a version that keeps them elsewhere is caught by the tests of this function.
    """
    deadline = time.monotonic() + IMPORT_SECONDS
    while True:
        # In this order, as a thread that configures `logging` imports while it holds its lock.
        _LOGGING.acquire()
        _imp.acquire_lock()
        if not _others_import() or time.monotonic() > deadline:
            return
        _let_imports_go()  # an import needs both
        time.sleep(_LOOK_SECONDS)


def _let_imports_go() -> None:
    _imp.release_lock()
    _LOGGING.release()


def _others_import() -> bool:
    """Whether a lock of a module is held, or about to be held, by another thread."""
    locks = getattr(getattr(importlib, "_bootstrap", None), "_module_locks", {})
    mine = threading.get_ident()
    living = [lock for lock in (reference() for reference in tuple(locks.values())) if lock]
    return any(getattr(lock, "owner", None) != mine for lock in living)


def _renew_all() -> None:
    """Run in a forked child. `logging` renews its lock itself."""
    _imp.release_lock()
    for lock in list(_LOCKS):
        lock._renew()
    tempfile = sys.modules.get("tempfile")
    if hasattr(tempfile, "_once_lock"):
        vars(tempfile)["_once_lock"] = threading.Lock()


# The last function that was registered runs first before a fork. `logging` takes its lock there,
# which imports need as well. If it were taken first, an import would wait for this process, which
# waits for the import.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_hold_imports, after_in_parent=_let_imports_go, after_in_child=_renew_all
    )
