"""Versions: of the installed package, and of libraries, without importing them."""

from __future__ import annotations

import functools
from typing import Final

NOT_INSTALLED = "0+unknown"
# A library that comes in several distributions.
_DISTRIBUTIONS: Final = {"xgboost": ("xgboost", "xgboost-cpu")}


@functools.cache
def library_version(name: str) -> str:
    """Return the installed version of the library `name`; empty where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    for distribution in _DISTRIBUTIONS.get(name, (name,)):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return ""


def installed_version() -> str:
    """Return the package's version, or `NOT_INSTALLED` for a checkout that was never installed."""
    return library_version("model-quantization") or NOT_INSTALLED
