"""One array under one scheme, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.gaps import positions_from_gaps
from model_quantization.codecs.stream import encode_stream
from model_quantization.codecs.words import stream_dtype
from model_quantization.errors import SchemeError
from model_quantization.kernels.linear.stored_codes import StoredCodes
from model_quantization.schemes import affine
from model_quantization.schemes.codebook import fit_codebook, look_up, nearest_codes
from model_quantization.schemes.pruning import Spread, prune, sparse_parts
from model_quantization.schemes.quantized_array import Order, QuantizedArray
from model_quantization.schemes.rounding import (
    check_allowed,
    check_finite,
    round_floats,
)
from model_quantization.schemes.scheme import (
    Affine,
    Codebook,
    Exact,
    Float,
    Role,
    Scheme,
    Slot,
)

# What is multiplied with inputs works in either memory order. Other arrays go to code of
# scikit-learn that wants the order they have.
_EITHER_ORDER = frozenset({Role.WEIGHT, Role.LOG_PROBABILITY})


def quantize_array(
    array: Array,
    scheme: Scheme,
    slot: Slot,
    *,
    threshold: float = 0.0,
    spread: Spread | None = None,
    ranges: Array | None = None,
    either_order: bool = False,
    where: str = "",
) -> QuantizedArray:
    """The array under the scheme; the input is not changed.

    Parameters
    ----------
    array : ndarray
        Any shape and memory order.
    threshold : float
        Weights of smaller magnitude become 0.0 first, where that does not move the scores.
    spread : Spread, optional
        How far inputs and scores vary; says what a weight can move.
    ranges : ndarray, shape (channels,) or (channels, 2), optional
        Largest magnitude, or lowest and highest value, that affine codes of each channel reach;
        elements beyond get the outermost code. Default: what the channel holds.
    either_order : bool
        Weights with a range per channel may change to the memory order that compresses better.
    where : str
        Path of the array in the model, for messages.

    Raises
    ------
    SchemeError
        The slot, the dtype or the values do not tolerate the scheme.
    UnsupportedComponent
        A dtype that cannot be stored at all.
    """
    dtype = stream_dtype(array.dtype)
    check_allowed(array, scheme, slot, where)
    pruned = prune(array.astype(dtype, copy=False), threshold, slot, where, spread)
    order: Order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    axis = None
    match scheme:
        case Exact():
            parts = {"values": _flat(pruned, order).copy()}
        case Float(bits=bits):
            parts = {"values": _flat(round_floats(pruned, bits, where), order)}
        case Affine():
            check_finite(pruned, "affine", where)
            axis = _channel_axis(array, scheme, slot, where)
            own_ranges = affine.channel_ranges(pruned, axis)
            if ranges is not None:
                own_ranges = _given_ranges(ranges, own_ranges, where)
            parts = _affine_parts(pruned, scheme, axis, order, own_ranges)
        case Codebook(bits=bits):
            check_finite(pruned, "codebook", where)
            flat = _flat(pruned, order)
            table = fit_codebook(flat, 1 << bits, keep_zero=threshold > 0)
            parts = {"codes": nearest_codes(flat, table), "table": table}
    dense = QuantizedArray(scheme, array.shape, dtype.str, order, axis, "dense", parts)
    if isinstance(scheme, Exact) and threshold == 0:
        return dense
    made = _smaller_layout(dense)
    if either_order and axis is not None and array.ndim == 2 and slot.role in _EITHER_ORDER:
        return _smaller_order(made, _smaller_layout(_turned(dense)))
    return made


def dequantize_array(quantized: QuantizedArray, *, own: bool = True) -> Array:
    """The array in its own dtype and shape; bit-equal for `Exact`.

    Its memory order is that of the record: the array's own, or the one that was chosen for it.

    Parameters
    ----------
    quantized : QuantizedArray
    own : bool
        Whether the array must be writable and share nothing with the parts.
    """
    dtype = np.dtype(quantized.dtype)
    shape, order, parts = quantized.shape, quantized.order, quantized.parts
    if quantized.layout == "dense":
        values = _decode_dense(quantized, dtype)
        copy = True if own else None
        return np.array(values, dtype, order=order, copy=copy).reshape(shape, order=order)
    positions = positions_from_gaps(parts["gaps"], quantized.size)
    flat = np.zeros(quantized.size, dtype)
    flat[positions] = _decode_at(quantized, positions, dtype)
    return flat.reshape(shape, order=order)


def stored_codes(quantized: QuantizedArray) -> StoredCodes | None:
    """The codes as they are stored, with a scale per channel in the array's dtype.

    None unless `scale * code` in that dtype, with channels along the first axis or a single one,
    is what `dequantize_array` gives.
    """
    scheme, parts, shape = quantized.scheme, quantized.parts, quantized.shape
    if (
        not isinstance(scheme, Affine)
        or not scheme.symmetric
        or quantized.channel_axis
        or not 1 <= len(shape) <= 2
    ):
        return None
    scale = parts["scale"].astype(quantized.dtype)
    if not np.array_equal(scale, parts["scale"]):
        return None
    by_feature = quantized.order == "F" and len(shape) == 2
    return StoredCodes(shape, scale, parts["codes"], parts.get("gaps"), by_feature)


def column_codes(quantized: QuantizedArray) -> tuple[Array, Array] | None:
    """The codes of a float64 matrix as int8, and a float64 scale for each column.

    None unless `scale * code` is what `dequantize_array` gives, and codes fit a byte.
    """
    scheme, parts, shape = quantized.scheme, quantized.parts, quantized.shape
    if (
        not isinstance(scheme, Affine)
        or not scheme.symmetric
        or quantized.channel_axis not in (None, 1)
        or len(shape) != 2
        or np.dtype(quantized.dtype) != np.float64
        or parts["codes"].dtype != np.int8
    ):
        return None
    codes = parts["codes"]
    if quantized.layout != "dense":
        codes = np.zeros(quantized.size, np.int8)
        codes[positions_from_gaps(parts["gaps"], quantized.size)] = parts["codes"]
    scale = np.broadcast_to(parts["scale"].astype(np.float64), shape[1])
    return codes.reshape(shape, order=quantized.order), scale


def _decode_dense(quantized: QuantizedArray, dtype: np.dtype[Any]) -> Array:
    parts = quantized.parts
    shape, order = quantized.shape, quantized.order
    match quantized.scheme:
        case Affine():
            codes = parts["codes"].reshape(shape, order=order)
            return affine.to_values(codes, _grid(quantized), quantized.channel_axis, dtype)
        case Codebook():
            return look_up(parts["codes"], parts["table"], dtype).reshape(shape, order=order)
        case _:
            return parts["values"].reshape(shape, order=order)


def _decode_at(quantized: QuantizedArray, positions: Array, dtype: np.dtype[Any]) -> Array:
    parts = quantized.parts
    match quantized.scheme:
        case Affine():
            axis = quantized.channel_axis
            channels = None
            if axis is not None:
                channels = np.unravel_index(positions, quantized.shape, quantized.order)[axis]
            return affine.to_values_at(parts["codes"], _grid(quantized), channels, dtype)
        case Codebook():
            return look_up(parts["codes"], parts["table"], dtype)
        case _:
            return parts["values"].astype(dtype)


def _grid(quantized: QuantizedArray) -> affine.Grid:
    assert isinstance(quantized.scheme, Affine)
    parts = quantized.parts
    return affine.Grid(quantized.scheme.bits, parts["scale"], parts.get("zero"))


def _affine_parts(
    array: Array, scheme: Affine, axis: int | None, order: Order, own_ranges: Array
) -> dict[str, Array]:
    grid = affine.fit_grid(own_ranges, scheme.bits, symmetric=scheme.symmetric)
    parts = {"codes": _flat(affine.to_codes(array, grid, axis), order), "scale": grid.scale}
    return parts if grid.zero is None else {**parts, "zero": grid.zero}


def _given_ranges(ranges: Array, own_ranges: Array, where: str) -> Array:
    given = np.asarray(ranges, np.float64)
    if given.ndim == 1:
        given = np.stack([-given, given], axis=1)
    if (
        given.shape != own_ranges.shape
        or not np.isfinite(given).all()
        or (given[:, 0] > given[:, 1]).any()
    ):
        raise SchemeError(
            "the ranges given for affine codes cannot be used",
            where=where,
            expected=f"{len(own_ranges)} finite magnitudes, or pairs of lowest and highest value",
            got=f"shape {np.shape(ranges)}",
        )
    # Clipping must not move exact zeros: a channel that reaches 0 keeps it in its range.
    low = np.where(own_ranges[:, 0] <= 0, np.minimum(given[:, 0], 0), given[:, 0])
    high = np.where(own_ranges[:, 1] >= 0, np.maximum(given[:, 1], 0), given[:, 1])
    return np.stack([low, high], axis=1)


def _channel_axis(array: Array, scheme: Affine, slot: Slot, where: str) -> int | None:
    """The axis that has a range per index; None where that would be a range per element."""
    axis = slot.channel_axis
    if scheme.granularity == "array" or axis is None or array.ndim < 2:
        return None
    if not 0 <= axis < array.ndim:
        raise SchemeError(
            "the array does not have the slot's channel axis",
            where=where,
            expected=f"0 to {array.ndim - 1}",
            got=str(axis),
        )
    return axis


def _turned(dense: QuantizedArray) -> QuantizedArray:
    """The same two-dimensional codes listed along the other axis."""
    order: Order = "C" if dense.order == "F" else "F"
    codes = dense.parts["codes"].reshape(dense.shape, order=dense.order)
    return replace(dense, order=order, parts={**dense.parts, "codes": _flat(codes, order)})


def _smaller_order(own: QuantizedArray, turned: QuantizedArray) -> QuantizedArray:
    """`turned` where it is smaller, judged by encoding both with `effort="fast"`."""
    return turned if stored_bytes(turned) < stored_bytes(own) else own


def stored_bytes(array: QuantizedArray) -> int:
    """Return about how many bytes an array takes in an artifact, by encoding it quickly."""
    return sum(len(encode_stream(part, effort="fast").data) for part in array.parts.values())


def _smaller_layout(dense: QuantizedArray) -> QuantizedArray:
    name = "values" if "values" in dense.parts else "codes"
    values = _flat(dequantize_array(dense), dense.order)
    nonzero = values.view(f"<u{values.dtype.itemsize}") != 0
    parts = sparse_parts(name, dense.parts[name], nonzero)
    if parts is None:
        return dense
    return replace(dense, layout="sparse", parts={**dense.parts, **parts})


def _flat(array: Array, order: Order) -> Array:
    return array.ravel(order=order)
