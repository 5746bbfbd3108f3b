"""How kernels are compiled: numba, for the host's own CPU, kept in its cache, without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled_sums(function: Kernel) -> Kernel:
    """As `compiled`, but sums may be taken in another order, and products fused into them.

    For scores, which are promised within a bound of rounding; NaN and infinity are honoured.
    """
    return _compiled(function, fastmath={"reassoc", "contract", "nsz"})


def compiled(function: Kernel) -> Kernel:
    """The function, compiled at its first call with a new combination of argument types.

    IEEE semantics are kept: no reassociation, no contraction, NaN is honoured. The machine code
    is cached beside the package, or in the user's cache directory where that is read-only.
    """
    return _compiled(function)


def _compiled(function: Kernel, **options: Any) -> Kernel:
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return cast("Kernel", njit(cache=True, **options)(function))
    except RuntimeError:  # no directory to cache in: compile once a process
        return cast("Kernel", njit(**options)(function))
