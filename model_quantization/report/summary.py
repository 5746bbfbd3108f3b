"""The summary of a run: the table, the total, and one sentence of advice per unpublished model.

A terminal gets `print_table`; files get `summary_csv` (raw numbers, units in the column names) and
`summary_markdown`; programs get `summarise`, or `table_rows` of table.py.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from model_quantization.loading.pickles.migrations.steps import parse_release
from model_quantization.numerals import plural
from model_quantization.outcome import Outcome, Status, verdict
from model_quantization.report.table import (
    COLUMNS,
    EDGES,
    GAP,
    NUMERIC,
    fitting_columns,
    human_bytes,
    one_line,
    order_outcomes,
    table_rows,
    times_smaller,
)
from model_quantization.saving_version import saving_versions

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
MANY_NO_GAIN, NO_GAIN_NAMES = 10, 3  # more of them become one line, which names a few
_DO = {
    Status.FAILED: "an error stopped it; see the log of this run. The next run tries again.",
    Status.REFUSED: "the file was not opened; the original is not served from this release either.",
    Status.FALLBACK: "the gate was not passed and the original stays; try 16 bits or exact.",
    Status.UNVERIFIED: "no held-out data, so not published; add a file of its name "
    "(`<model>.parquet`, .csv, .csv.gz or .npz) to the held-out directory, or set "
    "gate.publish_unverified.",
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
    """Return one sentence per model that was not published: the reason, and the next step.

    Many models that gain nothing have the same reason and no next step: one sentence for all.
    """
    kept = [item for item in order_outcomes(outcomes) if _has_advice(item)]
    idle, others = fold_no_gain(kept)
    sentences = [
        f"{item.name} ({verdict(item)}): {(one_line(item.note) or _DO[item.status]).rstrip('.')}."
        for item in others
    ]
    return [*sentences, *([no_gain_line(idle)] if idle else [])]


def _has_advice(outcome: Outcome) -> bool:
    return not outcome.published and outcome.status in _DO


def fold_no_gain(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Return (models to be shown as one line, the others): many that gain nothing are one line."""
    idle = [item for item in outcomes if item.status is Status.NO_GAIN]
    if len(idle) <= MANY_NO_GAIN:
        return [], list(outcomes)
    return idle, [item for item in outcomes if item.status is not Status.NO_GAIN]


def no_gain_line(idle: Sequence[Outcome]) -> str:
    """Return one sentence about models that gain nothing."""
    names = ", ".join(item.name for item in idle[:NO_GAIN_NAMES])
    return (
        f"{plural(len(idle), 'model')} (no_gain): {names} and "
        f"{len(idle) - NO_GAIN_NAMES:,} more; their artifacts are not smaller, so the originals "
        "stay; nothing to do."
    )


def describe(outcome: Outcome) -> str:
    """Return one line about one model, for a log."""
    cells = table_rows([outcome])[0]
    note = f": {cells['note']}" if cells["note"] else ""
    return (
        f"{outcome.name} {cells['verdict']}, {cells['before']} -> {cells['after']}, "
        f"score {cells['score']}{note}"
    )


def served_bytes(outcome: Outcome) -> int:
    """Return the size in bytes of the served file: the published artifact, or the original."""
    return outcome.artifact_size_bytes if outcome.published else outcome.source_size_bytes


def overall_reduction_percent(outcomes: Sequence[Outcome]) -> float:
    """Return the percentage saved over all models; an original that stays counts in full."""
    before = sum(outcome.source_size_bytes for outcome in outcomes)
    after = sum(served_bytes(outcome) for outcome in outcomes)
    return 100.0 * (1.0 - after / before) if before else 0.0


