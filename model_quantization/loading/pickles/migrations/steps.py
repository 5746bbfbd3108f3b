"""A step: one change that one release of a library made to what its fitted objects hold.

Steps work on the state as it was saved, a dict of attributes, before an object has it. A step is
applied to what an earlier version saved, when the installed version is that of the step or later;
its `undo` to what a later version saved, when the installed one is earlier.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

State = dict[str, Any]
Release = tuple[int, ...]

AS_SAVED: Final = "model_quantization.estimators.as_saved"
# The oldest release whose files are known to be read as they were meant.
OLDEST: Final[Release] = (0, 22)
_Change = Callable[[State], None]
_Becomes = Callable[[State], str | None]
_TEXT: Final = frozenset((str,))
_ABSENT: Final = ("deprecated", "warn", None)


@dataclass(frozen=True, slots=True)
class Step:
    """One change of what fitted objects hold.

    Attributes
    ----------
    classes : tuple of str
        `module:qualname` of the classes whose state changed; their subclasses follow.
    release : str
        The first release with the new form; empty for a form that no version is given.
    source : str
        The line of that release's notes, or the file that shows the change.
    apply : callable
        Changes a state of the old form in place.
    undo : callable, optional
        The way back.
    becomes : callable, optional
        The name of the class in `estimators.as_saved` that keeps the meaning of this state when
        today's class cannot say it; None where it can.
    """

    classes: tuple[str, ...]
    release: str
    source: str
    apply: Callable[[State], None] | None = None
    undo: Callable[[State], None] | None = None
    becomes: Callable[[State], str | None] | None = None


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A state in the installed version's form.

    Attributes
    ----------
    state : dict
    as_saved : str
        The class in `estimators.as_saved` that answers as then; empty where today's class does.
    """

    state: State
    as_saved: str = ""


def parse_release(version: str) -> Release:
    """`1.6.1` -> (1, 6, 1); what follows the numbers is left out.

    Examples
    --------
    >>> parse_release("1.8.0rc1")
    (1, 8, 0)
    """
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def known_release(version: str) -> bool:
    """Whether files of this version of scikit-learn are known to be read as they were meant."""
    return OLDEST <= parse_release(version)[:2] <= installed("sklearn")[:2]


@functools.cache
def installed(package: str) -> Release:
    """The installed version of a library; empty when it is not installed."""
    import importlib

    try:
        return parse_release(str(importlib.import_module(package).__version__))
    except ImportError:
        return ()


@functools.cache
def installed_version() -> str:
    """The installed version of scikit-learn, as its files write it; empty without one."""
    import importlib

    try:
        return str(importlib.import_module("sklearn").__version__)
    except ImportError:
        return ""


def in_todays_form(cls: type, state: Any, saved_by: str) -> Upgrade:
    """The state that an object of `cls` had in version `saved_by`, as the installed one holds it.

    Parameters
    ----------
    cls : type
        The class, as it is installed.
    state : object
        What the class's `__setstate__` would be given. It is not changed.
    saved_by : str
        The version of scikit-learn that saved it; empty when nothing says so.
    """
    if not isinstance(state, dict) or not _TEXT.issuperset(map(type, state)):
        return Upgrade(state)
    changed = dict(state)
    as_saved = ""
    for change, becomes in _changes_since(cls, saved_by):
        if change is not None:
            change(changed)
        if becomes is not None:
            as_saved = becomes(changed) or as_saved
    _fill_parameters(cls, changed)
    return Upgrade(changed, as_saved)


@functools.lru_cache(maxsize=1024)
def _changes_since(cls: type, saved_by: str) -> tuple[tuple[_Change | None, _Becomes | None], ...]:
    """The steps for a state that this version saved, in order."""
    then, now = parse_release(saved_by), installed("sklearn")
    found: list[tuple[_Change | None, _Becomes | None]] = []
    for step in steps_of(cls):
        release = parse_release(step.release)
        if then < release <= now or not release:
            found.append((step.apply, step.becomes))
        elif now < release <= then and step.undo is not None:
            found.append((step.undo, None))
    return tuple(found)


@functools.cache
def steps_of(cls: type) -> tuple[Step, ...]:
    """The steps of a class and the classes it is derived from, oldest release first."""
    names = {f"{base.__module__}:{base.__qualname__}" for base in cls.__mro__}
    found = [step for step in _all_steps() if not names.isdisjoint(step.classes)]
    return tuple(sorted(found, key=lambda step: parse_release(step.release)))


@functools.cache
def _all_steps() -> tuple[Step, ...]:
    from model_quantization.loading.pickles.migrations import (
        bayes,
        boosters,
        boosting,
        calibration,
        columns,
        composites,
        linear,
        losses,
        neighbours,
        preparing,
        text,
        trees,
        widths,
    )

    files: Iterable[Any] = (
        widths, linear, trees, losses, boosting, bayes, neighbours, preparing, text, columns,
        calibration, composites, boosters,
    )  # fmt: skip
    return tuple(step for file in files for step in file.STEPS)


def _fill_parameters(cls: type, state: State) -> None:
    """Give parameters that the saving version did not have their default.

    scikit-learn adds a parameter with the default that changes nothing (its deprecation policy);
    where it did not, a step says so.
    """
    defaults = _defaults(cls)
    if not defaults.keys() <= state.keys():
        for name, default in defaults.items():
            state.setdefault(name, default)


@functools.cache
def _defaults(cls: Any) -> dict[str, Any]:
    made_by = getattr(cls.__init__, "__module__", None) or ""
    if not hasattr(cls, "get_params") or not made_by.startswith("sklearn."):
        return {}
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {
        parameter.name: parameter.default
        for parameter in parameters
        if parameter.default is not inspect.Parameter.empty
        and isinstance(parameter.default, str | int | float | bool | None | tuple)
    }


def renamed(old: str, new: str) -> Callable[[State], None]:
    """A change that puts under `new` what was under `old`.

    While a parameter is renamed both are there, and the old one says "deprecated" unless it was
    given.
    """

    def rename(state: State) -> None:
        if old in state:
            value = state.pop(old)
            unset = isinstance(value, str | None) and value in _ABSENT
            if new not in state or (state[new] is None and not unset):
                state[new] = value

    return rename


def added(**attributes: Any) -> Callable[[State], None]:
    """A change that gives attributes which are absent these values."""

    def add(state: State) -> None:
        for name, value in attributes.items():
            state.setdefault(name, value)

    return add


def together(*changes: Callable[[State], None]) -> Callable[[State], None]:
    """Several changes, one after the other."""

    def change(state: State) -> None:
        for each in changes:
            each(state)

    return change
