"""`model-quantization keygen`: makes a pair of Ed25519 keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import AsJson
from model_quantization.commands.output import print_json
from model_quantization.errors import ConfigError


def keygen(
    private: Annotated[
        Path,
        typer.Argument(
            metavar="PRIVATE", help="File for the private key; must not exist.", show_default=False
        ),
    ],
    public: Annotated[
        Path | None,
        typer.Option(
            "--public",
            metavar="FILE",
            help="File for the public key (default: beside the private key).",
        ),
    ] = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Make a pair of keys for signing."""
    from model_quantization.files.signing import generate_key_pair

    public = public or private.with_suffix(".pub.pem")
    secret, shared, key_id = generate_key_pair()
    _write_new(private, secret, 0o600)
    _write_new(public, shared, 0o644)
    if as_json:
        print_json({"key_id": key_id, "private": str(private), "public": str(public)})
    else:
        print(f"key {key_id}")
        print(f"private: {private} (readable by you only; the run's `signing_key`)")
        print(f"public:  {public} (for the loaders' `public_keys`)")
    return ExitCode.ALL_WELL


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise ConfigError(
            "is there already", where=str(path), do="a key is never overwritten; name another file"
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
