"""The type of an array of any dtype and shape; everything else about arrays has a room."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
