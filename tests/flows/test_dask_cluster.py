"""The flow on a real Dask cluster: the same release as on threads, whichever worker dies."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import flows.clusters.dask
from flows.final_state import WITH_FAILURES
from model_quantization.outcome import Status
from tests.flows.cluster_runs import (
    check_same_release,
    manifest_of,
    outcomes_of,
    run_flow,
    task_run_states,
)
from tests.flows.worker_hooks import Deadly
from tests.model_directory import NAMES
from tests.object_storage import s3_server

dask = pytest.importorskip("dask", reason="the extra `dask` is not installed")
distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytest.importorskip("prefect_dask", reason="the extra `dask` is not installed")

from tests.flows.dask_hooks import DeadlyPlugin  # noqa: E402 - needs the extra itself

pytestmark = [
    pytest.mark.usefixtures("server"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@contextmanager
def _cluster(*plugins: Any, allowed_failures: int = 3) -> Iterator[str]:
    """The address of a scheduler with two worker processes."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": allowed_failures}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        for plugin in plugins:
            client.register_plugin(plugin)
        yield cluster.scheduler_address


def _deadly(*arguments: Any, **more: Any) -> DeadlyPlugin:
    return DeadlyPlugin(Deadly(*arguments, **more))


def _everywhere(address: str, function: Callable[[], Any]) -> list[Any]:
    with distributed.Client(address, set_as_default=False) as client:
        return list(client.run(function).values())


def test_a_cluster_made_for_the_run_publishes_what_threads_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = run_flow(root, "own", monkeypatch, task_runner="dask")
    assert state.is_completed() and state.name == "Completed", state
    check_same_release(root, "own")


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_shard_a_retry_and_nothing_else(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "begun"
    with _cluster(_deadly(str(log), "forest", deaths=1)) as address:
        # Such processes may not start others with multiprocessing; ours is a plain subprocess.
        assert all(_everywhere(address, lambda: multiprocessing.current_process().daemon))
        state = run_flow(
            root, "killed", monkeypatch, task_runner="dask", scheduler_address=address, shard_size=2
        )
    assert state.is_completed() and state.name == "Completed", state
    check_same_release(root, "killed")
    # eu/price was finished when its worker died at forest, the second of the shard.
    assert sorted(log.read_text().split()) == sorted([*NAMES, "forest"])


def test_a_model_that_kills_every_worker_fails_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "begun"
    with _cluster(_deadly(str(log), "linear", deaths=9), allowed_failures=0) as address:
        state = run_flow(
            root, "deadly", monkeypatch, task_runner="dask", scheduler_address=address, shard_size=3
        )
    assert state.name == WITH_FAILURES, state
    outcomes = {outcome.name: outcome for outcome in outcomes_of(root / "deadly")}
    killer = outcomes.pop("linear")
    assert (killer.status, killer.reason) == (Status.FAILED, "worker_crashed")
    assert "workers die while they quantize this model" in killer.note
    plain = {outcome.name: outcome for outcome in outcomes_of(root / "plain")}
    assert outcomes == {name: plain[name] for name in outcomes}
    assert log.read_text().split().count("linear") == 2
    assert "Crashed" in task_run_states(state)


def test_an_address_where_no_scheduler_answers_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.clusters.dask, "CONNECT_SECONDS", 0.5)
    state = run_flow(
        root, "never", monkeypatch, task_runner="dask", scheduler_address="tcp://127.0.0.1:9"
    )
    assert state.is_failed()
    assert "scheduler_address: no Dask scheduler answers" in str(state.message)


def test_without_the_extra_the_run_says_what_to_install(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    state = run_flow(root, "never", monkeypatch, task_runner="dask")
    assert state.is_failed()
    assert "pip install 'model-quantization[dask]'" in str(state.message)


@pytest.mark.slow
def test_from_object_storage_to_object_storage(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with s3_server(tmp_path / "cache") as store:
        store.mkdir("bucket")
        for folder in ("models", "holdout"):
            store.put(str(root / folder), "bucket/", recursive=True)
        state = run_flow(
            root,
            "",
            monkeypatch,
            task_runner="dask",
            model_dir="s3://bucket/models",
            output_dir="s3://bucket/out",
            holdout_dir="s3://bucket/holdout",
        )
        assert state.is_completed() and state.name == "Completed", state
        made = json.loads(store.cat_file("bucket/out/manifest.json"))["models"]
        plain = manifest_of(root / "plain")["models"]
        assert made == plain
        for entry in made.values():
            if entry["artifact"]:
                assert (
                    store.cat_file(f"bucket/out/{entry['artifact']}")
                    == (root / "plain" / entry["artifact"]).read_bytes()
                )
        pages = {"summary.md", "summary.csv", "stats/linear.json"}
        assert all(store.exists(f"bucket/out/{page}") for page in pages)
