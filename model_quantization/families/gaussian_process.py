"""Gaussian processes with coarser rows: the coefficients are solved again, the factor is left out.

The coefficients of a Gaussian process are large and cancel: rounded, they ruin every answer. But
for rounded rows there are coefficients that give the same answers at the training rows; those are
solved for, with a ridge, and kept as 32-bit floats. `L_` serves the standard deviation alone and is
made again from the rows when it is asked for (`estimators.remade`).

This family speaks for no class: a Gaussian process is of the family `kernel_model`, but for
artifacts in which `bit_depth: auto` made it coarser (`planning.offers`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays, Component, Family
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.process_kernels import kernel_of_node
from model_quantization.graph.nodes import (
    ArrayNode,
    Node,
    ObjectNode,
    PackedNode,
    attributes,
    unpacked,
)
from model_quantization.schemes.quantize import dequantize_array, quantize_array
from model_quantization.schemes.scheme import Affine, Float, Role, Scheme, Slot, affine_of

PROCESS = "sklearn.gaussian_process._gpr:GaussianProcessRegressor"
ROWS = "rows"
_TRAINED, _TARGETS, _COEFFICIENTS, _FACTOR = "X_train_", "y_train_", "alpha_", "L_"
_GENERATOR = "_rng"  # of the fit; 2.5 KB that no method reads
_LEVELS = ("32 bits", "16 bits", "8 bits", "7 bits", "6 bits", "5 bits", "4 bits")
_RIDGES = (1e-12, 1e-10, 1e-8, 1e-6, 1e-4)
_MOST_ROWS = 4000
_SLOT = Slot(Role.SUPPORT, channel_axis=1)


def options(node: Node, arrays: Arrays) -> tuple[Ladder, ...]:
    """Return the ladder of the training rows, where the kernel is one that can be evaluated."""
    if not isinstance(node, ObjectNode) or node.type != PROCESS:
        return ()
    state = attributes(node)
    rows, coefficients = (_array(state, name, arrays) for name in (_TRAINED, _COEFFICIENTS))
    if rows is None or coefficients is None or not isinstance(state.get(_FACTOR), ArrayNode):
        return ()
    if rows.ndim != 2 or rows.dtype.kind != "f" or len(rows) > _MOST_ROWS:
        return ()
    if not (np.isfinite(rows).all() and np.isfinite(coefficients).all()):
        return ()
    if kernel_of_node(state.get("kernel_"), arrays) is None:
        return ()
    return (Ladder(ROWS, _LEVELS, (_TRAINED, _TARGETS, _COEFFICIENTS, _FACTOR)),)


def coarser(node: Node, arrays: Arrays, levels: Mapping[str, str]) -> Coarser:
    """Return the process with rounded rows and coefficients that were solved again for them."""
    assert isinstance(node, ObjectNode), "`options` offers nothing for another node"
    state = attributes(node)
    rows, coefficients = (_array(state, name, arrays) for name in (_TRAINED, _COEFFICIENTS))
    kernel = kernel_of_node(state.get("kernel_"), arrays)
    assert rows is not None and coefficients is not None and kernel is not None
    bits = int(levels[ROWS].split()[0])
    scheme: Scheme = Float(32) if bits == 32 else affine_of(bits, symmetric=False)
    rounded = dequantize_array(quantize_array(rows, scheme, _SLOT))
    wide = rows.astype(np.float64)
    wanted = kernel.plain(wide, wide) @ coefficients
    solved = _solved(kernel.plain(wide, rounded.astype(np.float64)), wanted)
    kept = tuple(
        (name, ArrayNode(arrays.add(solved.astype(coefficients.dtype))))
        if name == _COEFFICIENTS
        else (name, value)
        for name, value in state.items()
        if name not in (_FACTOR, _GENERATOR)
    )
    schemes: dict[str, Scheme] = {_TRAINED: scheme, _COEFFICIENTS: Float(32)}
    targets = _array(state, _TARGETS, arrays)
    if targets is not None and targets.dtype.kind == "f" and np.isfinite(targets).all():
        schemes[_TARGETS] = Affine(16)
    return Coarser(
        PackedNode("gaussian_process", node.type, kept, node.id),
        schemes,
        done=f"rows at {bits} bits, coefficients solved again",
        notes=(
            "the standard deviation of the process is made anew from rounded rows; the gate looks "
            "at the mean alone",
        ),
    )


def unpack(packed: PackedNode, arrays: Arrays) -> ObjectNode:
    """Return the process without its factor, which is made when it is asked for."""
    return unpacked(packed, attributes(packed))


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The mean of the process in one pass."""
    from model_quantization.families.shared import processes

    return processes.regressor(component, exact)


def _array(state: Mapping[str, Node], name: str, arrays: Arrays) -> Array | None:
    node = state.get(name)
    return arrays[node.array] if isinstance(node, ArrayNode) else None


def _solved(kernel: Array, wanted: Array) -> Array:
    """The coefficients, as 32-bit floats, that come nearest to the wanted answers.

    Small ridges make large coefficients, which lose digits as floats: several are tried.
    """
    gram, right = kernel.T @ kernel, kernel.T @ wanted
    unit = float(np.trace(gram)) / len(gram)
    best, least = np.zeros_like(right), np.inf
    for ridge in _RIDGES:
        try:
            found = np.linalg.solve(gram + ridge * unit * np.eye(len(gram)), right)
        except np.linalg.LinAlgError:
            continue
        stored = found.astype(np.float32).astype(np.float64)
        error = float(np.square(kernel @ stored - wanted).sum())
        if error < least:
            best, least = stored, error
    return best


FAMILY = Family(
    name="gaussian_process",
    types=frozenset(),
    slots={
        _TRAINED: _SLOT,
        _TARGETS: Slot(Role.PARAMETER),
        _COEFFICIENTS: Slot(
            Role.PARAMETER, tolerates=frozenset({"float"}), note="large coefficients that cancel"
        ),
    },
    unpack=unpack,
    lower=lower,
    options=options,
    coarser=coarser,
)
