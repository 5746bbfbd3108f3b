"""The arrays whose encodings are kept for ever, one pipeline per codec at least."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs import REGISTRY
from model_quantization.codecs.abc import Filter, Spec
from model_quantization.codecs.words import to_words

DIRECTORY = Path(__file__).parent / "golden"


def _pattern(count: int) -> Array:
    """Numbers that look random and depend on no generator."""
    return (np.arange(count, dtype=np.uint64) * np.uint64(2654435761) >> np.uint64(7)) & np.uint64(
        0xFFFF
    )


Case = tuple[tuple[str, ...], Array]


def cases() -> dict[str, Case]:
    """Name -> (codecs of the pipeline, filters first; the array).

    A codec without a case of its own gets one: the first of these arrays that it applies to.
    """
    found = _written_cases()
    known = {name for codecs, _ in found.values() for name in codecs}
    arrays = [array for _, array in found.values()]
    for name in REGISTRY:
        if name not in known:
            found[name] = _case_of(name, arrays)
    return found


def _case_of(name: str, arrays: list[Array]) -> Case:
    codec = REGISTRY[name]
    for array in arrays:
        words = to_words(array)
        if isinstance(codec, Filter):
            if codec.encode(words) is not None:
                return (name, "raw"), array
        elif codec.accepts(Spec(words.dtype, words.size)):
            return (name,), array
    raise AssertionError(f"{name} applies to no array here: write a case for it")


def _written_cases() -> dict[str, Case]:
    noise = _pattern(300)
    walk = np.cumsum(noise % np.uint64(9)).astype(np.int64)
    floats = noise.astype(np.float64) / 7
    few = np.array([-0.0, 0.0, np.nan, 1.5, -np.inf])[(noise % np.uint64(5)).astype(np.intp)]
    holes = np.where(noise < np.uint64(4000), floats, 0.0)
    return {
        "raw": (("raw",), np.array([1.5, np.nan, -0.0])),
        "constant": (("constant",), np.full(1000, -0.0, np.float32)),
        "zstd": (("zstd",), (noise % np.uint64(11)).astype(np.uint8)),
        "pcodec": (("pcodec",), floats),
        "pcodec_u8": (("pcodec",), (noise % np.uint64(3)).astype(np.uint8)),
        "lzma": (("lzma",), (noise % np.uint64(26) + np.uint64(97)).astype(np.uint8)),
        "narrow": (("narrow", "raw"), walk - 1000),
        "delta": (("delta", "narrow", "zstd"), walk),
        "shuffle": (("shuffle", "zstd"), floats.astype(np.float32)),
        "bitpack": (("bitpack", "raw"), noise % np.uint64(3) == 0),
        "palette": (("palette", "bitpack", "raw"), few),
        "sparse": (("sparse", "pcodec"), holes),
        "demote_integers": (("demote", "narrow", "zstd"), np.floor(floats)),
        "demote_float32": (("demote", "pcodec"), floats.astype(np.float32).astype(np.float64)),
        "complex": (("zstd",), (floats + 1j).astype(np.complex64)),
        "text": (("narrow", "zstd"), np.array(["ein", "zwei", "drei"] * 9)),
        "datetime": (("narrow", "raw"), walk.astype("M8[D]")),
    }


def as_record(name: str, pipeline: Any, dtype: str, count: int) -> dict[str, Any]:
    """What the JSON beside the bytes holds."""
    return {"name": name, "pipeline": list(pipeline), "dtype": dtype, "count": count}
