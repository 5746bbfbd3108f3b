"""Prefect's settings reach every process, from wherever the flow is started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import Settings

from flows.configuration import configure
from flows.prefect_settings import CODE, settings, use_project_settings, variables
from model_quantization.errors import ConfigError
from model_quantization.project.starting import start_project


def test_a_table_becomes_variables() -> None:
    table = {"server": {"a": {"b": 1}, "c": False}, "home": "x"}
    assert dict(variables(table)) == {
        "PREFECT_SERVER_A_B": "1",
        "PREFECT_SERVER_C": "false",
        "PREFECT_HOME": "x",
    }


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))


@pytest.mark.usefixtures("clean")
def test_the_project_sets_what_the_user_did_not(tmp_path: Path) -> None:
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "true"
    use_project_settings()
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "true"
    assert os.environ["PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE"] == "200"
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["PREFECT_HOME"] == str(CODE / ".prefect")


@pytest.mark.usefixtures("clean")
def test_the_users_own_profile_stays_in_use(tmp_path: Path) -> None:
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect" / "profiles.toml").touch()
    use_project_settings()
    assert "PREFECT_HOME" not in os.environ


@pytest.mark.usefixtures("clean")
def test_without_a_project_the_settings_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flows.prefect_settings.IN_CHECKOUT", False)
    before = set(os.environ)
    use_project_settings()
    assert set(os.environ) - before == set(settings())
    assert "PREFECT_HOME" not in os.environ


@pytest.mark.usefixtures("clean")
def test_the_project_of_the_working_directory_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_project(tmp_path / "own")
    monkeypatch.chdir(tmp_path / "own" / "models")
    use_project_settings()
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "own" / ".prefect")
    assert configure("configs/nightly.yaml").model_path == tmp_path / "own" / "models"


def test_the_settings_can_be_given_to_a_shell() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.prefect_settings"],
        cwd=CODE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "export PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30\n" in done.stdout
    assert len(done.stdout.splitlines()) == len(settings())


def test_prefect_understands_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    use_project_settings()
    settings = Settings()
    assert settings.server.services.task_run_recorder.batch_size == 200
    assert settings.server.services.event_persister.flush_interval == 1
    assert settings.server.services.triggers.read_batch_size == 50
    assert settings.server.services.db_vacuum.enabled == {"events", "flow_runs"}
    assert settings.server.ephemeral.startup_timeout_seconds == 120
    assert not settings.server.analytics_enabled


def test_a_configuration_of_the_project_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert configure("configs/demo.yaml").model_path == CODE / "demo" / "models"
    own = tmp_path / "configs" / "demo.yaml"
    own.parent.mkdir()
    own.write_text("model_dir: here")
    given = configure("configs/demo.yaml", bit_depth="16", gate={"allowed_drop": None})
    assert given.model_path == tmp_path / "configs" / "here"
    assert given.bit_depth == "16"
    with pytest.raises(ConfigError, match="the configuration cannot be read"):
        configure("configs/nope.yaml")
