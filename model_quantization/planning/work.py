"""The options within a time budget, by work: results by a clock would not repeat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from model_quantization.graph.nodes import ModelGraph
from model_quantization.planning.ladders import AnyLadder

FIXED_SECONDS: Final = 0.02
"""Seconds per option for a model of any size: an artifact is written, opened and measured."""
BYTES_PER_SECOND: Final = 40e6
"""Of the model's arrays: rounded, encoded, decoded and multiplied with rows."""
MOST_OPTIONS: Final = 160
LARGE_BYTES: Final = 24 << 20
"""Arrays of more bytes than this make a large model: each option takes about a second."""
MOST_OF_LARGE: Final = 12
"""Options of a large model; a time budget replaces it."""

Option = tuple[AnyLadder, str]


def seconds_of_option(graph: ModelGraph) -> float:
    """Return the seconds that an option of this model counts as; the same on every machine."""
    return FIXED_SECONDS + graph.nbytes() / BYTES_PER_SECOND


def affordable(
    options: Sequence[Option], graph: ModelGraph, budget_seconds: float
) -> tuple[list[Option], list[str]]:
    """Return the options within the budget, and descriptions of the others.

    Every other level of the longest ladders goes first; the coarsest level of a ladder stays to
    the last.

    Parameters
    ----------
    options : sequence of (ladder, level)
        In order.
    graph : ModelGraph
    budget_seconds : float
        0: no limit but `MOST_OPTIONS`, or `MOST_OF_LARGE`.
    """
    most = MOST_OPTIONS
    if budget_seconds <= 0 and graph.nbytes() > LARGE_BYTES:
        most = MOST_OF_LARGE
    elif budget_seconds > 0:
        most = min(most, int(budget_seconds / seconds_of_option(graph)))
    kept: dict[str, list[Option]] = {}
    for ladder, level in options:
        kept.setdefault(ladder.key, []).append((ladder, level))
    cut: list[str] = []
    while sum(map(len, kept.values())) > most:
        key = max(kept, key=lambda each: (len(kept[each]), each))
        levels = kept[key]
        if len(levels) < 2:
            break
        ladder, level = levels.pop(-2)
        cut.append(f"{ladder.key}: {level}")
    keys = sorted(kept)
    while len(keys) > max(most, 0):
        ladder, level = kept.pop(keys.pop())[0]
        cut.append(f"{ladder.key}: {level}")
    chosen = {(ladder.key, level) for levels in kept.values() for ladder, level in levels}
    return [(one, level) for one, level in options if (one.key, level) in chosen], sorted(cut)
