"""Holds compiled kernels equal to their references, for every instruction set of this machine.

Where `KERNEL_CALLS` names a file, every call is written to it as well, with what the reference made
of it: `kernel_build/standalone.c` runs them again on other machines, and mutates them.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from model_quantization.kernels.compiled import available_sets, compiled_kernels, references

CALLS = "KERNEL_CALLS"


def agree(
    name: str,
    *arguments: Any,
    rtol: float = 0.0,
    atol: float = 0.0,
    scratch: tuple[int, ...] = (),
) -> tuple[Any, ...]:
    """Run a kernel's reference and every compiled form of it on copies of the same arguments.

    Results and arrays must be equal bit for bit, or within the tolerances where any is given. What
    is left in the arguments at the places `scratch`, counted from the end if negative, is free.

    Returns
    -------
    tuple
        What the reference returned, and then the arrays and numbers after it ran.
    """
    expected = _copies(arguments)
    result = references[name](*expected)
    if os.environ.get(CALLS):
        _record(name, arguments, expected, result, rtol, atol, scratch)
    for chosen in available_sets():
        found = _copies(arguments)
        returned = compiled_kernels(chosen)[name](*found)
        assert returned == result, f"{name} ({chosen}) returned {returned}, expected {result}"
        for place, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
            if isinstance(theirs, np.ndarray) and not {place, place - len(found)} & {*scratch}:
                _check(mine, theirs, f"argument {place} of {name} ({chosen})", rtol, atol)
    return (result, *expected)


def _copies(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(each.copy() if isinstance(each, np.ndarray) else each for each in arguments)


def _check(mine: np.ndarray, theirs: np.ndarray, where: str, rtol: float, atol: float) -> None:
    if rtol or atol:
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=atol, err_msg=where)
    elif mine.dtype.kind == "f":  # one NaN is as good as another; -0.0 is not 0.0
        np.testing.assert_array_equal(mine, theirs, err_msg=where)
        same = np.isnan(theirs) | (np.signbit(mine) == np.signbit(theirs))
        assert same.all(), f"{where}: signs of zero differ"
    else:
        np.testing.assert_array_equal(mine, theirs, err_msg=where)


def _record(
    name: str,
    arguments: tuple[Any, ...],
    expected: tuple[Any, ...],
    result: Any,
    rtol: float,
    atol: float,
    scratch: tuple[int, ...],
) -> None:
    """Append one call; the layout is that of `read_call` in kernel_build/standalone.c."""
    parts = [bytes([len(name)]), name.encode(), bytes([len(arguments)])]
    parts.append(struct.pack("<dd?q", rtol, atol, result is not None, int(result or 0)))
    for place, (before, after) in enumerate(zip(arguments, expected, strict=True)):
        if not isinstance(before, np.ndarray):
            parts.append(struct.pack("<cqd", b"#", int(before), float(before)))
            continue
        compared = not {place, place - len(arguments)} & {*scratch}
        rows, columns = before.shape if before.ndim == 2 else (before.size, 1)
        letter = "B" if before.dtype.kind == "b" else np.dtype(before.dtype.str[1:]).char
        letter = {"l": "q", "L": "Q"}.get(letter, letter)
        parts.append(struct.pack("<c?qqq", letter.encode(), compared, before.size, rows, columns))
        parts.append(np.ascontiguousarray(before).tobytes())
        if compared:
            parts.append(np.ascontiguousarray(after).tobytes())
    with Path(os.environ[CALLS]).open("ab") as file:
        file.write(b"".join(parts))
