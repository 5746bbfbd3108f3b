"""One model on the page: its row with sort keys, and the evidence below it.

Everything here is text; the template escapes all of it. Lists and texts are cut to a length at
which a thousand models still make a page: `stats/<name>.json` has them in full.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from model_quantization.names import printable
from model_quantization.numerals import plural
from model_quantization.outcome import Outcome, Status, verdict
from model_quantization.report.page.drawing import Picture, shorten
from model_quantization.report.page.next_step import NextStep, is_hostile, next_step
from model_quantization.report.page.precision_picture import draw_precision
from model_quantization.report.precision import (
    CURVE_HEAD,
    PARTS_HEAD,
    curve_rows,
    sensitivity_rows,
)
from model_quantization.report.run_facts import duration
from model_quantization.report.table import COLUMNS, human_bytes, one_line

MAX_COMPONENTS, MAX_COMPONENTS_OF_MANY, MANY = 12, 4, 300  # of one model; on a long page
MAX_NOTES = 6
MAX_STEPS = 60
MAX_TEXT = 600
MAX_HOSTILE_TEXT = 20_000  # the names, and the warning, are shown in full
_BITS = {"exact": 64.0, "auto": 65.0}
_CHECKS = {
    "loss": ("loss of the score", "at most"),
    "loss_bound": ("loss, upper bound", "at most"),  # in records of former versions
    "score": ("loss of the metric asked for", "at most"),
    "agreement": ("labels other than the original's", "at most"),
    "class_recall": ("loss of a class's recall", "at most"),
    "ranking": ("loss of ranking", "at most"),
    "proper_score": ("rise of the Brier score", "at most"),
    "ruined_rows": ("share of rows ruined", "at most"),
    "probability_shift": ("mean shift of probabilities", "at most"),
    "score_error": ("relative error of scores", "at most"),
    "rank_correlation": ("rank correlation of scores", "at least"),
    "transform_error": ("relative error of outputs", "at most"),
    "rows": ("held-out rows", "at least"),
    "size_reduction": ("size saved", "at least"),
}
_MARKS = {
    "held": "✓",
    "too_few": "○ too few rows to tell:",
    "open": "✗ not proven:",
    "lost": "✗ missed:",
}
_TONES = {
    Status.FAILED: "bad",
    Status.REFUSED: "bad",
    Status.FALLBACK: "bad",
    Status.UNVERIFIED: "warn",
    Status.NO_GAIN: "quiet",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table: its text, and the number or text that it sorts by ("" for none)."""

    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table of evidence; `good` marks each line as passed or not, where that applies."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    good: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model as the template needs it.

    Attributes
    ----------
    row : int
        Its place, worst news first.
    name, verdict, tone, note : str
        `tone` is good, warn, bad or quiet.
    cells : tuple of Cell
        Those of the table's columns, without the note.
    step : NextStep
    facts : tuple of (str, str)
    grids : tuple of Grid
    notes : tuple of str
    pictures : tuple of Picture
        How its precision was chosen.
    in_full : bool
        Whether the note is never cut short.
    folded : bool
        Whether the model may be one of many that are shown as one line.
    """

    row: int
    name: str
    verdict: str
    tone: str
    note: str
    cells: tuple[Cell, ...]
    step: NextStep
    facts: tuple[tuple[str, str], ...]
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()
    in_full: bool = False
    folded: bool = False


def view_model(
    row: int,
    outcome: Outcome,
    cells: Mapping[str, str],
    max_components: int = MAX_COMPONENTS,
    *,
    draws: bool = True,
) -> ModelView:
    """The view of the model at `row`, whose texts in the table are `cells` (`table_rows`)."""
    figures = outcome.evaluation
    grids = (
        _checks(figures),
        _latency(figures),
        _agreement(figures),
        *_precision(figures),
        _components(outcome, max_components),
    )
    step, hostile = next_step(outcome), is_hostile(outcome)
    precision = figures.get("precision")
    picture = None
    if draws and isinstance(precision, dict):
        picture = draw_precision(precision, f"precision-{row}")
    note = cells["note"] or "evidence"
    return ModelView(
        row=row,
        name=printable(outcome.name),
        verdict=verdict(outcome),
        tone=tone(outcome),
        note=_cut(note.replace(" -> ", " → "), MAX_HOSTILE_TEXT if hostile else MAX_TEXT),
        in_full=hostile,
        folded=outcome.status is Status.NO_GAIN and not outcome.published,
        cells=tuple(_cell(name, cells[name], row, outcome) for name in COLUMNS if name != "note"),
        step=NextStep(printable(step.text), step.configuration),
        facts=tuple((name, _cut(text)) for name, text in _facts(outcome)),
        grids=tuple(grid for grid in grids if grid is not None),
        notes=tuple(_notes(outcome)),
        pictures=(picture,) if picture else (),
    )


def tone(outcome: Outcome) -> str:
    """How a verdict is coloured: good, warn, bad or quiet."""
    if outcome.status is Status.PUBLISHED:
        return "warn" if verdict(outcome) == "inconclusive" else "good"
    return _TONES[outcome.status]


def _cell(name: str, text: str, row: int, outcome: Outcome) -> Cell:
    before, after = outcome.source_size_bytes, outcome.artifact_size_bytes
    key: float | str | None
    match name:
        case "bits":
            most = text.rpartition("-")[2]  # of `3-7` the seven
            key = float(most) if most.isdecimal() else _BITS.get(text)
        case "before":
            key = before or None
        case "after":
            key = after or None
        case "smaller":
            key = before / after if after else None
        case "score":
            key = outcome.score_before if outcome.score_after is None else outcome.score_after
        case "change":
            key = outcome.score_change
        case "verdict":
            key = row
        case "1 row (us)":
            fallback = outcome.latency_us_before
            key = fallback if outcome.latency_us_after is None else outcome.latency_us_after
        case _:
            key = ""
    if isinstance(key, int | float):
        key = f"{key:.6g}" if isfinite(key) else None
    return Cell(printable(text).replace(" -> ", " → "), key or "")


def _facts(outcome: Outcome) -> Iterator[tuple[str, str]]:
    figures = outcome.evaluation
    yield "model", outcome.model_type or "unknown"
    if figures.get("rows"):
        rows = f"{plural(figures['rows'], 'held-out row')}, {figures.get('task', '')}"
        yield "evaluated on", rows
        yield "score", f"{outcome.metric}; {figures.get('method', '')}"
        changed = _counted(figures.get("labels_changed"), "prediction")
        if isinstance(figures.get("flip_bound"), float):
            changed += f"; on new rows at most {100 * figures['flip_bound']:.2f} % of them"
        yield "changed", changed
    worst = figures.get("worst_class")
    if isinstance(worst, dict):
        yield (
            "worst class",
            f"{worst.get('label')}: recall {_number(worst.get('recall_before'))} → "
            f"{_number(worst.get('recall_after'))} on {_counted(worst.get('rows'), 'row')}",
        )
    if outcome.weight_threshold:
        yield "weights below", f"{outcome.weight_threshold:g} are zero"
    if outcome.reason:
        yield "reason code", outcome.reason
    error = figures.get("error")
    parts = error.get("fields") if isinstance(error, dict) else None
    for name in ("where", "what", "expected", "got", "do"):
        if isinstance(parts, dict) and parts.get(name):
            yield name, str(parts[name])
    yield "file", outcome.source
    for name, digest in (
        ("original", outcome.source_sha256),
        ("artifact", outcome.artifact_sha256),
    ):
        if digest:
            yield f"sha256 of {name}", f"{digest[:16]}…"
    yield "time taken", f"{duration(outcome.seconds)}{', in an earlier run' * outcome.unchanged}"


def _checks(figures: Mapping[str, Any]) -> Grid | None:
    record = figures.get("verdict")
    checks = record.get("checks") if isinstance(record, dict) else None
    if not checks:
        return None
    rows = [_check(check) for check in checks]
    good = tuple(bool(check["passed"]) for check in checks)
    return Grid("Gate", ("check", "seen", "bound or value", "limit"), tuple(rows), good)


def _check(check: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """One line: what was found, on the rows themselves and at most, and the limit."""
    word, side = _CHECKS.get(check["name"], (_cut(str(check["name"])), "limit"))
    figure = _percent if check["name"] == "size_reduction" else _number
    seen, value, limit = (
        figure(number) for number in (check.get("observed"), check["value"], check["limit"])
    )
    # Records of former versions have no finding.
    finding = check.get("finding") or ("held" if check["passed"] else "lost")
    mark = _MARKS.get(str(finding), "✗")
    if not _is_known(check["limit"]):  # a limit that was not set
        return f"- {word}", seen, value, "no limit"
    where = f" ({_cut(str(check['where']), 80)})" if check.get("where") else ""
    return f"{mark} {word}{where}", seen, value, f"{side} {limit}"


def _latency(figures: Mapping[str, Any]) -> Grid | None:
    before, after = figures.get("latency_before"), figures.get("latency_after")
    if not isinstance(before, dict) and not isinstance(after, dict):
        return None
    rows = []
    for word, key in (
        ("1 row, median", "one_row_p50_us"),
        ("1 row, 99 of 100", "one_row_p99_us"),
        ("1 row, spread", "one_row_spread_us"),
        ("batch, per row", "batch_p50_us"),
        ("batch, spread", "batch_spread_us"),
    ):
        values = [
            _number(side.get(key)) if isinstance(side, dict) else "-" for side in (before, after)
        ]
        rows.append((word, *values))
    return Grid("Latency (µs of processor time)", ("", "before", "after"), tuple(rows))


def _agreement(figures: Mapping[str, Any]) -> Grid | None:
    methods = figures.get("agreement")
    if not methods:
        return None
    rows = tuple(
        (
            _cut(str(item.get("method"))),
            "same bits" if item.get("identical") else _counted(item.get("rows_changed"), "row"),
            _number(item.get("largest_difference")),
        )
        for item in methods[:MAX_NOTES]
    )
    return Grid("Answers", ("method", "changed", "largest difference"), rows)


def _precision(figures: Mapping[str, Any]) -> Iterator[Grid]:
    """The plans of `auto`, and what each part is sensitive to."""
    found = figures.get("precision")
    if not isinstance(found, dict):
        return
    plans = tuple(curve_rows(found))
    if plans:
        yield Grid("Bytes against loss", CURVE_HEAD, plans)
    parts = sensitivity_rows(found)[:MAX_STEPS]
    if parts:
        rows = tuple(tuple(_cut(cell, 60) for cell in row) for row in parts)
        yield Grid("Sensitivity of parts, each alone", PARTS_HEAD, rows)


def _components(outcome: Outcome, most: int) -> Grid | None:
    if not outcome.components:
        return None
    order = sorted(outcome.components, key=lambda item: -_size(item, "bytes_after"))
    rows: list[tuple[str, ...]] = [
        (
            _cut(str(item.get("path") or "(whole)"), 60),
            _cut(str(item.get("type", "")).rpartition(":")[2], 40),
            _cut(str(item.get("scheme", "")), 40),
            human_bytes(_size(item, "bytes_before")),
            human_bytes(_size(item, "bytes_after")),
            _cut(str(item.get("reason", "")), 90),
        )
        for item in order[:most]
    ]
    if rest := order[most:]:
        sums = (
            human_bytes(sum(_size(item, key) for item in rest))
            for key in ("bytes_before", "bytes_after")
        )
        rows.append((f"{len(rest)} more", "", "", *sums, ""))
    head = ("component", "type", "scheme", "before", "after", "why")
    return Grid("Where its bytes are", head, tuple(rows))


def _notes(outcome: Outcome) -> Iterator[str]:
    notes: Sequence[Any] = [*outcome.notes, *outcome.evaluation.get("notes", ())]
    for note in notes[:MAX_NOTES]:
        yield _cut(str(note))
    if len(notes) > MAX_NOTES:
        yield f"{len(notes) - MAX_NOTES} more in its statistics"


def _size(component: Mapping[str, Any], key: str) -> int:
    value = component.get(key)
    return value if isinstance(value, int) and value > 0 else 0


def _is_known(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value) and abs(value) < sys.float_info.max


def _counted(value: object, word: str) -> str:
    return plural(value, word) if isinstance(value, int) else f"{_number(value)} {word}s"


def _percent(value: object) -> str:
    if isinstance(value, int | float) and _is_known(value):
        return f"{100 * value:.1f} %"
    return _number(value)


def _number(value: object) -> str:
    if not isinstance(value, int | float) or not _is_known(value):
        return "-" if value is None else "unknown"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value + 0.0:.4g}"  # no minus before a zero


def _cut(text: str, limit: int = MAX_TEXT) -> str:
    return shorten(printable(one_line(text)), limit)
