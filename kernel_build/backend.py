"""The build backend: setuptools, which also asks for a compiler where the machine has none.

See PEP 517 and PEP 660 for the functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (  # the functions that the front end calls
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

from kernel_build.compilers import system_compiler

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

COMPILER = "ziglang>=0.13"


def get_requires_for_build_wheel(settings: Mapping[str, Any] | None = None) -> list[str]:
    """The requirements of building a wheel: a compiler, unless the machine has one."""
    return [*build_meta.get_requires_for_build_wheel(settings), *_missing_compiler()]


def get_requires_for_build_editable(settings: Mapping[str, Any] | None = None) -> list[str]:
    """The same for an editable installation."""
    return [*build_meta.get_requires_for_build_editable(settings), *_missing_compiler()]


def _missing_compiler() -> list[str]:
    return [] if system_compiler() else [COMPILER]
