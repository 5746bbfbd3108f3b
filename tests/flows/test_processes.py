"""Processes end with all that they started; alerts become lines; a taken port is named."""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from flows.alert_log import log_alert, receive_alerts
from flows.automations import FAILURE, HEARTBEAT, LATE, NO_WORKER, WORSENED, automations
from flows.processes import ProcessFailed, kept_process, run_to_end, wait_until
from flows.serve import LocalServer, free_port, is_free, main

# A child in a session of its own, which no process group reaches, and which ignores SIGTERM.
_STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_process_ends_with_all_that_it_started(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with kept_process(
        "stubborn",
        [sys.executable, "-c", _STUBBORN],
        log=log,
        cwd=tmp_path,
        env=os.environ,
        grace_seconds=0.2,
    ) as process:
        wait_until(lambda: log.read_text().endswith("\n"), process, name="it", log=log, seconds=30)
        child = int(log.read_text())
        assert _is_running(child)
    assert process.returncode is not None
    for _ in range(100):
        if not _is_running(child):
            break
        time.sleep(0.05)
    assert not _is_running(child)


def test_what_does_not_come_up_is_named_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", "print('no database'); raise SystemExit(3)"]
    with kept_process("server", command, log=log, cwd=tmp_path, env=os.environ) as process:
        process.wait()
        with pytest.raises(ProcessFailed, match=r"the server ended with 3; .*\n.*no database"):
            wait_until(lambda: False, process, name="server", log=log, seconds=30)
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        kept_process("server", sleeping, log=log, cwd=tmp_path, env=os.environ) as process,
        pytest.raises(ProcessFailed, match="the server was not ready within 0 s"),
    ):
        wait_until(lambda: False, process, name="server", log=log, seconds=0)
    with pytest.raises(ProcessFailed, match=r"ended with 3:\nno database"):
        run_to_end(command, cwd=tmp_path, env=os.environ, seconds=30)
    with pytest.raises(ProcessFailed, match="did not end within 0 s"):
        run_to_end(sleeping, cwd=tmp_path, env=os.environ, seconds=0.2)


def _post(address: str, body: bytes, headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection(str(urlsplit(address).netloc), timeout=10)
    try:
        connection.request("POST", "/", body, headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_alerts_arrive_and_anything_else_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    received: list[dict[str, Any]] = []
    with receive_alerts(receive=received.append) as address:
        assert _post(address, b'{"text": "a run failed"}') == 204
        assert _post(address, b"not JSON") == 400
        assert _post(address, b"[1]") == 400
        assert _post(address, b"", {"Content-Length": str(1 << 30)}) == 413
    assert received == [{"text": "a run failed"}]
    with caplog.at_level(logging.WARNING, logger="flows.alerts"):
        log_alert({"text": "two\nlines"})
        log_alert({"model": "intent"})
    assert caplog.messages == ["two lines", '{"model": "intent"}']


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert is_free(free_port())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert main(["--port", str(port), "--home", str(tmp_path)]) == 1
    assert f"port {port} is taken" in capsys.readouterr().err


def test_the_pages_ask_the_server_that_they_came_from(tmp_path: Path) -> None:
    environment = LocalServer(4321, tmp_path, tmp_path).environment()
    assert environment["PREFECT_SERVER_UI_API_URL"] == "http://127.0.0.1:4321/api"
    assert environment["PREFECT_HOME"] == str(tmp_path)
    assert environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def test_the_automations_are_what_the_documentation_says() -> None:
    block = uuid4()
    made = {item.name: item for item in automations([block], silence_seconds=90)}
    assert list(made) == [FAILURE, WORSENED, NO_WORKER, LATE, HEARTBEAT]
    assert all(item.enabled for item in made.values())
    assert "prefect.flow-run.Crashed" in made[FAILURE].trigger.expect
    assert made[HEARTBEAT].trigger.within.total_seconds() == 90
    assert made[FAILURE].actions[0].block_document_id == block
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    for name in made:
        assert f"| `{name}` |" in page
    silent = {item.name: item.enabled for item in automations([], silence_seconds=90)}
    assert silent == {name: name == HEARTBEAT for name in made}
    json.dumps([item.model_dump(mode="json") for item in made.values()])
