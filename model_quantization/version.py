"""The version of the installed package."""

from __future__ import annotations

NOT_INSTALLED = "0+unknown"


def installed_version() -> str:
    """Return the package's version, or `NOT_INSTALLED` for a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("model-quantization")
    except PackageNotFoundError:
        return NOT_INSTALLED
