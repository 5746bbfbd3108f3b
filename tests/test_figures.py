"""Pages quote figures that a results file holds, or whose source the list names; and no others."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import kept, page, page_tables, quoted

LISTED = json.loads(quoted.QUOTED.read_text("utf-8"))
ENTRIES = [(name, entry) for name, entries in LISTED.items() for entry in entries]
RESULTS = sorted(
    path.name
    for path in kept.RESULTS.glob("*.json")
    if path not in (kept.PROVENANCE, quoted.QUOTED)
)


def test_no_page_quotes_a_figure_that_is_not_listed() -> None:
    assert not quoted.unlisted(), "see benchmarks/quoted.py"


def test_the_list_has_no_figure_that_its_page_does_not_quote() -> None:
    for name, entry in ENTRIES:
        shown = quoted.figures_in((quoted.PROJECT / name).read_text("utf-8"))
        assert set(entry["figures"]) <= set(shown), name


@pytest.mark.parametrize(
    ("name", "entry"), ENTRIES, ids=[f"{name}, {entry['source']}" for name, entry in ENTRIES]
)
def test_each_source_holds_its_figures(name: str, entry: dict[str, object]) -> None:
    source = str(entry["source"])
    if not source.endswith(".json"):
        assert source == quoted.NOT_MEASURED or quoted.BY_HAND.fullmatch(source), source
        return
    values = page_tables.result(source)
    figures = entry["figures"]
    assert isinstance(figures, list)
    assert not [figure for figure in figures if not quoted.holds(values, figure)]


def test_readme_quotes_only_what_the_demo_wrote() -> None:
    assert "README.md" not in LISTED
    assert "<!-- figures: demo -->" in (quoted.PROJECT / "README.md").read_text("utf-8")


def test_pages_are_as_the_results_files_have_them() -> None:
    written = (quoted.PROJECT / "docs" / "benchmarks.md").read_text("utf-8")
    assert written == page.page(), "run: python -m benchmarks.page"
    for path in quoted.pages():
        text = path.read_text("utf-8")
        assert text == page.with_blocks(text), f"{path.name}: run python -m benchmarks.page"


@pytest.mark.parametrize("name", RESULTS)
def test_every_results_file_tells_what_it_was_measured_by(name: str) -> None:
    known = json.loads(kept.PROVENANCE.read_text("utf-8")).get(name)
    assert known is not None, f"{name}: write it with benchmarks.kept.keep, which notes it"
    assert {"command", "date", "machine", "load", "versions"} == set(known)
    assert "python -m benchmarks." in known["command"]
    for word in known["command"].split():
        if word.startswith("benchmarks."):
            module = word.rstrip(",").removeprefix("benchmarks.")
            assert (quoted.PROJECT / "benchmarks" / f"{module}.py").is_file(), word
    assert "scikit-learn" in known["versions"]


def test_results_are_kept_with_command_day_machine_and_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "RESULTS", tmp_path)
    monkeypatch.setattr(kept, "PROVENANCE", tmp_path / "provenance.json")
    monkeypatch.setattr(sys, "argv", ["/somewhere/benchmarks/linear.py", "--repeats", "3"])
    kept.keep(tmp_path / "linear.json", {"ratio": 2.0})
    assert json.loads((tmp_path / "linear.json").read_text()) == {"ratio": 2.0}
    known = json.loads((tmp_path / "provenance.json").read_text())["linear.json"]
    assert known["command"] == "python -m benchmarks.linear --repeats 3"
    assert {"python", "numpy", "scikit-learn"} <= set(known["versions"])
    assert "cores" in known["machine"]
    elsewhere = tmp_path / "elsewhere"
    kept.keep(elsewhere / "mine.json", {})
    assert "mine.json" not in json.loads((tmp_path / "provenance.json").read_text())


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("one row takes 12.5 us, not 1,208 µs", ["12.5 us", "1,208 µs"]),
        ("| 36.0 MB | 144x |", ["36.0 MB", "144x"]),
        ("1.8 times as fast; three times; 2 times a day", ["1.8 times"]),
        ("every 90 seconds, 16 bits, 0.5 points, x86", []),
        ("`3 ms`\n```text\n4 ms\n```\n<!-- figures: demo -->\n5 ms\n<!-- figures: end -->", []),
    ],
)
def test_what_a_figure_is(text: str, figures: list[str]) -> None:
    assert quoted.figures_in(text) == figures


def test_a_figure_that_no_result_holds_is_found() -> None:
    values = {"a": {"one_row_us": 20.4, "pickle_bytes": 5_000_000}, "b": {"one_row_us": 40.8}}
    assert quoted.holds(values, "20 us")
    assert quoted.holds(values, "5.0 MB")
    assert not quoted.holds(values, "20 ms")
    assert not quoted.holds(values, "21 us")
    assert not quoted.holds(values, "2.0x")  # of two models, which is no comparison
