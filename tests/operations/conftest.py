"""One server with worker and deployments for all tests here; its alerts arrive in a list."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.alert_log import receive_alerts
from flows.serve import LocalServer, free_port, serving
from flows.supervision import Supervision
from tests.model_directory import write_models

PROJECT = Path(__file__).resolve().parents[2]
SILENCE_SECONDS = 45


@dataclass
class Operations:
    """The running server, and what it told its webhook."""

    server: LocalServer
    webhook: str = ""
    supervision: Supervision | None = None
    alerts: list[dict[str, Any]] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def receive(self, alert: dict[str, Any]) -> None:
        with self._arrived:
            self.alerts.append(alert)
            self._arrived.notify_all()

    def wait_for_alert(
        self, wanted: Callable[[dict[str, Any]], bool], seconds: float
    ) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        with self._arrived:
            while True:
                for alert in self.alerts:
                    if wanted(alert):
                        return alert
                left = deadline - time.monotonic()
                assert left > 0, f"no such alert within {seconds} s; there were {self.alerts}"
                self._arrived.wait(left)


def begun_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """The runs that have begun, the last one first; the nightly ones to come are not meant."""
    begun = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[StateType.SCHEDULED]))
    )
    return client.read_flow_runs(flow_run_filter=begun, sort=FlowRunSort.EXPECTED_START_TIME_DESC)


def last_run(client: SyncPrefectClient) -> FlowRun:
    """The run that began last."""
    return begun_runs(client)[0]


def new_run(client: SyncPrefectClient, earlier: Collection[UUID]) -> FlowRun | None:
    """A run that has begun and is none of the `earlier` ones."""
    return next((run for run in begun_runs(client) if run.id not in earlier), None)


def wait_for(what: Callable[[], Any], seconds: float) -> Any:
    """The first true value of `what()`."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)
    return found


@pytest.fixture
def client(operations: Operations) -> Iterator[SyncPrefectClient]:
    with (
        temporary_settings({PREFECT_API_URL: f"{operations.server.url}/api"}),
        get_client(sync_client=True) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    running = Operations(LocalServer(free_port(), tmp_path_factory.mktemp("prefect"), PROJECT))
    with (
        receive_alerts(receive=running.receive) as address,
        serving(running.server, {"test": address}, silence_seconds=SILENCE_SECONDS) as supervision,
    ):
        running.webhook, running.supervision = address, supervision
        yield running


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration over four small models."""
    models, held_out = write_models(tmp_path)
    path = tmp_path / "run.yaml"
    path.write_text(
        yaml.safe_dump(
            {"model_dir": str(models), "holdout_dir": str(held_out), "latency_seconds": 0}
        )
    )
    return path
