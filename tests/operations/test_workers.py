"""A worker that dies is restarted; where nothing restarts it, the server reports it."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Scheduled

from flows import health
from flows.automations import POOL
from tests.operations.conftest import Operations, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_a_killed_worker_is_told_of_and_started_again(
    operations: Operations, client: SyncPrefectClient, config: Path
) -> None:
    watched = operations.supervision
    before = health.online_workers(client)
    watched.worker.kill()
    watched.worker.wait()
    watched.look()
    operations.wait_for_alert(
        lambda alert: alert["text"] == "the worker ended with -9; it is started again", 10
    )
    assert health.online_workers(client) - before
    run = client.create_flow_run_from_deployment(
        client.read_deployment_by_name("quantize-models/ci").id,
        parameters={"config_path": str(config)},
    )
    state = wait_for(
        lambda: (found := client.read_flow_run(run.id).state).is_final() and found, 240
    )
    assert state.is_completed(), state.message


def test_without_a_worker_the_server_tells_and_the_health_check_fails(
    operations: Operations,
    client: SyncPrefectClient,
    config: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    watched = operations.supervision
    watched.worker.kill()
    watched.worker.wait()
    run = client.create_flow_run_from_deployment(
        client.read_deployment_by_name("quantize-models/ci").id,
        parameters={"config_path": str(config)},
        state=Scheduled(),
    )
    late = operations.wait_for_alert(lambda alert: alert.get("run") == run.name, 120)
    assert late["event"] == "prefect.flow-run.Late"
    assert f"quantize-models {run.name} is late" in late["text"]
    idle = operations.wait_for_alert(lambda alert: alert.get("pool") == POOL, 240)
    assert f"prefect worker start --pool {POOL}" in idle["text"]
    wait_for(lambda: not health.online_workers(client), 240)
    assert health.main(["--url", operations.server.url]) == 1
    said = capsys.readouterr().out
    assert said == f"unhealthy: no worker of the pool {POOL} is online; 1 run is late\n"
    watched.look()
    state = wait_for(
        lambda: (found := client.read_flow_run(run.id).state).is_final() and found, 240
    )
    assert state.is_completed(), state.message
    assert health.main(["--url", operations.server.url]) == 0
    assert capsys.readouterr().out == f"healthy: {operations.server.url}/api\n"
