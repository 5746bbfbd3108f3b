"""`report.html` without a browser: what is on it, and that it is safe and self-contained."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from model_quantization.evaluation.checks import Check, CheckName, Finding
from model_quantization.files.atomic import write_json
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.report.history import HISTORY, read_history
from model_quantization.report.page.document import render_page
from model_quantization.report.page.evidence import MAX_COMPONENTS, MAX_TEXT
from model_quantization.report.page.next_step import next_step
from model_quantization.report.publication import write_reports
from model_quantization.report.summary import total_line
from model_quantization.report.table import order_outcomes
from tests.report.made import HOSTILE, make_history, make_outcome, make_outcomes, make_release

FORTY = make_outcomes(40)
LOST = make_outcome(
    "lost",
    status=Status.FALLBACK,
    guarantee=Guarantee.FALLBACK,
    artifact=None,
    reason="gate",
    note="a loss of 0.3 where 0.005 is allowed",
    score_change=-0.3,
)


class Reader(HTMLParser):
    """The tags with their attributes, and the text, of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


def names(page: str) -> list[str]:
    """The models of the table, in its order."""
    return re.findall(r'<th scope="row">([^<]*?)\s*(?:<|\n)', page)


def evidence(outcome: Outcome) -> str:
    """The text of one model's evidence."""
    page = render_page([outcome])
    found = re.search(r"<details>.*?</details>", page, re.S)
    assert found is not None
    return " ".join(Reader(found[0].replace("<", " <")).text.split())


def test_worst_news_comes_first_and_every_model_is_there() -> None:
    page = render_page(FORTY)
    assert names(page) == [outcome.name for outcome in order_outcomes(FORTY)]
    assert page.count("<details>") == 40


def test_the_head_says_the_totals() -> None:
    page = render_page(FORTY, release=7, created="2026-11-24T02:00:03Z")
    assert "Release 7, 2026-11-24 02:00:03 UTC" in page
    assert total_line(FORTY).replace(" -> ", " → ") in Reader(page).text
    assert "<title>Quantized models, release 7</title>" in page


def test_a_release_without_models_has_a_page() -> None:
    page = render_page([])
    assert "No models." in page
    assert "Needs attention" not in page


def test_what_needs_attention_leads_to_its_row() -> None:
    page = render_page([make_outcome("fine"), LOST])
    assert 'Needs attention</h2>\n<ul>\n<li><a href="#m0">lost</a>' in page
    assert "Needs attention" not in render_page([make_outcome("fine")])
    many = [make_outcome(f"m{i}", status=Status.FAILED) for i in range(12)]
    assert "4 more at the top of" in render_page(many)


def test_nothing_is_loaded_from_anywhere() -> None:
    page = render_page(FORTY, make_history(FORTY, 5))
    assert not re.findall(r"https?:|//[a-z]|@import|\burl\((?!#)", page)
    reader = Reader(page)
    assert not reader.values("src")
    assert all(value == "data:," or value.startswith("#") for value in reader.values("href"))


def test_only_the_pages_own_script_may_run() -> None:
    page = render_page(FORTY)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = Reader(page).values("content")[0]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("name", [HOSTILE, "\udcff\x00", "{{ 7 * 7 }}", "'\" onclick=x"])
def test_names_and_notes_from_outside_stay_text(name: str) -> None:
    outcome = make_outcome(
        name, note=name, notes=[name], model_type=name, reason=name, family=name, metric=name,
        source=name, status=Status.FALLBACK,
        components=[{"path": name, "type": name, "family": name, "scheme": name, "reason": name,
                     "bytes_before": 9, "bytes_after": 5}],
        evaluation={"error": {"fields": {"what": name}}, "notes": [name], "rows": 3,
                    "task": name, "worst_class": {"label": name},
                    "agreement": [{"method": name}],
                    "verdict": {"checks": [{"name": name, "limit": 1, "value": 2,
                                            "passed": False}]}},
    )  # fmt: skip
    page = render_page([outcome], make_history([outcome], 2))
    page.encode("utf-8")
    harmless = Reader(render_page([make_outcome("x")], ()))
    found = Reader(page)
    assert {tag for tag, _ in found.tags} - {tag for tag, _ in harmless.tags} <= {
        "pre", "ul", "li", "a", "p", "section", "g", "path", "use", "title", "rect", "clippath",
    }  # fmt: skip
    assert "onerror" not in {key for _, attrs in found.tags for key in attrs}
    assert "onclick" not in {key for _, attrs in found.tags for key in attrs}
    assert page.count("<script>") == 1
    assert "49" not in found.text or "{{ 7 * 7 }}" in found.text


