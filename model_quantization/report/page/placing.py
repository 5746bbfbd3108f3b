"""Places for the names of marks and lines: beside them, without covering each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LETTER, LINE = 5.8, 12.0  # pixels of a letter and of a line at the size of labels
_MARK_WEIGHT, _MOST_MARKS = 4, 1  # against a point of a line; marks that a label may cover
Box = tuple[float, float, float, float]
Point = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A label's place, as an offset from its mark in pixels, and the side its text begins at."""

    dx: float
    dy: float
    side: Literal["left", "center", "right"]


_CANDIDATES = (
    Placed(8, 0, "left"),
    Placed(-8, 0, "right"),
    Placed(0, 12, "center"),
    Placed(0, -12, "center"),
    Placed(9, 10, "left"),
    Placed(9, -10, "left"),
    Placed(-9, 10, "right"),
    Placed(-9, -10, "right"),
)


def place_labels(
    points: Sequence[Point],
    lengths: Sequence[int],
    edges: tuple[float, float, float, float],
    crowd: Sequence[Point],
    *,
    lines: Sequence[Point] = (),
    taken: Sequence[Box] = (),
) -> list[Placed | None]:
    """Return a place for each label, the first ones served first; None where there is no room.

    Parameters
    ----------
    points : sequence of (x, y)
        The marks to be labelled, in pixels.
    lengths : sequence of int
        Letters of each label.
    edges : (left, bottom, right, top)
        No label leaves them.
    crowd : sequence of (x, y)
        All marks. A label covers none where that is possible, and one at most.
    lines : sequence of (x, y)
        Points of lines, which a label covers only where it must.
    taken : sequence of (left, bottom, right, top)
        Other texts, which no label covers.
    """
    filled = list(taken)
    places: list[Placed | None] = []
    for point, length in zip(points, lengths, strict=True):
        width = LETTER * length
        best: tuple[int, Placed, Box] | None = None
        for candidate in _CANDIDATES:
            box = _box(point, width, candidate)
            if not _within(box, edges) or any(_overlap(box, other) for other in filled):
                continue
            marks = covered(box, crowd)
            cost = _MARK_WEIGHT * marks + covered(box, lines)
            if marks <= _MOST_MARKS and (best is None or cost < best[0]):
                best = (cost, candidate, box)
        if best is None:
            places.append(None)
        else:
            filled.append(best[2])
            places.append(best[1])
    return places


def covered(box: Box, points: Sequence[Point]) -> int:
    """Return how many of the points lie inside the box."""
    return sum(box[0] < x < box[2] and box[1] < y < box[3] for x, y in points)


def _box(point: Point, width: float, at: Placed) -> Box:
    x, y = point[0] + at.dx, point[1] + at.dy
    left = {"left": x, "center": x - width / 2, "right": x - width}[at.side]
    return (left, y - LINE / 2, left + width, y + LINE / 2)


def _within(box: Box, edges: Box) -> bool:
    return box[0] >= edges[0] and box[1] >= edges[1] and box[2] <= edges[2] and box[3] <= edges[3]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
