"""Flatbuffers read in place: tables, strings and vectors, every offset checked against the bytes.

After the specification of the binary format (flatbuffers.dev, "Internals").
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.errors import UnsupportedComponent
from model_quantization.values import Value

_U16, _U32, _I32 = np.dtype("<u2"), np.dtype("<u4"), np.dtype("<i4")


class Span(Value, frozen=True):
    """The place of a vector of numbers in the bytes."""

    start: int
    count: int
    dtype: np.dtype[Any]

    @property
    def stop(self) -> int:
        """The first byte behind it."""
        return self.start + self.count * self.dtype.itemsize


class FlatTable(Value, frozen=True):
    """A table at a place in the bytes; fields are known by their number in the schema.

    Every method raises `UnsupportedComponent` for an offset that leads outside.
    """

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        """The table that a buffer is about."""
        return cls(data, _number(data, 0, _U32))

    def _field(self, number: int) -> int:
        """Where a field is; 0 for one that is not there."""
        start = self.at - _number(self.data, self.at, _I32)
        if 4 + 2 * number >= _number(self.data, start, _U16):
            return 0
        offset = _number(self.data, start + 4 + 2 * number, _U16)
        return self.at + offset if offset else 0

    def scalar(self, number: int, dtype: str, default: Any) -> Any:
        """A number; `default` where it is not there."""
        at = self._field(number)
        return _number(self.data, at, np.dtype(dtype)) if at else default

    def _target(self, number: int) -> int:
        at = self._field(number)
        return at + _number(self.data, at, _U32) if at else 0

    def span(self, number: int, dtype: str) -> Span:
        """The place of a vector of numbers; an empty one for a field that is not set."""
        kind = np.dtype(dtype)
        at = self._target(number)
        if not at:
            return Span(0, 0, kind)
        found = Span(at + 4, _number(self.data, at, _U32), kind)
        if found.stop > len(self.data):
            _outside()
        return found

    def numbers(self, number: int, dtype: str) -> Any:
        """A vector of numbers."""
        span = self.span(number, dtype)
        return np.frombuffer(self.data, span.dtype, span.count, span.start)

    def text(self, number: int) -> str:
        """A string; empty for a field that is not set.

        Raises
        ------
        UnsupportedComponent
            The bytes of the field are not UTF-8.
        """
        span = self.span(number, "u1")
        try:
            return self.data[span.start : span.stop].decode()
        except UnicodeDecodeError:
            raise UnsupportedComponent("its bytes have text that is not UTF-8") from None

    def tables(self, number: int) -> list[FlatTable]:
        """A vector of tables."""
        span = self.span(number, "<u4")
        offsets = self.numbers(number, "<u4").tolist()
        return [FlatTable(self.data, span.start + 4 * i + off) for i, off in enumerate(offsets)]

    def table(self, number: int) -> FlatTable:
        """A table.

        Raises
        ------
        UnsupportedComponent
            The field is not set.
        """
        at = self._target(number)
        if not at:
            raise UnsupportedComponent("its bytes lack a table")
        return FlatTable(self.data, at)


def _number(data: bytes, at: int, dtype: np.dtype[Any]) -> Any:
    if not 0 <= at <= len(data) - dtype.itemsize:
        _outside()
    return np.frombuffer(data, dtype, 1, at)[0].item()


def _outside() -> Any:
    raise UnsupportedComponent("its bytes lead outside themselves")
