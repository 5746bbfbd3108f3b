"""A Prefect server that does not start or is missing: one line that says what to do."""

from __future__ import annotations

import atexit
from pathlib import Path

import httpx
import pytest
from prefect import flow
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from flows.command_line import main
from flows.embedded_server import SECONDS_VARIABLE, ServerUnavailable, server_needed
from flows.serve import free_port


@flow
def nothing_to_do(*arguments: object, **options: object) -> None:
    """A flow that only has to be started."""


def test_an_embedded_server_that_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubprocessASGIServer, "_instances", {})
    seconds = {PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 1}
    server = SubprocessASGIServer()
    try:
        with (
            temporary_settings(seconds, restore_defaults=[PREFECT_API_URL]),
            pytest.raises(ServerUnavailable) as raised,
            server_needed(),
        ):
            server.start()
    finally:
        atexit.unregister(server.stop)
        assert server.server_process is not None
        server.server_process.kill()
        server.server_process.wait()
    assert "did not start within 1 seconds" in str(raised.value)
    assert SECONDS_VARIABLE in str(raised.value)
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Timed out while attempting to connect to ephemeral Prefect API server."),
        httpx.ReadTimeout("the server accepts and does not answer"),
        httpx.ConnectError("nobody listens"),
    ],
)
def test_the_command_prints_one_line(
    capsys: pytest.CaptureFixture[str], error: Exception, tmp_path: Path
) -> None:
    def failing(*arguments: object, **options: object) -> None:
        raise error

    (tmp_path / "models").mkdir()
    code = main(failing, ["--model-dir", str(tmp_path / "models")])
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert "make serve" in lines[0]


def test_a_configured_server_that_is_not_there() -> None:
    with (
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}),
        pytest.raises(ServerUnavailable, match="cannot be reached"),
        server_needed(),
    ):
        nothing_to_do()


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="of the model") as raised, server_needed():
        raise RuntimeError("a fault of the model")
    assert not isinstance(raised.value, ServerUnavailable)
