"""Streams with a pipeline of the test's choosing, and arrays that are hard on codecs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_quantization.arrays import Array
from model_quantization.codecs import REGISTRY, EncodedStream
from model_quantization.codecs.abc import Filter
from model_quantization.codecs.words import stream_dtype, to_words

DTYPES = (
    "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16",
    "M8[ns]", "m8[s]", "S3", "U2", ">f8", ">i4",
)  # fmt: skip


def encode_with(names: tuple[str, ...], values: Array) -> EncodedStream:
    """`values` through exactly these codecs; sides are stored raw."""
    words = to_words(values)
    steps: list[dict[str, Any]] = []
    data = b""
    for name in names[:-1]:
        codec = REGISTRY[name]
        assert isinstance(codec, Filter)
        filtered = codec.encode(words)
        assert filtered is not None, f"{name} does not apply"
        step: dict[str, Any] = {"id": name, **filtered.params}
        for side, array in filtered.sides.items():
            step[side] = {"bytes": array.nbytes, "count": array.size, "steps": [{"id": "raw"}]}
            data += array.tobytes()
        steps.append(step)
        words = filtered.main
    coder = REGISTRY[names[-1]]
    assert not isinstance(coder, Filter)
    params, coded = coder.encode(words, "best")
    steps.append({"id": names[-1], **params})
    return EncodedStream(tuple(steps), stream_dtype(values.dtype).str, values.size, data + coded)


def bits(values: Array) -> bytes:
    """The little-endian bytes of an array."""
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


@st.composite
def arrays(draw: st.DrawFn, dtypes: tuple[str, ...] = DTYPES) -> Array:
    """1-D arrays: any values, few values, smooth ones, whole ones; empty, short and longer."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    elements = None
    if dtype.kind == "U":
        elements = st.text(st.characters(codec=None), max_size=2)
    base = draw(hnp.arrays(dtype, st.integers(0, 40), elements=elements))
    shape = draw(st.sampled_from(("as is", "repeated", "few", "walk", "whole")))
    if not base.size or shape == "as is":
        return base
    picks = np.random.default_rng(draw(st.integers(0, 99))).integers(0, base.size, 400)
    if shape == "few":
        return base[:3][picks % base[:3].size]
    if shape == "walk" and dtype.kind in "iu":
        return np.cumsum(picks % 7).astype(dtype)
    if shape == "whole" and dtype.kind == "f":
        return picks.astype(dtype)
    return base[picks]
