"""The bytes of all models' components, by family and type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from model_quantization.outcome import Outcome
from model_quantization.report.page.drawing import (
    INK,
    MUTED,
    SERIES,
    SMALL,
    Labels,
    Picture,
    add_axes,
    drawing,
    new_figure,
    to_svg,
)
from model_quantization.report.table import human_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOP_FAMILIES = 8
_Types = Mapping[str, tuple[int, int]]


def draw_bytes(outcomes: Sequence[Outcome], top: int = TOP_FAMILIES) -> Picture:
    """Bytes of all components before and after, one bar per family, stacked by type."""
    title = "Where the bytes are, by family"
    families = _by_family(outcomes)
    if not families:
        return Picture("bytes", title, "These runs have no figures of components.", "", "")
    order = sorted(families, key=lambda name: (-_total(families[name], 0), name))
    shown = [(name, families[name]) for name in order[:top]]
    if rest := order[top:]:
        merged: dict[str, tuple[int, int]] = {}
        for family in rest:
            before, after = _total(families[family], 0), _total(families[family], 1)
            merged[family] = (before, after)
        shown.append((f"{len(rest)} more", merged))
    labels = Labels()
    with drawing("bytes"):
        figure = new_figure(36.0 * len(shown) + 40)
        columns = (
            add_axes(figure, 112, 24, 186, 8, grid=""),
            add_axes(figure, 282, 24, 16, 8, grid=""),
        )
        for side, axes in enumerate(columns):
            most = max(_total(types, side) for _, types in shown)
            axes.set_xlim(0, max(most, 1) * 1.42)  # room for the sizes beside the bars
            axes.set_ylim(len(shown) - 0.5, -0.5)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines["bottom"].set_visible(False)
            whole = sum(_total(types, side) for _, types in shown)
            axes.set_title(
                f"{('before', 'after')[side]}: {human_bytes(whole)}",
                color=MUTED,
                fontsize=SMALL,
                loc="left",
                pad=6,
            )
            for row, (family, types) in enumerate(shown):
                _stack(axes, row, family, types, side, labels)
        across = columns[0].get_yaxis_transform()
        for row, (family, types) in enumerate(shown):
            largest = max((size, name) for name, (_, size) in types.items())[1]
            columns[0].text(
                -0.05, row - 0.17, labels.text(family, 16),
                ha="right", va="center", color=INK, transform=across,
            )  # fmt: skip
            columns[0].text(
                -0.05, row + 0.2, labels.text(largest, 19),
                ha="right", va="center", color=MUTED, fontsize=8.5, transform=across,
            )  # fmt: skip
        first = shown[0][0]
        alt = (
            f"{len(families)} families of components; most bytes were in {first}: "
            f"{human_bytes(_total(shown[0][1], 0))}, now {human_bytes(_total(shown[0][1], 1))}."
        )
        svg = to_svg(figure, "bytes", alt, labels)
    caption = (
        "Bytes in memory before, and in artifacts after. Each side has its own scale. Each shade "
        "is a type of component; the largest type now is named."
    )
    return Picture("bytes", title, caption, alt, svg)


def _stack(axes: Axes, row: int, family: str, types: _Types, side: int, labels: Labels) -> None:
    """One bar: the three largest types, in the same shades on both sides, then the rest."""
    order = sorted(types, key=lambda name: (-max(types[name]), name))
    parts = [(name, types[name][side]) for name in order[:3]]
    if rest := order[3:]:
        parts.append(("other types", sum(types[name][side] for name in rest)))
    total = _total(types, side)
    left = 0
    for (name, size), colour in zip(parts, SERIES, strict=False):
        if size:
            (bar,) = axes.barh(row, size, left=left, height=0.56, color=colour, linewidth=0)
            share = f"{100 * size / total:.0f} %"
            bar.set_gid(labels.hover(f"{family}, {name}: {human_bytes(size)} ({share})"))
            left += size
    axes.annotate(
        human_bytes(total), (total, row), (5, 0), textcoords="offset points",
        va="center", color=INK, fontsize=SMALL,
    )  # fmt: skip


def _by_family(outcomes: Sequence[Outcome]) -> dict[str, dict[str, tuple[int, int]]]:
    """Family -> type name -> (bytes before, bytes after)."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for outcome in outcomes:
        for component in outcome.components:
            name = str(component.get("type", "")).rpartition(":")[2].rpartition(".")[2] or "?"
            sizes = found[str(component.get("family") or "other")][name]
            for index, key in enumerate(("bytes_before", "bytes_after")):
                value = component.get(key)
                sizes[index] += value if isinstance(value, int) and value > 0 else 0
    return {
        family: {name: (sizes[0], sizes[1]) for name, sizes in types.items()}
        for family, types in found.items()
        if any(sum(sizes) for sizes in types.values())
    }


def _total(types: _Types, side: int) -> int:
    return sum(sizes[side] for sizes in types.values())
