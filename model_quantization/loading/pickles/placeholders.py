"""Placeholders on the scanner's stack for the objects that a pickle would make.

Numbers, short texts, tuples and lists stand for themselves; no placeholder runs code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

Shape: TypeAlias = tuple[int, ...]

_SHOWN: Final = 8


@dataclass(slots=True, eq=False)
class Global:
    """A class or function that the pickle names, `module:qualname`; never imported."""

    name: str


@dataclass(slots=True, eq=False)
class Unlisted(Global):
    """A name that is not on the allow-list: the file is refused once all such names are known."""


@dataclass(slots=True, eq=False)
class Blob:
    """A long run of bytes or text that stays in the file: its place and its encoding.

    `encoding` is empty for bytes. `size` counts bytes in the file.
    """

    start: int
    size: int
    encoding: str = ""


class Pairs(list[object]):
    """A dict: key, value, key, value; never hashed, so no key can collide or call anything."""

    __slots__ = ()


class Members(list[object]):
    """A set: its members in order; never hashed."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Instance:
    """An object of a named class: its arguments and its state.

    `built` says that it was given its state. A second state is refused everywhere: no pickle that
    Python writes gives one, and it would change an object under those who already hold it.
    `unlisted` says that its class is unknown, as the file names what is not on the allow-list.
    """

    name: str
    args: object = ()
    state: object = None
    items: list[object] = field(default_factory=list)
    built: bool = False
    unlisted: bool = False


@dataclass(slots=True, eq=False)
class DType(Instance):
    """A numpy dtype: its code (`f8`), bytes an item, and whether items are Python objects."""

    code: str = ""
    itemsize: int = 0
    has_object: bool = False


@dataclass(slots=True, eq=False)
class NDArray(Instance):
    """A numpy array, `masked` or plain."""

    masked: bool = False


_CONTAINERS: Final[dict[type, str]] = {
    Pairs: "a dict",
    Members: "a set",
    list: "a list",
    tuple: "a tuple",
}


def describe(value: object) -> str:
    """A short description of a value on the stack, for error messages.

    Never the whole of it: written out, a value that shares its parts may have no end.
    """
    if type(value) is tuple and len(value) <= _SHOWN:
        return f"({', '.join(_word(item) for item in value)})"
    return _word(value)


def _word(value: object) -> str:
    if isinstance(value, Global):
        return value.name
    if isinstance(value, Instance):
        return f"an instance of {value.name}"
    if isinstance(value, Blob):
        return f"{value.size:,} bytes of {'text' if value.encoding else 'data'}"
    for kind, name in _CONTAINERS.items():
        if isinstance(value, kind):
            return name
    return repr(value)[:60]
