"""The flow on Prefect's own test server, over real models."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from flows.automations import SILENCE_SECONDS
from flows.final_state import WITH_FAILURES, final_state
from flows.prefect_settings import settings
from flows.quantize_models import quantize_models
from model_quantization.batch import run as batch
from model_quantization.errors import WorkerCrashed
from model_quantization.outcome import Status
from model_quantization.release.known import known_outcomes
from model_quantization.release.manifest import read_release
from model_quantization.report.summary import CSV_COLUMNS
from tests.model_directory import NAMES, write_attack, write_models

PROJECT = Path(__file__).parent.parent.parent
# Prefect's own sockets and database connections are closed by the garbage collector.
pytestmark = [
    pytest.mark.usefixtures("server"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    models, held_out = write_models(tmp_path)
    path = tmp_path / "run.yaml"
    path.write_text(
        yaml.safe_dump(
            {"model_dir": str(models), "holdout_dir": str(held_out), "latency_seconds": 0}
        )
    )
    return path


def _run(config: Path, **given: Any) -> State[Any]:
    return quantize_models(str(config), **given, return_state=True)


def _task_run_names(state: State[Any], *, last: str = "report") -> set[str]:
    """The names of the run's task runs; the server writes them down a moment later."""
    run_filter = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        for _ in range(300):
            names = {run.name for run in client.read_task_runs(flow_run_filter=run_filter)}
            if last in names:
                break
            time.sleep(0.1)
    return names


def test_the_flow_publishes_reports_and_does_nothing_twice(config: Path) -> None:
    state = _run(config)
    assert state.is_completed(), state
    assert state.name == "Completed"
    output = config.parent / "models" / "quantized"
    outcomes = {outcome.name: outcome for outcome in known_outcomes(output)}
    assert tuple(outcomes) == NAMES
    assert outcomes["linear"].status is Status.PUBLISHED
    assert outcomes["tiny"].status is Status.NO_GAIN
    first = read_release(output)
    names = {f"{stage} {name}" for stage in ("quantize", "evaluate") for name in NAMES}
    assert _task_run_names(state) == names | {"discover", "report"}

    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts()
    table = next(a for a in artifacts if a.key == "quantization-summary")
    rows = json.loads(str(table.data))
    assert {row["model"] for row in rows} == set(NAMES)
    assert tuple(rows[0]) == CSV_COLUMNS
    page = next(a for a in artifacts if a.key == "quantization-summary-page")
    assert str(page.data).startswith((output / "summary.md").read_text())
    assert f"Pictures and trends: `{output / 'report.html'}`" in str(page.data)

    again = _run(config)
    assert again.is_completed()
    assert _task_run_names(again) == {"discover", "report"}
    assert read_release(output) == first

    (config.parent / "models" / "tiny.sav").unlink()
    _run(config, only=["linear"], bit_depth="16", force=True)
    changed = read_release(output)
    assert {name: model.bit_depth for name, model in changed.models.items()} == {
        "eu/price": "8",
        "forest": "8",
        "linear": "16",
    }


def test_a_bad_model_is_named_and_stops_nothing(config: Path) -> None:
    write_attack(config.parent / "models")
    state = _run(config, only=["evil", "linear"])
    assert state.is_completed()
    assert state.name == WITH_FAILURES
    assert str(state.message).startswith("1 of 2 failed (evil). 2 models: 1 published, 1 refused.")
    strict = _run(config, only=["evil", "linear"], strict=True)
    assert strict.is_failed()
    assert str(strict.message).startswith("1 of 2 models fell short: evil (refused). With `strict`")