def count_statuses(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Return the number of models per status; every status is a key."""
    counted = Counter(outcome.status for outcome in outcomes)
    return {str(status): counted[status] for status in Status}


def total_line(outcomes: Sequence[Outcome]) -> str:
    """Return one sentence about the whole run."""
    if not outcomes:
        return "No models."
    before = sum(outcome.source_size_bytes for outcome in outcomes)
    after = sum(served_bytes(outcome) for outcome in outcomes)
    # Published are all served artifacts, proven or not; others are counted by status.
    counted = Counter(str(item.status) for item in outcomes if not item.published)
    published = sum(item.published for item in outcomes)
    unproven = sum(item.published and item.status is not Status.PUBLISHED for item in outcomes)
    parts = []
    if published:
        parts.append(f"{published:,} published{f' ({unproven:,} unverified)' * (unproven > 0)}")
    parts += [f"{counted[status]:,} {status}" for status in Status if counted[status]]
    unchanged = sum(item.unchanged for item in outcomes)
    if unchanged:
        parts.append(f"{unchanged:,} of them unchanged since an earlier run")
    smaller = times_smaller(before, after)
    return (
        f"{plural(len(outcomes), 'model')}: {', '.join(parts)}. "
        f"Served: {human_bytes(before)} -> {human_bytes(after)}"
        f"{'' if smaller == '-' else f' ({smaller} smaller)'}."
    )


def summary_csv(outcomes: Iterable[Outcome]) -> str:
    """Return `summary.csv`: raw numbers, one line per model, empty where there is no figure."""
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
    """Return `summary.md`: the table, with columns aligned in the source too, and the advice."""
    ordered = order_outcomes(outcomes)
    lines = [f"# {title}", "", total_line(ordered)]
    if ordered:
        table = [list(COLUMNS)]
        table += [[escape_markdown(cell) for cell in row.values()] for row in table_rows(ordered)]
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
        lines += ["", "## Not published", "", *(f"- {escape_markdown(line)}" for line in sentences)]
    return "\n".join(lines) + "\n"


def _markdown_line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if name in NUMERIC else cell.ljust(width)
        for cell, width, name in zip(row, widths, COLUMNS, strict=True)
    )
    return f"| {' | '.join(cells)} |"


def escape_markdown(text: str) -> str:
    """Return `text` for Markdown: nothing in a model's name or note becomes markup."""
    for char in "\\|`*_<>[":
        text = text.replace(char, f"\\{char}")
    return text


def print_table(outcomes: Iterable[Outcome], console: Console | None = None) -> None:
    """Print the table, and below it the advice and the total.

    A terminal that is too narrow shows fewer columns, see `fitting_columns`, and no line is
    folded. A file or a pipe gets every column in full. Without a terminal, or with ``NO_COLOR``
    set, the output is plain text without control characters.

    Parameters
    ----------
    outcomes : iterable of Outcome
    console : rich.console.Console, optional
        Where to print; stdout by default.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    ordered = order_outcomes(outcomes)
    if console is None:
        # NO_COLOR alone would keep bold and dim text.
        console = Console(color_system=None if os.environ.get("NO_COLOR") else "auto")
    idle, shown = fold_no_gain(ordered)
    rows = table_rows(shown)
    for item, row in zip(shown, rows, strict=True):
        if item.note and _has_advice(item):  # the sentence below the table says it in full
            row["note"] = "unchanged; see below" if item.unchanged else "see below"
    widths = {name: max([len(name), *(len(row[name]) for row in rows)]) for name in COLUMNS}
    if console.is_terminal:
        widths = fitting_columns(widths, console.width - EDGES)
    else:
        console.width = max(console.width, sum(widths.values()) + GAP * len(widths) + EDGES)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for name, width in widths.items():
        justify: Literal["left", "right"] = "right" if name in NUMERIC else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", width=width)
    for row in rows:
        style = _STYLES.get(row["verdict"], "")
        table.add_row(
            *(Text(row[name], style=style if name == "verdict" else "") for name in widths)
        )
    if shown:
        console.print(table)
    if idle and shown:
        console.print(Text(f"and {plural(len(idle), 'model')} with no_gain; summary.csv has them"))
    for sentence in advice(ordered):
        console.print(Text(sentence), soft_wrap=True)
    console.print(Text(total_line(ordered), style="bold"), soft_wrap=True)
    if older := older_line(ordered):
        console.print(Text(older), soft_wrap=True)


def older_line(outcomes: Iterable[Outcome]) -> str:
    """Return how many models older versions of scikit-learn saved; empty for none.

    Examples
    --------
    `12 models saved by scikit-learn 1.1.3 to 1.4.2 answer as they did there.`
    """
    found = [saving_versions(outcome.notes) for outcome in outcomes]
    older = [versions for versions in found if versions]
    if not older:
        return ""
    known = sorted(set().union(*older), key=parse_release)
    span = known[0] if len(known) == 1 else f"{known[0]} to {known[-1]}"
    many = "1 model saved" if len(older) == 1 else f"{len(older):,} models saved"
    answer = "answers as it" if len(older) == 1 else "answer as they"
    return f"{many} by scikit-learn {span} {answer} did there."


def summarise(outcomes: Sequence[Outcome], output_dir: Path | None = None) -> dict[str, Any]:
    """Return the run as plain values: `{"models": {name: {...}}, "summary": {...}}`.

    A model's `file_size_reduction_percent` is that of its artifact, published or not. The summary's
    `overall_size_reduction_percent` is that of the served files: an original that stays counts in
    full.
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
            "total": total_line(outcomes),
            "saved_by_older_versions": older_line(outcomes),
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
        "notes": list(outcome.notes),
        "verdict": verdict(outcome),
        "published": outcome.published,
        "advice": next(iter(advice([outcome])), ""),
        "metric": outcome.metric,
        "score_before": outcome.score_before,
        "score_after": outcome.score_after,
        "score_change": outcome.score_change,
        "latency_us_before": outcome.latency_us_before,
        "latency_us_after": outcome.latency_us_after,
        "components": outcome.components,
        "unchanged": outcome.unchanged,
    }