def test_the_same_release_gives_the_same_bytes() -> None:
    few = FORTY[:12]
    page = render_page(few, make_history(few, 3), release=3, created="now")
    assert render_page(few[::-1], make_history(few, 3), release=3, created="now") == page


def test_rows_carry_numbers_to_sort_by() -> None:
    page = render_page([LOST])
    row = re.search(r'<tbody id="m0"><tr>(.*?)<tr class=e>', page, re.S)
    assert row is not None
    keys = re.findall(r"<td([^>]*)>(.*?)\n", row[1].replace("<td", "\n<td") + "\n")
    assert [(re.findall(r'data-k="(.*?)"', a) or [""])[0] for a, _ in keys] == [
        "", "8", "2.80656e+06", "177766", "15.7879", "0.7817", "-0.3", "0", "30.7",
    ]  # fmt: skip


def test_headings_of_the_table_say_how_it_is_sorted() -> None:
    sorts = Reader(render_page([LOST])).values("aria-sort")
    assert sorts.count("ascending") == 1
    assert sorts.count("none") == len(sorts) - 1


def test_evidence_has_every_check_with_limit_and_value() -> None:
    text = evidence(make_outcome("a"))
    assert "✓ loss of the score 0 0.001 at most 0.005" in text
    assert "✓ held-out rows - 4,242 at least 30" in text
    assert "✓ size saved - 93.6 % at least 2.0 %" in text
    assert "1 row, median 939.9 31.33" in text
    assert "predict_proba 13 rows 0.0144" in text
    assert "steps/tfidfvectorizer TfidfVectorizer int8/channel, exact 2.6 MB 132.0 KB" in text
    assert "Pipeline(TfidfVectorizer, LogisticRegression)" in text


def test_a_check_that_was_missed_is_marked() -> None:
    check = {"name": "loss", "limit": 0.005, "value": 1.7976931348623157e308, "passed": False}
    outcome = make_outcome("a", evaluation={"verdict": {"checks": [check]}})
    assert "✗ missed: loss of the score - unknown at most 0.005" in evidence(outcome)
    assert "<tr class=x>" in render_page([outcome])


@pytest.mark.parametrize(
    ("finding", "mark", "bad"),
    [
        ("held", "✓ loss of ranking (predict_proba) 0.001 0.004 at most 0.01", False),
        ("too_few", "○ too few rows to tell: loss of ranking (predict_proba) 0.001", False),
        ("open", "✗ not proven: loss of ranking (predict_proba) 0.001", True),
        ("lost", "✗ missed: loss of ranking (predict_proba) 0.001", True),
    ],
)
def test_a_check_says_what_it_found(finding: str, mark: str, bad: bool) -> None:
    check = Check(CheckName.RANKING, 0.01, 0.004, Finding(finding), 0.001, "predict_proba")
    outcome = make_outcome("a", evaluation={"verdict": {"checks": [check.to_json()]}})
    text = evidence(outcome)
    assert mark in text
    # No mark stands for a limit that did not apply.
    assert text.count("✓") == (finding == "held")
    assert ("<tr class=x>" in render_page([outcome])) is bad


def test_an_error_is_shown_in_its_parts() -> None:
    fields = {"what": "not opened", "where": "a.pkl", "expected": "a file", "got": "a link"}
    outcome = make_outcome(
        "a", status=Status.REFUSED, evaluation={"error": {"name": "X", "fields": fields}}
    )
    assert "where a.pkl what not opened expected a file got a link" in evidence(outcome)


def test_evidence_is_bounded() -> None:
    part: dict[str, Any] = {"type": "a:T", "bytes_before": 1000, "bytes_after": 10}
    outcome = make_outcome(
        "a", components=[part | {"path": f"p{i}"} for i in range(500)], notes=["n" * 9000] * 50,
        note="x" * 100_000,
    )  # fmt: skip
    text = evidence(outcome)
    assert f"{500 - MAX_COMPONENTS} more" in text
    assert "44 more in its statistics" in text
    assert len(text) < 12 * MAX_TEXT


