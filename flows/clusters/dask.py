"""Dask: the cluster at `scheduler_address`, or processes on this machine for one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prefect.futures import PrefectWrappedFuture

from flows.clusters.shards import CONNECT_SECONDS, Cluster, not_installed, unanswered
from model_quantization.config.run_config import RunConfig

if TYPE_CHECKING:
    from prefect_dask import DaskTaskRunner

# Share of the machine's memory; the rest is for this process and for children that load models.
WORKERS_MEMORY_SHARE = 0.8


@contextmanager
def dask_cluster(config: RunConfig) -> Iterator[Cluster]:
    """Yield Dask's workers; workers that were started for the run end with the block.

    Raises
    ------
    ConfigError
        Dask is not installed, or no scheduler answers at the address.
    """
    with _runner(config) as runner:
        yield Cluster(runner, is_lost)


def is_lost(future: PrefectWrappedFuture[Any, Any]) -> bool:
    """Whether Dask gave up the task, because too many of its workers died."""
    return bool(future.wrapped_future.status != "finished")


def _runner(config: RunConfig) -> DaskTaskRunner:
    try:
        from distributed import Client
        from distributed.system import MEMORY_LIMIT
        from prefect_dask import DaskTaskRunner
    except ImportError as error:
        raise not_installed("Dask", error) from None
    if config.scheduler_address is None:
        return DaskTaskRunner(
            cluster_kwargs={
                "n_workers": config.n_workers,
                "threads_per_worker": 1,
                "processes": True,
                "memory_limit": int(WORKERS_MEMORY_SHARE * MEMORY_LIMIT / config.n_workers),
                "dashboard_address": "127.0.0.1:0",
            }
        )
    try:
        Client(config.scheduler_address, timeout=CONNECT_SECONDS, set_as_default=False).close()
    except (OSError, ValueError) as error:
        raise unanswered("Dask scheduler", config.scheduler_address, error) from None
    return DaskTaskRunner(address=config.scheduler_address)
