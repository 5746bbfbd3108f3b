"""Allocates bytes: convex hulls of rate and distortion, and one sweep over all of them.

Each ladder is measured by itself. Steps on the lower convex hull of (bytes, distortion) are
the only ones that a Lagrangian allocation ever takes. All steps of all hulls, ordered by the
distortion that each saved byte costs, give one sequence of nested plans: every plan makes one part
coarser than the plan before it. It is optimal where distortions add up (Shoham and Gersho, IEEE
Trans. ASSP 36, 1988); where they do not, the plans are still nested, and are measured as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from model_quantization.records import Record

_HARDLY: Final = 0.2  # of a hull's step: how far above it a point may lie


@dataclass(frozen=True, slots=True)
class Point(Record):
    """One step of one ladder, as it was measured.

    Attributes
    ----------
    level : str
    saved_bytes : int
        How much smaller the artifact is with this step alone.
    distortion : float
        Distortion of the model's answers with this step alone (`evaluation.distortion`).
    """

    level: str
    saved_bytes: int
    distortion: float


@dataclass(frozen=True, slots=True)
class Step(Record):
    """One move of the sweep: a ladder goes to a level.

    Attributes
    ----------
    ladder, level : str
    saved_bytes : int
        More than the ladder's step before.
    distortion : float
        More than the ladder's step before.
    """

    ladder: str
    level: str
    saved_bytes: int
    distortion: float


def hull(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points of the lower convex hull, from exact on: bytes saved and distortion grow.

    Parameters
    ----------
    points : sequence of Point
        In any order. Exact, which saves nothing and costs nothing, is understood.

    Examples
    --------
    >>> points = [Point("16", 50, 0.1), Point("8", 75, 0.1), Point("4", 87, 2.0)]
    >>> [point.level for point in hull(points)]
    ['8', '4']
    """
    kept: list[Point] = [Point("", 0, 0.0)]
    usable = [point for point in points if point.saved_bytes > 0]
    for point in sorted(usable, key=lambda p: (p.saved_bytes, -p.distortion)):
        while len(kept) > 1 and point.distortion <= kept[-1].distortion:
            kept.pop()
        if point.saved_bytes == kept[-1].saved_bytes:
            continue
        while len(kept) > 1 and _slope(kept[-2], kept[-1]) >= _slope(kept[-1], point):
            kept.pop()
        kept.append(point)
    return tuple(kept[1:])


def sweep(measured: Mapping[str, Sequence[Point]]) -> tuple[Step, ...]:
    """Return the steps of all hulls, the cheapest distortion per byte first.

    A long step of a hull is taken in several where the ladder has points between that lie hardly
    above the hull: as good as it but for the noise of measuring, and nearer to what will pass.

    Parameters
    ----------
    measured : mapping of str to sequence of Point
        Ladder -> its steps.
    """
    steps: list[tuple[float, str, int, Step]] = []
    for ladder, points in measured.items():
        before = Point("", 0, 0.0)
        number = 0
        for point in hull(points):
            slope = _slope(before, point)
            for level in (*_between(before, point, points), point):
                saved = level.saved_bytes - before.saved_bytes
                cost = max(level.distortion - before.distortion, 0.0)
                steps.append((slope, ladder, number, Step(ladder, level.level, saved, cost)))
                before, number = level, number + 1
    return tuple(step for _, _, _, step in sorted(steps, key=lambda item: item[:3]))


def _between(first: Point, last: Point, points: Sequence[Point]) -> list[Point]:
    """The points between two of the hull that lie hardly above it, in both directions ascending."""
    slope, rise = _slope(first, last), last.distortion - first.distortion
    found: list[Point] = []
    before = first
    for point in sorted(points, key=lambda p: (p.saved_bytes, p.distortion)):
        on_hull = first.distortion + slope * (point.saved_bytes - first.saved_bytes)
        if (
            before.saved_bytes < point.saved_bytes < last.saved_bytes
            and before.distortion <= point.distortion <= last.distortion
            and point.distortion <= on_hull + _HARDLY * rise
        ):
            found.append(point)
            before = point
    return found


def nested(
    steps: Sequence[Step], base: Mapping[str, str] | None = None, exact: str = "exact"
) -> tuple[dict[str, str], ...]:
    """Return the base, and the assignment after each step: ladder -> level.

    Parameters
    ----------
    steps : sequence of Step
    base : mapping of str to str, optional
        The assignment before the first step; default: everything is exact.
    exact : str
        The level at which a ladder is not named.
    """
    levels = dict(base or {})
    found = [levels]
    for step in steps:
        levels = {key: level for key, level in levels.items() if key != step.ladder}
        if step.level != exact:
            levels[step.ladder] = step.level
        found.append(levels)
    return tuple(found)


def thinned(sizes: Sequence[float], most: int) -> tuple[int, ...]:
    """Return at most so many positions, the first and the last among them, in even ratios of size.

    Parameters
    ----------
    sizes : sequence of float
        Descending, above zero.
    most : int
        At least 2.

    Examples
    --------
    >>> thinned([100, 99, 50, 49, 25], 3)
    (0, 2, 4)
    """
    kept = list(range(len(sizes)))
    while len(kept) > most:
        # The place that is missed least: its neighbours are the nearest to each other.
        gaps = [sizes[kept[at - 1]] / sizes[kept[at + 1]] for at in range(1, len(kept) - 1)]
        del kept[1 + gaps.index(min(gaps))]
    return tuple(kept)


def _slope(first: Point, second: Point) -> float:
    return (second.distortion - first.distortion) / (second.saved_bytes - first.saved_bytes)
