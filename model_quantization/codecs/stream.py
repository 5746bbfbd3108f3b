"""One 1-D array as the fewest bytes that give every bit of it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model_quantization.arrays import Array
from model_quantization.codecs.abc import JSON, Effort, Filter, Params, Spec
from model_quantization.codecs.parameters import check_keys, integer
from model_quantization.codecs.registry import REGISTRY
from model_quantization.codecs.search import encode_smallest
from model_quantization.codecs.words import (
    from_words,
    parse_dtype,
    stream_dtype,
    to_words,
    word_spec,
)
from model_quantization.errors import CodecError, FormatError, LimitError
from model_quantization.values import Value

LONGEST_PIPELINE = 6
SIDE_KEYS = ("bytes", "count", "steps")


class EncodedStream(Value, frozen=True):
    """An encoded array; `decode_stream` takes exactly these four.

    Attributes
    ----------
    pipeline : tuple of dict
        JSON objects, filters first and one coder last, e.g.
        `({"id": "narrow", "dtype": "|u1", "offset": 0}, {"id": "zstd"})`.
    dtype : str
        Little-endian dtype string of the array.
    count : int
        Its length.
    data : bytes
        The sides of the filters in order, then what the coder wrote.
    """

    pipeline: tuple[dict[str, JSON], ...]
    dtype: str
    count: int
    data: bytes


def encode_stream(values: Array, *, effort: Effort = "best") -> EncodedStream:
    """The smallest encoding found; the same values always give the same bytes.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Any dtype in the table of `words`; not changed.
    effort : {"fast", "best"}
        `fast` is for estimates: fewer filters, fast levels, no LZMA.

    Raises
    ------
    CodecError
        Not 1-D.
    UnsupportedComponent
        A dtype that streams do not hold.
    """
    if effort not in ("fast", "best"):
        raise ValueError(f"effort must be 'fast' or 'best', got {effort!r}")
    encoded = encode_smallest(to_words(values), effort)
    return EncodedStream(
        encoded.steps, stream_dtype(values.dtype).str, int(values.size), encoded.data
    )


def decode_stream(
    pipeline: Sequence[Any],
    dtype: str,
    count: int,
    data: bytes | memoryview,
    *,
    max_bytes: int,
) -> Array:
    """The array that was encoded: every bit of it, writable, little-endian.

    Safe on hostile arguments. The array and each intermediate one take at most `max_bytes`, which
    is checked before any is made; at most six of that size exist at a time.

    Raises
    ------
    FormatError
        The pipeline, a parameter, the dtype or the count breaks the grammar.
    CodecError
        An unknown codec, bytes that do not decode, or a wrong number of them.
    SemanticError
        A palette code beyond its table, a position beyond the end, an integer beyond its dtype.
    LimitError
        More than `max_bytes`, declared or decoded.
    """
    parsed = parse_dtype(dtype)
    spec = word_spec(parsed, count, max_bytes)
    words = _decode(_check_pipeline(pipeline), spec, memoryview(data).cast("B"), max_bytes)
    return from_words(words, parsed)


def _check_pipeline(pipeline: object) -> Sequence[Params]:
    if not isinstance(pipeline, list | tuple) or not 1 <= len(pipeline) <= LONGEST_PIPELINE:
        raise FormatError("not a pipeline", expected=f"a list of 1 to {LONGEST_PIPELINE} steps")
    for step in pipeline:
        if not isinstance(step, dict) or "id" not in step:
            raise FormatError("not a step of a pipeline", expected="an object with an id")
    return pipeline


def _decode(
    steps: Sequence[Params], spec: Spec, data: memoryview, max_bytes: int, *, nested: bool = False
) -> Array:
    if spec.nbytes > max_bytes:
        raise LimitError(
            "a step of a pipeline needs more than the limit allows",
            expected=f"at most {max_bytes} bytes",
            got=f"{spec.nbytes} bytes",
        )
    codec = REGISTRY[steps[0]["id"]]
    params = {key: value for key, value in steps[0].items() if key != "id"}
    if not isinstance(codec, Filter):
        if len(steps) > 1:
            raise FormatError(f"{codec.id} is a coder and must be the last step")
        return codec.decode(params, spec, data)
    if len(steps) == 1:
        raise FormatError(f"{codec.id} is a filter and cannot be the last step")
    if nested and codec.sides:
        raise FormatError(f"{codec.id} cannot be used inside another step")
    main_spec, side_specs = codec.specs(params, spec)
    sides = {}
    for name, side_spec in side_specs.items():
        record = check_keys(params[name], SIDE_KEYS, f"{name} of {codec.id}")
        length = integer(record, "bytes", 0, max_bytes)
        if length > len(data):
            raise CodecError(
                f"{name} of {codec.id} ends beyond the data",
                expected=f"at most {len(data)} bytes",
                got=str(length),
            )
        inner = _check_pipeline(record["steps"])
        sides[name] = _decode(inner, side_spec, data[:length], max_bytes, nested=True)
        data = data[length:]
    main = _decode(steps[1:], main_spec, data, max_bytes, nested=nested)
    return codec.decode(params, spec, main, sides)
