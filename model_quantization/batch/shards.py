"""Divides jobs into shards for a cluster: long enough to send, and cheap to repeat.

A worker process may die in the middle of a shard. Its finished outcomes are on the disk, so that
the next worker with this shard continues.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from model_quantization.batch.plan import Job
from model_quantization.batch.run import failed_job, run_job
from model_quantization.batch.unchanged import finished_path
from model_quantization.outcome import Outcome
from model_quantization.release.known import read_outcome, read_stats
from model_quantization.release.objects import object_is_whole

# For a new model: its child process and evaluation, then its bytes.
GUESSED_SECONDS = 0.5
GUESSED_BYTES_PER_SECOND = 10e6
# Small runs are divided more finely, so that no worker waits for another.
LEAST_SHARDS_PER_WORKER = 4


def expected_seconds(job: Job) -> float:
    """Return the seconds that the model took last time; a guess from its size for a new one."""
    recorded = read_stats(job.output_dir, job.name)
    if recorded is not None and recorded[0].seconds > 0:
        return recorded[0].seconds
    return GUESSED_SECONDS + job.source_size_bytes / GUESSED_BYTES_PER_SECOND


def cut_shards(
    jobs: Sequence[Job], *, seconds: float, size: int | None = None, n_workers: int = 1
) -> list[tuple[Job, ...]]:
    """Every job in exactly one shard; the longest jobs come first, so that workers end together.

    Parameters
    ----------
    seconds : float
        Wanted time of a shard; shorter if there would be too few shards.
    size : int, optional
        Models per shard, in the order of `jobs`; then times do not matter.
    n_workers : int
    """
    if size is not None:
        return [tuple(jobs[start : start + size]) for start in range(0, len(jobs), size)]
    expected = {job.name: expected_seconds(job) for job in jobs}
    target = min(seconds, sum(expected.values()) / (LEAST_SHARDS_PER_WORKER * n_workers))
    shards: list[tuple[Job, ...]] = []
    shard: list[Job] = []
    filled = 0.0
    for job in sorted(jobs, key=lambda job: -expected[job.name]):
        if shard and filled + expected[job.name] > target:
            shards.append(tuple(shard))
            shard, filled = [], 0.0
        shard.append(job)
        filled += expected[job.name]
    return [*shards, tuple(shard)] if shard else shards


def run_shard(jobs: Sequence[Job]) -> Iterator[Outcome]:
    """The outcome of each job in order; outcomes on the disk come at once.

    A job raises nothing: its outcome records the error.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="shard") as pool:
        for job in jobs:
            outcome = finished_outcome(job)
            if outcome is None:
                # A lost worker may still run in the job's directory, so another is used.
                mine = replace(job, staging=Path(f"{job.staging}-{secrets.token_hex(4)}"))
                future = pool.submit(run_job, mine)
                error = future.exception()
                outcome = future.result() if error is None else failed_job(job, error)
            yield outcome


def finished_outcome(job: Job) -> Outcome | None:
    """Return the outcome that another worker of this run already found for the job, if any."""
    finished = read_outcome(finished_path(job.output_dir, job.name))
    if finished is None or finished[1] != job.fingerprint:
        return None
    return finished[0] if object_is_whole(job.output_dir, finished[0]) else None


def forget_finished(jobs: Sequence[Job]) -> None:
    """Remove finished outcomes when a run begins: forced jobs must run again."""
    for job in jobs:
        finished_path(job.output_dir, job.name).unlink(missing_ok=True)
