"""How parent, server and child talk: JSON records with a length in front, never a pickle."""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any, Final

from model_quantization.limits import Limits
from model_quantization.loading.sandbox.confinement import Access
from model_quantization.records import ErrorRecord, Record

LENGTH: Final = struct.Struct("!Q")
EXIT_STATUS: Final = struct.Struct("!ci")  # b"x" and the wait status
FORKED: Final = b"f"
REQUEST_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Message(Record):
    """The one message that a child gets: which handler to run, on what, within which bounds."""

    handler: str
    request: dict[str, Any]
    limits: Limits
    access: Access


@dataclass(frozen=True, slots=True)
class Answer(Record):
    """The one message that a child sends: what the handler gave, or the error it raised."""

    answer: dict[str, Any] | None = None
    error: ErrorRecord | None = None


def encode_record(record: dict[str, Any]) -> bytes:
    """The bytes that carry a record: its length in 8 bytes, then JSON."""
    body = json.dumps(record, separators=(",", ":")).encode("ascii")
    return LENGTH.pack(len(body)) + body


def parse_record(body: bytes | bytearray) -> dict[str, Any]:
    """The record in these bytes.

    Raises
    ------
    ValueError
        Not a JSON object, nested too deep, or with an integer of thousands of digits.
    """
    try:
        record = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if isinstance(record, dict):
        return record
    raise ValueError("not a JSON object")


def receive_record(peer: socket.socket, cap: int) -> dict[str, Any]:
    """Wait for one record of at most `cap` bytes.

    Raises
    ------
    ValueError
        The peer closed before the record was complete, or the record is too large or no JSON.
    """
    (size,) = LENGTH.unpack(_receive(peer, LENGTH.size))
    if size > cap:
        raise ValueError(f"a record of {size:,} bytes, more than {cap:,}")
    return parse_record(_receive(peer, size))


def _receive(peer: socket.socket, size: int) -> bytearray:
    received = bytearray()
    while len(received) < size:
        chunk = peer.recv(min(size - len(received), 1 << 20))
        if not chunk:
            raise ValueError("the other end closed in the middle of a record")
        received += chunk
    return received
