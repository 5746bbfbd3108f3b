"""The bytes of the items as they are.

When to use: a few dozen bytes, or noise.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import JSON, Effort, Params, Spec
from model_quantization.codecs.parameters import check_keys
from model_quantization.errors import CodecError


class Raw:
    """Little-endian items, one after the other."""

    id: ClassVar[str] = "raw"
    order: ClassVar[int | None] = 0

    def accepts(self, spec: Spec) -> bool:
        """Always."""
        return True

    def encode(self, values: Array, effort: Effort) -> tuple[dict[str, JSON], bytes]:
        """The items' bytes."""
        return {}, values.tobytes()

    def decode(self, params: Params, spec: Spec, data: memoryview) -> Array:
        """The items; CodecError unless there are exactly as many bytes as they take."""
        check_keys(params, (), "raw")
        return items_from(data, spec, "raw")


CODEC = Raw()


def items_from(data: bytes | memoryview, spec: Spec, codec: str) -> Array:
    """Return `data` as items, without a copy; CodecError for another length than theirs."""
    if len(data) != spec.nbytes:
        raise CodecError(
            f"{codec}: the wrong number of bytes",
            expected=str(spec.nbytes),
            got=str(len(data)),
            do="the file is damaged; write it again",
        )
    return np.frombuffer(data, spec.dtype)
