"""Holds compiled kernels equal to their references, for every instruction set of this machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.kernels.compiled import available_sets, compiled_kernels, references


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
