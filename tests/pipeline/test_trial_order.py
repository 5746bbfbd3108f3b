"""Which of the measured plans the gate judges, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_quantization.evaluation.distortion import Distortion
from model_quantization.pipeline.child.messages.measuring import Measured
from model_quantization.pipeline.precision.choosing import _worth_measuring
from model_quantization.pipeline.precision.exploring import Candidate, Tried
from model_quantization.pipeline.precision.judged import MOST_PLANS, plans_to_judge
from model_quantization.planning.allocation import Step

EXPLORING: Any = SimpleNamespace(
    settings=SimpleNamespace(budget_bytes=lambda _: None), source=SimpleNamespace(size_bytes=1)
)


def tried(size: int, margin: float | None, *, known: bool, distortion: float = 1e-3) -> Tried:
    """A plan that was measured; `known`: selection rows had targets."""
    measured = Measured(
        Distortion(distortion), loss=0.0 if known else None, loss_bound=0.001, margin=margin
    )
    return Tried(Candidate({}), size, measured)


def judged(sizes: Sequence[int], margins: Sequence[float | None], *, known: bool) -> list[Tried]:
    """The plans to judge of these."""
    wholes = [tried(*each, known=known) for each in zip(sizes, margins, strict=True)]
    return plans_to_judge(EXPLORING, wholes)


@given(
    st.lists(st.tuples(st.integers(1000, 100_000), st.floats(0, 10)), min_size=1, max_size=16),
    st.booleans(),
)
def test_plans_are_few_and_get_smaller(plans: list[tuple[int, float]], known: bool) -> None:
    sizes, margins = zip(*plans, strict=True)
    found = judged(sorted(sizes, reverse=True), sorted(margins), known=known)
    assert 1 <= len(found) <= MOST_PLANS
    assert found[0].size_bytes == max(sizes)
    assert all(before.size_bytes > after.size_bytes for before, after in pairwise(found))


@pytest.mark.parametrize(("known", "beyond"), [(True, 2), (False, 5)])
def test_plans_past_the_last_promising_one_are_more_where_no_truth_predicts(
    known: bool, beyond: int
) -> None:
    sizes = [round(100_000 * 0.9**at) for at in range(14)]
    margins = [0.1, 0.1, 0.2, *(3.0 + at for at in range(11))]
    found = [plan.size_bytes for plan in judged(sizes, margins, known=known)]
    last = max(at for at, size in enumerate(sizes) if size in found)
    assert last == 2 + beyond
    assert sizes[2] in found


def test_of_many_plans_hopeless_ones_are_not_measured() -> None:
    steps = [Step("weights", str(at), 100, 0.001 * 2**at) for at in range(20)]
    places = _worth_measuring(10_000, steps)
    assert len(places) <= 16
    changed = np.cumsum([0.0, *(step.distortion for step in steps)])
    assert (places[0] == 0 and changed[places[-2]] < 0.05) or places[-1] == 11
    few = [Step("rows", str(at), 100, 0.5) for at in range(6)]
    assert _worth_measuring(10_000, few) == tuple(range(7))
