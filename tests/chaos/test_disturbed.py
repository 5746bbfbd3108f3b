"""Clocks that go backwards, files that change or vanish during a run, and a second run."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_quantization.artifact.reader import read_artifact
from model_quantization.batch import run as batch
from model_quantization.batch.plan import plan_batch
from model_quantization.batch.run import BatchResult, run_batch
from model_quantization.config.file import load_config
from model_quantization.config.run_config import RunConfig
from model_quantization.files.atomic import hash_file
from model_quantization.outcome import Status
from model_quantization.release.manifest import release_files
from model_quantization.report.history import read_history
from model_quantization.serving.named_loaders import ModelLoader
from tests.chaos.directory import ModelDirectory, name_of
from tests.chaos.survival import check_complete, night, run_night

DAYS = ("2026-11-24", "1971-03-01", "2031-01-01", "2026-11-24")


@pytest.fixture
def directory(tmp_path: Path) -> ModelDirectory:
    made = ModelDirectory(tmp_path)
    made.write(range(3), 0)
    return made


def _config(directory: ModelDirectory) -> RunConfig:
    return load_config(directory.config, environ={})


def _run(directory: ModelDirectory) -> BatchResult:
    return run_batch(_config(directory))


def _set_clock(monkeypatch: pytest.MonkeyPatch, moments: Iterator[float]) -> None:
    """The wall clock shows one moment after the other, and keeps the last."""
    shown = [0.0]

    def now() -> float:
        shown[0] = next(moments, shown[0])
        return shown[0]

    real = time.gmtime
    monkeypatch.setattr(time, "time", now)
    monkeypatch.setattr(
        time, "gmtime", lambda seconds=None: real(now() if seconds is None else seconds)
    )


def _at(day: str) -> float:
    return time.mktime(time.strptime(day, "%Y-%m-%d"))


def test_a_clock_that_goes_backwards_between_nights(
    directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for revision, day in enumerate(DAYS):
        directory.write((1,), revision)
        # A restored backup, or a clock that was put right: the new file looks older than the last.
        os.utime(directory.path(1), (_at(day), _at(day)))
        with monkeypatch.context() as patch:
            _set_clock(patch, itertools.repeat(_at(day)))
            result = _run(directory)
        assert result.release.created.startswith(day)
        assert {o.name for o in result.outcomes if not o.unchanged} == (
            {name_of(number) for number in range(3)} if revision == 0 else {name_of(1)}
        )
        assert check_complete(directory).number == revision + 1
    assert sorted(release_files(directory.output)) == [2, 3, 4]
    rows = [row for row in read_history(directory.output) if row.name == name_of(1)]
    assert [(row.release, row.created[:10]) for row in rows] == list(enumerate(DAYS, 1))
    assert all(outcome.unchanged for outcome in _run(directory).outcomes)


def test_a_clock_that_goes_backwards_during_a_night(
    directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(directory)
    directory.write((0, 1), 1)
    with monkeypatch.context() as patch:
        _set_clock(patch, (_at("2026-11-24") - 3600.0 * hours for hours in itertools.count()))
        result = _run(directory)
    assert all(outcome.seconds >= 0 for outcome in result.outcomes)
    assert check_complete(directory).number == 2
    assert all(outcome.unchanged for outcome in _run(directory).outcomes)


def test_a_manifest_that_looks_older_is_taken_over_all_the_same(
    directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_PUBLIC_KEYS"):
        monkeypatch.delenv(variable, raising=False)
    _run(directory)
    loader = ModelLoader(name_of(1), model_dir=directory.models, watch=0.0)
    rows = [[0.0] * 120]
    loader.predict(rows)
    directory.write((1,), 1)
    _run(directory)
    os.utime(directory.output / "manifest.json", (_at("1971-03-01"), _at("1971-03-01")))
    deadline = time.monotonic() + 20.0
    while loader.status()["release"] != 2:
        assert time.monotonic() < deadline
        loader.predict(rows)
        time.sleep(0.01)


def _when(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], Any]) -> None:
    """`act` once, just before the first call of the step."""
    real, calls = getattr(owner, name), itertools.count()

    def step(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 0:
            act()
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, step)


@pytest.mark.parametrize("step", ["quantize_stage", "evaluate_stage"])
def test_held_out_rows_that_vanish_after_the_plan(
    directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    good = _run(directory).release
    directory.write((0,), 1)
    rows = directory.holdout / f"{name_of(0)}.npz"
    data = rows.read_bytes()
    with monkeypatch.context() as patch:
        _when(patch, batch, step, rows.unlink)
        result = _run(directory)
    outcome = next(outcome for outcome in result.outcomes if outcome.name == name_of(0))
    assert (outcome.status, outcome.reason) == (Status.FAILED, "held_out")
    assert f"{rows}: " in outcome.note and "No such file" in outcome.note
    assert result.release.models == good.models
    rows.write_bytes(data)
    assert _run(directory).release.number == 2
    check_complete(directory)


@pytest.mark.parametrize("step", ["quantize_stage", "evaluate_stage", "store_artifact", "publish"])
def test_a_model_that_is_replaced_under_the_run(
    directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = hash_file(directory.path(0))[0]
    with monkeypatch.context() as patch:
        _when(patch, batch, step, lambda: directory.write((0,), 1))
        release = _run(directory).release
    now = hash_file(directory.path(0))[0]
    entry = release.models[name_of(0)]
    artifact = release.artifact_path(name_of(0))
    assert artifact is not None
    assert read_artifact(artifact).manifest["source"]["sha256"] == entry.source_sha256
    assert entry.source_sha256 == (now if step == "quantize_stage" else before)
    assert [job.name for job in plan_batch(_config(directory)).jobs] == [name_of(0)]
    assert _run(directory).release.models[name_of(0)].source_sha256 == now
    check_complete(directory)


def test_a_model_that_vanishes_under_the_run(
    directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = _run(directory).release
    directory.write((1,), 1)
    with monkeypatch.context() as patch:
        _when(patch, batch, "quantize_stage", lambda: directory.remove(1))
        result = _run(directory)
    outcome = next(outcome for outcome in result.outcomes if outcome.name == name_of(1))
    assert (outcome.status, outcome.reason) == (Status.REFUSED, "path_refused")
    assert result.release.models[name_of(1)] == good.models[name_of(1)]
    assert set(_run(directory).release.models) == {name_of(0), name_of(2)}
    check_complete(directory)


def test_a_forced_model_that_fails_is_tried_again(
    directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = _run(directory).release

    def full(*_: Any) -> Any:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(batch, "RETRY_DELAYS_SECONDS", ())
        patch.setattr(batch, "quantize_stage", full)
        result = run_batch(_config(directory).model_copy(update={"force": True}))
    assert {outcome.status for outcome in result.outcomes} == {Status.FAILED}
    assert result.release == good
    jobs = plan_batch(_config(directory)).jobs
    assert {job.why for job in jobs} == {"it failed last time"}
    assert _run(directory).release == good
    check_complete(directory)


def test_what_a_killed_run_finished_of_a_model_that_is_gone_is_swept(
    directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(batch, "publish", _interrupt)
        _run(directory)
    directory.remove(1)
    (directory.output / ".work" / "outcomes" / f"{name_of(2)}.json").write_bytes(b"")  # power cut
    assert set(_run(directory).release.models) == {name_of(0), name_of(2)}
    check_complete(directory)


def _interrupt(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


def test_a_damaged_manifest_of_an_earlier_release_stops_nothing(
    directory: ModelDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    _run(directory)
    (directory.output / "releases" / "1.json").write_bytes(b"{")
    directory.write((0,), 1)
    assert _run(directory).release.number == 2
    assert "releases/1.json" in caplog.text
    for revision in (2, 3):
        directory.write((0,), revision)
        _run(directory)
    check_complete(directory)


@pytest.mark.bad_input(56)
def test_two_runs_at_once(directory: ModelDirectory) -> None:
    with night(directory) as first:
        first.wait_for("publishing")
        with first.paused():
            assert run_night(directory) == 3
        said = (directory.config.parent / "stderr.log").read_text()
        assert f"another run is writing here (process {first.process.pid})" in said
        assert "ReleaseLocked" in said
        assert first.end() == 0
    check_complete(directory)
