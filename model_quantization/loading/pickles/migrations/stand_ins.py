"""Stand-ins for scikit-learn's classes, for unpickling a file of another version.

A stand-in is a subclass that takes the state as saved, brings it into today's form, and then is
the class itself: nothing of it is left in the model. There is one stand-in per class, for all
files: making a class costs more than bringing a small state into today's form.
"""

from __future__ import annotations

import copyreg
import functools
import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from model_quantization.loading.pickles.migrations.deferred import (
    Deferred,
    is_deferred,
    make_deferred,
    real,
)
from model_quantization.loading.pickles.migrations.names import PASSTHROUGH_SCORER
from model_quantization.loading.pickles.migrations.splines import PARTS, SPLINE, spline_reader
from model_quantization.loading.pickles.migrations.steps import (
    AS_SAVED,
    in_todays_form,
    installed_version,
    known_release,
    steps_of,
)
from model_quantization.saving_version import saved_note
from model_quantization.trust import is_read_as_data

_UNPICKLE: Final = "__pyx_unpickle_Cy"
_RECONSTRUCTORS: Final = ("copyreg:_reconstructor", "copy_reg:_reconstructor")
# Whose classes may have steps, and under whose names others may be found today.
_OF_LIBRARIES: Final = ("sklearn.", "numpy", "scipy.", "lightgbm.", "xgboost.")


class Gone:
    """An object of a class that is no more; `name` says which. The owner's step replaces it."""

    name = ""

    def __init__(self, *args: Any) -> None:
        self.args = args


class Readings:
    """Facts about the objects of one file, found while they were read.

    Attributes
    ----------
    versions : set of str
        Versions of scikit-learn that saved them.
    as_saved : set of str
        Classes of `estimators.as_saved` that answer for some of them.
    """

    __slots__ = ("as_saved", "deferred", "versions")

    def __init__(self) -> None:
        self.versions: set[str] = set()
        self.as_saved: set[str] = set()
        self.deferred: list[Deferred] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Within the block, this thread reads this file."""
        before, _file.readings = _file.readings, self
        try:
            yield
        finally:
            _file.readings = before

    def find(self, name: str) -> Any:
        """The stand-in for `name`, as it is called today; None if there is none."""
        return functools.partial(self.defer, name) if is_deferred(name) else _found(name)

    def defer(self, name: str, *args: Any) -> Deferred:
        """A new object that is kept as data."""
        deferred = Deferred(name, args)
        self.deferred.append(deferred)
        return deferred

    def finish(self, model: Any) -> Any:
        """The model that was read, with real objects for those that no estimator owned."""
        if any(each.real is None for each in self.deferred):
            make_deferred(model)
        return real(model)

    def notes(self) -> list[str]:
        """Remarks on how the file was read, one line each."""
        today = installed_version()
        others = sorted(version for version in self.versions if version != today)
        if not others:
            return []
        known = all(known_release(version) for version in others)
        lines = [saved_note(others, known=known, installed=today)]
        if self.as_saved:
            names = ", ".join(sorted(self.as_saved))
            lines.append(f"scikit-learn {today} cannot say what it means; answered as {names}")
        return lines


class _File(threading.local):
    """The file that a thread reads."""

    readings: Readings | None = None


_file: Final = _File()


@functools.lru_cache(maxsize=4096)
def _found(name: str) -> Any:
    if is_read_as_data(name):
        return _gone(name)
    if name in _RECONSTRUCTORS:
        return _reconstructed
    if name in (SPLINE, PARTS):
        return spline_reader() if name == SPLINE else _gone(name)
    if not name.startswith(_OF_LIBRARIES):
        return None
    module, _, qualname = name.partition(":")
    if qualname == "newObj":
        return _called
    if qualname.startswith(_UNPICKLE):
        return _loss_of
    value: Any = importlib.import_module(module)
    for part in qualname.split("."):
        value = getattr(value, part)
    return _stand_in(value) if isinstance(value, type) and _changes(value) else value


def _reconstructed(cls: type, base: type, state: Any) -> Any:
    # Protocols 0 and 1 make an object by its base, which the class of an inert one has not.
    return cls(state) if issubclass(cls, Gone) else copyreg._reconstructor(cls, base, state)  # type: ignore[attr-defined]


def _called(factory: Callable[[], Any]) -> Any:
    return factory()


def _loss_of(cls: type, _: int, state: tuple[Any, ...] | None = None) -> Any:
    # Cython checks a number that each version computes otherwise; the state is the arguments.
    return cls(*(state or ()))


@functools.cache
def _gone(name: str) -> type:
    return type(name.rpartition(":")[2], (Gone,), {"name": name})


@functools.cache
def _changes(cls: Any) -> bool:
    """Whether objects of this class may be saved in another form."""
    if issubclass(cls, type) or not hasattr(cls, "__dict__"):
        return False
    return bool(steps_of(cls)) or any(
        base.__module__ == "sklearn.base" and base.__name__ == "BaseEstimator"
        for base in cls.__mro__
    )


def _no_requests(*args: Any) -> NoReturn:
    """A hook that scikit-learn calls first for each new subclass; an error ends the setup.

    It would read the signature of every method: most of what a stand-in costs. An object is of
    that class only until it has its state.
    """
    raise NotImplementedError


@functools.cache
def _stand_in(cls: type) -> type:
    def set_state(self: Any, state: Any) -> None:
        readings = _file.readings or Readings()
        saved_by = ""
        if isinstance(state, dict):
            saved_by = state.get("_sklearn_version", "")
            if readings.deferred:
                state = {key: real(value) for key, value in state.items()}
        if saved_by:
            readings.versions.add(saved_by)
        upgrade = in_todays_form(cls, state, saved_by)
        target = cls
        if upgrade.as_saved:
            readings.as_saved.add(upgrade.as_saved)
            target = getattr(importlib.import_module(AS_SAVED), upgrade.as_saved)
        self.__class__ = target
        give_state(self, upgrade.state)

    body = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__slots__": (),
            "__setstate__": set_state, "_get_default_requests": _no_requests,
            "_get_class_level_metadata_request_values": _no_requests}  # fmt: skip
    return type(cls)(cls.__name__, (cls,), body)


def give_state(made: Any, state: Any) -> None:
    """Set the state as unpickling does; scikit-learn's remark on its version is ours to make."""
    if hasattr(made, "__setstate__"):
        if isinstance(state, dict) and "_sklearn_version" in state:
            state = {**state, "_sklearn_version": installed_version()}
        made.__setstate__(state)
    elif isinstance(state, tuple) and len(state) == 2:
        vars(made).update(state[0] or {})
        for name, value in (state[1] or {}).items():
            setattr(made, name, value)
    else:
        vars(made).update(state)


def is_passthrough_scorer(value: Any) -> bool:
    """Whether this stands for the function that asked an estimator for its own score."""
    return isinstance(value, type) and getattr(value, "name", "") == PASSTHROUGH_SCORER
