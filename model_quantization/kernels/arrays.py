"""Arrays as kernels take them: few types, and read-only where they are only read."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array

_LINE = 64  # bytes


def narrowed(values: Array) -> Array:
    """The same non-negative integers in the narrowest unsigned type that holds them."""
    top = int(values.max()) if values.size else 0
    return np.ascontiguousarray(values.astype(np.min_scalar_type(top)))


def aligned(values: Array) -> Array:
    """The same values, C-contiguous, from a whole line of the cache on.

    A vector of 64 bytes that lies across two lines takes two loads: a scan of known rows takes up
    to twice as long.
    """
    room = np.empty(values.nbytes + _LINE, dtype=np.uint8)
    start = -int(room.__array_interface__["data"][0]) % _LINE
    made = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    made[...] = values
    return made


def read_only(values: Array) -> Array:
    """A view that cannot be written to, as all arrays of an artifact are."""
    view = values.view()
    view.flags.writeable = False
    return view


def narrowed_in_two(values: Array) -> Array:
    """The same non-negative integers as uint16, or else as uint32, read-only.

    Two types, not more: the kernels that take these are compiled for each.
    """
    if values.dtype.itemsize <= 2:
        return read_only(values.astype(np.uint16, copy=False))
    top = int(values.max()) if values.size else 0
    kind = np.uint16 if top < 1 << 16 else max(np.min_scalar_type(top), np.dtype(np.uint32))
    return read_only(values.astype(kind, copy=False))


def squared_lengths(rows: Array) -> Array:
    """Return the square of each row's length, (n,), with the bits of scikit-learn's row norms."""
    found: Array = np.einsum("ij,ij->i", rows, rows)
    return found
