"""Universal Binary JSON as XGBoost writes it: to Python values and numpy arrays, and back.

Draft 12 of the specification (ubjson.org) with lengths of 64 bits; an array of one type of numbers
becomes a numpy array. Every length is checked against the bytes that follow.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from model_quantization.errors import UnsupportedComponent

MOST_LEVELS = 64

_NUMBERS: dict[bytes, np.dtype[Any]] = {
    b"i": np.dtype(">i1"),
    b"U": np.dtype(">u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
_MARKS = {dtype.newbyteorder("=").str[1:]: mark for mark, dtype in _NUMBERS.items()}
_CONSTANTS: dict[bytes, Any] = {b"T": True, b"F": False, b"Z": None}


def read_ubjson(data: bytes) -> Any:
    """The value of a document.

    Raises
    ------
    UnsupportedComponent
        It is not such a document, or nested too deep.
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(data):
        _refuse("bytes after its end")
    return value


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            _refuse(f"{count} bytes where {len(self.data) - self.at} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def value(self, mark: bytes, level: int) -> Any:
        if level > MOST_LEVELS:
            _refuse("nested too deep")
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        if mark in _NUMBERS:
            return self.numbers(mark, 1)[0].item()
        if mark == b"S":
            return self.text()
        if mark == b"[":
            return self.array(level)
        if mark != b"{":
            _refuse(f"the mark {mark!r}")
        return self.object(level)

    def numbers(self, mark: bytes, count: int) -> Any:
        dtype = _NUMBERS.get(mark)
        if dtype is None:
            _refuse(f"numbers of type {mark!r}")
        found = np.frombuffer(self.take(count * dtype.itemsize), dtype=dtype)
        return found.astype(dtype.newbyteorder("="))

    def length(self) -> int:
        mark = self.take(1)
        if mark not in (b"i", b"U", b"I", b"l", b"L"):
            _refuse(f"a length of type {mark!r}")
        count = int(self.numbers(mark, 1)[0])
        if count < 0:
            _refuse("a length below zero")
        return count

    def text(self) -> str:
        try:
            return self.take(self.length()).decode()
        except UnicodeDecodeError:
            _refuse("text that is not UTF-8")

    def array(self, level: int) -> Any:
        mark = self.take(1)
        if mark == b"$":
            kind = self.take(1)
            if self.take(1) != b"#":
                _refuse("an array of one type without a length")
            return self.numbers(kind, self.length())
        if mark == b"#":
            count = self.length()
            if count > len(self.data) - self.at:
                _refuse("an array longer than the document")
            return [self.value(self.take(1), level + 1) for _ in range(count)]
        items = []
        while mark != b"]":
            items.append(self.value(mark, level + 1))
            mark = self.take(1)
        return items

    def object(self, level: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while True:
            if self.data[self.at : self.at + 1] == b"}":
                self.at += 1
                return found
            key = self.text()
            if key in found:
                _refuse(f"two values for {key[:40]!r}")
            found[key] = self.value(self.take(1), level + 1)


def write_ubjson(value: Any) -> bytes:
    """The document of a value: what `read_ubjson` gives.

    Raises
    ------
    TypeError
        A value of another type.
    """
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: Any, parts: list[bytes]) -> None:
    if value is None or isinstance(value, bool):
        parts.append(next(mark for mark, one in _CONSTANTS.items() if one is value))
    elif isinstance(value, int):
        parts.append(b"L" + struct.pack(">q", value))
    elif isinstance(value, float):
        parts.append(b"D" + struct.pack(">d", value))
    elif isinstance(value, str):
        parts.append(b"S" + _sized(value))
    elif isinstance(value, np.ndarray):
        mark = _MARKS[value.dtype.newbyteorder("=").str[1:]]
        parts.append(b"[$" + mark + b"#L" + struct.pack(">q", value.size))
        parts.append(value.astype(_NUMBERS[mark]).tobytes())
    elif isinstance(value, list):
        parts.append(b"[#L" + struct.pack(">q", len(value)))
        for item in value:
            _write(item, parts)
    elif isinstance(value, dict):
        parts.append(b"{")
        for key, item in value.items():
            parts.append(_sized(key))
            _write(item, parts)
        parts.append(b"}")
    else:
        raise TypeError(f"no document has a {type(value).__name__}")


def _sized(text: str) -> bytes:
    data = text.encode()
    return b"L" + struct.pack(">q", len(data)) + data


def _refuse(what: str) -> NoReturn:
    raise UnsupportedComponent(f"its bytes are no document of XGBoost: {what}")
