"""Checks that a scheme fits an array and its slot, and the error messages where it does not."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SchemeError
from model_quantization.schemes.scheme import Exact, Scheme, Slot

POSITIONS_SHOWN = 3


def round_floats(array: Array, bits: int, where: str) -> Array:
    """The array at `bits` bits, itself where it has no more; SchemeError where one overflows."""
    target = np.dtype(f"<f{bits // 8}")
    if array.dtype.itemsize <= target.itemsize:
        return array
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        rounded = array.astype(target)
    lost = np.isinf(rounded) & np.isfinite(array)
    if lost.any():
        raise SchemeError(
            f"float{bits} ends at {float(np.finfo(target).max):.6g}, found "
            f"{np.count_nonzero(lost)} beyond it{_rows_text(lost)}",
            where=where,
            do="set this path to exact or float32 in the recipe"
            if bits == 16
            else "set this path to exact in the recipe",
        )
    return rounded


def check_allowed(array: Array, scheme: Scheme, slot: Slot, where: str) -> None:
    """Refuse a scheme that the slot or the dtype does not tolerate (SchemeError)."""
    if not slot.allows(scheme):
        note = f" ({slot.note})" if slot.note else ""
        raise SchemeError(
            f"a {slot.role} does not tolerate {scheme}{note}",
            where=where,
            do="set this path to exact in the recipe",
        )
    if not isinstance(scheme, Exact) and array.dtype.kind != "f":
        raise SchemeError(
            f"{scheme.kind} needs floating point",
            where=where,
            got=str(array.dtype),
            do="set this path to exact in the recipe",
        )


def check_finite(array: Array, kind: str, where: str) -> None:
    """Refuse NaN and infinities (SchemeError, which counts them and says where)."""
    bad = ~np.isfinite(array)
    if not bad.any():
        return
    missing = int(np.count_nonzero(np.isnan(array)))
    infinite = int(np.count_nonzero(bad)) - missing
    found = " and ".join(
        f"{count} {name}" for count, name in ((missing, "NaN"), (infinite, "inf")) if count
    )
    raise SchemeError(
        f"{kind} needs finite values, found {found}{_rows_text(bad)}",
        where=where,
        do="set this path to exact in the recipe",
    )


def _rows_text(bad: Array) -> str:
    if not bad.ndim:
        return ""
    rows = np.flatnonzero(bad.reshape(bad.shape[0], -1).any(axis=1))
    shown = ", ".join(map(str, rows[:POSITIONS_SHOWN].tolist()))
    more = ", ..." if rows.size > POSITIONS_SHOWN else ""
    return f" at row{'s' if rows.size > 1 else ''} {shown}{more}"
