"""How large, deep and long anything may be: one value, with safe defaults."""

from __future__ import annotations

from dataclasses import dataclass

from model_quantization.described import described

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what is read, decoded and run; the metadata of each field says which.

    Examples
    --------
    >>> Limits(file_bytes=100 * MIB).file_bytes
    104857600
    """

    file_bytes: int = described(16 * GIB, "Largest file opened.", ge=1)
    decompressed_bytes: int = described(16 * GIB, "Largest pickle after decompression.", ge=1)
    pickle_opcodes: int = described(200_000_000, "Opcodes of one pickle.", ge=1)
    pickle_depth: int = described(1_000, "Nesting of one pickle.", ge=1)
    pickle_memo: int = described(50_000_000, "Memo entries of one pickle.", ge=1)
    worker_memory_bytes: int = described(8 * GIB, "Memory that loading one model may take.", ge=1)
    worker_cpu_seconds: float = described(600.0, "CPU time of one model's child process.", gt=0)
    worker_wall_seconds: float = described(600.0, "Wall time of one model's child process.", gt=0)
    manifest_bytes: int = described(256 * MIB, "Largest manifest of an artifact.", ge=1)
    nodes: int = described(5_000_000, "Nodes of one model.", ge=1)
    depth: int = described(200, "Nesting of one model.", ge=1)
    arrays: int = described(1_000_000, "Arrays of one model.", ge=1)
    decoded_bytes: int = described(8 * GIB, "All arrays of an artifact after decoding.", ge=1)
