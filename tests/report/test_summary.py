"""The table, wherever it is shown."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.report.summary import (
    CSV_COLUMNS,
    advice,
    describe,
    overall_reduction_percent,
    print_table,
    summary_csv,
    summary_markdown,
    total_line,
)
from model_quantization.report.table import COLUMNS, human_bytes, order_outcomes, table_rows

INTENT = Outcome(
    name="intent",
    source="intent.pkl",
    status=Status.PUBLISHED,
    guarantee=Guarantee.LABEL_EXACT,
    family="text",
    bit_depth="8",
    artifact="objects/x.qma",
    source_size_bytes=41_200_000,
    artifact_size_bytes=1_600_000,
    metric="accuracy",
    score_before=0.911,
    score_after=0.911,
    score_change=0.0,
    latency_us_before=1140.2,
    latency_us_after=5.84,
)
CHURN = Outcome(
    name="churn",
    source="churn.pkl",
    status=Status.PUBLISHED,
    guarantee=Guarantee.EXACT,
    family="forest",
    artifact="objects/y.qma",
    source_size_bytes=87_200_000,
    artifact_size_bytes=2_300_000,
    unchanged=True,
)
TINY = Outcome(
    name="tiny_lr",
    source="tiny_lr.pkl",
    status=Status.NO_GAIN,
    source_size_bytes=1_200,
    artifact_size_bytes=1_500,
    score_before=0.95,
    note="original kept: smaller than the artifact",
)
RISK = Outcome(
    name="risk_gp",
    source="risk_gp.pkl",
    status=Status.FALLBACK,
    guarantee=Guarantee.FALLBACK,
    family="generic",
    source_size_bytes=3_100_000,
    artifact_size_bytes=400_000,
    score_before=0.92,
    score_after=0.61,
    score_change=-0.31,
    note="alpha_ does not tolerate 8 bits;\n try 16 or exact.",
)
EVIL = Outcome(name="[red]evil|*", source="e", status=Status.REFUSED, reason="scan_refused")
WAITING = Outcome(name="new", source="n", status=Status.UNVERIFIED, source_size_bytes=10)
BROKEN = Outcome(name="broken", source="b", status=Status.FAILED, source_size_bytes=10)
ALL = [TINY, INTENT, WAITING, CHURN, EVIL, RISK, BROKEN]


def test_worst_news_comes_first() -> None:
    names = ["broken", "[red]evil|*", "risk_gp", "new", "intent", "churn", "tiny_lr"]
    assert [outcome.name for outcome in order_outcomes(ALL)] == names


def test_rows_are_what_people_read() -> None:
    rows = {row["model"]: list(row.values()) for row in table_rows(ALL)}
    assert all(list(row) == list(COLUMNS) for row in table_rows(ALL))
    assert rows["intent"] == [
        "intent",
        "text",
        "8",
        "41.2 MB",
        "1.6 MB",
        "26x",
        "0.911 -> 0.911",
        "0",
        "label_exact",
        "1,140 -> 5.8",
        "",
    ]
    assert rows["tiny_lr"][3:] == [
        "1.2 KB",
        "1.5 KB",
        "-",
        "0.950",
        "-",
        "no_gain",
        "-",
        "original kept: smaller than the artifact",
    ]
    assert rows["risk_gp"][5:9] == ["7.8x", "0.920 -> 0.610", "-0.31", "fallback"]
    assert rows["churn"][-1] == "unchanged"


def test_a_small_change_of_score_is_not_rounded_away() -> None:
    close = Outcome("a", "a", Status.PUBLISHED, score_before=0.91143, score_after=0.91139)
    assert table_rows([close])[0]["score"] == "0.91143 -> 0.91139"
    tiny = Outcome("a", "a", Status.PUBLISHED, score_change=-0.000004)
    assert table_rows([tiny])[0]["change"] == "-4e-06"
    large = Outcome("a", "a", Status.PUBLISHED, score_before=-12345.67, score_after=-12345.67)
    assert table_rows([large])[0]["score"] == "-12,346 -> -12,346"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 KB"),
        (999_949, "999.9 KB"),
        (999_950, "1.0 MB"),
        (41_200_000, "41.2 MB"),
        (2_500_000_000, "2.5 GB"),
        (2_500_000_000_000, "2.5 TB"),
    ],
)
def test_sizes_have_units(size: int, text: str) -> None:
    assert human_bytes(size) == text


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.integers(0, 10**15))
def test_sizes_are_short_and_right(size: int) -> None:
    number, unit = human_bytes(size).replace(",", "").split()
    scale = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}[unit]
    assert float(number) * scale == pytest.approx(size, rel=0.06, abs=1)


def test_each_model_that_was_not_published_gets_a_sentence() -> None:
    sentences = advice(ALL)
    assert len(sentences) == 5
    assert "risk_gp (fallback): alpha_ does not tolerate 8 bits; try 16 or exact." in sentences
    assert sentences[0].startswith("broken (failed): something broke")
    assert any("gate.publish_unverified" in sentence for sentence in sentences)


def test_the_total_counts_what_is_served() -> None:
    assert total_line([INTENT, RISK]) == (
        "2 models: 1 published, 1 fallback. Served: 44.3 MB -> 4.7 MB (9.4x smaller)."
    )
    assert overall_reduction_percent([INTENT, RISK]) == pytest.approx(100 * (1 - 4.7 / 44.3))
    assert overall_reduction_percent([]) == 0.0
    assert total_line([]) == "No models."
    assert total_line([TINY]) == "1 model: 1 no_gain. Served: 1.2 KB -> 1.2 KB."


def test_csv_has_raw_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(summary_csv(ALL))))
    assert list(rows[0]) == list(CSV_COLUMNS)
    intent = next(row for row in rows if row["model"] == "intent")
    assert intent["size_before_bytes"] == "41200000"
    assert intent["size_ratio"] == "25.75"
    assert intent["latency_after_us"] == "5.84"
    assert intent["published"] == "true"
    assert intent["verdict"] == "label_exact"
    assert next(row for row in rows if row["model"] == "new")["size_after_bytes"] == ""


def test_markdown_is_aligned_and_escaped() -> None:
    text = summary_markdown(ALL)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    assert len(table) == len(ALL) + 2
    assert r"\[red]evil\|\*" in text
    assert "## Not published" in text
    assert "| tiny\\_lr " in text
    assert summary_markdown([]) == "# Quantized models\n\nNo models.\n"


def test_the_terminal_shows_one_line_a_model_and_the_rest_below() -> None:
    stream = io.StringIO()
    print_table(ALL, Console(file=stream, width=100, force_terminal=True, color_system=None))
    lines = stream.getvalue().splitlines()
    shown = [line for line in lines if "tiny_lr" in line]
    assert len(shown) == 2  # its row, and its sentence
    assert "[red]evil|*" in stream.getvalue()
    assert total_line(ALL) in lines[-1]
    assert max(len(line) for line in lines[:10]) <= 100


def test_a_pipe_gets_whole_lines() -> None:
    stream = io.StringIO()
    print_table([RISK], Console(file=stream))
    assert "alpha_ does not tolerate 8 bits; try 16 or exact." in stream.getvalue().splitlines()[3]
    stream = io.StringIO()
    print_table([], Console(file=stream))
    assert stream.getvalue() == "No models.\n"


def test_one_model_in_one_line_for_a_log() -> None:
    assert describe(RISK) == (
        "risk_gp fallback, 3.1 MB -> 400.0 KB, score 0.920 -> 0.610: "
        "alpha_ does not tolerate 8 bits; try 16 or exact."
    )
    published = Outcome("a", "a", Status.UNVERIFIED, artifact="objects/x.qma")
    assert describe(published).endswith("published without proof: no held-out data")
