"""Distributions of scipy.stats, which searches over hyper-parameters hold.

Of the file only the distribution's name counts: the object is the installed library's own, made
anew. A frozen one keeps its numbers, which are plain values.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, Final

_GENERATORS: Final = "scipy.stats._"
_FROZEN: Final = "scipy.stats._distn_infrastructure:"


def distribution_reader(name: str) -> type | None:
    """A class that takes a distribution's state by its name; None for another name."""
    module, _, qualname = name.partition(":")
    if name.startswith(_FROZEN) and not name.endswith("_frozen"):
        return None  # made from a user's values: scipy has no name for it
    cls = getattr(importlib.import_module(module), qualname, None)
    if cls is None:  # of another version: nothing is made of it
        return None
    return _frozen_reader(cls) if name.startswith(_FROZEN) else _generator_reader(cls)


def distribution_named(name: object) -> Any:
    """A new copy of scipy's own distribution of this name.

    Raises
    ------
    ValueError
        scipy.stats has none.
    """
    from scipy import stats

    own = getattr(stats, name, None) if isinstance(name, str) else None
    if not isinstance(own, stats.rv_continuous | stats.rv_discrete):
        raise ValueError(f"scipy.stats has no distribution {name!r:.80}")  # noqa: TRY004
    return type(own)(**own._updated_ctor_param())


@functools.cache
def _generator_reader(cls: type) -> type:
    def set_state(self: Any, state: Any) -> None:
        if isinstance(state, tuple):  # before scipy 1.5, with the random numbers it draws from
            state = state[0]
        made = distribution_named(state["name"] if isinstance(state, dict) else None)
        if type(made) is not cls:
            raise ValueError(f"{made.name} is no {cls.__qualname__}")
        self.__class__ = cls
        vars(self).update(vars(made))
        # Methods that scipy binds to the instance are bound to this one.
        self._attach_methods()

    return _reader(cls, set_state)


@functools.cache
def _frozen_reader(cls: type) -> type:
    def set_state(self: Any, state: Any) -> None:
        distribution = state["dist"]
        frozen = distribution(*state["args"], **state["kwds"])
        if not isinstance(frozen, cls):  # one class for all before scipy 1.9
            raise ValueError(f"a frozen {distribution.name} is no {cls.__qualname__}")  # noqa: TRY004
        self.__class__ = type(frozen)
        vars(self).update(vars(frozen))

    return _reader(cls, set_state)


def _reader(cls: type, set_state: Any) -> type:
    members = {"__module__": cls.__module__, "__slots__": (), "__setstate__": set_state}
    return type(cls.__name__, (cls,), members)
