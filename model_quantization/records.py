"""Records: frozen dataclasses that cross a process, a task or a file as JSON.

A record derives from `Record` and has `to_json` and `from_json`; no field is converted by hand.
Fields may be other dataclasses, enums, paths, tuples, mappings and plain values. The order of the
fields is the order of the keys. `from_json` checks everything: a missing field, another type or an
unknown word is a `FormatError` that names the place. Unknown keys are ignored, as newer code may
add some, and fields with a default may be absent, as older code did not write them.

The conversion is msgspec's; docs/decisions/0010-records.md says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from model_quantization.errors import FormatError, QuantizationError, error_from_record
from model_quantization.values import Value

Parsed = TypeVar("Parsed")
_GOT_CHARACTERS = 300


class Record:
    """A dataclass with a JSON form.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Point(Record):
    ...     place: tuple[int, int]
    >>> Point((1, 2)).to_json()
    {'place': [1, 2]}
    >>> Point.from_json({"place": [1, 2]})
    Point(place=(1, 2))
    """

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, in their order: equal to what `json.loads` gives."""
        record: dict[str, Any] = _with_lists(self.to_wire())
        return record

    def to_wire(self) -> dict[str, Any]:
        """Return the fields as `json.dumps` takes them: quicker, but with tuples for lists."""
        record: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_encode)
        return record

    @classmethod
    def from_json(cls, record: object) -> Self:
        """Return the value that `to_json` wrote.

        Raises
        ------
        FormatError
            The record is not one of this type; the message names the field.
        """
        return parse(record, cls)


def parse(value: object, kind: type[Parsed]) -> Parsed:
    """Return JSON values as `kind`: a record, or a type made of records.

    Raises
    ------
    FormatError
        The values do not fit `kind`; the message names the place in them.
    """
    try:
        return msgspec.convert(value, kind, dec_hook=_decode)
    except (msgspec.ValidationError, RecursionError, ValueError) as error:
        # ValueError: an unknown word that is not valid Unicode.
        raise FormatError(
            f"this is not a record of the type {getattr(kind, '__name__', kind)}",
            got=str(error)[:_GOT_CHARACTERS],
            do="make the record again with this version of the library",
        ) from error


def _with_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_lists(item) for item in value]
    return value


def _encode(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    item = getattr(value, "item", None)  # a numpy scalar
    if callable(item):
        return item()
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def _decode(kind: type, value: object) -> object:
    if issubclass(kind, Path):
        if isinstance(value, str):
            return kind(value)
        raise ValueError(f"Expected a path as text, got {type(value).__name__}")
    raise TypeError(f"a {kind.__name__} cannot be read from JSON")


class ErrorFields(Value, Record, frozen=True):
    """The five parts of an error's message."""

    what: str
    where: str
    expected: str
    got: str
    do: str


class ErrorRecord(Value, Record, frozen=True):
    """An error of this library, as it crosses a process."""

    name: str
    fields: ErrorFields

    @classmethod
    def of(cls, error: QuantizationError) -> ErrorRecord:
        """Return the record of an error."""
        return cls(type(error).__name__, ErrorFields(**error.fields()))

    def error(self) -> QuantizationError:
        """Return the error; an unknown name gives a plain `QuantizationError`."""
        return error_from_record(self.name, self.fields.to_json())
