"""Deployments through a worker: exit codes, run pages, alerts, and what a dead run leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import ArtifactSort
from prefect.states import Pending

from flows.automations import FAILURE, HEARTBEAT, LATE, NO_WORKER, WORSENED, ensure_automations
from flows.processes import kept_process
from flows.serve import settle_lost_runs
from model_quantization.release.known import known_outcomes
from model_quantization.release.manifest import read_release
from model_quantization.report.summary import CSV_COLUMNS
from tests.model_directory import NAMES, write_attack
from tests.operations.conftest import (
    SILENCE_SECONDS,
    Operations,
    begun_runs,
    last_run,
    new_run,
    wait_for,
)

PROJECT = Path(__file__).resolve().parents[2]
WATCH_SECONDS = 240
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def watch(
    operations: Operations, deployment: str, **parameters: Any
) -> subprocess.CompletedProcess[str]:
    """`prefect deployment run ... --watch`, as a pipeline calls it."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "prefect", "--no-prompt", "deployment", "run"),
            *(f"quantize-models/{deployment}", "--params", json.dumps(parameters)),
            *("--watch", "--watch-interval", "1", "--watch-timeout", str(WATCH_SECONDS)),
        ],
        env=operations.server.environment() | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=WATCH_SECONDS + 60,
    )


def task_names(client: SyncPrefectClient, run: FlowRun) -> set[str]:
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    return {task.name for task in client.read_task_runs(flow_run_filter=only)}


def test_all_good_ends_with_0_and_its_page_shows_it(
    operations: Operations, client: SyncPrefectClient, config: Path
) -> None:
    done = watch(operations, "ci", config_path=str(config), strict=True)
    assert done.returncode == 0, done.stdout + done.stderr
    run = last_run(client)
    names = {f"{stage} {name}" for stage in ("quantize", "evaluate") for name in NAMES}
    wait_for(lambda: task_names(client, run) >= names | {"discover", "report"}, 30)
    # The library's own lines are in the log of the task that they belong to.
    only = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    lines = wait_for(
        lambda: [
            line
            for line in client.read_logs(only, limit=200)
            if line.name.startswith("model_quantization.") and line.message.startswith("linear: ")
        ],
        30,
    )
    assert lines[0].task_run_id is not None
    artifacts = {
        artifact.key: artifact
        for artifact in client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        )
    }
    rows = json.loads(str(artifacts["quantization-summary"].data))
    assert {row["model"] for row in rows} == set(NAMES)
    assert tuple(rows[0]) == CSV_COLUMNS
    assert "published" in str(artifacts["quantization-summary-page"].data)
    assert float(str(artifacts["quantization-progress"].data)) == 100.0


def test_one_failing_model_ends_with_1_and_alerts(
    operations: Operations, client: SyncPrefectClient, config: Path
) -> None:
    write_attack(config.parent / "models")
    done = watch(operations, "ci", config_path=str(config), strict=True)
    assert done.returncode == 1, done.stdout
    run = last_run(client)
    assert "models fell short: evil (refused). " in str(run.state.message)
    # The model's own task is not green, and says why.
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    states = wait_for(
        lambda: (
            (found := {t.name: t.state for t in client.read_task_runs(flow_run_filter=only)}).keys()
            >= {"evaluate evil", "report"}
            and found
        ),
        30,
    )
    assert (states["evaluate evil"].is_failed(), states["evaluate evil"].name) == (True, "Refused")
    assert "do not open it" in str(states["evaluate evil"].message)
    assert states["evaluate linear"].is_completed()
    artifacts = client.read_artifacts(
        artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id])),
        sort=ArtifactSort.CREATED_DESC,
    )
    # The page of the verdicts is the first that the run shows, with evidence and the run's facts.
    assert artifacts[0].key == "quantization-summary-page"
    text = str(artifacts[0].data)
    assert "### evil: refused" in text
    assert "stats/evil.json" in text
    assert "| host |" in text
    alert = operations.wait_for_alert(lambda alert: alert.get("run") == run.name, 60)
    assert alert["state"] == "FellShort"
    assert "fell short: evil (refused)" in alert["text"]
    assert str(run.id) in alert["url"]
    # Good models were published all the same.
    assert read_release(config.parent / "models" / "quantized").models["linear"].artifact


