"""Functions and classes as values: which objects are such, and by which name one is found again."""

from __future__ import annotations

import pickle
import sys
import types
from typing import Any

import numpy as np

_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    np.ufunc,
    type(np.sum),  # functions that dispatch on __array_function__
)


def is_importable(value: Any) -> bool:
    """Whether this is a class, a function or pandas' NA, so that a name stands for it."""
    if isinstance(value, (type, *_FUNCTIONS)) or _is_missing_mark(value):
        return True
    return type(value).__name__ in ("cython_function_or_method", "fused_cython_function")


def import_name(value: Any) -> tuple[str, str]:
    """The module and the name in it by which a class, a function or NA is found again."""
    if _is_missing_mark(value):
        return "pandas", "NA"
    qualname = str(getattr(value, "__qualname__", None) or getattr(value, "__name__", ""))
    if isinstance(value, np.ufunc):
        # A ufunc does not say where it is from. Of the modules that have some, the public ones.
        for module in ("numpy", "scipy.special"):
            if getattr(sys.modules.get(module), qualname, None) is value:
                return module, qualname
        return str(pickle.whichmodule(value, qualname)), qualname  # type: ignore[attr-defined]
    if isinstance(value, types.MethodDescriptorType):
        return value.__objclass__.__module__, qualname
    return str(getattr(value, "__module__", None) or ""), qualname


def _is_missing_mark(value: Any) -> bool:
    """Whether this is pandas' NA, of which there is one; pandas need not be imported to know."""
    return type(value).__name__ == "NAType" and value is getattr(
        sys.modules.get("pandas"), "NA", None
    )
