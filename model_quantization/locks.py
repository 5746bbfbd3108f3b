"""Locks that a forked child can use, and attributes that are computed once without a lock.

A fork copies every lock as it is, but only the forking thread. A lock that another thread held is
never released in the child, and the child hangs at its first use. So every lock of this library is
made here, and the child replaces all that no surviving thread holds.

Python's own import locks have the same fault and belong to the interpreter: before a fork, imports
of other threads are waited for.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  registers its hook for forks before ours, see below
import importlib
import logging  # noqa: F401  likewise
import os
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, overload

Value = TypeVar("Value")

# A fork goes ahead after so long, whatever is still being imported: it must not wait for ever.
IMPORT_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.001


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
        """The lock is free, or held once less by this thread.

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
        for _ in range(self._depth):  # the fork was made in the middle of what it guards
            self._inner.acquire()


_LOCKS: Final[weakref.WeakSet[ForkSafeLock]] = weakref.WeakSet()


class cached_property(Generic[Value]):  # noqa: N801  named and used as functools.cached_property
    """An attribute that a method computes at its first use, and that is kept from then on.

    Without a lock, which `functools.cached_property` of Python 3.11 has: one for all instances of
    the class, held while the value is computed, and inherited over a fork. Two threads that come
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


def _wait_for_imports() -> None:
    """Return when no other thread imports a module, or after `IMPORT_SECONDS`.

    A child that is forked in the middle of an import of another thread can never import that
    module: its lock is held, and half of it is there. Python offers no public list of these locks;
    a version that keeps them elsewhere is caught by the test of this function.
    """
    locks = getattr(getattr(importlib, "_bootstrap", None), "_module_locks", {})
    mine, deadline = threading.get_ident(), time.monotonic() + IMPORT_SECONDS
    while any(_owner_of(lock) not in (None, mine) for lock in tuple(locks.values())):
        if time.monotonic() > deadline:
            return
        time.sleep(_LOOK_SECONDS)


def _owner_of(reference: Any) -> int | None:
    """The thread that holds a module's import lock."""
    owner: int | None = getattr(reference(), "owner", None)
    return owner


def _renew_all() -> None:
    for lock in list(_LOCKS):
        lock._renew()


# What was registered last runs first before a fork. `logging` takes its lock there, which imports
# need as well: were it taken first, an import that is waited for would wait for this process.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_imports, after_in_child=_renew_all)
