"""Zstandard, as one frame without magic number, content size, checksum or dictionary.

When to use: integers with structure, text, bytes of any kind. Decodes at 0.5 to 3 GB/s whatever the
level was. Level 19 is some 10 % smaller than 12 on entropic data and encodes at 1.5 to 4 MB/s
instead of 13 or more, so it is kept for streams of up to 4 MiB.
"""

from __future__ import annotations

from typing import ClassVar

import zstandard

from model_quantization.arrays import Array
from model_quantization.codecs.abc import JSON, Effort, Params, Spec
from model_quantization.codecs.coders.raw import items_from
from model_quantization.codecs.parameters import check_keys
from model_quantization.errors import CodecError, LimitError

FAST_LEVEL = 3
LONG_LEVEL = 12
BEST_LEVEL = 19
BEST_UP_TO_BYTES = 4 << 20


class Zstd:
    """One magicless frame; dtype and count are known, so it need not say its size."""

    id: ClassVar[str] = "zstd"
    order: ClassVar[int | None] = 1

    def accepts(self, spec: Spec) -> bool:
        """Any array that is not empty."""
        return spec.count > 0

    def encode(self, values: Array, effort: Effort) -> tuple[dict[str, JSON], bytes]:
        """The frame, at the level that the effort and the length allow."""
        level = LONG_LEVEL if values.nbytes > BEST_UP_TO_BYTES else BEST_LEVEL
        parameters = zstandard.ZstdCompressionParameters.from_level(
            FAST_LEVEL if effort == "fast" else level,
            source_size=values.nbytes,
            format=zstandard.FORMAT_ZSTD1_MAGICLESS,
            write_content_size=False,
            write_checksum=False,
            write_dict_id=False,
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters)
        return {}, compressor.compress(values.tobytes())

    def decode(self, params: Params, spec: Spec, data: memoryview) -> Array:
        """The items; nothing beyond their own size is ever allocated."""
        check_keys(params, (), "zstd")
        if not spec.count:
            raise CodecError("zstd: the stream is empty, which only `raw` stores")
        _check_header(data, spec.nbytes)
        decompressor = zstandard.ZstdDecompressor(
            format=zstandard.FORMAT_ZSTD1_MAGICLESS, max_window_size=_window_bytes(spec.nbytes)
        )
        try:
            plain = decompressor.decompress(
                data, max_output_size=spec.nbytes, allow_extra_data=False
            )
        except zstandard.ZstdError as error:
            raise CodecError(
                "zstd: bytes that do not decode",
                got=str(error),
                do="the file is damaged; write it again",
            ) from error
        return items_from(plain, spec, "zstd")


CODEC = Zstd()


def _window_bytes(nbytes: int) -> int:
    """The largest window that a frame of `nbytes` may ask for, as the encoder does."""
    return max(1 << 10, 1 << (nbytes - 1).bit_length())


def _check_header(data: memoryview, nbytes: int) -> None:
    """Refuse a frame that declares anything (RFC 8878, 3.1.1.1).

    The library allocates what a frame declares before it looks at `max_output_size`.
    """
    if len(data) < 2:
        raise CodecError("zstd: a frame of less than two bytes", got=str(len(data)))
    descriptor = data[0]
    if not descriptor:
        return
    single_segment = bool(descriptor & 0x20)
    size_bytes = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    start = 1 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    declared = int.from_bytes(data[start : start + size_bytes], "little")
    declared += 256 if size_bytes == 2 else 0
    if declared > nbytes:
        raise LimitError(
            "a zstd frame declares more than its stream holds",
            expected=f"at most {nbytes} bytes",
            got=f"{declared} bytes",
            do="do not use this file: no writer makes such frames",
        )
    raise CodecError(
        "zstd: a frame header that this format does not use", expected="0x00", got=hex(descriptor)
    )
