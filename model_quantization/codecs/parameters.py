"""Parameters of codec steps, read as what they are: data from a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from model_quantization.codecs.abc import Params
from model_quantization.errors import FormatError


def check_keys(step: object, known: Collection[str], what: str) -> Mapping[str, Any]:
    """`step` itself, when it is a mapping with exactly the keys `known`.

    Raises
    ------
    FormatError
        It is not, or has other keys.
    """
    if not isinstance(step, Mapping):
        raise FormatError(f"{what} is not an object", got=type(step).__name__)
    if set(step) != set(known):
        raise FormatError(
            f"{what} has other keys than it should",
            expected=", ".join(sorted(known)) or "none",
            got=", ".join(sorted(map(str, step)))[:200] or "none",
        )
    return step


def integer(params: Params, key: str, low: int, high: int) -> int:
    """The integer `params[key]`, within [low, high].

    Raises
    ------
    FormatError
        Absent, not an integer (a bool is none), or out of range.
    """
    value = params.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise FormatError(
            f"parameter {key} cannot be used",
            expected=f"an integer in [{low}, {high}]",
            got=repr(value)[:80],
        )
    return value


def dtype_of(params: Params, key: str, allowed: Collection[str]) -> np.dtype[Any]:
    """The dtype `params[key]` names, one of `allowed`.

    Raises
    ------
    FormatError
        Absent, not a string, or another dtype.
    """
    value = params.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise FormatError(
            f"parameter {key} cannot be used",
            expected=f"one of {', '.join(sorted(allowed))}",
            got=repr(value)[:80],
        )
    return np.dtype(value)
