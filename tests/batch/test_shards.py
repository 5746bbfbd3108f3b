"""Shards: every job once, of the length asked for, and done again without loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.batch import shards
from model_quantization.batch.plan import Job, plan_batch
from model_quantization.batch.run import run_batch
from model_quantization.batch.shards import (
    GUESSED_BYTES_PER_SECOND,
    GUESSED_SECONDS,
    LEAST_SHARDS_PER_WORKER,
    cut_shards,
    expected_seconds,
    finished_outcome,
    forget_finished,
    run_shard,
)
from model_quantization.batch.unchanged import finished_path
from model_quantization.config.model_settings import ModelSettings
from model_quantization.errors import WorkerCrashed
from model_quantization.outcome import Status
from tests.batch.test_run import Fake


def _job(name: str, size_bytes: int = 0, output_dir: str = "nowhere") -> Job:
    return Job(
        name=name,
        source=Path(name),
        source_sha256="",
        source_size_bytes=size_bytes,
        output_dir=Path(output_dir),
        staging=Path("staging"),
        held_out=None,
        settings=ModelSettings(),
        fingerprint="",
        why="",
    )


@given(
    st.lists(st.integers(0, 10**9), max_size=60),
    st.floats(0.1, 100),
    st.integers(1, 8),
    st.none() | st.integers(1, 9),
)
@settings(deadline=None, derandomize=True, max_examples=100)
def test_every_job_is_in_one_shard_and_no_shard_is_too_long(
    sizes: list[int], seconds: float, n_workers: int, size: int | None
) -> None:
    jobs = [_job(f"m{index}", size_bytes) for index, size_bytes in enumerate(sizes)]
    cut = cut_shards(jobs, seconds=seconds, size=size, n_workers=n_workers)
    assert sorted(job.name for shard in cut for job in shard) == sorted(job.name for job in jobs)
    for shard in cut:
        if size is not None:
            assert len(shard) <= size
        elif len(shard) > 1:
            assert sum(map(expected_seconds, shard)) <= seconds + 1e-9


def test_few_jobs_are_cut_finer_so_that_all_workers_have_some() -> None:
    cut = cut_shards([_job(str(index)) for index in range(16)], seconds=60, n_workers=2)
    assert [len(shard) for shard in cut] == [2] * 2 * LEAST_SHARDS_PER_WORKER
    assert cut_shards([], seconds=60) == []


def test_the_longest_come_first() -> None:
    jobs = [_job("small"), _job("large", 10**9), _job("middle", 10**7)]
    cut = cut_shards(jobs, seconds=1)
    assert [job.name for shard in cut for job in shard] == ["large", "middle", "small"]
    ordered = cut_shards(jobs, seconds=1, size=2)
    assert [[job.name for job in shard] for shard in ordered] == [["small", "large"], ["middle"]]


def test_how_long_a_model_takes_is_what_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess = expected_seconds(_job("a", 10**7))
    assert guess == GUESSED_SECONDS + 10**7 / GUESSED_BYTES_PER_SECOND
    fake = Fake(tmp_path, monkeypatch)
    fake.add("a")
    fake.changes["a"] = {"seconds": 7.5}
    fake.run()
    (job,) = plan_batch(fake.config(force=True)).jobs
    assert expected_seconds(job) == 7.5


def test_a_shard_that_is_done_again_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(tmp_path, monkeypatch)
    fake.add("a", "b", "c")
    jobs = plan_batch(fake.config()).jobs
    first = [next(run_shard(jobs))]  # the worker dies after a
    assert fake.done == ["a"]
    again = list(run_shard(jobs))
    assert fake.done == ["a", "b", "c"]
    assert again[:1] == first and finished_outcome(jobs[0]) == first[0]
    assert [outcome.status for outcome in again] == [Status.PUBLISHED] * 3

    forget_finished(jobs)
    assert finished_outcome(jobs[0]) is None
    list(run_shard(jobs))
    assert fake.done == ["a", "b", "c"] * 2
    (fake.output / str(again[1].artifact)).write_text("damaged")
    assert finished_outcome(jobs[1]) is None
    path = finished_path(fake.output, "c")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "another"}))
    assert finished_outcome(jobs[2]) is None


def test_what_goes_wrong_is_an_outcome_and_two_workers_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(tmp_path, monkeypatch)
    fake.add("a", "b", "c")
    fake.errors = {"a": [WorkerCrashed("killed")], "b": [ZeroDivisionError("a bug")]}
    places = []
    real = shards.run_job
    monkeypatch.setattr(shards, "run_job", lambda job: places.append(job.staging) or real(job))
    jobs = plan_batch(fake.config()).jobs
    outcomes = {outcome.name: outcome for outcome in [*run_shard(jobs[:2]), *run_shard(jobs[2:])]}
    assert outcomes["a"].status is Status.PUBLISHED  # the second try
    assert (outcomes["b"].status, outcomes["b"].reason) == (Status.FAILED, "unexpected")
    assert len(set(places)) == 3 and not set(places) & {job.staging for job in jobs}
    assert run_batch(fake.config()).release.models.keys() == {"a", "b", "c"}
