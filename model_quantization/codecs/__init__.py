"""Arrays to bytes and back, without loss: one codec per file, chains of them, strings.

Rounding lives in `schemes`: everything here gives back the bits it was given.
"""

from model_quantization.codecs.registry import REGISTRY, Registry
from model_quantization.codecs.stream import EncodedStream, decode_stream, encode_stream
from model_quantization.codecs.strings import (
    decode_strings,
    encode_strings,
    front_code,
    front_decode,
)

__all__ = [
    "REGISTRY",
    "EncodedStream",
    "Registry",
    "decode_stream",
    "decode_strings",
    "encode_stream",
    "encode_strings",
    "front_code",
    "front_decode",
]
