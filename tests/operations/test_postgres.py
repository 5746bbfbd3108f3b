"""The flow with a Prefect server on Postgres: 200 models, four at a time, killed processes."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from sklearn.linear_model import LogisticRegression

from flows import health
from flows.serve import LocalServer, free_port, serving
from flows.supervision import Supervision
from model_quantization.outcome import Status
from model_quantization.release.known import known_outcomes
from model_quantization.release.manifest import read_release
from tests.operations.conftest import PROJECT, new_run, wait_for
from tests.operations.postgres import postgres

MODELS = 200
KILLS = 3
RUN_SECONDS = 900
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration over 200 small models that gain by it, four done at a time."""
    models, held_out = tmp_path / "models", tmp_path / "holdout"
    models.mkdir()
    held_out.mkdir()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 120))
    for number in range(MODELS):
        y = (X @ rng.normal(size=120) > 0).astype(int)
        model = LogisticRegression(max_iter=60, tol=1e-2).fit(X[:200], y[:200])
        (models / f"model{number:03d}.pkl").write_bytes(pickle.dumps(model))
    path = tmp_path / "run.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "model_dir": str(models),
                "holdout_dir": str(held_out),
                "latency_seconds": 0,
                "bit_depth": "exact",
                "n_workers": 4,
            }
        )
    )
    return path


def process_of(run: FlowRun) -> psutil.Process | None:
    """The process that a worker started for a run."""
    mark = f"PREFECT__FLOW_RUN_ID={run.id}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError, psutil.NoSuchProcess):
            if mark in path.read_bytes().split(b"\0"):
                return psutil.Process(int(path.parent.name))
    return None


def kill_a_child(process: psutil.Process) -> bool:
    """Whether a child that has a model open was found, and killed."""
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "sandbox.server" in " ".join(child.cmdline()) and not child.children():
                parent = child.parent()
                if parent is not None and parent.pid != process.pid:  # not the fork server itself
                    os.kill(child.pid, signal.SIGKILL)
                    return True
    return False


def rows_in(url: str, table: str) -> int:
    import asyncpg

    async def count() -> int:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
        finally:
            await connection.close()

    return asyncio.run(count())


def test_nothing_of_200_models_is_lost_with_a_killed_worker_and_killed_children(
    database: str, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", database)
    server = LocalServer(free_port(), tmp_path / "prefect", PROJECT)
    output = config.parent / "models" / "quantized"
    with (
        serving(server, {}) as watched,
        temporary_settings({PREFECT_API_URL: f"{server.url}/api"}),
        get_client(sync_client=True) as client,
    ):
        deployment = client.read_deployment_by_name("quantize-models/ci").id
        started = client.create_flow_run_from_deployment(
            deployment, parameters={"config_path": str(config)}
        )
        run = wait_for(lambda: new_run(client, set()), 180)
        assert run.id == started.id
        finished = output / ".work" / "outcomes"
        wait_for(lambda: len(list(finished.rglob("*.json"))) >= 10, 240)
        process = wait_for(lambda: process_of(run), 30)
        _kill_worker(watched)
        for _ in range(KILLS):
            wait_for(lambda: kill_a_child(process), 60)
        watched.look()
        assert health.online_workers(client)
        state = wait_for(
            lambda: (found := client.read_flow_run(run.id).state).is_final() and found, RUN_SECONDS
        )
        assert state.is_completed(), state.message
        # The tasks of both stages, discovery and report: all of them are in Postgres.
        wait_for(lambda: rows_in(database, "task_run") >= 2 * MODELS + 2, 60)
        assert rows_in(database, "flow_run") >= 1
    assert not list((tmp_path / "prefect").glob("*.db"))
    outcomes = known_outcomes(output)
    assert len(outcomes) == MODELS
    assert {outcome.status for outcome in outcomes} == {Status.PUBLISHED}
    release = read_release(output)
    assert release.number == 1
    assert all(model.artifact for model in release.models.values())


def _kill_worker(watched: Supervision) -> None:
    watched.worker.kill()
    watched.worker.wait()
