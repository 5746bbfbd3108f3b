"""The flow on a real Dask cluster: the same release as on threads, whoever dies on the way."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_RESULTS_LOCAL_STORAGE_PATH,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from flows.conclusion import WITH_FAILURES
from flows.quantize_models import quantize_models
from ml.quantization.batch import run_batch
from ml.quantization.config_file import load_config
from ml.quantization.outcome import Outcome, Status
from ml.quantization.publish import known_outcomes
from tests.model_directory import NAMES, write_models
from tests.object_storage import s3_server

dask = pytest.importorskip("dask", reason="the extra `dask` is not installed")
distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytest.importorskip("prefect_dask", reason="the extra `dask` is not installed")

from tests.flows.worker_hooks import Deadly  # noqa: E402 - needs the extra itself

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    results = tmp_path_factory.mktemp("results")
    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings(
            {
                PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
                PREFECT_RESULTS_LOCAL_STORAGE_PATH: results,
            }
        ),
    ):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, and what the plain loop makes of them, in `plain`."""
    root = tmp_path_factory.mktemp("cluster")
    models, held_out = write_models(root)
    values = {"model_dir": str(models), "holdout_dir": str(held_out), "latency_seconds": 0}
    (root / "run.yaml").write_text(yaml.safe_dump(values))
    run_batch(load_config(root / "run.yaml", given={"output_dir": str(root / "plain")}))
    return root


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


def _everywhere(address: str, function: Callable[[], Any]) -> list[Any]:
    with distributed.Client(address, set_as_default=False) as client:
        return list(client.run(function).values())


def _run(root: Path, output: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> State[Any]:
    for name, value in settings.items():
        monkeypatch.setenv(f"MLQ_{name.upper()}", str(value))
    given = {"output_dir": str(root / output)} if output else {}
    return quantize_models(str(root / "run.yaml"), **given, return_state=True)


def _manifest(output: Path) -> dict[str, Any]:
    return json.loads((output / "manifest.json").read_text()) | {"created": ""}


def _outcomes(output: Path) -> list[Outcome]:
    return [replace(outcome, seconds=0.0) for outcome in known_outcomes(output)]


def _task_run_states(state: State[Any]) -> set[str]:
    run_filter = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        return {str(run.state_name) for run in client.read_task_runs(flow_run_filter=run_filter)}


def _check_same_release(root: Path, output: str) -> None:
    """Manifest, objects, tables and outcomes are those of the plain loop, byte for byte."""
    made, plain = root / output, root / "plain"
    assert _manifest(made) == _manifest(plain)
    for path in sorted((plain / "objects").iterdir()):
        assert (made / "objects" / path.name).read_bytes() == path.read_bytes()
    assert (made / "summary.md").read_bytes() == (plain / "summary.md").read_bytes()
    assert _outcomes(made) == _outcomes(plain)
    assert not (made / ".work" / "staging").exists()


def test_a_cluster_made_for_the_run_publishes_what_threads_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = _run(root, "own", monkeypatch, task_runner="dask")
    assert state.is_completed() and state.name == "Completed", state
    _check_same_release(root, "own")


def test_a_worker_that_dies_costs_its_shard_a_retry_and_nothing_else(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "begun"
    with _cluster(Deadly(str(log), "forest", deaths=1)) as address:
        # Such processes may not start others with multiprocessing; ours is a plain subprocess.
        assert all(_everywhere(address, lambda: multiprocessing.current_process().daemon))
        state = _run(
            root, "killed", monkeypatch, task_runner="dask", scheduler_address=address, shard_size=2
        )
    assert state.is_completed() and state.name == "Completed", state
    _check_same_release(root, "killed")
    # eu/price was finished when its worker died at forest, the second of the shard.
    assert sorted(log.read_text().split()) == sorted([*NAMES, "forest"])


def test_a_model_that_kills_every_worker_fails_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "begun"
    with _cluster(Deadly(str(log), "linear", deaths=9), allowed_failures=0) as address:
        state = _run(
            root, "deadly", monkeypatch, task_runner="dask", scheduler_address=address, shard_size=3
        )
    assert state.name == WITH_FAILURES, state
    outcomes = {outcome.name: outcome for outcome in _outcomes(root / "deadly")}
    killer = outcomes.pop("linear")
    assert (killer.status, killer.reason) == (Status.FAILED, "worker_crashed")
    assert "workers die while they do this model" in killer.note
    plain = {outcome.name: outcome for outcome in _outcomes(root / "plain")}
    assert outcomes == {name: plain[name] for name in outcomes}
    assert log.read_text().split().count("linear") == 2
    assert "Crashed" in _task_run_states(state)


def test_an_address_where_no_scheduler_answers_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import flows.clusters

    monkeypatch.setattr(flows.clusters, "CONNECT_SECONDS", 0.5)
    state = _run(
        root, "never", monkeypatch, task_runner="dask", scheduler_address="tcp://127.0.0.1:9"
    )
    assert state.is_failed()
    assert "scheduler_address: no Dask scheduler answers" in str(state.message)


def test_without_the_extra_the_run_says_what_to_install(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    state = _run(root, "never", monkeypatch, task_runner="dask")
    assert state.is_failed()
    assert "pip install 'model-quantization[dask]'" in str(state.message)


def test_from_object_storage_to_object_storage(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with s3_server(tmp_path / "cache") as store:
        store.mkdir("bucket")
        for folder in ("models", "holdout"):
            store.put(str(root / folder), "bucket/", recursive=True)
        state = _run(
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
        plain = _manifest(root / "plain")["models"]
        assert made == plain
        for entry in made.values():
            if entry["artifact"]:
                assert (
                    store.cat_file(f"bucket/out/{entry['artifact']}")
                    == (root / "plain" / entry["artifact"]).read_bytes()
                )
        pages = {"summary.md", "summary.csv", "stats/linear.json"}
        assert all(store.exists(f"bucket/out/{page}") for page in pages)
