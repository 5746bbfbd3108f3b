"""Where models are done when not on this process's threads: on a cluster, in shards.

What Dask and Ray have of their own is in `dask_cluster.py` and `ray_cluster.py`.
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
from model_quantization.batch.run import failed_outcome
from model_quantization.batch.shards import cut_shards, forget_finished
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import ConfigError, WorkerCrashed
from tasks.sharding import describe_shard, quantize_shard

CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers in processes of their own.

    Parameters
    ----------
    runner : TaskRunner
        What sends tasks to them; it has been started.
    is_lost : callable
        Whether the workers that had the task of a future died, so that nobody is left to say how
        it ended. The future has been waited for.
    """

    runner: TaskRunner[Any]
    is_lost: Callable[[PrefectWrappedFuture[Any, Any]], bool]


def not_installed(name: str, error: ImportError) -> ConfigError:
    """What a run says that asks for the task runner `name` without having it."""
    runner = name.lower()
    return ConfigError(
        f"{name} is not installed ({error})",
        where="task_runner",
        do=f"pip install 'model-quantization[{runner}]', or set task_runner: threads",
    )


def unanswered(what: str, address: str, error: Exception) -> ConfigError:
    """What a run says that finds nobody at its `scheduler_address`."""
    return ConfigError(
        f"no {what} answers ({error})",
        where="scheduler_address",
        got=address,
        do="start it, or leave the address out to use this machine",
    )


def process_shards(
    jobs: list[dict[str, Any]], cluster: Cluster, config: RunConfig
) -> Iterator[dict[str, Any]]:
    """The outcome of every job; neither a bad model nor a dead worker stops the rest.

    A cluster sends the tasks of a dead worker elsewhere, and gives up those that it saw with
    several dead workers, be they the cause or only near it. Their jobs are done again one at a
    time: what was finished is not, the innocent ones succeed, and the cause fails by name.
    """
    by_name = {job["name"]: job for job in jobs}
    planned = [Job(**job) for job in jobs]
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
            "Workers died; %d models are done again one at a time: %s", len(lost), _names(lost)
        )
    for job in lost:
        ended = _ended(_submit([job], cluster), cluster)
        if isinstance(ended, BaseException):
            yield failed_outcome(Job(**job), ended).to_json()
        else:
            yield from ended


def _submit(shard: list[dict[str, Any]], cluster: Cluster) -> PrefectWrappedFuture[Any, Any]:
    with _shared_server():
        return cluster.runner.submit(quantize_shard, {"shard": describe_shard(shard)})


@contextmanager
def _shared_server() -> Iterator[None]:
    """Tasks report to the server of this run; else each worker would start an embedded one."""
    with get_client(sync_client=True) as client:
        address = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: address}):
        yield


def _ended(
    future: PrefectWrappedFuture[Any, Any], cluster: Cluster
) -> list[dict[str, Any]] | BaseException:
    """The outcomes of a shard when it has ended, or why there are none."""
    future.wait()
    if cluster.is_lost(future):
        _mark_crashed(future)
        return WorkerCrashed(
            "the cluster's workers die while they do this model",
            do="look at their memory limit and their logs, or try it with task_runner: threads",
        )
    if future.state.is_completed():
        return future.result()
    error = future.state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else RuntimeError(future.state.message)


def _mark_crashed(future: PrefectWrappedFuture[Any, Any]) -> None:
    """Show the task run as crashed, if the server has heard of it; else it would run for ever."""
    state = Crashed(message="The workers that ran this task died.")
    with suppress(ObjectNotFound, PrefectHTTPStatusError), get_client(sync_client=True) as client:
        client.set_task_run_state(future.task_run_id, state, force=True)


def _names(jobs: Sequence[dict[str, Any]]) -> str:
    return ", ".join(job["name"] for job in jobs)
