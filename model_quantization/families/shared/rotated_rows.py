"""Training rows of a neighbours model along their own axes, all with one step.

Distances stay the same when rows are turned, and an error counts the same in every direction. So the
best use of bytes is one step for all axes, once they are the axes along which the rows vary most and
least (principal components): an axis of little variance then takes few bits, or none, and the coder
that follows finds that by itself (reverse water-filling; Cover and Thomas, Elements of Information
Theory, section 10.3.3).

| part | what it is |
|---|---|
| `rotated.block0`, `rotated.block1`, ... | signed codes, (axes, rows): some axes each, as each block has a coder of its own |
| `rotated.step` | float: what a code of 1 is |
| `rotated.basis` | floats, (axes, features): the axes, most varying first |
| `rotated.mean` | floats, (features,) |
| `rotated.dtype`, `rotated.order` | dtype and memory order of the rows |

All other parts are attributes of the model.
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite, log2
from typing import Any, NoReturn

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.family import Arrays
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.graph.nodes import (
    ArrayNode,
    Node,
    ObjectNode,
    PackedNode,
    attributes,
    unpacked,
)
from model_quantization.schemes.scheme import affine_of

ROWS = "rows"
ATTRIBUTE = "_fit_X"
_PREFIX = "rotated."
_BLOCK = 4  # axes that share a coder
_BITS = (16, 8, 7, 6, 5, 4)
_PARTS = (
    4,
    8,
    12,
    16,
    18,
    20,
    22,
    25,
    28,
    32,
    40,
)  # of the rows' spread along a mean axis, in percent
# As bits that a range of six deviations takes, for people.
_ROTATED = {f"{log2(600 / part):.1f} bits, rotated": part / 100 for part in _PARTS}
_BASIS_BITS = 16
_LEAST_SIZE = 4096
_DTYPES = ("<f4", "<f8")


def options(node: Node, arrays: Arrays) -> tuple[Ladder, ...]:
    """Return the ladder of the training rows; none where a search tree has bounds of its own."""
    rows = _rows(node, arrays)
    if rows is None:
        return ()
    levels = [f"{bits} bits" for bits in _BITS]
    if _is_euclidean(node) and rows.shape[0] > 2 * rows.shape[1] > 2:
        levels += list(_ROTATED)
    return (Ladder(ROWS, tuple(levels), (ATTRIBUTE,)),)


def coarser(node: Node, arrays: Arrays, levels: Mapping[str, str]) -> Coarser:
    """Return the model with coarser training rows."""
    level, rows = levels[ROWS], _rows(node, arrays)
    assert isinstance(node, ObjectNode) and rows is not None, "`options` offers nothing else"
    if level not in _ROTATED:
        bits = int(level.split()[0])
        return Coarser(
            node, {ATTRIBUTE: affine_of(bits, symmetric=False)}, done=f"rows at {bits} bits"
        )
    part = _ROTATED[level]
    wide = rows.astype(np.float64)
    mean = wide.mean(axis=0).astype(np.float32).astype(np.float64)
    centred = wide - mean
    basis = _axes(centred)
    step = float(np.float32(part * np.sqrt(np.square(centred).mean())))
    codes = np.rint(centred @ np.linalg.pinv(basis) / step)
    parts: list[tuple[str, Node]] = []
    for name, value in attributes(node).items():
        if name != ATTRIBUTE:
            parts.append((name, value))
    for number, start in enumerate(range(0, len(basis), _BLOCK)):
        block = codes[:, start : start + _BLOCK].T
        most = float(np.abs(block).max(initial=0.0))
        dtype = np.int8 if most < 128 else np.int16 if most < 32768 else np.int32
        stored = ArrayNode(arrays.add(np.ascontiguousarray(block, dtype=dtype)))
        parts.append((f"{_PREFIX}block{number}", stored))
    parts += [
        (f"{_PREFIX}step", step),
        (f"{_PREFIX}basis", ArrayNode(arrays.add(basis))),
        (f"{_PREFIX}mean", ArrayNode(arrays.add(mean.astype(np.float32)))),
        (f"{_PREFIX}dtype", rows.dtype.str),
        (f"{_PREFIX}order", "C" if rows.flags.c_contiguous else "F"),
    ]
    packed = PackedNode("neighbors", node.type, tuple(parts), node.id)
    done = f"rows along their own axes, steps of {part:.0%} of their spread"
    return Coarser(packed, {f"{_PREFIX}basis": affine_of(_BASIS_BITS)}, done=done)


def unpack(packed: PackedNode, arrays: Arrays) -> ObjectNode:
    """Return the model with its training rows.

    Raises
    ------
    SemanticError
        Parts that are missing, or do not fit each other.
    """
    parts = dict(packed.parts)

    def get(name: str) -> Any:
        node = parts.get(name)
        return arrays[node.array] if isinstance(node, ArrayNode) else node

    own: dict[str, Node] = {n: node for n, node in parts.items() if not n.startswith(_PREFIX)}
    own[ATTRIBUTE] = ArrayNode(arrays.add(turned_back(get)))
    return unpacked(packed, own)


def turned_back(get: Callable[[str], Any]) -> Array:
    """Return the training rows of a packed model.

    Parameters
    ----------
    get : callable
        Gives the value of a part, or None.

    Raises
    ------
    SemanticError
        Parts that are missing, or do not fit each other.
    """
    basis, mean = (_array(get, name) for name in ("basis", "mean"))
    step, dtype, order = (get(f"{_PREFIX}{name}") for name in ("step", "dtype", "order"))
    if (
        basis.ndim != 2
        or mean.shape != basis.shape[1:]
        or basis.dtype.kind != "f"
        or mean.dtype.kind != "f"
        or not (np.isfinite(basis).all() and np.isfinite(mean).all())
    ):
        _refuse("basis", f"finite floats, (axes, features) beside {mean.shape} means", basis.shape)
    if not isinstance(step, float) or not isfinite(step) or step <= 0:
        _refuse("step", "a finite number above 0", step)
    if dtype not in _DTYPES or order not in ("C", "F"):
        _refuse("dtype", "<f4 or <f8, C or F", (dtype, order))
    blocks: list[Array] = []
    for number in range(-(-len(basis) // _BLOCK)):
        block = _array(get, f"block{number}")
        if (
            block.ndim != 2
            or block.dtype.kind != "i"
            or (blocks and block.shape[1:] != blocks[0].shape[1:])
        ):
            _refuse(f"block{number}", "signed codes, (axes, rows)", block.shape)
        blocks.append(block)
    codes = np.concatenate(blocks).astype(np.float64)
    if len(codes) != len(basis):
        _refuse("block0", f"{len(basis)} axes in all blocks", len(codes))
    rows = (codes.T * step) @ basis.astype(np.float64) + mean.astype(np.float64)
    return np.asarray(rows, dtype=str(dtype), order=order)


def _axes(centred: Array) -> Array:
    """The principal axes as they will be read back: rounded as `_BASIS_BITS` rounds them."""
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1].T
    # The sign of an axis is a matter of the library: the largest number of each is positive.
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    axes = axes * np.sign(largest)
    scale = np.abs(axes).max(axis=1, keepdims=True) / ((1 << (_BASIS_BITS - 1)) - 1)
    return np.ascontiguousarray(np.rint(axes / scale) * scale)


def _rows(node: Node, arrays: Arrays) -> Array | None:
    """The training rows of a model that searches all of them; None for any other."""
    if not isinstance(node, ObjectNode) or node.args or node.entries is not None:
        return None
    state = attributes(node)
    held = state.get(ATTRIBUTE)
    if not isinstance(held, ArrayNode) or state.get("_tree") is not None:
        return None
    if state.get("_fit_method") != "brute":
        return None
    rows = arrays[held.array]
    usable = rows.ndim == 2 and rows.dtype.str in _DTYPES and rows.size >= _LEAST_SIZE
    return rows if usable and np.isfinite(rows).all() else None


def _is_euclidean(node: Node) -> bool:
    state = attributes(node) if isinstance(node, ObjectNode) else {}
    metric = state.get("effective_metric_")
    return metric in ("euclidean", "sqeuclidean")


def _array(get: Callable[[str], Any], name: str) -> Array:
    found = get(f"{_PREFIX}{name}")
    if not isinstance(found, np.ndarray):
        _refuse(name, "an array", type(found).__name__)
    return found


def _refuse(name: str, expected: str, got: object) -> NoReturn:
    raise SemanticError(
        "a part of the rows does not fit the others",
        where=f"{_PREFIX}{name}",
        expected=expected,
        got=repr(got)[:80],
    )
