"""The last releases: bytes served, and how many models had which kind of verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model_quantization.outcome import Status
from model_quantization.report.history import HistoryRow
from model_quantization.report.page.drawing import (
    BAD,
    GOOD,
    MUTED,
    QUIET,
    SMALL,
    WARN,
    Key,
    Labels,
    Picture,
    add_axes,
    drawing,
    name_axes,
    new_figure,
    to_svg,
)
from model_quantization.report.table import human_bytes

LAST_RELEASES = 30
DAYS_NAMED = 4  # more labels would overlap
_KINDS = (
    ("published", GOOD, {Status.PUBLISHED}),
    ("no gain", QUIET, {Status.NO_GAIN}),
    ("unverified", WARN, {Status.UNVERIFIED}),
    ("fallback, refused, failed", BAD, {Status.FALLBACK, Status.REFUSED, Status.FAILED}),
)


@dataclass(frozen=True, slots=True)
class _Night:
    """One release in sums."""

    release: int
    created: str
    before: int
    served: int
    counts: tuple[int, ...]


def draw_trend(history: Sequence[HistoryRow], last: int = LAST_RELEASES) -> Picture:
    """Served bytes and verdicts over the `last` releases."""
    nights = _nights(history)[-last:]
    title = "The last releases"
    if len(nights) < 2:
        return Picture("trend", title, "The trend is drawn from the second release on.", "", "")
    labels = Labels()
    with drawing("trend"):
        figure = new_figure(300)
        upper = add_axes(figure, 56, 24, 66, 168, grid="y")
        lower = add_axes(figure, 56, 160, 66, 46, grid="y")
        places = range(len(nights))
        for axes in (upper, lower):
            axes.set_xlim(-0.6, len(nights) - 0.4)
            axes.set_xticks([])
            axes.locator_params(axis="y", nbins=4, integer=True)
        most = max(night.before for night in nights) or 1
        upper.set_ylim(0, most * 1.08)
        upper.yaxis.set_major_formatter(lambda value, _: human_bytes(int(value)))
        name_axes(upper, y="bytes of all models")
        for word, colour, sizes in (
            ("original", MUTED, [night.before for night in nights]),
            ("served", GOOD, [night.served for night in nights]),
        ):
            upper.plot(
                places, sizes, color=colour, lw=2, marker="o", ms=4 if len(nights) < 12 else 0
            )
            upper.annotate(
                word, (places[-1], sizes[-1]), (8, 0), textcoords="offset points", va="center",
                color=colour, fontsize=SMALL, annotation_clip=False,
            )  # fmt: skip
        name_axes(lower, y="models")
        bottom = [0] * len(nights)
        for index, (word, colour, _) in enumerate(_KINDS):
            counts = [night.counts[index] for night in nights]
            bars = lower.bar(places, counts, bottom=bottom, width=0.7, color=colour, linewidth=0)
            for bar, night, count in zip(bars, nights, counts, strict=True):
                bar.set_gid(labels.hover(f"release {night.release}: {count:,} {word}"))
            bottom = [low + count for low, count in zip(bottom, counts, strict=True)]
        step = -(-len(nights) // DAYS_NAMED)
        ticks = list(places)[::-1][::step][::-1]
        lower.set_xticks(ticks, [labels.text(_day(nights[i]), 12) for i in ticks])
        name_axes(lower, x="release and day")
        alt = (
            f"{len(nights)} releases: served bytes from {human_bytes(nights[0].served)} to "
            f"{human_bytes(nights[-1].served)}; models from {sum(nights[0].counts):,} to "
            f"{sum(nights[-1].counts):,}."
        )
        svg = to_svg(figure, "trend", alt, labels)
    legend = tuple(
        Key(colour, "■", word)
        for index, (word, colour, _) in enumerate(_KINDS)
        if any(night.counts[index] for night in nights)
    )
    return Picture(
        "trend", title, "One place per release, the last at the right. ", alt, svg, legend
    )


def _nights(history: Sequence[HistoryRow]) -> list[_Night]:
    rows: dict[int, list[HistoryRow]] = {}
    for row in history:
        rows.setdefault(row.release, []).append(row)
    return [
        _Night(
            release=number,
            created=own[0].created,
            before=sum(row.size_before_bytes for row in own),
            served=sum(row.served_bytes for row in own),
            counts=tuple(sum(row.status in kind for row in own) for _, _, kind in _KINDS),
        )
        for number, own in sorted(rows.items())
    ]


def _day(night: _Night) -> str:
    """`7 · 11-24`."""
    return f"{night.release} · {night.created[5:10]}"
