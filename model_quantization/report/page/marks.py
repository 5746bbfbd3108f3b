"""Models as marks: what each kind of verdict looks like, and what a mark says and leads to."""

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
    QUIET,
    SMALL,
    WARN,
    WIDTH,
    Key,
    Labels,
)
from model_quantization.report.page.placing import Placed, place_labels
from model_quantization.report.table import human_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    """One model as a mark: its row on the page, its place, what it is called and says."""

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


def label_marks(
    axes: Axes, named: Sequence[tuple[Mark, str]], labels: Labels, marks: Sequence[Mark]
) -> None:
    """The names of some marks beside them, where they cover neither each other nor the edge."""
    to_pixels = axes.transData.transform
    box = axes.get_window_extent()
    scale = 72 / axes.figure.dpi
    points = [tuple(scale * value for value in to_pixels((m.x, m.y))) for m, _ in named]
    texts = [f"{mark.outcome.name} {note}".strip() for mark, note in named]
    crowd = [tuple(scale * value for value in to_pixels((m.x, m.y))) for m in marks[:300]]
    edges = (box.x0 * scale, box.y0 * scale, min(box.x1 * scale + 12, WIDTH), box.y1 * scale)
    placed: list[Placed | None] = place_labels(points, [len(t) for t in texts], edges, crowd)
    for (mark, _), text, at in zip(named, texts, placed, strict=True):
        if at is not None:
            token = labels.text(text, 28)
            axes.annotate(
                token, (mark.x, mark.y), (at.dx, at.dy), textcoords="offset points",
                ha=at.side, va="center", fontsize=SMALL, color=INK, zorder=4,
            )  # fmt: skip


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
    """What a mark says under the pointer."""
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
