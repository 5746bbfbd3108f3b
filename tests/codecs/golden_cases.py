"""The arrays whose encodings are kept for ever, one pipeline per codec at least."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model_quantization.arrays import Array

DIRECTORY = Path(__file__).parent / "golden"


def _pattern(count: int) -> Array:
    """Numbers that look random and depend on no generator."""
    return (np.arange(count, dtype=np.uint64) * np.uint64(2654435761) >> np.uint64(7)) & np.uint64(
        0xFFFF
    )


def cases() -> dict[str, tuple[tuple[str, ...], Array]]:
    """Name -> (codecs of the pipeline, filters first; the array)."""
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
