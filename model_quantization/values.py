"""Immutable values: what `dataclass(frozen=True, slots=True)` makes, defined without a compiler.

A dataclass compiles five functions of source text, each time the module that has it is imported:
for the hundred values that a serving process knows, that took as long as importing numpy. These are
msgspec's structs, made in C. Other code can treat them as dataclasses: `dataclasses.replace`,
`fields` and `asdict` take them, and so do `match` and `copy`.

Use `Value` for what a process that answers a model imports, and dataclasses elsewhere: records
(`records.py`), settings and whatever only a run needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from msgspec import field
from msgspec.structs import force_setattr

if TYPE_CHECKING:
    from dataclasses import Field

__all__ = ["Value", "field", "force_setattr"]


class _FieldsOfValue:
    """The fields as dataclasses describe them, made when `dataclasses` asks for them."""

    def __get__(self, instance: object, owner: type[Value]) -> dict[str, Any]:
        import dataclasses

        fields = [(name, Any, dataclasses.field(default=None)) for name in owner.__struct_fields__]
        made = dataclasses.make_dataclass(owner.__name__, fields)
        found: dict[str, Any] = made.__dict__["__dataclass_fields__"]
        return found


class Value(msgspec.Struct, frozen=True):
    """An immutable value; a subclass names its fields and says `frozen=True`.

    Examples
    --------
    >>> class Point(Value, frozen=True):
    ...     x: float
    ...     y: float = 0.0
    >>> Point(1.0)
    Point(x=1.0, y=0.0)
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    else:
        __dataclass_fields__ = _FieldsOfValue()
