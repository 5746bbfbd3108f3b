"""Arrays to bytes and back: lossless streams, strings, and arrays under a scheme."""

from ml.quantization.codecs.calibration import search_ranges
from ml.quantization.codecs.quantize import (
    dequantize_array,
    quantize_array,
    stored_codes,
)
from ml.quantization.codecs.quantized import QuantizedArray
from ml.quantization.codecs.registry import REGISTRY, Registry
from ml.quantization.codecs.stream import EncodedStream, decode_stream, encode_stream
from ml.quantization.codecs.strings import (
    decode_strings,
    encode_strings,
    front_code,
    front_decode,
)

__all__ = [
    "REGISTRY",
    "EncodedStream",
    "QuantizedArray",
    "Registry",
    "decode_stream",
    "decode_strings",
    "dequantize_array",
    "encode_stream",
    "encode_strings",
    "front_code",
    "front_decode",
    "quantize_array",
    "search_ranges",
    "stored_codes",
]
