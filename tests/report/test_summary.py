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
from model_quantization.report.table import (
    COLUMNS,
    DROPPED_FIRST,
    GAP,
    fitting_columns,
    human_bytes,
    order_outcomes,
    table_rows,
)

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
    assert sentences[0].startswith("broken (failed): an error stopped it")
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


def printed(outcomes: list[Outcome], width: int, **options: object) -> list[str]:
    """The lines of the table on a terminal of this width."""
    stream = io.StringIO()
    settings = {"force_terminal": True, "color_system": None} | options
    print_table(outcomes, Console(file=stream, width=width, **settings))
    return stream.getvalue().splitlines()


LONG = Outcome(
    name="a_model_with_a_name_that_is_longer_than_most/of_its_kind",
    source="a.pkl",
    status=Status.PUBLISHED,
    guarantee=Guarantee.NON_INFERIOR,
    family="neighbors",
    bit_depth="exact",
    artifact="objects/z.qma",
    source_size_bytes=941_200_000,
    artifact_size_bytes=401_600_000,
    score_before=0.91143,
    score_after=0.91139,
    score_change=-0.00004,
    latency_us_before=123_456.2,
    latency_us_after=98_765.4,
    note="the score is that of agreement with the original; no held-out target was there",
)


@pytest.mark.parametrize("outcomes", [ALL, [*ALL, LONG], [LONG]], ids=["all", "more", "long"])
@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_table_that_does_not_fit_drops_its_least_important_columns(
    width: int, outcomes: list[Outcome]
) -> None:
    lines = printed(outcomes, width)
    table = lines[: len(outcomes) + 3]  # an empty line, the header, a rule
    assert max(len(line) for line in table) <= width
    shown = [name for name in COLUMNS if f" {name} " in f" {table[1].strip()} "]
    assert {"model", "smaller", "change", "verdict"} <= set(shown)
    dropped = [name for name in DROPPED_FIRST if name not in shown]
    assert dropped == list(DROPPED_FIRST[: len(dropped)])
    rows = {row["model"]: row for row in table_rows(outcomes)}
    for line, row in zip(table[3:], rows.values(), strict=True):
        assert line.strip().startswith(row["model"][:7])
        for name in set(shown) - {"model", "note"}:
            assert row[name] in line  # whole, not cut
    assert total_line(outcomes) == lines[-1]


@pytest.mark.parametrize(("width", "columns"), [(60, 5), (80, 6), (100, 9), (160, 11)])
def test_a_wider_terminal_shows_more(width: int, columns: int) -> None:
    header = printed(ALL, width)[1]
    assert sum(f" {name} " in f"{header} " for name in COLUMNS) == columns


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.fixed_dictionaries({name: st.integers(len(name), 60) for name in COLUMNS}),
    st.integers(41, 250),
)
def test_columns_fit_whenever_the_four_that_stay_can(widths: dict[str, int], width: int) -> None:
    widths = {name: widths[name] for name in COLUMNS}  # in the order of the table
    kept = fitting_columns(widths, width)
    assert [*kept] == [name for name in COLUMNS if name in kept]
    assert {"model", "smaller", "change", "verdict"} <= set(kept)
    assert all(kept[name] == widths[name] for name in kept if name not in ("model", "note"))
    needed = sum(kept.values()) + GAP * (len(kept) - 1)
    least = 8 + sum(widths[name] + GAP for name in ("smaller", "change", "verdict"))
    assert needed <= width or (len(kept) == 4 and least > width)
    if kept["model"] < widths["model"]:
        assert len(kept) == 4  # other columns are dropped before a name is cut


def test_output_without_a_terminal_or_with_no_color_is_plain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    print_table([*ALL, LONG])
    piped = capsys.readouterr().out
    assert "\x1b" not in piped and LONG.name in piped and LONG.note in piped
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    print_table(ALL)
    assert "\x1b" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(ALL)
    assert "\x1b" not in capsys.readouterr().out


def test_the_terminal_shows_one_line_per_model_and_the_rest_below() -> None:
    lines = printed(ALL, 100)
    assert sum("tiny_lr" in line for line in lines) == 2  # its row, and its sentence
    assert any("[red]evil|*" in line for line in lines)


def test_a_pipe_gets_whole_lines() -> None:
    stream = io.StringIO()
    print_table([RISK], Console(file=stream))
    lines = stream.getvalue().splitlines()
    assert lines[3].rstrip().endswith(" see below")
    assert "risk_gp (fallback): alpha_ does not tolerate 8 bits; try 16 or exact." in lines
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
