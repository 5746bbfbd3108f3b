"""Imports that every child needs, made once in the server that forks it.

Importing this module loads every family and kernel. Otherwise each of the two calls per model would
load them again.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from model_quantization import families, kernels


def _import_all(package: ModuleType) -> None:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(found.name)


_import_all(kernels)
_import_all(families)
