"""Jobs in shards, for a cluster: a task that is long enough to be sent, and cheap to do again.

A worker process may die in the middle of a shard. What it had finished lies on the disk, so that
whoever is given the same shard next goes on from there.
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

# For a model that was never done: its child process and its evaluation, then its bytes.
GUESSED_SECONDS = 0.5
GUESSED_BYTES_PER_SECOND = 10e6
# Small runs are cut finer, so that no worker is left without work while another still has much.
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
    """Every job in exactly one shard; the longest jobs come first, so that the ends meet.

    Parameters
    ----------
    seconds : float
        How long a shard should take. It takes less when there would be too few of them.
    size : int, optional
        Models of a shard, whatever they take; in the order of `jobs`.
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
    """The outcome of each job in order, one after the other; those found on the disk at once.

    Nothing is raised for a job: what went wrong is its outcome.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="shard") as pool:
        for job in jobs:
            outcome = finished_outcome(job)
            if outcome is None:
                # A worker that was given up may still be running: not in its directory.
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
    """No job of a run that begins counts as finished: forced ones must not be."""
    for job in jobs:
        finished_path(job.output_dir, job.name).unlink(missing_ok=True)
