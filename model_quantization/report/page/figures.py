"""The figures about models: their sizes, the change of their scores, and how fast they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isfinite

from model_quantization.outcome import Outcome, Status, verdict
from model_quantization.report.page.drawing import (
    BAD,
    GOOD,
    INK,
    MUTED,
    QUIET,
    SMALL,
    Key,
    Labels,
    Picture,
    add_axes,
    drawing,
    log_ticks,
    name_axes,
    new_figure,
    to_svg,
)
from model_quantization.report.page.marks import (
    GROUPS,
    SERVED,
    Line,
    Mark,
    label_marks,
    legend_of,
    says_of,
    scatter,
)
from model_quantization.report.summary import served_bytes, total_line
from model_quantization.report.table import human_bytes, times_smaller

TOP_MODELS = 22
OUTLIERS = 7
FEW_MODELS = 12  # up to here the figure of sizes is no taller than the others
FEW_PITCH, PITCH = 22.0, 29.0  # pixels from one model's line to the next
NAME_CHARACTERS = 19  # that fit left of the axes, in the widest fonts as well


def draw_sizes(outcomes: Sequence[Outcome], top: int = TOP_MODELS) -> Picture:
    """Each model's file before and after; beyond the `top` largest, their sum."""
    known = sorted(
        (item for item in outcomes if item.source_size_bytes > 0),
        key=lambda item: (-item.source_size_bytes, item.name),
    )
    title = "Size of each model, before and after"
    if not known:
        return Picture("sizes", title, "No file has a size yet.", "", "")
    shown, rest = known[:top], known[top:]
    rows = [(item.source_size_bytes, served_bytes(item)) for item in shown]
    labels = Labels()
    names = [labels.text(item.name, NAME_CHARACTERS) for item in shown]
    if rest:
        rows.append((sum(i.source_size_bytes for i in rest), sum(map(served_bytes, rest))))
        names.append(f"{len(rest):,} more, summed")
    with drawing("sizes"):
        pitch = FEW_PITCH if len(outcomes) <= FEW_MODELS else PITCH
        figure = new_figure(pitch * len(rows) + 34)
        axes = add_axes(figure, 142, 4, 46, 30)
        axes.set_xscale("log")
        sizes = [size for pair in rows for size in pair if size]
        axes.set_xlim(min(sizes) / 1.6, max(sizes) * 1.6)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks([])
        log_ticks("x", axes, _bytes_tick)
        across = axes.get_yaxis_transform()
        for index, ((before, after), name) in enumerate(zip(rows, names, strict=True)):
            summed = index == len(shown)
            stays = not summed and not shown[index].published
            group = SERVED if summed else GROUPS[shown[index].status]
            what = "the rest" if summed else shown[index].name
            says = f"{what}: {human_bytes(before)} → {human_bytes(after)}"
            if stays:
                says += f", the original stays ({verdict(shown[index])})"
            (line,) = axes.plot(
                [before, after], [index, index], color=group.colour, lw=3, alpha=0.4
            )
            line.set_gid(labels.hover(says))
            (ring,) = axes.plot([before], [index], "o", ms=6.5, mfc="none", mec=MUTED, mew=1.3)
            ring.set_gid(labels.hover(says))
            mark = group.marker if stays else "o"
            (dot,) = axes.plot([after], [index], mark, ms=6.5, color=group.colour, mew=0)
            dot.set_gid(labels.hover(says))
            colour = MUTED if summed else INK
            axes.text(-0.02, index, name, ha="right", va="center", color=colour, transform=across)
            said = group.word if stays else times_smaller(before, after)
            axes.text(
                1.02, index, said, ha="left", va="center", fontsize=SMALL, transform=across,
                color=MUTED if group.colour == QUIET else group.colour,
            )  # fmt: skip
        alt = f"Sizes of the {len(shown)} largest models. {total_line(outcomes)}"
        svg = to_svg(figure, "sizes", alt, labels)
    more = f" The other {len(rest):,} are summed in the last line." if rest else ""
    caption = "Largest first, on a logarithmic scale; at the right, how many times smaller."
    legend = (Key(MUTED, "○", "original"), Key(GOOD, "●", "served"))
    return Picture("sizes", title, caption + more, alt, svg, legend)


