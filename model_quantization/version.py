"""Versions: of the installed package, and of libraries, without importing them."""

from __future__ import annotations

import functools

NOT_INSTALLED = "0+unknown"


@functools.cache
def library_version(name: str) -> str:
    """Return the installed version of the distribution `name`; empty where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def installed_version() -> str:
    """Return the package's version, or `NOT_INSTALLED` for a checkout that was never installed."""
    return library_version("model-quantization") or NOT_INSTALLED
