"""Writes the benchmarks page, and the tables of figures in other pages, from results files.

    python -m benchmarks.page

`make docs` runs it. A page gets a table where it has the lines `<!-- figures: NAME -->` and
`<!-- figures: end -->`; docs/benchmarks.md is written as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import peers_page
from benchmarks.kept import PROVENANCE, RESULTS
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.report.table import COLUMNS, human_bytes, table_rows

PROJECT = Path(__file__).resolve().parent.parent
DOCS = PROJECT / "docs"
BLOCK = re.compile(r"(<!-- figures: (?!end)([\w ]+) -->\n).*?(<!-- figures: end -->)", re.DOTALL)
# Of the demo: one model of each fate, for README.
SHOWN = ("diabetes_process", "sentiment", "email", "digits_forest", "iris_tiny")

INTRODUCTION = """\
# Benchmarks

<!-- Written by `make docs` from benchmarks/results; do not edit. -->

Every table of this page is made from a file of `benchmarks/results`. Below each stand the command
that measured it, the day, the machine, how busy it was, and the versions of this library's peers.
`keep` of `benchmarks/kept.py` writes all of that beside the figures; for results that are older
than it, the day is that of the commit, the versions are those pinned in `constraints.txt` at that
commit, and what nobody noted is "not recorded".