def draw_changes(outcomes: Sequence[Outcome]) -> Picture:
    """The size ratio of each artifact against the change of its score."""
    marks = [
        Mark(row, item.source_size_bytes / item.artifact_size_bytes, change, item, says_of(item))
        for row, item in enumerate(outcomes)
        if (change := item.score_change) is not None
        and isfinite(change)
        and item.source_size_bytes > 0
        and item.artifact_size_bytes > 0
    ]
    title = "Size ratio against score change"
    if not marks:
        return Picture("changes", title, "No model was scored on held-out rows.", "", "")
    allowed = _allowed_drop(outcomes)
    served = [mark.y for mark in marks if mark.outcome.published]
    # Published models set the scale; those far below it are drawn at the lower edge.
    reach = max([1e-4, 1.5 * (allowed or 0.0), *(1.15 * abs(value) for value in served)])
    low, high = -reach, max([reach * 0.6, *(1.15 * value for value in served)])
    with drawing("changes"):
        figure = new_figure(290)
        axes = add_axes(figure, 52, 26, 14, 34, grid="both")
        axes.set_xscale("log")
        ratios = [mark.x for mark in marks]
        axes.set_xlim(min(0.8, min(ratios) / 1.3), max(10.0, max(ratios) * 1.5))
        axes.set_ylim(low * 1.08, high)
        log_ticks("x", axes, _times_tick)
        name_axes(axes, "times smaller", "change of the score")
        left, right = axes.get_xlim()
        lines = [Line((left, 0.0), (right, 0.0))]
        axes.axhline(0, color=MUTED, lw=1)
        if allowed:
            axes.axhline(-allowed, color=BAD, lw=1, ls=(0, (4, 3)))
            drop = f"allowed drop {allowed:g}"
            lines.append(Line((left, -allowed), (right, -allowed), drop, BAD))
        labels = Labels()
        inside = [mark for mark in marks if low <= mark.y <= high]
        outside = [
            Mark(m.row, m.x, low if m.y < low else high, m.outcome, m.says)
            for m in marks
            if not low <= m.y <= high
        ]
        scatter(axes, inside, labels)
        scatter(axes, outside, labels, marker="v")
        far = [(mark, _short_change(mark.outcome)) for mark in _worst(outside)]
        plain = [m for m in inside if m.outcome.status is not Status.NO_GAIN]
        worst = _worst(plain)
        best = sorted(plain, key=lambda m: (-m.x, m.outcome.name))[:3]
        named = [*far, *((mark, "") for mark in _distinct([*worst, *best]))]
        label_marks(axes, named[:OUTLIERS], labels, [*outside, *inside], lines)
        lost = sum(mark.y < 0 for mark in marks)
        alt = f"{len(marks)} models: {lost} lost score, {len(outside)} off the scale."
        svg = to_svg(figure, "changes", alt, labels)
    caption = "Higher and further right is better."
    if outside:
        caption += f" ▼ {len(outside):,} beyond the scale, drawn at its edge."
    return Picture("changes", title, caption, alt, svg, legend_of(marks))


def draw_latencies(outcomes: Sequence[Outcome]) -> Picture:
    """One row's median latency, before against after."""
    marks = [
        Mark(row, before, after, item, says_of(item))
        for row, item in enumerate(outcomes)
        if (before := item.latency_us_before or 0.0) > 0
        and (after := item.latency_us_after or 0.0) > 0
        and isfinite(before)
        and isfinite(after)
    ]
    title = "Time for one row, before and after"
    if not marks:
        return Picture("latencies", title, "Latency was not measured in these runs.", "", "")
    with drawing("latencies"):
        figure = new_figure(290)
        axes = add_axes(figure, 52, 26, 14, 34, grid="both")
        axes.set_xscale("log")
        axes.set_yscale("log")
        times = [value for mark in marks for value in (mark.x, mark.y)]
        low, high = min(times) / 1.6, max(times) * 1.6
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        log_ticks("x", axes, _time_tick)
        log_ticks("y", axes, _time_tick)
        name_axes(axes, "original", "artifact")
        lines = [
            Line((low, low / factor), (high, high / factor), name)
            for factor, name in ((1, "as fast"), (10, "10x"), (100, "100x"))
        ]
        for line in lines:
            axes.plot(*zip(line.start, line.end, strict=True), color=MUTED, lw=1,
                      ls="-" if line is lines[0] else (0, (2, 3)))  # fmt: skip
        labels = Labels()
        scatter(axes, marks, labels)
        ratio = sorted(marks, key=lambda mark: (mark.x / mark.y, mark.outcome.name))
        slower = [mark for mark in ratio[:3] if mark.y > mark.x * 1.2]
        named = [(mark, "") for mark in _distinct([*slower, *reversed(ratio[-3:])])]
        label_marks(axes, named[:OUTLIERS], labels, marks, lines)
        faster = sum(mark.y < mark.x for mark in marks)
        alt = f"{faster} of {len(marks)} artifacts answer one row faster than their original."
        svg = to_svg(figure, "latencies", alt, labels)
    return Picture(
        "latencies", title, f"{alt} Below the line is faster.", alt, svg, legend_of(marks)
    )


def _worst(marks: Sequence[Mark]) -> list[Mark]:
    """The three that lost most."""
    return sorted(marks, key=lambda m: (m.outcome.score_change or 0.0, m.outcome.name))[:3]


def _distinct(marks: Sequence[Mark]) -> list[Mark]:
    """`marks` without repetitions, in their order."""
    return list({mark.row: mark for mark in marks}.values())


def _short_change(outcome: Outcome) -> str:
    change = outcome.score_change or 0.0
    return f"({change:+,.0f})" if abs(change) >= 100 else f"({change:+.3g})"


def _allowed_drop(outcomes: Sequence[Outcome]) -> float | None:
    """The limit most models were judged by, when there is one."""
    limits: Counter[float] = Counter()
    for outcome in outcomes:
        verdict_record = outcome.evaluation.get("verdict")
        checks = verdict_record.get("checks", ()) if isinstance(verdict_record, dict) else ()
        limits.update(
            float(check["limit"])
            for check in checks
            if check.get("name") == "loss" and isinstance(check.get("limit"), int | float)
        )
    return limits.most_common(1)[0][0] if limits else None


def _bytes_tick(value: float) -> str:
    return human_bytes(int(value)).replace(".0 ", " ")


def _times_tick(value: float) -> str:
    return f"{value:,g}x"


def _time_tick(value: float) -> str:
    """`value` microseconds with a unit."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if value >= size:
            return f"{value / size:,g} {unit}"
    return f"{value:g} µs"
