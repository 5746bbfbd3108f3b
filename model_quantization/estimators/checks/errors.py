"""The error of a validator when state does not fit."""

from __future__ import annotations

from typing import NoReturn

from model_quantization.errors import SemanticError


def refuse(path: str, what: str, got: str = "") -> NoReturn:
    """Raise the `SemanticError` for the component at `path`."""
    raise SemanticError(what, where=path or "model", got=got)
