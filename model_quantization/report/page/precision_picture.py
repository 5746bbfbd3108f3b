"""How `auto` chose, as a picture: bytes against the bound on the loss, and each part's price.

The page and the command `profile` draw the same. The page follows its reader's colours, a file has
its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from model_quantization.evaluation.policy import GatePolicy
from model_quantization.names import printable
from model_quantization.report.page.drawing import (
    BAD,
    GOOD,
    MUTED,
    QUIET,
    RULE,
    SERIES,
    SMALL,
    WIDTH,
    Key,
    Labels,
    Picture,
    add_axes,
    drawing,
    log_ticks,
    name_axes,
    new_figure,
    shorten,
    to_svg,
)
from model_quantization.report.precision import chosen_plan, judged_plans, part_name
from model_quantization.report.table import human_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Figures = Mapping[str, Any]

MOST_PARTS: Final = 6  # more lines would hide each other
TITLE: Final = "Bytes against loss"
_LEAST = 1e-12  # a distortion of 0 has no place on a logarithmic axis
_HEIGHT_OF_CURVE, _HEIGHT_OF_PARTS = 230.0, 190.0
_BOUNDS = "bound on the loss; hollow: expected, full: judged, ring: published"
_LEFT, _NAME = 58.0, 15.0  # pixels: the margin of the axes, a line with the name of a part
_MARKS, _SIGN = "osD^vP", "■"


@dataclass(frozen=True, slots=True)
class _Colours:
    """Colours by their role."""

    muted: str
    rule: str
    good: str
    bad: str
    quiet: str
    series: tuple[str, ...]


_PAGE: Final = _Colours(MUTED, RULE, GOOD, BAD, QUIET, SERIES)
_FILE: Final = _Colours(
    "#5a5a5a",
    "#dddddd",
    "#2c7a4b",
    "#b3362b",
    "#8a8a8a",
    ("#33658a", "#b3701d", "#6d4c91", "#3a7d7c"),
)


def draw_precision(figures: Figures, key: str) -> Picture | None:
    """Return the picture of one model for the page; None where no plan has a bound or a part.

    Parameters
    ----------
    figures : mapping
        Of an outcome's evaluation, under `precision`.
    key : str
        The picture's name, one of its own on the page.
    """
    if not _bounds(figures) and not _parts(figures):
        return None
    labels = Labels()
    with drawing(key):
        figure, named = _drawn(figures, _PAGE, labels)
        alt = _in_words(figures)
        svg = to_svg(figure, key, alt, labels)
    legend = tuple(Key(colour, _SIGN, name) for colour, name in named)
    caption = (
        "Above, plans as wholes. Below, each part by itself: what its steps save, and how far they "
        "move the answers."
    )
    return Picture(key, TITLE, caption, alt, svg, legend)


def draw_curve(figures: Figures, path: Path) -> None:
    """Write the picture of one model into a file; the ending of the path says in which format.

    Expected plans are hollow, judged ones full, the published one has a ring. Lines show the
    allowed drop, and the budget where there is one.

    Parameters
    ----------
    figures : mapping
    path : Path
        `.svg`, `.png` or `.pdf`.
    """
    with drawing("precision"):
        figure, named = _drawn(figures, _FILE, Labels(), names_below=True)
        figure.patch.set(visible=True, facecolor="white")
        height = 72 * figure.get_figheight()
        for place, (colour, name) in enumerate(reversed(named)):
            text = f"{_SIGN} {shorten(printable(name), 60)}"
            at = (_LEFT / WIDTH, (_NAME * place + 6) / height)
            figure.text(*at, text, color=colour, fontsize=SMALL)
        figure.savefig(path, dpi=144, metadata={"Date": None} if path.suffix == ".svg" else None)


def _drawn(
    figures: Figures, colours: _Colours, labels: Labels, *, names_below: bool = False
) -> tuple[Figure, list[tuple[str, str]]]:
    """The figure, and the colour and name of each part in it."""
    has_bounds, parts = bool(_bounds(figures)), _parts(figures)
    upper = _HEIGHT_OF_CURVE if has_bounds else 0.0
    names = _NAME * len(parts) if names_below else 0.0
    lower = _HEIGHT_OF_PARTS + names if parts else 0.0
    figure = new_figure(upper + lower or _HEIGHT_OF_CURVE)
    if has_bounds:
        axes = add_axes(figure, _LEFT, 30, 24, 40 + lower, grid="y")
        _draw_bounds(axes, figures, colours)
        _recolour(axes, colours)
    named: list[tuple[str, str]] = []
    if parts:
        axes = add_axes(figure, _LEFT, 30 + upper, 24, 40 + names, grid="y")
        named = _draw_parts(axes, parts, colours, labels)
        _recolour(axes, colours)
    return figure, named


def _draw_bounds(axes: Axes, figures: Figures, colours: _Colours) -> None:
    points = _bounds(figures)
    for full, marks in points.items():
        axes.plot(
            *zip(*marks, strict=True), color=colours.good, marker="o", markersize=5,
            markerfacecolor=colours.good if full else "none", linestyle="-" if full else ":",
        )  # fmt: skip
    chosen = _published(figures)
    if chosen is not None:
        axes.plot(*chosen, marker="o", markersize=13, markerfacecolor="none", color=colours.bad)
    sizes = [size for marks in points.values() for size, _ in marks]
    axes.set_xscale("log")
    _size_ticks(axes, sizes)
    axes.locator_params(axis="y", nbins=5)
    # A plan beyond all hope would press the others onto the axis.
    drop = float(figures.get("allowed_drop", 0)) or GatePolicy().allowed_drop
    highest = max(bound for marks in points.values() for _, bound in marks)
    lowest = min(0.0, *(bound for marks in points.values() for _, bound in marks))
    axes.set_ylim(max(lowest, -drop) - drop / 10, max(min(highest, 4 * drop), drop) * 1.15)
    axes.axhline(drop, color=colours.bad, linewidth=1)
    axes.annotate(
        "allowed drop", (1.0, drop), (0, 3), xycoords=("axes fraction", "data"), ha="right",
        textcoords="offset points", color=colours.bad, fontsize=SMALL,
    )  # fmt: skip
    if figures.get("budget_bytes") is not None:
        budget = int(figures["budget_bytes"])
        sizes.append(budget)
        axes.axvline(budget, color=colours.quiet, linewidth=1)
        axes.annotate(
            "budget", (budget, 1.0), (4, -2), xycoords=("data", "axes fraction"), va="top",
            textcoords="offset points", color=colours.quiet, fontsize=SMALL,
        )  # fmt: skip
    axes.set_xlim(min(sizes) / 1.1, max(sizes) * 1.1)
    name_axes(axes, x="size", y=_BOUNDS)


def _draw_parts(
    axes: Axes, parts: Sequence[Mapping[str, Any]], colours: _Colours, labels: Labels
) -> list[tuple[str, str]]:
    named = []
    for part, colour, mark in zip(parts, cycle(colours.series), cycle(_MARKS), strict=False):
        points = sorted(
            (int(point["saved_bytes"]), max(float(point["distortion"]), _LEAST), point["level"])
            for point in part["points"]
        )
        axes.plot(
            [saved for saved, _, _ in points], [moved for _, moved, _ in points],
            color=colour, linewidth=1, alpha=0.6,
        )  # fmt: skip
        name = part_name(part)
        for saved, moved, level in points:
            (dot,) = axes.plot(saved, moved, color=colour, marker=mark, markersize=4)
            said = f"{name}, {level}: {human_bytes(saved)} saved, distortion {moved:.2g}"
            dot.set_gid(labels.hover(said))
        named.append((colour, name))
    axes.set_yscale("log")
    log_ticks("y", axes, lambda value: f"{value:.0e}".replace("e-0", "e-"), most=4)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _: human_bytes(int(value)))
    name_axes(axes, x="bytes saved", y="distortion")
    return named


def _recolour(axes: Axes, colours: _Colours) -> None:
    for spine in axes.spines.values():
        spine.set_color(colours.rule)
    axes.tick_params(which="both", labelcolor=colours.muted)
    axes.grid(True, axis="y", color=colours.rule)
    axes.xaxis.label.set_color(colours.muted)
    axes.set_title(
        axes.get_title(loc="left"), color=colours.muted, fontsize=SMALL, loc="left", pad=8
    )


def _size_ticks(axes: Axes, sizes: Sequence[int]) -> None:
    """Four sizes in even ratios: powers of ten would leave a narrow range without any."""
    from matplotlib.ticker import NullLocator

    low, high = min(sizes), max(sizes)
    ticks = [low * (high / low) ** (part / 3) for part in range(4)] if high > low else [low]
    axes.set_xticks(ticks, [human_bytes(int(tick)) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def _bounds(figures: Figures) -> dict[bool, list[tuple[int, float]]]:
    """Whether they were judged -> (bytes, bound) of the plans that have a bound; none is empty."""
    found = {}
    for full, plans in ((False, figures.get("curve", ())), (True, judged_plans(figures))):
        marks = [
            (int(plan["size_bytes"]), float(plan["loss_bound"]))
            for plan in plans
            if plan.get("loss_bound") is not None
        ]
        if marks:
            found[full] = marks
    return found


def _published(figures: Figures) -> tuple[int, float] | None:
    place = chosen_plan(figures)
    judged = figures["plans"][place]["judged"] if place is not None else {}
    bound = judged.get("loss_bound")
    return None if bound is None else (int(judged["size_bytes"]), float(bound))


def _parts(figures: Figures) -> list[Mapping[str, Any]]:
    """The parts that save most, each with the steps that save anything."""
    found: list[Mapping[str, Any]] = [
        {**part, "points": points}
        for part in figures.get("sensitivities", ())
        if (points := [point for point in part.get("points", ()) if point["saved_bytes"] > 0])
    ]
    return sorted(found, key=lambda part: -max(p["saved_bytes"] for p in part["points"]))[
        :MOST_PARTS
    ]


def _in_words(figures: Figures) -> str:
    judged = judged_plans(figures)
    chosen = _published(figures)
    kept = "none was published" if chosen is None else f"{human_bytes(chosen[0])} were published"
    return f"{len(figures.get('curve', ()))} plans expected, {len(judged)} judged; {kept}."
