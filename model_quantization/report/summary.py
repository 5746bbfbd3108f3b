"""The report: the table where people look, and a sentence for what they have to do.

A terminal gets `print_table`; files get `summary_csv` (raw numbers, units in the column names) and
`summary_markdown`; an orchestrator gets `table_rows` of table.py (plain dicts).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from model_quantization.outcome import Outcome, Status, verdict
from model_quantization.report.table import (
    COLUMNS,
    NUMERIC,
    human_bytes,
    one_line,
    order_outcomes,
    table_rows,
    times_smaller,
)

if TYPE_CHECKING:
    from rich.console import Console

CSV_COLUMNS = (
    "model",
    "family",
    "bits",
    "size_before_bytes",
    "size_after_bytes",
    "size_ratio",
    "metric",
    "score_before",
    "score_after",
    "score_change",
    "verdict",
    "published",
    "reason",
    "latency_before_us",
    "latency_after_us",
    "source_sha256",
    "artifact_sha256",
    "seconds",
    "unchanged",
    "note",
)
_DO = {
    Status.FAILED: "something broke; the log of this run says what, and the next run tries again.",
    Status.REFUSED: "the file was not opened; the original is not served from this release either.",
    Status.FALLBACK: "the gate was not passed and the original stays; try 16 bits or exact.",
    Status.UNVERIFIED: "no held-out data, so not published; add a file of its name to the "
    "held-out directory, or set gate.publish_unverified.",
    Status.NO_GAIN: "the artifact is not smaller, so the original stays; nothing to do.",
}
_STYLES = {
    "failed": "bold red",
    "refused": "bold red",
    "fallback": "yellow",
    "unverified": "yellow",
    "inconclusive": "yellow",
    "no_gain": "dim",
    "non_inferior": "cyan",
    "label_exact": "green",
    "exact": "bold green",
}


def advice(outcomes: Iterable[Outcome]) -> list[str]:
    """One sentence for each model that was not published: why, and what to do."""
    return [
        f"{item.name} ({verdict(item)}): {(one_line(item.note) or _DO[item.status]).rstrip('.')}."
        for item in order_outcomes(outcomes)
        if not item.published and item.status in _DO
    ]


def describe(outcome: Outcome) -> str:
    """One model in one line, for a log."""
    cells = table_rows([outcome])[0]
    note = f": {cells['note']}" if cells["note"] else ""
    return (
        f"{outcome.name} {cells['verdict']}, {cells['before']} -> {cells['after']}, "
        f"score {cells['score']}{note}"
    )


def served_bytes(outcome: Outcome) -> int:
    """Bytes of the file that is served: the artifact's when published, else the original's."""
    return outcome.artifact_size_bytes if outcome.published else outcome.source_size_bytes


def overall_reduction_percent(outcomes: Sequence[Outcome]) -> float:
    """Percent saved over all models, counting an original that stays at its full size."""
    before = sum(outcome.source_size_bytes for outcome in outcomes)
    after = sum(served_bytes(outcome) for outcome in outcomes)
    return 100.0 * (1.0 - after / before) if before else 0.0


def count_statuses(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many models have each status; every status is a key."""
    counted = Counter(outcome.status for outcome in outcomes)
    return {str(status): counted[status] for status in Status}


def total_line(outcomes: Sequence[Outcome]) -> str:
    """The whole run in one sentence."""
    if not outcomes:
        return "No models."
    before = sum(outcome.source_size_bytes for outcome in outcomes)
    after = sum(served_bytes(outcome) for outcome in outcomes)
    counts = ", ".join(
        f"{count} {name}" for name, count in count_statuses(outcomes).items() if count
    )
    models = "1 model" if len(outcomes) == 1 else f"{len(outcomes)} models"
    smaller = times_smaller(before, after)
    return (
        f"{models}: {counts}. Served: {human_bytes(before)} -> {human_bytes(after)}"
        f"{'' if smaller == '-' else f' ({smaller} smaller)'}."
    )


