"""Writes the benchmarks page, and the tables of figures in other pages, from results files.

    python -m benchmarks.page

`make docs` runs it. A page gets a table where it has the lines `<!-- figures: NAME -->` and
`<!-- figures: end -->`; docs/benchmarks.md is written as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.kept import PROVENANCE, RESULTS
from benchmarks.page_sections import SECTIONS
from benchmarks.page_tables import demo_table, markdown, result, whole

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