def test_a_thousand_models_fit() -> None:
    page = render_page(make_outcomes(1000), make_history(make_outcomes(1000), 30))
    assert len(page.encode()) < 3_000_000


def test_on_a_long_page_each_model_shows_fewer_components() -> None:
    part = {"type": "a:T", "bytes_before": 1000, "bytes_after": 10}
    outcome = make_outcome("a", components=[part] * 10)
    assert "6 more" not in render_page([outcome])
    assert render_page([outcome] * 301).count("6 more") == 301


def kept(status: Status, reason: str, **changes: Any) -> Outcome:
    return make_outcome("a*b", status=status, artifact=None, reason=reason, **changes)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (make_outcome("a"), "Nothing: the artifact is served."),
        (
            make_outcome("a", guarantee=Guarantee.INCONCLUSIVE, evaluation={"rows_needed": 5000}),
            "about 5,000 in all would tell",
        ),
        (kept(Status.UNVERIFIED, "unverified"), "rows with their target into `a*b.parquet`"),
        (make_outcome("a", status=Status.UNVERIFIED), "served without proof"),
        (kept(Status.NO_GAIN, "no_gain"), "Nothing: the original is served"),
        (kept(Status.FALLBACK, "gate"), "use 16 bits"),
        (kept(Status.FALLBACK, "gate", bit_depth="16"), "use the lossless artifact"),
        (
            kept(Status.FALLBACK, "gate", bit_depth="exact"),
            "report it to the maintainers of your copy",
        ),
        (kept(Status.FALLBACK, "original_nan"), "Retrain or repair"),
        (kept(Status.FALLBACK, "failed_method"), "report it to the maintainers of your copy"),
        (kept(Status.FALLBACK, "inconclusive"), "Add held-out rows."),
        (
            kept(Status.REFUSED, "untrusted_type"),
            "trust them by name; otherwise do not open this file",
        ),
        (kept(Status.REFUSED, "scan_refused"), "Find out where this file comes from"),
        (kept(Status.REFUSED, "path_refused"), "Put the file itself there"),
        (kept(Status.REFUSED, "other"), "find out what it is"),
        (kept(Status.FAILED, "limit"), "raise the limit"),
        (kept(Status.FAILED, "worker_crashed"), "The next run tries again"),
        (kept(Status.FAILED, "unsupported_component"), "Repair what the message names"),
        (kept(Status.FAILED, "unexpected"), "The log of the run says more"),
    ],
)
def test_every_verdict_says_what_to_do(outcome: Outcome, text: str) -> None:
    assert text in next_step(outcome).text


def test_the_lines_for_the_configuration_mean_this_model_only() -> None:
    assert next_step(kept(Status.FALLBACK, "gate")).configuration == (
        'overrides:\n  - match: "a[*]b"\n    bit_depth: 16\n'
    )


class Output:
    """An output directory with a release and what is known of its models."""

    def __init__(self, path: Path, outcomes: list[Outcome]) -> None:
        self.path = path
        self.release = make_release(path)
        write_json(path / "manifest.json", self.release.to_json())
        self.outcomes = outcomes

    def publish(self) -> Path | None:
        return write_reports(self.path, self.release, self.outcomes)


def test_the_page_lies_beside_the_tables_with_its_history(tmp_path: Path) -> None:
    output = Output(tmp_path, FORTY)
    path = output.publish()
    assert path == tmp_path / "report.html"
    page = path.read_text("utf-8")
    assert len(names(page)) == 40
    assert len(read_history(tmp_path)) == 40
    output.publish()
    assert path.read_text("utf-8") == page


@pytest.mark.parametrize("name", ["report.html", HISTORY])
def test_a_page_that_cannot_be_written_fails_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    output = Output(tmp_path, FORTY[:2])
    (tmp_path / f".{name}.{os.getpid()}.tmp").mkdir()
    with caplog.at_level(logging.WARNING):
        path = output.publish()
    assert (path is None) == (name == "report.html"), "the page needs no history"
    assert "was not written" in caplog.text
    assert name in caplog.text
