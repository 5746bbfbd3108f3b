"""Which kernels run: compiled ones for the best instruction set here, or their references.

`MODEL_QUANTIZATION_KERNELS` names another set (`baseline`, `avx2`, `avx512`, `dotprod`), or
`reference`. It is read once, when the first kernel is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any, TypeVar, cast

import numpy as np

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

VARIABLE = "MODEL_QUANTIZATION_KERNELS"
REFERENCE = "reference"

# The reference of every kernel by name; tests hold each compiled kernel equal to it.
references: dict[str, Callable[..., Any]] = {}


def kernel(reference: Kernel) -> Kernel:
    """The compiled kernel of the function's name; the function itself where references run.

    The decorated function is the kernel's specification: it takes the same arguments, by position,
    and writes to the same arrays.

    Raises
    ------
    ImportError
        The package was built without this kernel, or not built at all.
    """
    name = reference.__name__
    if references.setdefault(name, reference) is not reference:
        known = references[name]
        if (known.__module__, known.__qualname__) != (reference.__module__, reference.__qualname__):
            raise ImportError(f"two kernels are named {name}: in {known.__module__} and here")
    found = _kernels(instruction_set())
    if found is None:
        return _without_warnings(reference)
    try:
        return cast("Kernel", found[name])
    except KeyError:
        raise ImportError(
            f"the built kernels have no {name}: they are older than the sources; "
            "build them again (make kernels)"
        ) from None


def _without_warnings(reference: Kernel) -> Kernel:
    """The reference as quiet as a compiled kernel: the caller's `numpy.errstate` is not asked."""

    @wraps(reference)
    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return reference(*arguments)

    return cast("Kernel", call)


@cache
def instruction_set() -> str:
    """The name of the set in use, or `reference`.

    Raises
    ------
    ImportError
        The package is not built, or the environment names a set that is not available here.
    """
    asked = os.environ.get(VARIABLE)
    if asked == REFERENCE:
        return asked
    available = available_sets()
    if not asked:
        return available[0]
    if asked not in available:
        raise ImportError(
            f"{VARIABLE} is {asked}; expected one of {', '.join([*available, REFERENCE])}"
        )
    return asked


def available_sets() -> list[str]:
    """The instruction sets that were built and that this processor has, the best first."""
    return list(_native().available_sets())


@cache
def compiled_kernels(name: str) -> dict[str, Callable[..., Any]]:
    """All compiled kernels of one of the available sets, by name."""
    return dict(_native().kernels_of(name))


def _kernels(name: str) -> dict[str, Callable[..., Any]] | None:
    return None if name == REFERENCE else compiled_kernels(name)


def _native() -> Any:
    try:
        return import_module("model_quantization.kernels._native")
    except ImportError as error:
        raise ImportError(
            f"the compiled kernels cannot be loaded ({error}); in a checkout build them with "
            f"`make kernels`, or set {VARIABLE}={REFERENCE} to run their slow references"
        ) from error
