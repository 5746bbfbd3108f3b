"""Fields of a dataclass that carry their own words and range.

A setting is written down once. Its check, its key in the configuration, the JSON schema, the form
and the table of the documentation are made from it (`config/run_config.py`).
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from math import isfinite
from typing import Any

# Constraints by pydantic's names: the words for a message, and the comparison.
_RANGES: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "ge": ("at least", lambda value, limit: value >= limit),
    "gt": ("above", lambda value, limit: value > limit),
    "le": ("at most", lambda value, limit: value <= limit),
    "lt": ("below", lambda value, limit: value < limit),
}


def described(default: Any, description: str, *, title: str = "", **bounds: float) -> Any:
    """A dataclass field with its default, its words, and its range (`ge`, `gt`, `le`, `lt`)."""
    words = {"title": title} if title else {}
    return field(default=default, metadata={**words, "description": description, **bounds})


def unusable_fields(value: Any) -> list[tuple[str, str, object]]:
    """Yield the fields of an instance that are outside their range or choice: name, expected, got.

    Choices are those of a `Literal`. A field without range or choice may be anything.
    """
    hints = typing.get_type_hints(type(value))
    found = []
    for item in fields(value):
        given = getattr(value, item.name)
        expected = _expected(hints[item.name], item.metadata, given)
        if expected:
            found.append((item.name, expected, given))
    return found


def _expected(kind: Any, metadata: Mapping[str, Any], value: object) -> str:
    """Return what was expected instead of the value; empty when the value is valid."""
    if typing.get_origin(kind) is typing.Literal:
        choices = typing.get_args(kind)
        return "" if value in choices else " or ".join(map(str, choices))
    ranges = {key: metadata[key] for key in _RANGES if key in metadata}
    if not ranges:
        return ""
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if number and all(_RANGES[key][1](value, limit) for key, limit in ranges.items()):  # type: ignore[arg-type]
        return ""
    return "a number " + " and ".join(
        f"{_RANGES[key][0]} {limit:g}" for key, limit in ranges.items()
    )
