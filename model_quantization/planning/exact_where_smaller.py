"""Keeps arrays exact that rounding does not make smaller.

Counts kept as floats, data with few values and small forests are such cases.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from model_quantization.arrays import Array
from model_quantization.planning.encoding import quantized
from model_quantization.planning.plan import Choice, Plan
from model_quantization.schemes.quantize import stored_bytes
from model_quantization.schemes.scheme import Exact

_WORTH_ROUNDING = 1.02  # a coarser component must be 2 % smaller than the exact one
_REASON = "exact is smaller than rounded here"


def keep_exact_where_smaller(plan: Plan) -> Plan:
    """Return the plan with everything exact whose exact form is not the larger one.

    First each coarsened component as a whole, then each array that has codes.
    """
    plan = _with_exact_components(plan)
    pairs = zip(plan.graph.arrays, plan.choices, strict=True)
    return replace(plan, choices=tuple(_smaller(array, choice) for array, choice in pairs))


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


def _smaller(array: Array, choice: Choice) -> Choice:
    if choice.scheme == Exact():
        return choice
    exact = replace(choice, scheme=Exact(), threshold=0.0, ranges=None, reason=_REASON)
    gains = stored_bytes(quantized(array, choice)) < stored_bytes(quantized(array, exact))
    return choice if gains else exact
