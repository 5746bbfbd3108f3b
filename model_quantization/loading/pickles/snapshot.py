"""A private, decompressed copy of a model file: hash, scan and load use the same bytes.

The source is opened once, without following a link, and everything is read from that descriptor,
so that the file cannot be exchanged between the scan and the load.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from model_quantization.errors import LimitError, NoSuchFile, PathRefused, ScanMalformed
from model_quantization.files.atomic import open_regular
from model_quantization.limits import Limits

CHUNK_BYTES: Final = 1 << 20
LZMA_MEMORY_BYTES: Final = 1 << 30

# First bytes -> name. The compressed forms are those that joblib writes, told apart as it does.
COMPRESSED: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ", "xz"),
    (b"\x5d\x00", "lzma"),
    (b"BZ", "bz2"),
    (b"\x78", "zlib"),
)
ARCHIVE: Final = b"PK\x03\x04"
OTHER_FORMATS: Final = (
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x04\x22\x4d\x18", "an lz4 stream"),
    (b"\x28\xb5\x2f\xfd", "a zstandard stream"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a numpy .npy file"),
    (b"ZF", "a file of joblib before 0.10"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The copy at `path` and what was learned while it was made; sizes and hash of the source."""

    path: Path
    size_bytes: int
    sha256: str
    compression: str
    is_archive: bool  # a zip archive, such as skops writes


class _Decompressor(Protocol):
    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Zlib:
    """zlib and gzip with the interface that bz2 and lzma have."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _decompressor(compression: str) -> _Decompressor:
    match compression:
        case "zlib":
            return _Zlib(zlib.MAX_WBITS)
        case "gzip":
            return _Zlib(zlib.MAX_WBITS | 16)
        case "bz2":
            return bz2.BZ2Decompressor()
        case "lzma":
            return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=LZMA_MEMORY_BYTES)
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LZMA_MEMORY_BYTES)


def find_compression(head: bytes) -> str:
    """The compression that these first bytes announce, empty for none."""
    return next((name for magic, name in COMPRESSED if head.startswith(magic)), "")


def _open(source: Path, stack: ExitStack) -> int:
    """A descriptor of the plain file, which is closed with the stack."""
    do = "name a plain file that this user can read"
    try:
        return stack.enter_context(open_regular(source)).fileno()
    except PathRefused as refused:
        raise PathRefused(**refused.fields() | {"where": _shown(source), "do": do}) from None
    except FileNotFoundError as error:
        raise NoSuchFile(
            "there is no such file", where=_shown(source), do="check the name and the directory"
        ) from error
    except (OSError, ValueError) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise PathRefused("cannot be opened", where=_shown(source), got=got, do=do) from error


def _shown(source: Path) -> str:
    name = str(source)
    return name if name.isprintable() else repr(name)


def take_snapshot(source: Path, limits: Limits, workspace: Path) -> Snapshot:
    """Copy `source` into `workspace`, decompressed, hashing its bytes as they lie on disk.

    Raises
    ------
    PathRefused
        `source` is not a plain file.
    LimitError
        It is larger than `limits` allow, as it lies or decompressed.
    ScanMalformed
        It is empty, of a format that is no pickle, or its compression is broken.
    """
    path = workspace / "snapshot"
    with ExitStack() as stack:
        descriptor = _open(source, stack)
        copy = stack.enter_context(path.open("xb"))
        if os.fstat(descriptor).st_size > limits.file_bytes:
            raise _too_large(limits.file_bytes, source)
        head = os.pread(descriptor, 16, 0)
        compression = find_compression(head)
        _refuse_other_formats(head, source)
        hasher = hashlib.sha256()
        chunks = _Chunks(descriptor, hasher.update, limits.file_bytes, source)
        plain = _decompressed(chunks, compression, source) if compression else iter(chunks)
        written = 0
        for chunk in plain:
            written += len(chunk)
            if written > limits.decompressed_bytes:
                raise LimitError(
                    "decompresses to more than is allowed" if compression else "is too large",
                    where=str(source),
                    expected=f"at most {limits.decompressed_bytes:,} bytes",
                    got=f"{chunks.total:,} bytes that give more",
                    do="raise `limits.decompressed_bytes` only if you know where this file is from",
                )
            copy.write(chunk)
    if not written:
        raise ScanMalformed("is empty", where=str(source), do="save the model again")
    if compression:
        _refuse_second_compression(path, compression, source)
    return Snapshot(path, chunks.total, hasher.hexdigest(), compression, head.startswith(ARCHIVE))


class _Chunks:
    """The file's bytes in turn, counted, hashed and capped; a file may grow while it is read."""

    def __init__(
        self, descriptor: int, see: Callable[[bytes], None], cap: int, source: Path
    ) -> None:
        self._descriptor = descriptor
        self._see = see
        self._cap = cap
        self._source = source
        self.total = 0

    def __iter__(self) -> Iterator[bytes]:
        while chunk := os.read(self._descriptor, CHUNK_BYTES):
            self.total += len(chunk)
            if self.total > self._cap:
                raise _too_large(self._cap, self._source)
            self._see(chunk)
            yield chunk


def _too_large(cap: int, source: Path) -> LimitError:
    return LimitError(
        "is too large",
        where=str(source),
        expected=f"at most {cap:,} bytes",
        do="raise `limits.file_bytes`, or leave this file out",
    )


def _refuse_other_formats(head: bytes, source: Path) -> None:
    for magic, name in OTHER_FORMATS:
        if head.startswith(magic):
            raise ScanMalformed(
                f"is {name}",
                where=str(source),
                expected="a pickle or a joblib file, plain or compressed by zlib, gzip, bz2, "
                "lzma or xz, or a skops file",
                do="load it with what made it and save it again with joblib.dump",
            )


def _refuse_second_compression(path: Path, compression: str, source: Path) -> None:
    # joblib would look at the first bytes of the copy again and decompress once more: what it
    # then loads would not be what was scanned.
    with path.open("rb") as copy:
        inner = find_compression(copy.read(16))
    if inner:
        raise ScanMalformed(
            f"is compressed twice, by {compression} and {inner}",
            where=str(source),
            do="decompress it once and try again",
        )


def _decompressed(chunks: _Chunks, compression: str, source: Path) -> Iterator[bytes]:
    stream = _decompressor(compression)
    try:
        for chunk in chunks:
            if stream.eof:
                raise _broken(compression, source, f"bytes after the end of the {compression} data")
            plain = stream.decompress(chunk, CHUNK_BYTES)
            while plain:
                yield plain
                plain = b"" if stream.eof else stream.decompress(b"", CHUNK_BYTES)
    except (zlib.error, lzma.LZMAError, OSError) as error:
        if "emory" in str(error):
            raise LimitError(
                "needs too much memory to decompress",
                where=str(source),
                expected=f"at most {LZMA_MEMORY_BYTES:,} bytes",
                do="save the model again with a smaller dictionary",
            ) from error
        raise _broken(compression, source, str(error)) from error
    if not stream.eof:
        raise _broken(compression, source, "the file ends in the middle")
    if stream.unused_data:
        raise _broken(compression, source, f"bytes after the end of the {compression} data")


def _broken(compression: str, source: Path, got: str) -> ScanMalformed:
    return ScanMalformed(
        f"its {compression} compression is broken",
        where=str(source),
        got=got,
        do="copy the file again from where it was made, or save the model again",
    )
