"""The type of an array of any dtype and shape, and a file of several arrays."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def save_arrays(target: Path | IO[bytes], *arrays: Any) -> None:
    """Write arrays as an `.npz` file, `arr_0` and so on, without pickles.

    `np.savez` has had an argument for that since numpy 2.3; older versions take it for one more
    array.

    Raises
    ------
    ValueError
        An array holds objects, which only a pickle can store.
    """
    plain = [np.asarray(array) for array in arrays]
    if any(array.dtype.hasobject for array in plain):
        raise ValueError("an array of objects cannot be saved without a pickle")
    np.savez(target, *plain)