def summary_csv(outcomes: Iterable[Outcome]) -> str:
    """`summary.csv`: raw numbers, one line a model, empty where there is no figure."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for item in order_outcomes(outcomes):
        before, after = item.source_size_bytes, item.artifact_size_bytes
        writer.writerow(
            (
                item.name,
                item.family,
                item.bit_depth,
                before,
                after or None,
                round(before / after, 4) if after else None,
                item.metric,
                item.score_before,
                item.score_after,
                item.score_change,
                verdict(item),
                str(item.published).lower(),
                item.reason,
                item.latency_us_before,
                item.latency_us_after,
                item.source_sha256,
                item.artifact_sha256,
                round(item.seconds, 3),
                str(item.unchanged).lower(),
                one_line(item.note),
            )
        )
    return stream.getvalue()


def summary_markdown(outcomes: Iterable[Outcome], *, title: str = "Quantized models") -> str:
    """`summary.md`: the table, its columns aligned in the source as well, and the advice."""
    ordered = order_outcomes(outcomes)
    lines = [f"# {title}", "", total_line(ordered)]
    if ordered:
        table = [list(COLUMNS)]
        table += [[_escape(cell) for cell in row.values()] for row in table_rows(ordered)]
        widths = [max(len(row[index]) for row in table) for index in range(len(COLUMNS))]
        table.insert(
            1,
            [
                "-" * (width - 1) + ":" if name in NUMERIC else "-" * width
                for name, width in zip(COLUMNS, widths, strict=True)
            ],
        )
        lines += ["", *(_markdown_line(row, widths) for row in table)]
    if sentences := advice(ordered):
        lines += ["", "## Not published", "", *(f"- {_escape(line)}" for line in sentences)]
    return "\n".join(lines) + "\n"


def _markdown_line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if name in NUMERIC else cell.ljust(width)
        for cell, width, name in zip(row, widths, COLUMNS, strict=True)
    )
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    """`text` as Markdown shows it: nothing in a model's name or note becomes markup."""
    for char in "\\|`*_<>[":
        text = text.replace(char, f"\\{char}")
    return text


def print_table(outcomes: Iterable[Outcome], console: Console | None = None) -> None:
    """The table on a terminal (or wherever `console` writes), the advice and the total under it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    ordered = order_outcomes(outcomes)
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)  # a file or a pipe has no edge to fold at
    rows = table_rows(ordered)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    left = console.width
    for name in COLUMNS[:-1]:
        width = min(max([len(name), *(len(row[name]) for row in rows)]), 40)
        left -= width + 2
        justify: Literal["left", "right"] = "right" if name in NUMERIC else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", min_width=width)
    # One line a model: a note that is too long is cut here and given in full below the table.
    table.add_column("note", no_wrap=True, overflow="ellipsis", max_width=max(left, 4))
    for row in rows:
        style = _STYLES.get(row["verdict"], "")
        table.add_row(
            *(Text(cell, style=style if name == "verdict" else "") for name, cell in row.items())
        )
    if ordered:
        console.print(table)
    for sentence in advice(ordered):
        console.print(Text(sentence), soft_wrap=True)
    console.print(Text(total_line(ordered), style="bold"), soft_wrap=True)


def summarise(outcomes: Sequence[Outcome], output_dir: Path | None = None) -> dict[str, Any]:
    """The run as plain values: `{"models": {name: {...}}, "summary": {...}}`.

    A model's `file_size_reduction_percent` is its artifact's, served or not. The summary's
    `overall_size_reduction_percent` is of what is served: an original that stays counts in full.
    """
    return {
        "models": {outcome.name: _model_record(outcome, output_dir) for outcome in outcomes},
        "summary": {
            "total_models": len(outcomes),
            "published_models": sum(outcome.published for outcome in outcomes),
            "counts": count_statuses(outcomes),
            "original_size_bytes": sum(outcome.source_size_bytes for outcome in outcomes),
            "served_size_bytes": sum(served_bytes(outcome) for outcome in outcomes),
            "overall_size_reduction_percent": overall_reduction_percent(outcomes),
        },
    }


def _model_record(outcome: Outcome, output_dir: Path | None) -> Mapping[str, Any]:
    published = output_dir is not None and outcome.published
    return {
        "input_path": outcome.source,
        "output_path": str(Path(output_dir or "") / f"{outcome.name}.qma") if published else None,
        "model_type": outcome.model_type,
        "family": outcome.family,
        "bit_depth": outcome.bit_depth,
        "weight_threshold": outcome.weight_threshold,
        "original_size_bytes": outcome.source_size_bytes,
        "quantized_size_bytes": outcome.artifact_size_bytes,
        "file_size_reduction_percent": outcome.size_reduction_percent,
        "guarantee": str(outcome.guarantee),
        "status": str(outcome.status),
        "reason": outcome.reason,
        "note": outcome.note,
        "metric": outcome.metric,
        "score_before": outcome.score_before,
        "score_after": outcome.score_after,
        "components": outcome.components,
        "unchanged": outcome.unchanged,
    }
