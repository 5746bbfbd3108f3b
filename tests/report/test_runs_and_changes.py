"""What pages say of the run, of the release before, of odd rows, and of many idle models."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from model_quantization.evaluation.checks import Check, CheckName, Finding
from model_quantization.numerals import fixed, plural
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.report.changes import last_changes
from model_quantization.report.history import read_history, record_history
from model_quantization.report.page.document import render_page
from model_quantization.report.run_facts import RunFacts, duration
from model_quantization.report.summary import advice, print_table, summary_markdown, total_line
from model_quantization.report.table import table_rows
from tests.report.made import make_outcome, make_release
from tests.report.test_page import Reader, evidence

IDLE = make_outcome(
    "idle",
    status=Status.NO_GAIN,
    guarantee=Guarantee.FALLBACK,
    artifact=None,
    reason="no_gain",
    note="original kept",
)


def note_of(outcome: Outcome) -> str:
    return table_rows([outcome])[0]["note"]


def text_of(page: str) -> str:
    return " ".join(Reader(page.replace("<", " <")).text.split())


def test_the_page_tells_settings_versions_host_and_duration() -> None:
    facts = RunFacts.of({"bit_depth": "8", "gate": {"allowed_drop": 0.01}}, 63.0)
    text = text_of(render_page([make_outcome("a")], facts=facts))
    assert "This run: 1 min 3 s on " in text
    assert "bit_depth: 8, gate.allowed_drop: 0.01" in text
    assert f"Python {sys.version.split()[0]}" in text
    assert "scikit-learn " in text
    assert RunFacts.from_json(facts.to_json()) == facts
    assert RunFacts.of({}, 0.0).lines()[-1] == ("settings", "all as by default")
    assert "This run" not in render_page([make_outcome("a")])


def test_times_are_read_at_a_glance() -> None:
    assert [duration(s) for s in (0.0, 59.94, 60.4, 3599.0, 3600.0)] == [
        "0.0 s", "59.9 s", "1 min 0 s", "59 min 59 s", "1 h 0 min",
    ]  # fmt: skip


def test_two_releases_are_compared(tmp_path: Path) -> None:
    first = [make_outcome(name) for name in ("a", "b", "c", "gone")]
    record_history(tmp_path, make_release(tmp_path, 1), first)
    assert last_changes(read_history(tmp_path)) is None
    second = [
        first[0],
        replace(first[1], artifact_size_bytes=100_000, score_after=0.7011),
        replace(first[2], status=Status.FALLBACK, guarantee=Guarantee.FALLBACK, artifact=None),
        make_outcome("new"),
    ]
    record_history(tmp_path, make_release(tmp_path, 2), second)
    changes = last_changes(read_history(tmp_path))
    assert changes is not None
    assert (changes.before, changes.after, changes.same) == (1, 2, 1)
    assert {change.name: change.what for change in changes.models} == {
        "b": "177.8 KB → 100.0 KB served, score 0.7817 → 0.7011",
        "c": "label_exact → fallback, 177.8 KB → 2.8 MB served",
        "gone": "gone, was label_exact",
        "new": "new, label_exact, 177.8 KB",
    }
    text = text_of(render_page(second, read_history(tmp_path)))
    assert "Since release 1" in text
    assert "1 model is as before." in text


def test_a_release_that_changed_nothing_says_so(tmp_path: Path) -> None:
    for number in (1, 2):
        record_history(tmp_path, make_release(tmp_path, number), [make_outcome("a")])
    text = text_of(render_page([make_outcome("a")], read_history(tmp_path)))
    assert "Since release 1 1 model is as before." in text


def test_odd_rows_stay_in_the_table() -> None:
    evaluation = {
        "rows": 12,
        "repeated_rows": 30,
        "notes": ["3 held-out targets are labels that the model never saw"],
    }
    outcome = make_outcome("a", note="", evaluation=evaluation)
    odd = (
        "3 held-out targets are labels that the model never saw; only 12 held-out rows; "
        "30 of 42 held-out rows are copies of others"
    )
    assert note_of(outcome) == odd
    assert note_of(replace(outcome, unchanged=True)) == f"unchanged; {odd}"
    assert note_of(make_outcome("a", note="", evaluation={"rows": 600, "notes": []})) == ""


def test_unchanged_models_say_so() -> None:
    fallback = replace(IDLE, unchanged=True)
    assert note_of(fallback) == "unchanged; original kept"
    total = total_line([fallback, make_outcome("a")])
    assert total.startswith(
        "2 models: 1 published, 1 no_gain, 1 of them unchanged since an earlier run. "
    )


def test_both_totals_count_what_is_served() -> None:
    unproven = make_outcome("u", status=Status.UNVERIFIED, guarantee=Guarantee.UNVERIFIED)
    outcomes = [make_outcome("a"), unproven, IDLE]
    assert total_line(outcomes).startswith("3 models: 2 published (1 unverified), 1 no_gain. ")
    text = text_of(render_page(outcomes))
    assert "Published 2 of 3 the other original stays" in text
    assert "Published 1 of 1 no original had to stay" in text_of(render_page([make_outcome("a")]))
    assert "1 models" not in text_of(render_page([make_outcome("a")]))
    assert "1 of 2 scored models" in text_of(
        render_page([make_outcome("a"), make_outcome("b", score_change=-0.00001)])
    )


def test_no_zero_has_a_sign_and_no_one_a_plural() -> None:
    assert (fixed(-0.00001), fixed(0.00001), fixed(-0.00005, 4)) == ("0.0000", "0.0000", "-0.0001")
    assert (plural(0, "row"), plural(1, "row"), plural(2, "row")) == ("0 rows", "1 row", "2 rows")
    cells = table_rows([make_outcome("a", score_before=-0.0001, score_after=-0.0001)])[0]
    assert cells["score"] == "0.000 -> 0.000"
    tiny = make_outcome("a", score_change=-0.00001)
    text = text_of(render_page([tiny]))
    assert "-0.0000" not in text
    assert "Largest loss of a score served 1e-05" in text
    assert "1 held-out row," in evidence(make_outcome("a", evaluation={"rows": 1, "task": "t"}))


def test_a_limit_that_nobody_set_gets_no_tick() -> None:
    checks = [
        Check(CheckName.LOSS, 0.005, 0.001, Finding.HELD),
        Check(CheckName.RANKING, float("inf"), 0.2, Finding.HELD),
    ]
    verdict = {"checks": [check.to_json() for check in checks]}
    text = evidence(make_outcome("a", evaluation={"verdict": verdict}))
    assert "✓ loss of the score" in text
    assert "- loss of ranking 0.2 no limit" in text.replace(" - 0.2", " 0.2")
    assert "✓ loss of ranking" not in text


@pytest.mark.parametrize("count", [10, 300])
def test_many_idle_models_are_one_line(count: int) -> None:
    idle = [replace(IDLE, name=f"idle{number:03d}") for number in range(count)]
    outcomes = [make_outcome("served"), *idle]
    stream = StringIO()
    print_table(outcomes, Console(file=stream, width=200))
    printed = stream.getvalue()
    sentences = advice(outcomes)
    page = render_page(outcomes)
    folds = len(re.findall(r'<tbody id="m\d+" class="ng">', page))
    if count == 10:
        assert len(sentences) == 10
        assert printed.count("no_gain") >= 20
        assert folds == 0
        assert 'id="fold"' not in page
    else:
        assert sentences == [
            "300 models (no_gain): idle000, idle001, idle002 and 297 more; their artifacts are not "
            "smaller, so the originals stay; nothing to do."
        ]
        assert "and 300 models with no_gain; summary.csv has them" in printed
        assert "idle004" not in printed
        assert folds == 300
        assert "300 models gain nothing by it and keep their originals" in text_of(page)
        assert summary_markdown(outcomes).count("- 300 models") == 1


def test_a_hostile_file_is_told_of_in_full() -> None:
    names = ", ".join(f"module{number}:Thing" for number in range(80))
    note = (
        f"evil.pkl: byte 2: 81 names are not on the allow-list: posix:system, {names}; this file "
        "runs programs when it is opened: do not open it."
    )
    evil = make_outcome(
        "evil", status=Status.REFUSED, reason="hostile_file", note=note, artifact=None
    )
    page = render_page([evil])
    text = text_of(page)
    assert text.count(note) == 2  # what needs attention, and the table
    assert '<li class="full">' in page
    assert '<tbody id="m0" class="full">' in page
    assert "trusted:" not in text
    assert "Do not open this file. Find out who put it there" in text
