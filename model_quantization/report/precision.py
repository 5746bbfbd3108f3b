"""The choice of `bit_depth: auto`: the curve of bytes against loss, and sensitivities of parts.

The figures are those of an outcome's evaluation under `precision`
(`pipeline.record.PrecisionReport`): they are read from a record, which may be of an earlier
version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from model_quantization.report.table import human_bytes

Figures = Mapping[str, Any]

CURVE_HEAD: Final = (
    "precision",
    "bytes",
    "distortion",
    "bound to expect",
    "bound judged",
    "verdict",
)
PARTS_HEAD: Final = ("part", "step", "bytes saved", "distortion")
_BAR = 24
_LEVELS = 2  # of the levels in which plans differ so many are named


def curve_rows(figures: Figures, chosen_word: str = "published") -> list[tuple[str, ...]]:
    """Return one line per plan that was fixed for the gate, from the safest to the smallest.

    Parameters
    ----------
    figures : mapping
    chosen_word : str
        What became of the plan that was chosen.
    """
    rows: list[tuple[str, ...]] = []
    chosen = chosen_plan(figures)
    names, sizes = _names(figures), _sizes(figures)
    for number, plan in enumerate(_plans(figures)):
        judged = plan.get("judged")
        word = "not reached"
        if isinstance(judged, dict):
            reason = str(judged.get("reason")).replace("_", " ")
            word = "passed" if judged.get("published") else f"stopped: {reason}"
        if number == chosen:
            word = chosen_word
        rows.append(
            (
                names[number],
                sizes[number][1],
                _figure(plan.get("distortion", {}).get("value")),
                _figure(plan.get("loss_bound")),
                _figure(judged.get("loss_bound")) if isinstance(judged, dict) else "-",
                word,
            )
        )
    return rows


def _names(figures: Figures) -> list[str]:
    """The precision of each plan; where several have the same, with the levels that differ."""
    plans = _plans(figures)
    words = [precision_word(str(plan.get("precision", ""))) for plan in plans]
    named = []
    for word, plan in zip(words, plans, strict=True):
        alike = [
            other.get("levels", {}) for other, its in zip(plans, words, strict=True) if its == word
        ]
        differing = [
            str(level)
            for part, level in plan.get("levels", {}).items()
            if any(other.get(part) != level for other in alike)
        ]
        more = ", ..." if len(differing) > _LEVELS else ""
        named.append(f"{word} ({', '.join(differing[:_LEVELS])}{more})" if differing else word)
    return named


def _sizes(figures: Figures) -> list[tuple[int, str]]:
    """The bytes of each plan's artifact as `quantize` would write it, and in words.

    A plan that was judged was written with its evaluation; of the others that part is estimated.
    """
    plans = _plans(figures)
    written = [(plan, plan["judged"]) for plan in plans if isinstance(plan.get("judged"), dict)]
    sealed = max(
        (int(j["size_bytes"]) - int(p.get("size_bytes", 0)) for p, j in written), default=0
    )
    found = []
    for plan in plans:
        judged = plan.get("judged")
        if isinstance(judged, dict):
            size = int(judged["size_bytes"])
            found.append((size, human_bytes(size)))
        else:
            size = int(plan.get("size_bytes", 0)) + max(sealed, 0)
            found.append((size, f"about {human_bytes(size)}"))
    return found


def chosen_plan(figures: Figures) -> int | None:
    """Return the place of the plan that was published; None where none was."""
    passed = [
        number
        for number, plan in enumerate(_plans(figures))
        if isinstance(plan.get("judged"), dict) and plan["judged"].get("published")
    ]
    return passed[-1] if passed else None


def sensitivity_rows(figures: Figures) -> list[tuple[str, ...]]:
    """Return one line per step of each part, measured alone."""
    rows: list[tuple[str, ...]] = []
    for part in figures.get("sensitivities", ()):
        name = part_name(part)
        for point in part.get("points", ()):
            saved = int(point.get("saved_bytes", 0))
            shown = human_bytes(saved) if saved >= 0 else f"-{human_bytes(-saved)}"
            rows.append((name, str(point.get("level")), shown, _figure(point.get("distortion"))))
    return rows


def precision_word(precision: str) -> str:
    """Return the precision in words.

    Examples
    --------
    >>> precision_word("3-7"), precision_word("8"), precision_word("exact")
    ('3-7 bits', '8 bits', 'exact')
    """
    return f"{precision} bits" if precision[:1].isdigit() else precision


def profile_lines(figures: Figures) -> Iterator[str]:
    """Yield the profile as text: rows, plans with a bar each, and the sensitivity of each part."""
    division = figures.get("division")
    if isinstance(division, dict):
        yield (
            f"rows: {division['gate']:,} judge, {division['selection']:,} choose, "
            f"{division['calibration']:,} calibrate ({division['source']})"
        )
    yield f"options measured: {figures.get('options', 0)}, on {figures.get('rows', 0):,} rows"
    for cut in figures.get("cut", ()):
        yield f"not measured, for the time budget: {cut}"
    budget = figures.get("budget_bytes")
    if budget is not None:
        yield f"budget: {human_bytes(budget)}"
    yield f"allowed drop: {figures.get('allowed_drop')}"
    yield ""
    yield from _table(CURVE_HEAD, curve_rows(figures, "smallest that passes"))
    yield ""
    yield from _bars(figures)
    yield ""
    yield from _table(PARTS_HEAD, sensitivity_rows(figures))
    for refit in figures.get("refits", ()):
        yield f"solved again: {refit}"


def _plans(figures: Figures) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = figures.get("plans", ())
    return found


def _figure(value: object) -> str:
    return f"{value:.2g}" if isinstance(value, int | float) else "-"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _bars(figures: Figures) -> Iterator[str]:
    """The bytes of each plan against those of the artifact that rounds nothing."""
    whole = max(int(figures.get("exact_bytes", 0)), 1)
    names = _names(figures)
    width = max([12, *map(len, names)])
    yield f"{'exact':>{width}} {'#' * _BAR} {human_bytes(whole)}"
    for name, (size, shown) in zip(names, _sizes(figures), strict=True):
        bar = "#" * max(1, round(_BAR * min(size / whole, 1.0)))
        yield f"{name:>{width}} {bar} {shown}"


def judged_plans(figures: Figures) -> list[Mapping[str, Any]]:
    """Return what the gate found of each plan that it judged."""
    return [plan["judged"] for plan in _plans(figures) if isinstance(plan.get("judged"), dict)]


def part_name(part: Mapping[str, Any]) -> str:
    """Return the name of a part: its component, and what of it."""
    return "/".join(filter(None, (str(part.get("component", "")), str(part.get("part", "")))))
