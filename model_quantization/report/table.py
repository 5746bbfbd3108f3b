"""The table as text: its columns, its rows and their order, and its width.

Sizes are decimal: 1 KB is 1,000 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from model_quantization.numerals import as_known, fixed, plural
from model_quantization.outcome import Guarantee, Outcome, Status, verdict

COLUMNS = (
    "model",
    "family",
    "bits",
    "before",
    "after",
    "smaller",
    "score",
    "change",
    "verdict",
    "1 row (us)",
    "note",
)
NUMERIC = frozenset({"bits", "before", "after", "smaller", "score", "change", "1 row (us)"})
# Least important first. The note of an unpublished model is repeated in full below the table.
DROPPED_FIRST = ("note", "family", "bits", "before", "1 row (us)", "after", "score")
GAP = 2  # spaces between two columns
EDGES = 2  # one space on either side of the table
FEW_ROWS = 50  # too few rows for almost any proof
_ABOUT_ROWS = "held-out"
_NOTE_WIDTH = 16  # characters; a shorter piece of a note is useless
_NAME_WIDTH = 8
_STATUS_ORDER = (
    Status.FAILED,
    Status.REFUSED,
    Status.FALLBACK,
    Status.UNVERIFIED,
    Status.PUBLISHED,
    Status.NO_GAIN,
)
_GUARANTEE_ORDER = tuple(reversed(Guarantee))  # weakest first


def order_outcomes(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return outcomes in order, the worst first: failures, refusals, fallbacks, losses."""
    return sorted(
        outcomes,
        key=lambda outcome: (
            _STATUS_ORDER.index(outcome.status),
            outcome.published,
            _GUARANTEE_ORDER.index(outcome.guarantee),
            outcome.score_change or 0.0,
            outcome.name,
        ),
    )


def table_rows(outcomes: Iterable[Outcome]) -> list[dict[str, str]]:
    """Return one dict of `COLUMNS` per model, as text, the worst first."""
    return [dict(zip(COLUMNS, _cells(item), strict=True)) for item in order_outcomes(outcomes)]


def fitting_columns(widths: Mapping[str, int], available: int) -> dict[str, int]:
    """Return the columns that fit into a line, with their widths.

    Columns are dropped in the order of `DROPPED_FIRST`; model, smaller, change and verdict stay.
    The note is cut to the rest of the line first. The model's name is cut last.

    Parameters
    ----------
    widths : mapping of str to int
        Column -> characters that its longest cell needs.
    available : int
        Characters of a line.
    """
    kept = dict(widths)

    def excess() -> int:
        return sum(kept.values()) + GAP * (len(kept) - 1) - available

    if excess() > 0 and kept["note"] - excess() >= _NOTE_WIDTH:
        kept["note"] -= excess()
    for name in DROPPED_FIRST:
        if excess() <= 0:
            break
        del kept[name]
    kept["model"] -= min(max(excess(), 0), max(kept["model"] - _NAME_WIDTH, 0))
    return kept


def _cells(outcome: Outcome) -> tuple[str, ...]:
    before, after = outcome.source_size_bytes, outcome.artifact_size_bytes
    return (
        outcome.name,
        outcome.family or "-",
        outcome.bit_depth or "-",
        human_bytes(before) if before else "-",
        human_bytes(after) if after else "-",
        times_smaller(before, after),
        score_text(outcome.score_before, outcome.score_after, outcome.metric),
        change_text(outcome.score_change),
        verdict(outcome),
        _arrow(
            *(
                _microseconds(value)
                for value in (outcome.latency_us_before, outcome.latency_us_after)
            )
        ),
        _note(outcome),
    )


def _note(outcome: Outcome) -> str:
    notes = [one_line(outcome.note)] if outcome.note else []
    if outcome.published and outcome.status is Status.UNVERIFIED and not notes:
        notes.append("published without proof: no held-out data")
    notes += odd_rows(outcome)
    if outcome.unchanged:
        notes.insert(0, "unchanged")
    return "; ".join(notes)


def odd_rows(outcome: Outcome) -> list[str]:
    """Return remarks on the rows that a model was judged on, one clause each.

    They stay in the table as long as the rows do, since a verdict depends on its rows.
    """
    figures = outcome.evaluation
    found = [one_line(str(note)) for note in figures.get("notes", ()) if _ABOUT_ROWS in str(note)]
    rows = figures.get("rows")
    if isinstance(rows, int) and 0 < rows < FEW_ROWS:
        found.append(f"only {plural(rows, 'held-out row')}")
    repeated = figures.get("repeated_rows")
    if isinstance(rows, int) and isinstance(repeated, int) and repeated > rows:
        found.append(f"{repeated:,} of {rows + repeated:,} held-out rows are copies of others")
    return found


def human_bytes(size_bytes: int) -> str:
    """Return `size_bytes` with a unit and at most three digits before the point: `41.2 MB`."""
    if size_bytes < 1_000:
        return f"{size_bytes} B"
    size = float(size_bytes)
    for unit in ("KB", "MB", "GB"):
        size /= 1_000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1_000:,.1f} TB"


def times_smaller(before: int, after: int) -> str:
    """Return the ratio as `26x`, or `-` when `after` is not noticeably smaller."""
    ratio = before / after if after else 0.0
    if ratio < 1.05:
        return "-"
    return f"{ratio:,.0f}x" if ratio >= 9.95 else f"{ratio:.1f}x"


def score_text(before: float | None, after: float | None, metric: str = "") -> str:
    """Return the scores of original and artifact, with enough digits to tell them apart."""
    if before is None:
        return "-"
    before = as_known(metric, before)
    after = None if after is None else as_known(metric, after)
    if after is None:
        return _number(before, 3)
    # Enough digits to show that the scores differ, up to five.
    digits = next(
        (d for d in (3, 4, 5) if before == after or _number(before, d) != _number(after, d)), 3
    )
    return _arrow(_number(before, digits), _number(after, digits))


def _number(value: float, digits: int) -> str:
    return fixed(value, digits) if abs(value) < 1_000 else f"{value:,.{digits - 3}f}"


def change_text(change: float | None) -> str:
    """Return a signed change of a score, or `-` for a model without scores."""
    if change is None:
        return "-"
    if change == 0:
        return "0"
    if abs(change) < 0.00005:
        return f"{change:+.0e}"
    if abs(change) >= 1_000:
        return f"{change:+,.0f}"
    return f"{change:+.4f}".rstrip("0").rstrip(".")


def _microseconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _arrow(before: str, after: str) -> str:
    return f"{before} -> {after}" if before and after else before or after or "-"


def one_line(text: str) -> str:
    """Return `text` without line breaks."""
    return " ".join(text.split())
