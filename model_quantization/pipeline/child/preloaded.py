"""Imports and tables that every child needs, made once in the server that forks it.

Importing this module loads every family and kernel, and fills the tables of numba. That takes
0.5 s, which each of the two calls per model would pay again.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from numba import njit

from model_quantization import families, kernels


def _import_all(package: ModuleType) -> None:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(found.name)


def _fill_tables() -> None:
    """Fill the tables of types and operators that numba fills at its first compiled call."""
    njit(lambda row: row + 1)(1)


_import_all(kernels)
_import_all(families)
_fill_tables()
