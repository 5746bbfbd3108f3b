"""A linear machine with its vectors added up: one vector for each pair of classes.

The score of a pair of classes is a sum of products with vectors, which is the product with their
sum. A machine of those sums has the same form, so that scikit-learn answers with it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays
from model_quantization.graph.nodes import ArrayNode, DictNode, Node, ObjectNode, attributes
from model_quantization.graph.traversal import with_attributes

_VECTORS, _USED, _SHOWN = "support_vectors_", "_dual_coef_", "dual_coef_"
_PLACES, _COUNTS = "support_", "_n_support"


class Machine(NamedTuple):
    """The vectors of a machine, the coefficients, and how many vectors each class has.

    Attributes
    ----------
    vectors : ndarray of shape (n_vectors, n_features)
    coefficients : ndarray of shape (n_classes - 1, n_vectors)
    counts : list of int or None
        None: one score of all vectors, no pairs of classes.
    """

    vectors: Array
    coefficients: Array
    counts: list[int] | None


def pair_coefficients(machine: Machine) -> Array:
    """Return what each score multiplies the vectors with, (n_scores, n_vectors)."""
    if machine.counts is None:
        return machine.coefficients
    ends = np.cumsum(machine.counts).tolist()
    parts = [slice(end - count, end) for end, count in zip(ends, machine.counts, strict=True)]
    pairs = list(combinations(range(len(parts)), 2))
    found = np.zeros((len(pairs), len(machine.vectors)))
    for row, (first, second) in zip(found, pairs, strict=True):
        row[parts[first]] = machine.coefficients[second - 1, parts[first]]
        row[parts[second]] = machine.coefficients[first, parts[second]]
    return found


def folded(machine: Machine) -> Machine:
    """Return the linear machine of one vector for each score."""
    vectors = pair_coefficients(machine) @ machine.vectors
    if machine.counts is None:
        return Machine(vectors, np.ones((1, 1)), None)
    # The vector of a pair is one of its first class; for the class's other pairs it counts nothing.
    last = len(machine.counts) - 1
    coefficients = np.zeros((last, len(vectors)))
    for at, (_, second) in enumerate(combinations(range(last + 1), 2)):
        coefficients[second - 1, at] = 1.0
    return Machine(vectors, coefficients, [*range(last, 0, -1), 0])


def fold(node: ObjectNode, arrays: Arrays) -> tuple[ObjectNode, str] | None:
    """Return a linear machine with its vectors added up, where that leaves fewer."""
    state = attributes(node)
    machine = _machine(state, arrays, is_pairwise="classes_" in state)
    if state.get("kernel") != "linear" or machine is None or not isinstance(node.state, DictNode):
        return None
    few = folded(machine)
    if len(few.vectors) >= len(machine.vectors) or not np.isfinite(few.vectors).all():
        return None
    vectors, used, places, counts = (
        arrays[state[name].array]  # type: ignore[union-attr]  # `_machine` looked
        for name in (_VECTORS, _USED, _PLACES, _COUNTS)
    )
    shown = -few.coefficients if few.counts is not None and len(few.counts) == 2 else None
    new = {
        _VECTORS: few.vectors.astype(vectors.dtype),
        _USED: few.coefficients.astype(used.dtype),
        _SHOWN: (few.coefficients if shown is None else shown).astype(used.dtype),
        _PLACES: np.zeros(len(few.vectors), places.dtype),
        _COUNTS: np.array(_counts(few, counts), counts.dtype),
    }
    made = {name: ArrayNode(arrays.add(array)) for name, array in new.items()}
    return with_attributes(node, made), (
        f"{len(machine.vectors)} vectors added up to {len(few.vectors)}: `support_` no longer says "
        "which rows they were"
    )


def _counts(machine: Machine, counts: Array) -> Sequence[int]:
    """The content of `_n_support`: machines of one score have two numbers, the second is 0."""
    return [1, *[0] * (len(counts) - 1)] if machine.counts is None else machine.counts


def _machine(state: dict[str, Node], arrays: Arrays, *, is_pairwise: bool) -> Machine | None:
    nodes = [state.get(name) for name in (_VECTORS, _USED, _SHOWN, _PLACES, _COUNTS)]
    if not all(isinstance(node, ArrayNode) for node in nodes):
        return None
    vectors, used, _, _, counts = (
        arrays[node.array] for node in nodes if isinstance(node, ArrayNode)
    )
    return machine_of(vectors, used, counts if is_pairwise else None)


def machine_of(vectors: object, coefficients: object, counts: object) -> Machine | None:
    """Return a machine of arrays that fit each other; None for others."""
    if not isinstance(vectors, np.ndarray) or not isinstance(coefficients, np.ndarray):
        return None
    if vectors.ndim != 2 or coefficients.ndim != 2 or 0 in vectors.shape:
        return None
    if coefficients.shape[1] != len(vectors):
        return None
    if not (np.isfinite(vectors).all() and np.isfinite(coefficients).all()):
        return None
    if counts is None:
        return Machine(vectors, coefficients, None) if len(coefficients) == 1 else None
    if not isinstance(counts, np.ndarray) or counts.ndim != 1 or (counts < 0).any():
        return None
    numbers = [int(count) for count in counts.tolist()]
    if len(numbers) != len(coefficients) + 1 or sum(numbers) != len(vectors):
        return None
    return Machine(vectors, coefficients, numbers)
