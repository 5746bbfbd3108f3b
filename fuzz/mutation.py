"""Random changes of good inputs, for where no fuzzer is installed."""

from __future__ import annotations

import random
from collections.abc import Sequence

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)
_TOKENS = (
    b"null", b"true", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'""', b"9" * 30, b"\x00", b"[[[[",
    b"\\ud800", b"<f8", b"|O", b"!!python/name:os.system", b"&a *a", b": ", b"c", b"R", b"b", b".",
)  # fmt: skip


def mutate(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the seeds, changed in one to four places; the same chance gives the same bytes."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        _change(data, seeds, chance)
    return bytes(data)


def _change(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    match chance.randrange(7):
        case 0 if data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        case 1 if data:
            data[at % len(data)] = chance.randrange(256)
        case 2:
            del data[at : at + chance.choice((1, 2, 8, 64, 1 << 20))]
        case 3:
            data[at:at] = data[at : at + chance.choice((1, 4, 32))] * chance.choice((1, 2, 50))
        case 4:
            size = chance.choice((1, 2, 4, 8))
            value = chance.choice(_NUMBERS) & ((1 << 8 * size) - 1)
            data[at : at + size] = value.to_bytes(size, chance.choice(("little", "big")))
        case 5:
            data[at : at + chance.randrange(8)] = chance.choice(_TOKENS)
        case _:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[at : at + chance.randrange(64)] = other[start : start + chance.randrange(64)]
