"""Ray: the cluster at `scheduler_address`, or processes of this machine made for the run."""

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

# Tasks get and give a few kilobytes of JSON; Ray takes no less.
STORE_BYTES = 80 * 2**20
# Ray's own default; the paths of its sockets would be too long in many a TMPDIR.
DIRECTORY = "/tmp"


@contextmanager
def ray_cluster(config: RunConfig) -> Iterator[Cluster]:
    """Ray's workers; those made for the run have ended when the block has.

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
            stack.callback(ray.shutdown)  # also of one that came up only in part

        def is_lost(future: PrefectWrappedFuture[Any, Any]) -> bool:
            """Whether Ray gave the task up: its workers died, and it was tried often enough."""
            error = future.state.result(raise_on_failure=False)
            # Looked up this late, as what `from ray.exceptions import` gives is not always what is
            # raised: prefect_ray imports Ray lazily, and then that file is loaded twice.
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
    """The environment of a cluster that nobody but this run can reach.

    Ray reads it when it is imported, which nothing did before, and hands it down to all that it
    starts.
    """
    return {
        # Nodes of a machine that stays alone listen on 127.0.0.1 (as on macOS and Windows), and
        # not on every address.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Other users of the machine could have their code run otherwise.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _token(),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


@cache
def _token() -> str:
    """The same for the whole process: Ray keeps the first that it sees."""
    return secrets.token_hex(32)


def _check_port(address: str) -> None:
    """Somebody listens there; Ray itself would wait for minutes.

    Raises
    ------
    ConfigError
        Nobody does, or the address is not one of Ray's.
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
    """The variables are set, but for those that were set already."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _kept_signal() -> Iterator[None]:
    """SIGTERM does what it did before: Ray takes it, and Prefect could not cancel the run."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)