def test_what_may_pass_is_tried_again_and_what_does_not_costs_one_model(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.quantization import quantize

    monkeypatch.setattr(quantize, "retry_delay_seconds", [0, 0])
    real = batch.quantize_stage
    tries: dict[str, int] = {}

    def flaky(source: Path, *rest: Any) -> dict[str, Any]:
        name = source.name.partition(".")[0]
        tries[name] = tries.get(name, 0) + 1
        if name == "price" or (name == "linear" and tries[name] < 3):
            raise WorkerCrashed("the worker was killed")
        if name == "tiny":
            raise ZeroDivisionError("a bug")
        return real(source, *rest)

    monkeypatch.setattr(batch, "quantize_stage", flaky)
    state = _run(config)
    assert state.name == WITH_FAILURES
    assert tries == {"linear": 3, "price": 3, "tiny": 1, "forest": 1}
    outcomes = {o.name: o for o in known_outcomes(config.parent / "models" / "quantized")}
    assert outcomes["linear"].status is Status.PUBLISHED
    assert (outcomes["eu/price"].status, outcomes["eu/price"].reason) == (
        Status.FAILED,
        "worker_crashed",
    )
    assert (outcomes["tiny"].status, outcomes["tiny"].reason) == (Status.FAILED, "unexpected")


def test_a_configuration_that_cannot_be_used_fails_the_run(config: Path) -> None:
    state = _run(config, model_dir=str(config.parent / "nope"))
    assert state.is_failed()
    assert "the model directory does not exist" in str(state.message)
    with config.open("a") as stream:
        stream.write("bit_dept: 8\n")
    assert "did you mean `bit_depth`?" in str(_run(config).message)


def test_parameters_are_checked_before_anything_runs(config: Path) -> None:
    assert "bit_depth" in str(_run(config, bit_depth="7").message)
    assert _run(config, allowed_drop=-1.0).is_failed()


def test_how_a_run_ends() -> None:
    good = {"total": "T.", "models": 3, "broken": [], "fell_short": []}
    assert final_state(good, strict=True).is_completed()
    missed = good | {"fell_short": ["a", "b"]}
    failed = final_state(missed, strict=True)
    assert failed.is_failed()
    assert str(failed.message).startswith(
        "2 of 3 models fell short: a, b. With `strict`, a run fails"
    )
    assert str(failed.message).endswith("`quantization-summary-page` says what to do. T.")
    worded = final_state(missed | {"verdicts": {"a": "refused"}}, strict=True)
    assert "fell short: a (refused), b. " in str(worded.message)
    many = final_state(good | {"fell_short": [f"m{n}" for n in range(12)]}, strict=True)
    assert "m9 and 2 more. With" in str(many.message)
    assert final_state(good | {"broken": ["a"]}, strict=False).name == WITH_FAILURES


def test_the_deployments_are_what_the_flow_takes() -> None:
    document = yaml.safe_load((PROJECT / "prefect.yaml").read_text())
    deployments = {item["name"]: item for item in document["deployments"]}
    assert set(deployments) == {"nightly", "manual", "ci"}
    assert deployments["nightly"]["schedules"] == [{"cron": "0 2 * * *", "timezone": "UTC"}]
    assert deployments["nightly"]["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"
    for item in deployments.values():
        assert item["entrypoint"] == "flows.quantize_models.quantize_models"
        # A run has these in its own process; else it is taken for dead between two heartbeats.
        for name, value in item["work_pool"]["job_variables"]["env"].items():
            assert settings()[name] == value
        assert 3 * int(settings()["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) <= SILENCE_SECONDS
        assert (PROJECT / item["parameters"]["config_path"]).is_file()
        quantize_models.validate_parameters(item["parameters"])


@pytest.mark.slow
def test_the_command_needs_no_server(config: Path, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
    environ["PREFECT_HOME"] = str(tmp_path / "prefect")

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flows.quantize_models", "--config", str(config), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=environ,
        )

    done = command()
    assert done.returncode == 0, done.stderr
    assert "label_exact" in done.stdout or "exact" in done.stdout
    assert "Completed: 4 models" in done.stderr
    bad = command("--weight-threshold", "-1")
    assert bad.returncode == 2
    assert "--weight-threshold: cannot be used" in bad.stderr
    (config.parent / "models" / "broken.pkl").write_bytes(pickle.dumps(3)[:-1])
    assert command("--strict").returncode == 1
