"""Tables of the benchmarks page, made from results files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.kept import RESULTS
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.report.table import COLUMNS, human_bytes, table_rows


def result(name: str) -> Any:
    """Return what a results file holds."""
    return json.loads((RESULTS / name).read_text("utf-8"))


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: Any) -> str:
    """Return a figure with three significant digits, as the pages quote it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if value == 0 or float(value).is_integer():
        return f"{value:,.0f}"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def kilobytes(value: Any) -> str:
    """Return bytes as the report writes them."""
    return "-" if value is None else human_bytes(int(value))


def demo_outcomes(names: Sequence[str] = ()) -> list[Outcome]:
    """Return the demo's models as outcomes, all of them or those of these names."""
    found = []
    for line in result("demo.json"):
        if names and line["model"] not in names:
            continue
        word = line["verdict"]
        published = word in set(Guarantee) - {Guarantee.FALLBACK}
        found.append(
            Outcome(
                name=line["model"],
                source="",
                status=Status.PUBLISHED if published else Status(word),
                guarantee=Guarantee(word) if published else Guarantee.FALLBACK,
                family=line["family"],
                bit_depth=line["bits"],
                source_size_bytes=int(line["size_before_bytes"]),
                artifact_size_bytes=int(line["size_after_bytes"] or 0),
                artifact=f"{line['model']}.qma" if published else None,
                metric=line["metric"],
                score_before=line["score_before"],
                score_after=line["score_after"],
                score_change=line["score_change"],
                latency_us_before=line["latency_before_us"],
                latency_us_after=line["latency_after_us"],
            )
        )
    return found


def demo_table(names: Sequence[str] = ()) -> str:
    """Return the demo's table as a Markdown table."""
    rows = [list(row.values())[:-1] for row in table_rows(demo_outcomes(names))]
    return markdown(COLUMNS[:-1], rows)


def by_side(name: str, parts: dict[str, Callable[[Any], str]]) -> str:
    """Return a table per part of a results file: a line per side, a column per model."""
    models: dict[str, Any] = result(name)
    tables = []
    for part, show in parts.items():
        sides = sorted({side for found in models.values() for side in found.get(part, {})})
        rows = [
            [side, *(show(found.get(part, {}).get(side)) for found in models.values())]
            for side in sides
        ]
        tables.append(markdown([part.replace("_", " "), *models], rows))
    return "\n".join(tables)


def lines_of(records: Sequence[dict[str, Any]], show: dict[str, Callable[[Any], str]]) -> str:
    """Return a table of records: a line each, a column per key."""
    rows = [[form(record.get(key)) for key, form in show.items()] for record in records]
    return markdown([key.replace("_", " ") for key in show], rows)


def flat(value: Any, path: str = "") -> Iterable[tuple[str, str]]:
    """Give every figure of a results file with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{path}, {key}" if path else str(key))
    elif isinstance(value, list):
        yield path, ", ".join(number(item) for item in value)
    else:
        yield path, number(value)


def whole(name: str) -> str:
    """Return every figure of a results file."""
    return markdown(
        ("figure", "value"), ((key.replace("_", " "), v) for key, v in flat(result(name)))
    )


def gate_table() -> str:
    """Return what the simulated artifacts came to, a line per kind of case."""
    cases = [case for case in result("gate.json")["cases"] if "published" in case]
    lines = [
        [case["kind"], case["case"], number(case["rows"]), f"{100 * case['published']:.1f} %"]
        for case in cases
    ]
    return markdown(("kind", "case", "rows", "published"), lines)


def precision_table() -> str:
    """Return the bytes of `auto` beside those of 8 bits, a line per model."""
    lines = []
    for line in result("precision.json"):
        eight, auto = line["8"], line["auto"]
        bound, unseen = auto["loss_bound"], auto.get("unseen_loss")
        lines.append(
            [
                line["model"],
                kilobytes(eight["bytes"]),
                kilobytes(auto["bytes"]),
                str(auto["precision"]),
                "-" if bound is None else f"{bound:.4f}",
                "-" if unseen is None else f"{unseen:+.4f}",
                f"{line['slower']:.1f}x",
                line["stopped_by"] or "-",
            ]
        )
    head = ("model", "8 bits", "auto", "bits", "bound", "loss on unseen rows", "time", "stopped by")
    return markdown(head, lines)


def zoo_table() -> str:
    """Return what `auto` made of each model of the zoo."""
    lines = [
        [
            line["model"],
            kilobytes(line["original_bytes"]),
            kilobytes(line["bytes"]) if line["bytes"] else "-",
            str(line["precision"]),
            str(line["verdict"]),
            number(line["rows"]),
        ]
        for line in result("zoo.json")
    ]
    return markdown(("model", "pickle", "auto", "bits", "verdict", "rows that judged"), lines)


def everyday_table() -> str:
    """Return what became of the everyday models, a line per model."""
    lines = []
    for model, found in result("everyday.json")["models"].items():
        size = found["bytes"]
        lines.append(
            [
                model,
                "all" if not found["slow_exact"] else f"not {', '.join(found['slow_exact'])}",
                *(
                    f"{times['sklearn'] / times['exact']:.1f}x"
                    for times in (found["one row"], found["batch"])
                ),
                *(kilobytes(size[key]) for key in ("joblib_lzma9", "exact", "rounded")),
            ]
        )
    head = ("model", "fast", "one row", "batch", "joblib, lzma-9", "exact", "8 bits")
    return markdown(head, lines)
