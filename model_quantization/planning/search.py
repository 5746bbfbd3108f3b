"""The smallest precision that passes: component by component, the worst one widened first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from model_quantization.planning.plan import Plan

Attempt = TypeVar("Attempt")
STEPS = 2  # 8 -> 16 -> exact


def search_precision(
    start: Plan, attempt: Callable[[Plan], Attempt], passes: Callable[[Attempt], bool]
) -> Attempt | None:
    """Return the first attempt that passes, or None when none does.

    Parameters
    ----------
    start : Plan
        The narrowest plan; it is known not to pass.
    attempt : callable
        Writes the plan's artifact and judges it.
    passes : callable
        Whether an attempt may be published.
    """
    for plan in wider_plans(start):
        result = attempt(plan)
        if passes(result):
            return result
    return None


def wider_plans(start: Plan) -> Iterator[Plan]:
    """Yield plans from narrow to wide.

    First each component is widened alone: where one component's widening is enough, that one was
    the worst, and no other needs to pay for it. When no single one is enough they are widened
    together, the largest last, until nothing is rounded.
    """
    components = start.rounded_components()
    if len(components) > 1:
        for steps in range(1, STEPS + 1):
            for component in components:
                yield _widened(start, component, steps)
    plan = start
    for _ in range(STEPS):
        for component in components:
            plan = plan.widen(component)
            yield plan


def attempts_at_most(components: int) -> int:
    """The number of rounded plans that a search of so many rounded components may judge.

    The narrowest, those of `wider_plans`, less the last, which rounds nothing and needs no proof.
    """
    alone = STEPS * components if components > 1 else 0
    return max(1, 1 + alone + STEPS * components - 1)


def _widened(plan: Plan, component: str, steps: int) -> Plan:
    for _ in range(steps):
        plan = plan.widen(component)
    return plan
