"""`history.parquet`: trends, and which verdicts worsened."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from model_quantization.errors import ReleaseError
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.report.history import (
    HISTORY,
    latest_rows,
    read_history,
    record_history,
    worsened,
)
from tests.report.made import HOSTILE, make_outcome, make_outcomes, make_release


def test_rows_come_back_as_they_were_recorded(tmp_path: Path) -> None:
    outcomes = make_outcomes(12)
    written = record_history(tmp_path, make_release(tmp_path, 3), outcomes)
    assert read_history(tmp_path) == written
    by_name = {row.name: row for row in written}
    assert by_name.keys() == {item.name for item in outcomes}
    for item in outcomes:
        row = by_name[item.name]
        assert (row.release, row.created) == (3, "2026-11-04T02:00:03Z")
        assert (row.status, row.guarantee, row.reason) == (
            item.status,
            item.guarantee,
            item.reason,
        )
        assert row.published is item.published
        assert (row.size_before_bytes, row.size_after_bytes) == (
            item.source_size_bytes,
            item.artifact_size_bytes,
        )
        assert row.score_change == item.score_change
        assert row.latency_after_us == item.latency_us_after
        served = item.artifact_size_bytes if item.published else item.source_size_bytes
        assert row.served_bytes == served


def test_releases_follow_each_other_and_the_same_one_is_replaced(tmp_path: Path) -> None:
    a, b = make_outcome("a"), make_outcome("b")
    record_history(tmp_path, make_release(tmp_path, 1), [a, b])
    record_history(tmp_path, make_release(tmp_path, 2), [a])
    failed = replace(a, status=Status.FAILED, guarantee=Guarantee.FALLBACK)
    record_history(tmp_path, make_release(tmp_path, 2), [failed, b])
    rows = read_history(tmp_path)
    assert [(row.release, row.name, row.status) for row in rows] == [
        (1, "a", Status.PUBLISHED),
        (1, "b", Status.PUBLISHED),
        (2, "a", Status.FAILED),
        (2, "b", Status.PUBLISHED),
    ]
    before = (tmp_path / HISTORY).read_bytes()
    record_history(tmp_path, make_release(tmp_path, 2), [b, failed])
    assert (tmp_path / HISTORY).read_bytes() == before
    assert latest_rows(rows)["a"].status is Status.FAILED


def test_a_release_that_was_undone_is_forgotten(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        record_history(tmp_path, make_release(tmp_path, number), [make_outcome("a")])
    record_history(tmp_path, make_release(tmp_path, 2), [make_outcome("b")])
    assert [(row.release, row.name) for row in read_history(tmp_path)] == [(1, "a"), (2, "b")]


def test_it_is_bounded_by_releases_and_by_rows(tmp_path: Path) -> None:
    three = [make_outcome(name) for name in "abc"]
    for number in range(1, 8):
        record_history(tmp_path, make_release(tmp_path, number), three, max_releases=4)
    assert {row.release for row in read_history(tmp_path)} == {4, 5, 6, 7}
    record_history(tmp_path, make_release(tmp_path, 8), three, max_rows=8)
    assert {row.release for row in read_history(tmp_path)} == {7, 8}
    record_history(tmp_path, make_release(tmp_path, 9), three, max_rows=1)
    assert {row.release for row in read_history(tmp_path)} == {9}


def _other_columns(path: Path) -> None:
    parquet.write_table(pa.table({"name": ["a"]}), path)


def _a_null_in_it(path: Path) -> None:
    record_history(path.parent, make_release(path.parent, 1), [make_outcome("a")])
    table = parquet.read_table(path)
    names = pa.array([None], pa.string())
    parquet.write_table(table.set_column(0, "name", names), path)


def _an_unknown_status(path: Path) -> None:
    record_history(path.parent, make_release(path.parent, 1), [make_outcome("a")])
    table = parquet.read_table(path)
    index = table.column_names.index("status")
    parquet.write_table(table.set_column(index, "status", pa.array(["?"])), path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PAR1 nothing of the kind PAR1"),
        lambda path: path.mkdir(),
        _other_columns,
        _a_null_in_it,
        _an_unknown_status,
    ],
    ids=["empty", "garbage", "directory", "columns", "null", "status"],
)
def test_a_damaged_one_is_kept_aside_and_started_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object
) -> None:
    assert callable(damage)
    damage(tmp_path / HISTORY)
    with caplog.at_level(logging.WARNING):
        assert read_history(tmp_path) == []
        rows = record_history(tmp_path, make_release(tmp_path, 5), [make_outcome("a")])
    assert [row.release for row in rows] == [5]
    assert read_history(tmp_path) == rows
    assert (tmp_path / "history.damaged-5.parquet").exists()
    assert "the history cannot be read" in caplog.text
    assert "kept as history.damaged-5.parquet and a new one is started" in caplog.text


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    (tmp_path / HISTORY).symlink_to(elsewhere)
    record_history(tmp_path, make_release(tmp_path), [make_outcome("a")])
    assert elsewhere.read_bytes() == b"mine"
    assert not (tmp_path / HISTORY).is_symlink()


def test_a_missing_one_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_history(tmp_path) == []
    assert not caplog.records


def test_any_name_can_be_recorded(tmp_path: Path) -> None:
    names = [HOSTILE, "\udcff", "模型\n", ""]
    rows = record_history(tmp_path, make_release(tmp_path), [make_outcome(n) for n in names])
    assert len(rows) == 4
    assert len(read_history(tmp_path)) == 4


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / f".{HISTORY}.{os.getpid()}.tmp").mkdir()
    with pytest.raises(ReleaseError, match=r"history\.parquet: cannot be written"):
        record_history(tmp_path, make_release(tmp_path), [])


def _verdict(status: Status, guarantee: Guarantee, artifact: str | None = "x") -> Outcome:
    return make_outcome("m", status=status, guarantee=guarantee, artifact=artifact)


BEST_FIRST = [
    _verdict(Status.PUBLISHED, Guarantee.EXACT),
    _verdict(Status.PUBLISHED, Guarantee.LABEL_EXACT),
    _verdict(Status.PUBLISHED, Guarantee.NON_INFERIOR),
    _verdict(Status.PUBLISHED, Guarantee.INCONCLUSIVE),
    _verdict(Status.UNVERIFIED, Guarantee.UNVERIFIED),
    _verdict(Status.NO_GAIN, Guarantee.FALLBACK, None),
    _verdict(Status.UNVERIFIED, Guarantee.UNVERIFIED, None),
    _verdict(Status.FALLBACK, Guarantee.FALLBACK, None),
    _verdict(Status.REFUSED, Guarantee.FALLBACK, None),
    _verdict(Status.FAILED, Guarantee.FALLBACK, None),
]


@pytest.mark.parametrize("before", range(len(BEST_FIRST)))
def test_only_a_worse_verdict_has_worsened(tmp_path: Path, before: int) -> None:
    rows = record_history(tmp_path, make_release(tmp_path), [BEST_FIRST[before]])
    for after, outcome in enumerate(BEST_FIRST):
        assert bool(worsened(latest_rows(rows), [outcome])) == (after > before)


def test_what_worsened_is_said_in_the_words_of_the_table(tmp_path: Path) -> None:
    before = latest_rows(
        record_history(tmp_path, make_release(tmp_path), [make_outcome("a"), make_outcome("b")])
    )
    lost = make_outcome(
        "a", status=Status.FALLBACK, guarantee=Guarantee.FALLBACK, artifact=None, note="too coarse"
    )
    (found,) = worsened(before, [make_outcome("new"), make_outcome("b"), lost])
    assert (found.name, found.before, found.after) == ("a", "label_exact", "fallback")
    assert found.note == "too coarse"
