"""Models on a cluster, in shards: one task quantizes several models.

`dask.py` and `ray.py` hold the parts that differ between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.futures import PrefectWrappedFuture
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed
from prefect.task_runners import TaskRunner

from model_quantization.batch.plan import Job
from model_quantization.batch.run import failed_job
from model_quantization.batch.shards import cut_shards, forget_finished
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import ConfigError, WorkerCrashed
from model_quantization.extras import install_command
from tasks.sharding import describe_shard, quantize_shard

CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers of a cluster.

    Parameters
    ----------
    runner : TaskRunner
        Sends tasks to the workers; it has been started.
    is_lost : callable
        Whether the workers of a future's task died, so that its result is unknown. Called after
        the future has been waited for.
    """

    runner: TaskRunner[Any]
    is_lost: Callable[[PrefectWrappedFuture[Any, Any]], bool]


def not_installed(name: str, error: ImportError) -> ConfigError:
    """Return the error of a run whose task runner `name` is not installed."""
    runner = name.lower()
    return ConfigError(
        f"{name} is not installed ({error})",
        where="task_runner",
        do=f"{install_command(runner)}, or set task_runner: threads",
    )


def unanswered(what: str, address: str, error: Exception) -> ConfigError:
    """Return the error of a run whose `scheduler_address` does not answer."""
    return ConfigError(
        f"no {what} answers ({error})",
        where="scheduler_address",
        got=address,
        do="start it, or leave the address out to use this machine",
    )


def process_shards(
    jobs: list[dict[str, Any]], cluster: Cluster, config: RunConfig
) -> Iterator[dict[str, Any]]:
    """Yield the outcome of every job; neither a bad model nor a dead worker stops the rest.

    A cluster sends the task of a dead worker to another one, and gives up after several dead
    workers. The jobs of such a task are then run one at a time, except those that were finished.
    The job that kills workers fails by name; the others succeed.
    """
    by_name = {job["name"]: job for job in jobs}
    planned = [Job.from_json(job) for job in jobs]
    forget_finished(planned)
    shards = [
        [by_name[job.name] for job in shard]
        for shard in cut_shards(
            planned,
            seconds=config.shard_seconds,
            size=config.shard_size,
            n_workers=config.n_workers,
        )
    ]
    futures = [_submit(shard, cluster) for shard in shards]
    lost: list[dict[str, Any]] = []
    for shard, future in zip(shards, futures, strict=True):
        ended = _ended(future, cluster)
        if isinstance(ended, BaseException):
            lost += shard
        else:
            yield from ended
    if lost:
        get_run_logger().warning(
            "Workers died; %d models are quantized again, one at a time: %s",
            len(lost),
            _names(lost),
        )
    for job in lost:
        ended = _ended(_submit([job], cluster), cluster)
        if isinstance(ended, BaseException):
            yield failed_job(Job.from_json(job), ended).to_json()
        else:
            yield from ended


def _submit(shard: list[dict[str, Any]], cluster: Cluster) -> PrefectWrappedFuture[Any, Any]:
    with _shared_server():
        return cluster.runner.submit(quantize_shard, {"shard": describe_shard(shard)})


@contextmanager
def _shared_server() -> Iterator[None]:
    """Let tasks report to this run's server; each worker would start an embedded one otherwise."""
    with get_client(sync_client=True) as client:
        address = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: address}):
        yield


def _ended(
    future: PrefectWrappedFuture[Any, Any], cluster: Cluster
) -> list[dict[str, Any]] | BaseException:
    """Wait for a shard, and return its outcomes or the error."""
    future.wait()
    if cluster.is_lost(future):
        _mark_crashed(future)
        return WorkerCrashed(
            "the cluster's workers die while they quantize this model",
            do="look at their memory limit and their logs, or try it with task_runner: threads",
        )
    if future.state.is_completed():
        return future.result()
    error = future.state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else RuntimeError(future.state.message)


def _mark_crashed(future: PrefectWrappedFuture[Any, Any]) -> None:
    """Mark the task run as crashed if the server knows it; it would stay running otherwise."""
    state = Crashed(message="The workers that ran this task died.")
    with suppress(ObjectNotFound, PrefectHTTPStatusError), get_client(sync_client=True) as client:
        client.set_task_run_state(future.task_run_id, state, force=True)


def _names(jobs: Sequence[dict[str, Any]]) -> str:
    return ", ".join(job["name"] for job in jobs)
