"""Support vectors at fewer bits, and coefficients that are solved again for them.

A machine of kernels answers by its vectors and coefficients together. For rounded vectors there are
coefficients that give nearly the same scores; they are found by ridge regression, on the machine's
own vectors as rows. They may lie outside of [-C, C], which matters to fitting alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.families.shared.kernel_functions import (
    Plain,
    machine_kernel_of_node,
)
from model_quantization.graph.nodes import ArrayNode, DictNode, Node, ObjectNode, attributes
from model_quantization.graph.traversal import with_attributes
from model_quantization.schemes.quantize import dequantize_array, quantize_array
from model_quantization.schemes.scheme import Role, Slot, affine_of

VECTORS = "vectors"
_ROWS, _COUNTS = "support_vectors_", "_n_support"
_USED, _SHOWN = "_dual_coef_", "dual_coef_"
_BITS = (16, 8, 7, 6, 5, 4, 3)
_MOST_VECTORS = 4000
_RIDGE = 1e-4
_SLOT = Slot(Role.SUPPORT, channel_axis=1)


def options(node: Node, arrays: Arrays) -> tuple[Ladder, ...]:
    """Return the ladder of the support vectors, where they are dense and the kernel is known."""
    if not isinstance(node, ObjectNode):
        return ()
    state = attributes(node)
    rows, used, counts = (_array(state, name, arrays) for name in (_ROWS, _USED, _COUNTS))
    if rows is None or used is None or counts is None or machine_kernel_of_node(state) is None:
        return ()
    if rows.ndim != 2 or rows.dtype.kind != "f" or not 0 < len(rows) <= _MOST_VECTORS:
        return ()
    if used.ndim != 2 or used.shape[1] != len(rows) or not np.isfinite(rows).all():
        return ()
    if not np.isfinite(used).all() or _pairs(used, counts, len(rows)) is None:
        return ()
    return (Ladder(VECTORS, tuple(f"{bits} bits" for bits in _BITS), (_ROWS,)),)


def coarser(node: Node, arrays: Arrays, levels: Mapping[str, str]) -> Coarser:
    """Return the machine with rounded vectors and coefficients that were solved again for them."""
    assert isinstance(node, ObjectNode) and isinstance(node.state, DictNode)
    state = attributes(node)
    rows, used, counts = (_array(state, name, arrays) for name in (_ROWS, _USED, _COUNTS))
    kernel = machine_kernel_of_node(state)
    assert rows is not None and used is not None and counts is not None and kernel is not None
    bits = int(levels[VECTORS].split()[0])
    scheme = affine_of(bits, symmetric=False)
    rounded = dequantize_array(quantize_array(rows, scheme, _SLOT))
    solved = _solved(
        kernel.plain, rows.astype(np.float64), rounded.astype(np.float64), used, counts
    )
    shown = _array(state, _SHOWN, arrays)
    made: dict[str, Node] = {_USED: ArrayNode(arrays.add(solved.astype(used.dtype)))}
    if shown is not None and shown.shape == used.shape and _SHOWN in state:
        # Two classes are shown with the other sign.
        flipped = not np.array_equal(shown, used)
        same = made[_USED]
        made[_SHOWN] = ArrayNode(arrays.add(-solved.astype(used.dtype))) if flipped else same
    return Coarser(
        with_attributes(node, made),
        {_ROWS: scheme},
        done=f"vectors at {bits} bits, coefficients solved again",
        notes=("`dual_coef_` was solved again for rounded vectors and may exceed C",),
    )


def _array(state: Mapping[str, Node], name: str, arrays: Arrays) -> Array | None:
    node = state.get(name)
    return arrays[node.array] if isinstance(node, ArrayNode) else None


def _pairs(used: Array, counts: Array, n_vectors: int) -> list[list[tuple[int, slice]]] | None:
    """The coefficients of each score: rows of `used`, and the vectors that they are for.

    A machine of k classes has a score for each pair of them: class i in row j - 1 for its own
    vectors, class j in row i (libsvm). Others have one row and one score.
    """
    if len(used) == 1:
        return [[(0, slice(0, n_vectors))]]
    if int(counts.sum()) != n_vectors or len(counts) != len(used) + 1:
        return None
    ends = np.cumsum(counts)
    parts = [slice(int(end - count), int(end)) for end, count in zip(ends, counts, strict=True)]
    return [
        [(second - 1, parts[first]), (first, parts[second])]
        for first in range(len(parts))
        for second in range(first + 1, len(parts))
    ]


def _solved(kernel: Plain, rows: Array, rounded: Array, used: Array, counts: Array) -> Array:
    """The coefficients nearest to these with which rounded vectors give the exact scores."""
    pairs = _pairs(used, counts, len(rows))
    assert pairs is not None
    before, after = kernel(rows, rows), kernel(rows, rounded)
    solved = np.array(used, dtype=np.float64)
    for pair in pairs:
        columns = np.concatenate([np.arange(len(rows))[part] for _, part in pair])
        start = np.concatenate([used[row, part] for row, part in pair]).astype(np.float64)
        wanted = before[:, columns] @ start
        basis = after[:, columns]
        gram = basis.T @ basis
        gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
        found = start + np.linalg.solve(gram, basis.T @ (wanted - basis @ start))
        at = 0
        for row, part in pair:
            size = part.stop - part.start
            solved[row, part] = found[at : at + size]
            at += size
    return solved
