"""Keeps arrays exact that rounding does not make smaller.

Counts kept as floats, data with few values and small forests are such cases.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.stream import encode_stream
from model_quantization.planning.encoding import quantized
from model_quantization.planning.plan import Choice, Plan
from model_quantization.schemes.quantize import stored_bytes
from model_quantization.schemes.scheme import Exact

_SAMPLED = 1 << 16  # numbers
_FAR_LARGER = 2.0
_WORTH_ROUNDING = 1.02  # a coarser component must be 2 % smaller than the exact one
_REASON = "exact is smaller than rounded here"


def keep_exact_where_smaller(plan: Plan, *, sampled: bool = False) -> Plan:
    """Return the plan with everything exact whose exact form is not the larger one.

    First each coarsened component as a whole, then each array that has codes.

    Parameters
    ----------
    plan : Plan
    sampled : bool
        Whether the first part of a long array may tell that its exact form is far larger: of many
        plans of one model, each would encode it as a whole.
    """
    plan = _with_exact_components(plan)
    pairs = zip(plan.graph.arrays, plan.choices, strict=True)
    chosen = tuple(_smaller(array, choice, sampled=sampled) for array, choice in pairs)
    return replace(plan, choices=chosen)


def _with_exact_components(plan: Plan) -> Plan:
    if not plan.bits:
        return plan
    exact = plan.with_bits({})
    rounded_bytes = _component_bytes(plan, plan.bits)
    exact_bytes = _component_bytes(exact, plan.bits)
    worth = {
        path: bits
        for path, bits in plan.bits.items()
        if exact_bytes[path] > rounded_bytes[path] * _WORTH_ROUNDING
    }
    if not worth:
        return exact
    return plan if worth == plan.bits else plan.with_bits(worth)


def _component_bytes(plan: Plan, paths: Collection[str]) -> dict[str, int]:
    """Bytes of the arrays of each component at these paths, as estimated by quick encoding."""
    sizes = dict.fromkeys(paths, 0)
    for array, choice in zip(plan.graph.arrays, plan.choices, strict=True):
        if choice.component in sizes:
            sizes[choice.component] += stored_bytes(quantized(array, choice))
    return sizes


def _smaller(array: Array, choice: Choice, *, sampled: bool) -> Choice:
    if choice.scheme == Exact():
        return choice
    rounded = stored_bytes(quantized(array, choice))
    if sampled and array.size > _SAMPLED and _exact_of_a_part(array) > _FAR_LARGER * rounded:
        return choice
    exact = replace(choice, scheme=Exact(), threshold=0.0, ranges=None, reason=_REASON)
    return choice if rounded < stored_bytes(quantized(array, exact)) else exact


def _exact_of_a_part(array: Array) -> float:
    """The bytes of all of a long array, by those of its first numbers."""
    part = np.array(array.ravel(order="K")[:_SAMPLED])  # aligned, as coders need it
    return len(encode_stream(part, effort="fast").data) * (array.size / _SAMPLED)
