"""How large, deep and long anything may be: one value, with safe defaults."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what is read, decoded and run.

    Attributes
    ----------
    file_bytes : int
        Largest model file or artifact that is opened.
    decompressed_bytes : int
        Largest size of a compressed pickle after decompression.
    pickle_opcodes, pickle_depth, pickle_memo : int
        Opcodes, nesting and memo entries of one pickle.
    worker_memory_bytes : int
        Memory that loading may add to the child's own.
    worker_cpu_seconds, worker_wall_seconds : float
        Time one child may take.
    manifest_bytes : int
        Largest manifest of an artifact, decompressed.
    nodes, depth, arrays : int
        Nodes, nesting and arrays of one model.
    decoded_bytes : int
        Largest size of all arrays of an artifact after decoding.
    """

    file_bytes: int = 16 * GIB
    decompressed_bytes: int = 16 * GIB
    pickle_opcodes: int = 200_000_000
    pickle_depth: int = 1_000
    pickle_memo: int = 50_000_000
    worker_memory_bytes: int = 8 * GIB
    worker_cpu_seconds: float = 600.0
    worker_wall_seconds: float = 600.0
    manifest_bytes: int = 256 * MIB
    nodes: int = 5_000_000
    depth: int = 200
    arrays: int = 1_000_000
    decoded_bytes: int = 8 * GIB
