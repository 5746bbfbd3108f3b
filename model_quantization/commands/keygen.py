"""Makes a pair of Ed25519 keys."""

from __future__ import annotations

import os
from pathlib import Path

from model_quantization.errors import ConfigError
from model_quantization.files.signing import generate_key_pair


def run(private: Path, public: Path | None = None) -> int:
    """Write the two files and print what to do with them.

    Raises
    ------
    ConfigError
        One of them is there already, or `cryptography` is not installed.
    """
    public = public or private.with_suffix(".pub.pem")
    secret, shared, key_id = generate_key_pair()
    _write_new(private, secret, 0o600)
    _write_new(public, shared, 0o644)
    print(f"key {key_id}")
    print(f"private: {private} (readable by you only; the run's `signing_key`)")
    print(f"public:  {public} (for the loaders' `public_keys`)")
    return 0


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise ConfigError(
            "is there already", where=str(path), do="a key is never overwritten; name another file"
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
