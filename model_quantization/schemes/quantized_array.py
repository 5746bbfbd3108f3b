"""An array under a scheme, as the parts that are stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import JSON
from model_quantization.codecs.gaps import check_gaps
from model_quantization.codecs.parameters import check_keys, integer
from model_quantization.codecs.words import parse_dtype
from model_quantization.errors import FormatError, LimitError, SemanticError
from model_quantization.limits import Limits
from model_quantization.schemes.affine import code_dtype
from model_quantization.schemes.scheme import (
    Affine,
    Codebook,
    Exact,
    Float,
    Scheme,
    scheme_from_json,
    scheme_to_json,
)
from model_quantization.values import Value

Order: TypeAlias = Literal["C", "F"]
Layout: TypeAlias = Literal["dense", "sparse"]
META_KEYS = ("scheme", "shape", "dtype", "order", "channel_axis", "layout")
MOST_DIMENSIONS = 32
MAX_BYTES = Limits().decoded_bytes


class QuantizedArray(Value, frozen=True):
    """One array under one scheme.

    Attributes
    ----------
    scheme : Scheme
    shape, dtype, order
        Of the array it stands for; `dtype` as a little-endian string. Codes and values are in
        this memory order.
    channel_axis : int or None
        The axis that `scale` and `zero` go along; None: there is one of each.
    layout : {"dense", "sparse"}
        `sparse`: elements that decode to 0.0 are left out.
    parts : dict of str to ndarray
        All 1-D. `values` (exact, float) or `codes` (affine, codebook) for each element that is
        stored; `gaps` (unsigned, sparse only): elements left out before each; `scale` (float32 or
        float64) and, for asymmetric codes, `zero` (float64), one per channel; `table` (codebook).
    """

    scheme: Scheme
    shape: tuple[int, ...]
    dtype: str
    order: Order
    channel_axis: int | None
    layout: Layout
    parts: dict[str, Array]

    @property
    def size(self) -> int:
        """Elements of the array it stands for."""
        return math.prod(self.shape)

    def to_meta(self) -> dict[str, JSON]:
        """Everything but the parts, as a JSON object."""
        return {
            "scheme": scheme_to_json(self.scheme),
            "shape": list(self.shape),
            "dtype": self.dtype,
            "order": self.order,
            "channel_axis": self.channel_axis,
            "layout": self.layout,
        }

    @classmethod
    def from_meta(
        cls,
        meta: object,
        parts: Mapping[str, Array],
        *,
        max_bytes: int = MAX_BYTES,
    ) -> QuantizedArray:
        """The array that `to_meta` described, checked so that decoding it cannot fail.

        Raises
        ------
        FormatError
            `meta` or the dtypes and lengths of the parts break the grammar.
        SemanticError
            A scale that is not positive and finite, a zero that is not finite, a code beyond the
            table, a position beyond the end.
        LimitError
            The array takes more than `max_bytes`.
        """
        record = check_keys(meta, META_KEYS, "the record of an array")
        shape = _shape(record["shape"])
        dtype = parse_dtype(record["dtype"])
        if math.prod(shape) * dtype.itemsize > max_bytes:
            raise LimitError(
                "an array larger than the limit allows",
                expected=f"at most {max_bytes} bytes",
                got=f"shape {shape} of {dtype.str}"[:200],
            )
        for key, allowed in (("order", ("C", "F")), ("layout", ("dense", "sparse"))):
            if record[key] not in allowed:
                raise FormatError(
                    f"parameter {key} cannot be used",
                    expected=" or ".join(allowed),
                    got=repr(record[key])[:80],
                )
        scheme = _scheme(record["scheme"])
        axis = record["channel_axis"]
        if axis is not None:
            integer(record, "channel_axis", 0, len(shape) - 1)
            if not isinstance(scheme, Affine) or scheme.granularity != "channel":
                raise FormatError("a channel axis without affine codes per channel")
        array = cls(scheme, shape, dtype.str, record["order"], axis, record["layout"], dict(parts))
        _check_parts(array, dtype)
        return array


def _shape(value: object) -> tuple[int, ...]:
    if (
        not isinstance(value, list | tuple)
        or len(value) > MOST_DIMENSIONS
        or any(isinstance(size, bool) or not isinstance(size, int) or size < 0 for size in value)
    ):
        raise FormatError(
            "not a shape",
            expected=f"a list of up to {MOST_DIMENSIONS} integers of at least 0",
            got=repr(value)[:80],
        )
    if any(size >= 1 << 62 for size in value):
        raise LimitError("a shape is too large", expected="sizes below 2**62", got=repr(value)[:80])
    return tuple(value)


def _scheme(value: object) -> Scheme:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise FormatError("not a scheme", expected="an object", got=type(value).__name__)
    try:
        return scheme_from_json(dict(value))
    except (ValueError, TypeError) as error:
        raise FormatError("not a scheme", got=str(error)[:200]) from error


def _check_parts(array: QuantizedArray, dtype: np.dtype[Any]) -> None:
    """All that `dequantize_array` relies on."""
    expected = _part_dtypes(array, dtype)
    check_keys(array.parts, tuple(expected), "the parts of an array")
    for name, allowed in expected.items():
        part = array.parts[name]
        if not isinstance(part, np.ndarray) or part.ndim != 1 or part.dtype.str not in allowed:
            raise FormatError(
                f"part {name} cannot be used",
                expected=f"a 1-D array of {' or '.join(allowed)}",
                got=f"{np.ndim(part)}-D {getattr(part, 'dtype', type(part).__name__)}",
            )
    main = array.parts["values" if "values" in expected else "codes"]
    stored = array.size
    if array.layout == "sparse":
        stored = array.parts["gaps"].size
        if stored > array.size:
            raise SemanticError(
                "more elements than the shape has", expected=str(array.size), got=str(stored)
            )
        check_gaps(array.parts["gaps"], array.size)
    _check_length("codes or values", main, stored)
    match array.scheme:
        case Affine():
            _check_grid(array)
        case Codebook(bits=bits):
            _check_table(main, array.parts["table"], bits)
        case _:
            pass


def _part_dtypes(array: QuantizedArray, dtype: np.dtype[Any]) -> dict[str, tuple[str, ...]]:
    floats = ("<f2", "<f4", "<f8")
    if not isinstance(array.scheme, Exact) and dtype.str not in floats:
        raise FormatError(
            f"{array.scheme.kind} on an array that is not floating point", got=dtype.str
        )
    if array.layout == "sparse" and dtype.str not in floats:
        raise FormatError("a sparse layout of an array that is not floating point", got=dtype.str)
    expected: dict[str, tuple[str, ...]]
    match array.scheme:
        case Affine(bits=bits, symmetric=symmetric):
            codes = code_dtype(bits, symmetric=symmetric).str
            expected = {"codes": (codes,), "scale": ("<f4", "<f8")}
            if not symmetric:
                expected["zero"] = ("<f8",)
        case Codebook():
            expected = {"codes": ("|u1",), "table": ("<f4", dtype.str)}
        case Float(bits=bits):
            expected = {"values": (f"<f{min(bits // 8, dtype.itemsize)}",)}
        case _:
            expected = {"values": (dtype.str,)}
    if array.layout == "sparse":
        expected["gaps"] = ("|u1", "<u2", "<u4", "<u8")
    return expected


def _check_grid(array: QuantizedArray) -> None:
    axis = array.channel_axis
    channels = 1 if axis is None else array.shape[axis]
    scale = array.parts["scale"]
    _check_length("scale", scale, channels)
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise SemanticError("a scale that is not positive and finite")
    if "zero" in array.parts:
        _check_length("zero", array.parts["zero"], channels)
        if not np.isfinite(array.parts["zero"]).all():
            raise SemanticError("a zero that is not finite")


def _check_table(codes: Array, table: Array, bits: int) -> None:
    if table.size > 1 << bits:
        raise SemanticError(
            "a codebook with too many entries", expected=f"at most {1 << bits}", got=str(table.size)
        )
    if not np.isfinite(table).all():
        raise SemanticError("a codebook entry that is not finite")
    if codes.size and int(codes.max()) >= table.size:
        raise SemanticError(
            "a code beyond the codebook",
            expected=f"less than {table.size}",
            got=str(cast("int", codes.max())),
        )


def _check_length(name: str, part: Array, expected: int) -> None:
    if part.size != expected:
        raise FormatError(
            f"the length of {name} is wrong", expected=str(expected), got=str(part.size)
        )