Comparisons are made in one process, on one thread, by medians of repeats that take turns. A ratio
of two figures of one table means more than either figure. Lower is better for bytes and times.
"""


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


SIZES_AND_TIMES = {
    "bytes": kilobytes,
    "one_row_us": number,
    "batch_us_per_row": number,
    "load_ms": number,
    "resident_mb": number,
}
# File -> heading, what the figures are, and the table.
SECTIONS: dict[str, tuple[str, str, Callable[[], str]]] = {
    "demo.json": (
        "The demo's models",
        "`make demo` trains real models of 17 kinds and runs the gate over them. "
        "[What a run writes](results.md#the-table) explains the columns.",
        demo_table,
    ),
    "forest.json": (
        "Forests",
        "A1 and A2 are random forests, B1 is histogram boosting, B2 gradient boosting; peers are "
        "scikit-learn itself, ONNX Runtime "
        "and treelite. [Forests](forests.md) says what is stored.\n\n"
        "![Bytes per node of four models, here and in other formats](pictures/forests.png)",
        lambda: by_side("forest.json", SIZES_AND_TIMES),
    ),
    "boosters.json": (
        "LightGBM, XGBoost and CatBoost",
        "Each library answers its own model in one column's first lines; `qma` is the "
        "artifact at each precision.",
        lambda: by_side(
            "boosters.json",
            {k: SIZES_AND_TIMES[k] for k in ("bytes", "one_row_us", "batch_us_per_row")},
        ),
    ),
    "peers.json": (
        peers_page.HEADING,
        peers_page.WORDS,
        lambda: peers_page.table(result("peers.json"), markdown, number),
    ),
    "text.json": (
        "Text models",
        "Four models of TF-IDF and logistic regression. KB are kibibytes here, times of "
        "one message and of one "
        "document in a batch are microseconds.\n\n"
        "![File sizes, and the time for one message, before and after](pictures/text.png)",
        lambda: lines_of(
            result("text.json"),
            {
                "model": str,
                "pickle_kb": number,
                "lzma9_kb": number,
                "exact_kb": number,
                "int8_kb": number,
                "one_sklearn_us": number,
                "one_us": number,
                "batch_sklearn_us": number,
                "batch_us": number,
                "load_sklearn_ms": number,
                "load_qma_ms": number,
            },
        ),
    ),
    "linear.json": (
        "A linear model",
        "784 features, 10 classes; microseconds of scikit-learn and of the artifact, and "
        "their ratio.",
        lambda: whole("linear.json"),
    ),
    "everyday.json": (
        "Everyday models",
        "Methods answered without scikit-learn, and how many times as fast the exact artifact "
        "answers one row and a batch. [Everyday models](everyday.md) explains.",
        everyday_table,
    ),
    "lossless.json": (
        "Without rounding",
        "Bytes of the pickle, of the pickle with lzma, and of the exact artifact; "
        "milliseconds to load and answer.",
        lambda: lines_of(
            result("lossless.json"),
            {
                "model": str,
                "family": str,
                "pickle_bytes": kilobytes,
                "lzma_bytes": kilobytes,
                "artifact_bytes": kilobytes,
                "joblib_answer_ms": number,
                "artifact_answer_ms": number,
            },
        ),
    ),
    "precision.json": (
        "A precision per part",
        "`auto` beside 8 bits. Loss on unseen rows is that of a third of the rows that nothing "
        "else has seen; the bound is the gate's. [Precision](precision.md) says how `auto` works.",
        precision_table,
    ),
    "gate.json": (
        "What the gate publishes",
        "Simulated artifacts that lose something must be published in at most one case of "
        "twenty; faithful ones "
        "often. [The proof](proof.md) says how the gate decides.",
        gate_table,
    ),
    "probes.json": (
        "The share of probe rows",
        "Seconds of one model's run with and without probe rows.",
        lambda: lines_of(
            result("probes.json")["models"],
            {
                "model": str,
                "rows": number,
                "rest_seconds": number,
                "probe_seconds": number,
                "share": number,
            },
        ),
    ),
    "operations.json": ("A flow over a thousand models", "", lambda: whole("operations.json")),
    "flow_overhead.json": (
        "What the flow adds to a plain loop",
        "",
        lambda: whole("flow_overhead.json"),
    ),
    "runners.json": ("Dask against threads", "", lambda: whole("runners.json")),
    "runners_ray.json": ("Ray against threads", "", lambda: whole("runners_ray.json")),
    "memory.json": ("Memory over many models", "", lambda: whole("memory.json")),
    "loader_under_load.json": (
        "A loader under load",
        "Eight threads ask while models are switched and releases are published.",
        lambda: whole("loader_under_load.json"),
    ),
    "serving_metrics.json": (
        "What metrics cost a call",
        "Nanoseconds.",
        lambda: whole("serving_metrics.json"),
    ),
}


def section(name: str) -> str:
    """Return one section of the page."""
    heading, words, table = SECTIONS.get(name, (name, "", lambda: whole(name)))
    return f"## {heading}\n\n{words}\n\n{table()}\n{measured(name)}"


def measured(name: str) -> str:
    """Return by what a results file was measured."""
    known = json.loads(PROVENANCE.read_text("utf-8")).get(name)
    if known is None:
        return "Nobody noted what this was measured by.\n"
    versions = dict(known["versions"])
    source = versions.pop("from", "")
    listed = ", ".join(f"{library} {version}" for library, version in versions.items())
    rows = [
        ("command", f"`{known['command']}`"),
        ("file", f"`benchmarks/results/{name}`"),
        ("day", known["date"]),
        ("machine", known["machine"]),
        ("load", known["load"]),
        ("versions", f"{listed}{f' ({source})' if source else ''}"),
    ]
    return markdown(("measured by", ""), rows)


def quoted_section() -> str:
    """Return where figures in the text of pages come from."""
    rows = [
        (page.removeprefix("docs/"), entry["source"], ", ".join(entry["figures"]))
        for page, entries in result("quoted.json").items()
        for entry in entries
    ]
    words = (
        "Sizes and times that a page quotes in its text or in tables of its own, with "
        "their source. A test "
        "holds this list equal to the pages: a figure that is not listed fails it, and so "
        "does one that its "
        "results file does not hold. A day in place of a file means that the figure was "
        "measured by "
        "hand on or before that day, and that no results file was kept."
    )
    return f"## Figures in the text of other pages\n\n{words}\n\n" + markdown(
        ("page", "source", "figures"), rows
    )


def page() -> str:
    """Return the benchmarks page."""
    others = sorted(path.name for path in RESULTS.glob("*.json"))
    names = [
        *SECTIONS,
        *(n for n in others if n not in {*SECTIONS, "provenance.json", "quoted.json"}),
    ]
    return "\n".join((INTRODUCTION, *(section(name) for name in names), quoted_section()))


BLOCKS: dict[str, Callable[[], str]] = {
    "demo": lambda: demo_table(SHOWN) + "\n" + demo_source(),
}


def demo_source() -> str:
    """Return one line on how the demo's figures were measured."""
    known = json.loads(PROVENANCE.read_text("utf-8"))["demo.json"]
    return (
        f"`make demo` on {known['date']}, {known['machine']} ({known['load'].partition(',')[0]}); "
        f"scikit-learn {known['versions']['scikit-learn']}.\n"
    )


def with_blocks(text: str) -> str:
    """Return a page with its tables of figures written anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}{found[3]}", text)


def main() -> None:
    """Write the pages."""
    (DOCS / "benchmarks.md").write_text(page(), "utf-8")
    for path in (PROJECT / "README.md", *DOCS.rglob("*.md")):
        before = path.read_text("utf-8")
        after = with_blocks(before)
        if after != before:
            path.write_text(after, "utf-8")


if __name__ == "__main__":
    main()