def test_a_model_that_got_worse_is_an_event_and_an_alert(
    operations: Operations, config: Path
) -> None:
    assert watch(operations, "manual", config_path=str(config)).returncode == 0
    (config.parent / "models" / "linear.pkl").write_bytes(b"not a model")
    assert watch(operations, "manual", config_path=str(config)).returncode == 0
    alert = operations.wait_for_alert(lambda alert: alert.get("model") == "linear", 60)
    assert alert["event"] == "quantization.verdict.worsened"
    assert alert["after"] in ("refused", "failed")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"bit_depth": "7"}, "bit_depth"),
        ({"allowed_drop": 2}, "allowed_drop"),
        ({"more": {"gate": {"alpha": 0.9}}}, "0.9 is greater than or equal to the maximum of 0.5"),
        ({"bit_dept": "8"}, "bit_dept"),
    ],
)
def test_a_bad_parameter_ends_with_1_and_the_reason(
    operations: Operations, parameters: dict[str, Any], reason: str
) -> None:
    done = watch(operations, "ci", **parameters)
    assert done.returncode == 1
    assert reason in " ".join((done.stdout + done.stderr).split())


def test_deploying_again_makes_no_second_automation(
    operations: Operations, client: SyncPrefectClient
) -> None:
    before = {item.name: item.id for item in client.read_automations()}
    assert set(before) == {FAILURE, WORSENED, HEARTBEAT, NO_WORKER, LATE}
    ensure_automations(client, {"test": "http://127.0.0.1:9/"}, silence_seconds=60)
    after = {item.name: item for item in client.read_automations()}
    assert {name: item.id for name, item in after.items()} == before
    assert after[HEARTBEAT].trigger.within.total_seconds() == 60
    ensure_automations(client, {"test": operations.webhook}, silence_seconds=SILENCE_SECONDS)


def test_runs_that_were_lost_with_their_server_are_marked_as_crashed(
    operations: Operations, client: SyncPrefectClient
) -> None:
    deployment = client.read_deployment_by_name("quantize-models/ci").id
    lost = client.create_flow_run_from_deployment(deployment, state=Pending())
    assert settle_lost_runs(client) == [lost.name]
    assert client.read_flow_run(lost.id).state.is_crashed()
    assert settle_lost_runs(client) == []


def _slow(config: Path) -> Path:
    """The same with seconds of timing a model, one at a time: long enough to be killed in."""
    values = yaml.safe_load(config.read_text()) | {"latency_seconds": 3, "n_workers": 1}
    config.write_text(yaml.safe_dump(values))
    return config


def _kill_run(run: FlowRun) -> None:
    """Kill -9 for the process of the run and its children."""
    mark = f"PREFECT__FLOW_RUN_ID={run.id}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)


def test_a_killed_run_ends_with_1_and_the_next_goes_on_where_it_stopped(
    operations: Operations, client: SyncPrefectClient, config: Path
) -> None:
    _slow(config)
    with ThreadPoolExecutor(1) as pool:
        earlier = {run.id for run in begun_runs(client)}
        watching = pool.submit(watch, operations, "ci", config_path=str(config))
        run = wait_for(lambda: new_run(client, earlier), 120)
        finished = config.parent / "models" / "quantized" / ".work" / "outcomes"
        first = wait_for(lambda: sorted(finished.rglob("*.json")), 120)
        _kill_run(run)
        assert watching.result().returncode == 1
    wait_for(lambda: (found := client.read_flow_run(run.id).state).is_final() and found, 60)
    assert client.read_flow_run(run.id).state.is_crashed()
    operations.wait_for_alert(
        lambda alert: alert.get("run") == run.name and alert["state"] == "Crashed", 60
    )
    assert watch(operations, "ci", config_path=str(config)).returncode == 0
    second = last_run(client)
    assert second.id != run.id
    wait_for(lambda: "report" in task_names(client, second), 30)
    done_again = {name.removeprefix("quantize ") for name in task_names(client, second)}
    done_before = {path.relative_to(finished).with_suffix("").as_posix() for path in first}
    assert not done_again & done_before
    assert len(known_outcomes(config.parent / "models" / "quantized")) == len(NAMES)


def test_a_run_that_nobody_watches_over_is_marked_as_crashed_by_the_server(
    operations: Operations, client: SyncPrefectClient, config: Path, tmp_path: Path
) -> None:
    """No worker sees this process end, as when worker and run die together."""
    command = [sys.executable, "-m", "flows.quantize_models", "--config", str(_slow(config))]
    earlier = {run.id for run in begun_runs(client)}
    with kept_process(
        "flow",
        command,
        log=tmp_path / "flow.log",
        cwd=PROJECT,
        env=operations.server.environment(),
    ) as process:
        run = wait_for(lambda: new_run(client, earlier), 120)
        wait_for(lambda: any("evaluate" in name for name in task_names(client, run)), 60)
        process.kill()
    assert not client.read_flow_run(run.id).state.is_final()
    state = wait_for(
        lambda: (found := client.read_flow_run(run.id).state).is_final() and found,
        SILENCE_SECONDS + 90,
    )
    assert state.is_crashed()
    assert "no heartbeat" in str(state.message)
    operations.wait_for_alert(
        lambda alert: alert.get("run") == run.name and alert["state"] == "Crashed", 60
    )
