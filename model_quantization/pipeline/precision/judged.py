"""Which of the measured plans the gate judges, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log
from typing import Final

from model_quantization.pipeline.precision.exploring import Exploring, Tried
from model_quantization.planning.allocation import thinned

MOST_PLANS: Final = 12
"""Plans that the gate may judge."""
_SAFE: Final = 0.5  # of the gate's limit: a plan expected up to here passes on other rows, too
_PROMISING: Final = 1.2  # of the gate's limit: a plan expected beyond it has no prospect
_LITTLE: Final = 1e-4  # distortion of a safe plan, where no rows predict the gate
_MOST_WITHOUT_ROWS: Final = 0.02  # distortion of a promising plan, where no rows predict the gate
_LITTLE_CHANGED: Final = (1e-5, 3e-4, 8e-4)  # distortions of the plans judged before the safe one
_BEYOND: Final = 2  # plans past the last promising one: they cost time, and no certainty
_BEYOND_UNKNOWN: Final = 5  # the same where no truth predicts the gate, which may allow more
_LEAST_STEP: Final = 0.06  # of a plan's size: by how much the next one is smaller
_SEALING_BYTES: Final = 700  # about what an evaluation adds to a file
_SMALLER: Final = 0.99  # of a plan's size: a larger one is not worth a place


def plans_to_judge(exploring: Exploring, wholes: Sequence[Tried]) -> list[Tried]:
    """Return the plans to judge, from the safest to the smallest; at most `MOST_PLANS`.

    The first are safe by a wide margin. The last is the smallest that has any prospect.
    """
    usable: list[Tried] = []
    for tried in wholes:
        if not tried.measured.fault and (
            not usable or tried.size_bytes < _SMALLER * usable[-1].size_bytes
        ):
            usable.append(tried)
    if not usable:
        return []
    budget = exploring.settings.budget_bytes(exploring.source.size_bytes)
    if budget is not None:
        within = [one for one in usable if one.size_bytes * 1.02 + _SEALING_BYTES <= budget]
        return (within or usable[-1:])[:1]
    margins = [one.measured.margin for one in usable]
    known = [margin for margin in margins if margin is not None]
    if len(known) == len(usable):
        worth, safe_limit, last_limit = _smoothed(known), _SAFE, _PROMISING
    else:
        worth = [one.measured.distortion.value for one in usable]
        safe_limit, last_limit = _LITTLE, _MOST_WITHOUT_ROWS
    safe = _last_before(worth, safe_limit)
    last = max((at for at, value in enumerate(worth) if value <= last_limit), default=0)
    changed = [one.measured.distortion.value for one in usable]
    # The base comes first, whatever was measured: rows made from a model may miss what data show.
    before = [0, *(min(_last_before(changed, limit), safe) for limit in _LITTLE_CHANGED)]
    descent = _descent(usable, safe, max(last, safe))
    known_truth = any(one.measured.loss is not None for one in usable)
    beyond = _beyond(usable, descent[-1], _BEYOND if known_truth else _BEYOND_UNKNOWN)
    chosen = [usable[at] for at in dict.fromkeys((*before, *descent, *beyond))]
    return chosen[:MOST_PLANS]


def _beyond(usable: Sequence[Tried], last: int, most: int) -> list[int]:
    """Plans past the last promising one, each smaller than the one before by a good part."""
    found: list[int] = []
    size = usable[last].size_bytes
    for at in range(last + 1, len(usable)):
        if usable[at].size_bytes <= (1 - _LEAST_STEP) * size and len(found) < most:
            found.append(at)
            size = usable[at].size_bytes
    return found


def _smoothed(values: Sequence[float]) -> list[float]:
    """Each value with its neighbours: one plan of many looks safe by luck."""
    found = []
    for at in range(len(values)):
        near = values[max(at - 1, 0) : at + 2]
        found.append(sum(near) / len(near))
    return found


def _last_before(values: Sequence[float], limit: float) -> int:
    """The last place before which, and at which, nothing exceeds the limit; 0 at least."""
    for at, value in enumerate(values):
        if value > limit:
            return max(at - 1, 0)
    return len(values) - 1


def _descent(usable: Sequence[Tried], safe: int, last: int) -> list[int]:
    """Plans from the safe one to the last, each smaller than the one before by a good part.

    Every plan that is judged may be the one that chance fails, and ends the trial. But plans are
    nested, and judged on the same rows: where one fails, much smaller ones mostly fail, too, and a
    step that is too large misses the last plan that would have passed.
    """
    ratio = usable[last].size_bytes / usable[safe].size_bytes
    count = 1 + ceil(log(ratio) / log(1 - _LEAST_STEP)) if ratio < 1 else 1
    places = thinned(
        [float(one.size_bytes) for one in usable[safe : last + 1]],
        max(2, min(count, MOST_PLANS - 1)),
    )
    return [safe + at for at in places]
