"""Reads a mapped pickle: numbers, lines and payloads, within the bytes of the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from mmap import mmap
from typing import Final

from model_quantization.errors import LimitError, ScanMalformed, ScanRefused
from model_quantization.loading.pickles.placeholders import Blob

INLINE_BYTES: Final = 4096
_LINE_BYTES: Final = 1 << 16
_NO_FRAME: Final = 1 << 63
_UNSIGNED: Final = {1: struct.Struct("<B"), 2: struct.Struct("<H"), 4: struct.Struct("<I"),
                    8: struct.Struct("<Q")}  # fmt: skip
_INT32: Final = struct.Struct("<i")
RESAVE: Final = "copy the file again from where it was made, or save the model again"
LEAVE: Final = "do not open this file"


@dataclass(slots=True, eq=False)
class Stream:
    """A position in the mapped file, and the frame it is in.

    Python's two unpicklers differ on frames: one reads a whole frame ahead, the other ignores them.
    They agree when no frame lies in another and nothing crosses the end of one, which is what
    picklers write and all that is accepted here.
    """

    data: mmap
    pos: int
    cap: int
    frame_stop: int = _NO_FRAME

    def open_frame(self) -> None:
        """Begin the frame whose length stands here."""
        if self.frame_stop != _NO_FRAME:
            raise ScanRefused("a frame begins inside another", do=LEAVE)
        length = self.unsigned(8)
        self._need(length)
        self.frame_stop = self.pos + length
        self.leave_frame()

    def leave_frame(self) -> None:
        """Close the frame if it ends here; nothing may cross its end."""
        if self.pos > self.frame_stop:
            raise ScanRefused("an opcode crosses the end of its frame", do=LEAVE)
        if self.pos == self.frame_stop:
            self.frame_stop = _NO_FRAME

    @property
    def in_frame(self) -> bool:
        """Whether the position is inside a frame, before its end."""
        return self.frame_stop != _NO_FRAME

    def _need(self, size: int) -> None:
        remaining = len(self.data) - self.pos
        if size <= remaining:
            return
        if size > self.cap:
            raise LimitError(
                "announces more than is allowed",
                expected=f"at most {self.cap:,} bytes",
                got=f"{size:,}",
                do=LEAVE,
            )
        raise ScanMalformed(
            "the file ends in the middle",
            expected=f"{size:,} more bytes",
            got=f"{remaining:,}",
            do=RESAVE,
        )

    def unsigned(self, size: int) -> int:
        """The next little-endian number of `size` bytes."""
        try:
            (value,) = _UNSIGNED[size].unpack_from(self.data, self.pos)
        except struct.error:
            self._need(size)
            raise
        self.pos += size
        return int(value)

    def int32(self) -> int:
        """The next signed number of 4 bytes."""
        try:
            (value,) = _INT32.unpack_from(self.data, self.pos)
        except struct.error:
            self._need(4)
            raise
        self.pos += 4
        return int(value)

    def skip(self, size: int) -> int:
        """Pass over `size` bytes and give where they began."""
        self._need(size)
        start = self.pos
        self.pos = start + size
        return start

    def line(self) -> bytes:
        """The bytes up to the next newline, which is passed over."""
        stop = self.data.find(b"\n", self.pos, self.pos + _LINE_BYTES)
        if stop < 0:
            raise ScanMalformed("a line does not end", do=RESAVE)
        found = self.data[self.pos : stop]
        self.pos = stop + 1
        return found

    def bytes_or_blob(self, size: int) -> bytes | Blob:
        """The next `size` bytes, or where they are when they are many."""
        start = self.skip(size)
        return self.data[start : start + size] if size <= INLINE_BYTES else Blob(start, size)

    def text(self, size: int) -> str | Blob:
        """The next `size` bytes as text, or where it is when it is long."""
        start = self.skip(size)
        if size > INLINE_BYTES:
            return Blob(start, size, "utf-8")
        return decode(self.data[start : start + size], "utf-8")

    def escaped_text(self) -> str | Blob:
        """The text up to the next newline, in the escapes of protocol 0."""
        stop = self.data.find(b"\n", self.pos)
        if stop < 0:
            raise ScanMalformed("a line does not end", do=RESAVE)
        start, self.pos = self.pos, stop + 1
        if stop - start > INLINE_BYTES:
            return Blob(start, stop - start, "raw-unicode-escape")
        return decode(self.data[start:stop], "raw-unicode-escape")

    def count_latin1(self, blob: Blob) -> int:
        """How many bytes the text of `blob` has when it is encoded as latin-1."""
        return len(decode(self.data[blob.start : blob.start + blob.size], blob.encoding))


def decode(raw: bytes, encoding: str) -> str:
    """The text of these bytes, as an unpickler reads it.

    Raises
    ------
    ScanMalformed
        They are not text of that encoding.
    """
    try:
        if encoding == "utf-8":
            return raw.decode("utf-8", "surrogatepass")
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise ScanMalformed("a text is not valid", got=str(error)[:120], do=RESAVE) from error
