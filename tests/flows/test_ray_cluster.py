"""The flow on a real Ray cluster: the same release as on threads, whichever worker dies."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flows.clusters.ray
from flows.clusters.ray import ray_cluster
from flows.final_state import WITH_FAILURES
from flows.processes import kept_process, wait_until
from flows.serve import free_port
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import ConfigError
from model_quantization.outcome import Status
from tests.flows.cluster_runs import (
    check_same_release,
    outcomes_of,
    run_flow,
    task_run_states,
)
from tests.flows.worker_hooks import Deadly
from tests.model_directory import NAMES

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
PROJECT = Path(__file__).resolve().parents[2]
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
LISTENS = "0A"
START_SECONDS = 120


_NEEDED = ("ray", "prefect_ray")
# Not imported here: Ray reads its environment then.
needs_ray = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, _NEEDED)), reason="the extra `ray` is not installed"
)


def _die(monkeypatch: pytest.MonkeyPatch, log: Path, name: str, deaths: int) -> None:
    """Every worker of a cluster that is joined from now on has the hook."""
    from prefect_ray import RayTaskRunner

    hook = {
        "worker_process_setup_hook": Deadly(str(log), name, deaths).install,
        "env_vars": {"PYTHONPATH": str(PROJECT)},
    }
    init = RayTaskRunner.__init__

    def hooked(self: Any, address: str | None, init_kwargs: dict[str, Any]) -> None:
        init(self, address, init_kwargs | {"runtime_env": hook})

    monkeypatch.setattr(RayTaskRunner, "__init__", hooked)


def _config(address: str | None) -> RunConfig:
    return RunConfig(task_runner="ray", scheduler_address=address)


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("server")
def test_a_cluster_made_for_the_run_publishes_what_threads_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_sigterm = signal.getsignal(signal.SIGTERM)
    state = run_flow(root, "own", monkeypatch, task_runner="ray")
    assert state.is_completed() and state.name == "Completed", state
    check_same_release(root, "own")
    assert signal.getsignal(signal.SIGTERM) == at_sigterm  # Prefect cancels runs with it
    assert _processes_of_ray() == []
    assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("server")
def test_a_worker_that_dies_costs_its_shard_a_retry_and_nothing_else(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "begun"
    _die(monkeypatch, log, "forest", deaths=1)
    state = run_flow(root, "killed", monkeypatch, task_runner="ray", shard_size=2)
    assert state.is_completed() and state.name == "Completed", state
    check_same_release(root, "killed")
    # eu/price was finished when its worker died at forest, the second of the shard.
    assert sorted(log.read_text().split()) == sorted([*NAMES, "forest"])


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("server")
def test_a_model_that_kills_every_worker_fails_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "begun"
    _die(monkeypatch, log, "linear", deaths=99)
    state = run_flow(root, "deadly", monkeypatch, task_runner="ray", shard_size=3)
    assert state.name == WITH_FAILURES, state
    outcomes = {outcome.name: outcome for outcome in outcomes_of(root / "deadly")}
    killer = outcomes.pop("linear")
    assert (killer.status, killer.reason) == (Status.FAILED, "worker_crashed")
    assert "workers die while they quantize this model" in killer.note
    plain = {outcome.name: outcome for outcome in outcomes_of(root / "plain")}
    assert outcomes == {name: plain[name] for name in outcomes}
    begun = log.read_text().split()
    assert all(begun.count(name) == 1 for name in NAMES if name != "linear")
    assert "Crashed" in task_run_states(state)


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("server")
def test_clusters_that_run_already_are_used_and_go_on_running(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a node of it, and through its client server."""
    node, client = free_port(), free_port()
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": flows.clusters.ray._token(),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    options = {
        "num-cpus": 2,
        "num-gpus": 0,
        "port": node,
        "ray-client-server-port": client,
        "include-dashboard": "false",
        "object-store-memory": flows.clusters.ray.STORE_BYTES,
    }
    command += [f"--{name}={value}" for name, value in options.items()]
    log = tmp_path / "ray.log"
    with (
        tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as short,
        kept_process(
            "ray",
            [*command, f"--temp-dir={short}"],
            log=log,
            cwd=tmp_path,
            env=os.environ,
        ) as process,
    ):
        wait_until(
            lambda: _answers(node) and _answers(client),
            process,
            name="cluster",
            log=log,
            seconds=START_SECONDS,
        )
        for output, address in (
            ("node", f"127.0.0.1:{node}"),
            ("client", f"ray://127.0.0.1:{client}"),
        ):
            state = run_flow(
                root, output, monkeypatch, task_runner="ray", scheduler_address=address
            )
            assert state.is_completed() and state.name == "Completed", state
            check_same_release(root, output)
            assert process.poll() is None


def _answers(port: int) -> bool:
    try:
        flows.clusters.ray._check_port(f"127.0.0.1:{port}")
    except ConfigError:
        return False
    return True


@pytest.mark.slow
@needs_ray
def test_a_cluster_made_for_the_run_listens_on_loopback_only() -> None:
    with ray_cluster(_config(None)):
        import ray

        ray.get(ray.remote(lambda: 1).remote())
        pids = _processes_of_ray()
        listening = {address for pid in pids for address in _listening(pid)}
        shared = os.environ["RAY_AUTH_TOKEN"]
    assert pids and listening
    assert listening <= LOOPBACK
    assert len(shared) == 2 * len(secrets.token_bytes(32))


def _processes_of_ray() -> list[int]:
    """This process's descendants that belong to Ray."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            mine = f"RAY_AUTH_TOKEN={flows.clusters.ray._token()}".encode()
            environment = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"ray" in command and mine in environment and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


def _listening(pid: int) -> Iterator[str]:
    """The local addresses, as the kernel writes them, at which the process listens."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and fields[9] in inodes:
                yield fields[1].partition(":")[0]


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_an_address_where_no_cluster_answers_is_named(prefix: str) -> None:
    with (
        pytest.raises(ConfigError, match="scheduler_address: no Ray cluster answers") as caught,
        ray_cluster(_config(f"{prefix}127.0.0.1:9")),
    ):
        pass
    assert "start it, or leave the address out" in str(caught.value)


@pytest.mark.parametrize("address", ["auto", "tcp://127.0.0.1:8786", "127.0.0.1:many", "host"])
def test_what_is_no_address_of_ray_is_refused(address: str) -> None:
    with (
        pytest.raises(ConfigError, match="not an address of a Ray cluster; expected host:port"),
        ray_cluster(_config(address)),
    ):
        pass


def test_without_the_extra_the_run_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_ray", None)
    with (
        pytest.raises(ConfigError, match=r"pip install 'model-quantization\[ray\]'"),
        ray_cluster(_config(None)),
    ):
        pass
