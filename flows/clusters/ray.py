"""Ray: the cluster at `scheduler_address`, or processes on this machine for one run."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from prefect.futures import PrefectWrappedFuture
from prefect.task_runners import TaskRunner

from flows.clusters.shards import CONNECT_SECONDS, Cluster, not_installed, unanswered
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import ConfigError

# Tasks exchange a few kilobytes of JSON; Ray accepts no smaller store.
STORE_BYTES = 80 * 2**20
# Ray's own default; in a long TMPDIR the paths of its sockets would be too long.
DIRECTORY = "/tmp"


@contextmanager
def ray_cluster(config: RunConfig) -> Iterator[Cluster]:
    """Yield Ray's workers; workers that were started for the run end with the block.

    Raises
    ------
    ConfigError
        Ray is not installed, or no cluster answers at the address.
    """
    address = config.scheduler_address
    with ExitStack() as stack:
        if address is None:
            stack.enter_context(_environment(_own_cluster()))
            directory = tempfile.TemporaryDirectory(
                prefix="ray-",
                dir=os.environ.get("RAY_TMPDIR", DIRECTORY),
                ignore_cleanup_errors=True,
            )
            settings = {
                "num_cpus": config.n_workers,
                "num_gpus": 0,
                "object_store_memory": STORE_BYTES,
                "include_dashboard": False,
                "_temp_dir": stack.enter_context(directory),
            }
        else:
            _check_port(address)
            settings = {}
        try:
            import ray
            from prefect_ray import RayTaskRunner
        except ImportError as error:
            raise not_installed("Ray", error) from None

        if address is None:
            stack.callback(ray.shutdown)  # also after a start that failed halfway

        def is_lost(future: PrefectWrappedFuture[Any, Any]) -> bool:
            """Whether Ray gave up the task, because its workers died in every attempt."""
            error = future.state.result(raise_on_failure=False)
            # Looked up here: prefect_ray imports Ray lazily, which can load the file twice, and
            # then a class imported at the top is not the class that is raised.
            known = ray.exceptions
            return isinstance(error, known.RayError) and not isinstance(error, known.RayTaskError)

        quiet = {"log_to_driver": False, "configure_logging": False}
        runner = RayTaskRunner(address=address, init_kwargs=settings | quiet)
        with _kept_signal():
            _start(runner, stack, address)
        yield Cluster(runner, is_lost)


def _start(runner: TaskRunner[Any], stack: ExitStack, address: str | None) -> None:
    try:
        stack.enter_context(runner)
    except (OSError, RuntimeError, ValueError) as error:
        if address is None:
            raise
        raise unanswered("Ray cluster", address, error) from None


def _own_cluster() -> dict[str, str]:
    """Return the environment of a cluster that only this run can reach.

    Ray reads it when it is first imported, and passes it to every process that it starts.
    """
    return {
        # With 0, the node listens on 127.0.0.1 (as on macOS and Windows) instead of all addresses.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Without a token, other users of the machine could run code in the cluster.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _token(),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


@cache
def _token() -> str:
    """Return one token for the whole process: Ray keeps the first that it reads."""
    return secrets.token_hex(32)


def _check_port(address: str) -> None:
    """Check that something listens at the address; Ray itself would wait for minutes.

    Raises
    ------
    ConfigError
        Nothing listens there, or it is not an address of Ray.
    """
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number
        host = port = None
    if host is None or port is None or parts.scheme not in ("", "ray"):
        raise ConfigError(
            "not an address of a Ray cluster",
            where="scheduler_address",
            expected="host:port of its head node, or ray://host:port of its client server",
            got=address,
        )
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise unanswered("Ray cluster", address, error) from None


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set the variables that are not set yet, until the block ends."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _kept_signal() -> Iterator[None]:
    """Keep the handler of SIGTERM: Ray replaces it, and Prefect could not cancel the run."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)
