"""An object that keeps its description in a file, and does nothing."""

from __future__ import annotations

import functools
from typing import Any


class InertObject:
    """An object's description in a file: the class, the arguments, the state.

    Attributes
    ----------
    name : str
        `module:qualname` of the class or function.
    args : tuple
    state : object
        None when the file gives none.
    """

    name = ""
    args: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state

    @property
    def kind(self) -> str:
        """The last part of the name: what it is, wherever a version of the library has it."""
        return self.name.rpartition(":")[2].rpartition(".")[2]


@functools.cache
def inert_class(name: str) -> type[InertObject]:
    """The class of inert objects of this name."""
    return type(name.rpartition(":")[2], (InertObject,), {"name": name})
