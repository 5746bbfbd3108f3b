"""Models as marks: the look of each kind of verdict, the hover text and the link."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_quantization.outcome import Outcome, Status, verdict
from model_quantization.report.page.drawing import (
    BAD,
    GOOD,
    INK,
    MUTED,
    QUIET,
    SMALL,
    WARN,
    WIDTH,
    Key,
    Labels,
    shorten,
)
from model_quantization.report.page.placing import LETTER, LINE, Box, Point, covered, place_labels
from model_quantization.report.table import human_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_IN_CROWD = 300


@dataclass(frozen=True, slots=True)
class Group:
    """How the models of one kind of verdict are marked."""

    word: str
    colour: str
    marker: str


SERVED = Group("published", GOOD, "o")
GROUPS = {
    Status.PUBLISHED: SERVED,
    Status.UNVERIFIED: Group("unverified", WARN, "D"),
    Status.NO_GAIN: Group("no gain", QUIET, "s"),
    Status.FALLBACK: Group("fallback", BAD, "X"),
    Status.REFUSED: Group("refused", BAD, "P"),
    Status.FAILED: Group("failed", BAD, "P"),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One model as a mark: its row on the page, its place, and its hover text."""

    row: int
    x: float
    y: float
    outcome: Outcome
    says: str


def scatter(axes: Axes, marks: Sequence[Mark], labels: Labels, marker: str = "") -> None:
    """The marks, the common ones first, so that a failure is never hidden below them."""
    crowd = max(14.0, min(34.0, 6000.0 / max(len(marks), 1)))
    for status, group in GROUPS.items():
        own = [mark for mark in marks if mark.outcome.status is status]
        if not own:
            continue
        points = axes.scatter(
            [mark.x for mark in own],
            [mark.y for mark in own],
            s=max(crowd, 30.0) if group.colour == BAD else crowd,
            c=group.colour,
            marker=marker or group.marker,
            linewidths=0,
            alpha=0.75,
            clip_on=False,
            zorder=3,
        )
        points.set_urls([labels.link(mark.row, mark.says) for mark in own])


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a figure, from one place to another, and its name."""

    start: tuple[float, float]
    end: tuple[float, float]
    name: str = ""
    colour: str = MUTED


def label_lines(axes: Axes, lines: Sequence[Line], marks: Sequence[Mark]) -> list[Box]:
    """Draw the name of each line below it, where it covers the fewest marks; return the boxes."""
    crowd = _in_pixels(axes, [(mark.x, mark.y) for mark in marks[:MOST_IN_CROWD]])
    taken: list[Box] = []
    for line in lines:
        if not line.name:
            continue
        ends = [(x, y - LINE / 2 - 4) for x, y in _points_of(axes, line)]
        width = LETTER * len(line.name)
        boxes = [(x - width, y - LINE / 2, x, y + LINE / 2) for x, y in reversed(ends)]
        edges = _edges(axes)
        free = [box for box in boxes if box[0] >= edges[0] and box[1] >= edges[1]]
        if not free:
            continue
        best = min(free, key=lambda box: covered(_around(box), [*crowd, *_corners(taken)]))
        taken.append(best)
        axes.annotate(
            line.name, (best[2], (best[1] + best[3]) / 2), xycoords="figure points",
            ha="right", va="center", fontsize=SMALL, color=line.colour,
        )  # fmt: skip
    return taken


def label_marks(
    axes: Axes,
    named: Sequence[tuple[Mark, str]],
    labels: Labels,
    marks: Sequence[Mark],
    lines: Sequence[Line] = (),
) -> None:
    """Draw the names of lines, and those of some marks where they cover nothing else."""
    taken = label_lines(axes, lines, marks)
    texts = [shorten(f"{mark.outcome.name} {note}".strip(), 28) for mark, note in named]
    placed = place_labels(
        _in_pixels(axes, [(mark.x, mark.y) for mark, _ in named]),
        [len(text) for text in texts],
        _edges(axes),
        _in_pixels(axes, [(mark.x, mark.y) for mark in marks[:MOST_IN_CROWD]]),
        lines=[point for line in lines for point in _points_of(axes, line)],
        taken=taken,
    )
    for (mark, _), text, at in zip(named, texts, placed, strict=True):
        if at is not None:
            axes.annotate(
                labels.text(text, 28), (mark.x, mark.y), (at.dx, at.dy),
                textcoords="offset points", ha=at.side, va="center", fontsize=SMALL, color=INK,
                zorder=4,
            )  # fmt: skip


def _in_pixels(axes: Axes, places: Sequence[tuple[float, float]]) -> list[Point]:
    scale = 72 / axes.figure.dpi
    return [tuple(scale * value for value in axes.transData.transform(at)) for at in places]


def _points_of(axes: Axes, line: Line) -> list[Point]:
    """Points of the line inside the axes, every few pixels."""
    (x0, y0), (x1, y1) = _in_pixels(axes, [line.start, line.end])
    left, bottom, right, top = _edges(axes)
    steps = int(max(abs(x1 - x0), abs(y1 - y0)) / 8) + 1
    shares = [step / steps for step in range(steps + 1)]
    points = [(x0 + share * (x1 - x0), y0 + share * (y1 - y0)) for share in shares]
    return [(x, y) for x, y in points if left <= x <= right and bottom <= y <= top]


def _around(box: Box) -> Box:
    """The box with room for half a mark on every side."""
    return (box[0] - 5, box[1] - 5, box[2] + 5, box[3] + 5)


def _corners(boxes: Sequence[Box]) -> list[Point]:
    return [
        (x, y) for left, bottom, right, top in boxes for x in (left, right) for y in (bottom, top)
    ]


def _edges(axes: Axes) -> Box:
    """The edges of the axes in pixels; texts may reach a little beyond the right one."""
    box, scale = axes.get_window_extent(), 72 / axes.figure.dpi
    return (box.x0 * scale, box.y0 * scale, min(box.x1 * scale + 12, WIDTH), box.y1 * scale)


def legend_of(marks: Sequence[Mark]) -> tuple[Key, ...]:
    """A line for each kind of verdict that is among `marks`, with its count."""
    signs = {"o": "●", "D": "◆", "s": "■", "X": "✖", "P": "✚"}
    counts = Counter(mark.outcome.status for mark in marks)
    return tuple(
        Key(group.colour, signs[group.marker], f"{counts[status]:,} {group.word}")
        for status, group in GROUPS.items()
        if counts[status]
    )


def says_of(outcome: Outcome) -> str:
    """The hover text of a mark."""
    before, after = outcome.latency_us_before, outcome.latency_us_after
    parts = [
        f"{outcome.name}: {verdict(outcome)}",
        f"{human_bytes(outcome.source_size_bytes)} → {human_bytes(outcome.artifact_size_bytes)}",
    ]
    if outcome.score_change is not None:
        parts.append(f"score {outcome.score_change:+.4g}")
    if before and after:
        parts.append(f"{before:,.4g} → {after:,.4g} µs")
    return ", ".join(parts)
