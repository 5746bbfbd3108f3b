"""The cases that the gate is simulated on, and the best that any exact test can reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_draws import (
    ALLOWED,
    PLANS,
    Generator,
    chances,
    class_lost,
    copied,
    decisions,
    flipped_scores,
    in_order,
    judged,
    labels,
    numbers,
    one_each,
    one_output_ruined,
    outliers,
    rare,
    transform,
    worse_everywhere,
)
from model_quantization.evaluation import Judgement

LOSS, RUIN, POWER = "loss", "ruin", "power"

Draw = Callable[[Generator, int], list[Judgement]]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: a draw gives the judgements of which one published counts."""

    kind: str
    name: str
    rows: int
    draw: Draw
    reachable: float | None = None


def reachable(rows: int, lost: float, won: float, alpha: float = 0.05, most: int = 16) -> float:
    """The power that no exact one-sided test of the loss exceeds, by a linear programme.

    Unknowns are the chances that a test rejects each outcome (b, c); under each of many losses of
    exactly `ALLOWED` they must not exceed `alpha` together.
    """
    from scipy.optimize import linprog
    from scipy.stats import multinomial

    outcomes = np.array([(b, c) for b in range(most) for c in range(most)])
    outcomes = np.column_stack([outcomes, rows - outcomes.sum(axis=1)])

    def chance(b: float, c: float) -> NDArray[np.float64]:
        return np.asarray(multinomial.pmf(outcomes, rows, [b, c, 1 - b - c]))

    nulls = np.stack([chance(ALLOWED + c, c) for c in [0, *np.geomspace(1e-6, 0.02, 60)]])
    found = linprog(-chance(lost, won), A_ub=nulls, b_ub=np.full(len(nulls), alpha), bounds=(0, 1))
    return float(-found.fun)


def cases() -> list[Case]:
    """Every line of the table."""

    def of(draw: Callable[..., dict[str, Any]], **more: Any) -> Draw:
        return partial(judged, draw, **more)

    lost = [
        Case(LOSS, "labels: 1 point lost", n, of(labels, lost=0.01, won=0.0)) for n in (30, 50, 100)
    ]
    lost += [
        Case(LOSS, "labels: 0.5 points lost", n, of(labels, lost=ALLOWED, won=0.0))
        for n in (30, 100, 300, 598, 650, 1000, 2000, 5000)
    ]
    lost += [
        Case(LOSS, f"labels: {100 * (ALLOWED + w):g} % lost, {100 * w:g} % won", n,
             of(labels, lost=ALLOWED + w, won=w))
        for w in (0.001, 0.01) for n in (300, 1000, 3000)
    ]  # fmt: skip
    lost += [
        Case(LOSS, "labels and probabilities: 0.5 points lost", n,
             of(flipped_scores, lost=ALLOWED, won=0.0))
        for n in (300, 1000)
    ]  # fmt: skip
    lost += [Case(LOSS, "50 rows 40 times, 1 point lost", 50, copied)]
    lost += [
        Case(LOSS, f"auto, {components} components, {word}: 0.5 points lost", n,
             partial(in_order, components=components, harmless=harmless, nested=nested))
        for components in PLANS
        for word, harmless, nested in (("every plan", 0.0, False), ("half of the plans", 0.5, True))
        for n in (1500, 6000)
    ]  # fmt: skip
    lost += [
        Case(LOSS, "regression: 0.5 % of rows ruined", n, of(numbers, ruined=ALLOWED))
        for n in (30, 50, 100, 300, 598, 1000)
    ]
    lost += [
        Case(LOSS, "regression, heavy tails: 0.5 % of rows ruined", n,
             of(numbers, ruined=ALLOWED, tail=3.0))
        for n in (50, 300, 1000)
    ]  # fmt: skip
    lost += [Case(LOSS, "regression: R2 falls by 0.005 all over", n, of(worse_everywhere))
             for n in (100, 1000, 5000)]  # fmt: skip
    lost += [
        Case(LOSS, f"ranking: {share:.0%} positives, 2 points lost by some", n,
             of(rare, change="sunk", share=share))
        for share, sizes in ((0.02, (300, 1000, 5000, 20_000)), (0.5, (300, 1000, 3000)))
        for n in sizes
    ]  # fmt: skip
    ruins = [
        Case(RUIN, "ranking constant, 2 % positives", n, of(rare, change="constant"))
        for n in (1000, 5000)
    ]
    ruins += [
        Case(RUIN, "ranking reversed, 2 % positives", n, of(rare, change="reversed"))
        for n in (1000, 5000)
    ]
    ruins += [
        Case(
            RUIN, "flat probabilities, 100 classes", 1000, of(chances, classes=100, change="flat")
        ),
        Case(RUIN, "decision scores reduced to their sign", 1000, of(decisions, change="sign")),
        Case(RUIN, "outlier scores shuffled within the label", 1000, of(outliers)),
        Case(RUIN, "transform of zeros", 1000, partial(transform, change="zeros")),
        Case(RUIN, "1 of 300 outputs ruined", 1000, of(one_output_ruined)),
        Case(RUIN, "a class of four rows lost", 1000, of(class_lost)),
        Case(RUIN, "a class of four rows lost", 10_000, of(class_lost)),
    ]
    best = reachable(1000, 0.001, 0.001)
    few = {"lost": 0.001, "won": 0.001}
    power = [
        Case(POWER, "no label changed", 1000, of(labels, lost=0.0, won=0.0), 1.0),
        Case(POWER, "one label won, one lost", 1000, of(one_each), 1.0),
        Case(POWER, "0.1 % won, 0.1 % lost", 1000, of(labels, **few), best),
        Case(POWER, "the same, with probabilities", 1000, of(flipped_scores, **few), best),
        # On 1,000 rows no exact test could tell: 20 of them are positive.
        Case(POWER, "16 bits, 2 % positives", 12_000, of(rare, change="16 bits"), 1.0),
        Case(
            POWER, "16 bits, a quarter positives", 1000, of(rare, change="16 bits", share=0.25), 1.0
        ),
        Case(POWER, "16 bits, decision scores", 1000, of(decisions, change="16 bits"), 1.0),
        Case(POWER, "16 bits, 10 classes", 1000, of(chances, classes=10, change="16 bits"), 1.0),
        Case(POWER, "16 bits, 100 classes", 1000, of(chances, classes=100, change="16 bits"), 1.0),
        Case(POWER, "small rounding, regression", 1000, of(numbers, ruined=0.0), 1.0),
        Case(POWER, "16 bits, transform", 1000, partial(transform, change="16 bits"), 1.0),
    ]
    return [*lost, *ruins, *power]
