"""A worker that dies is restarted, a few times; what cannot be mended ends with a message."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from flows import health
from flows.alert_log import receive_alerts
from flows.processes import ProcessFailed
from flows.serve import free_port, main
from flows.supervision import Supervision, teller

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, code: str = SLEEP) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", code])
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def supervision(
    stack: ExitStack, folder: Path, *, restarts: int = 2
) -> tuple[Supervision, list[str], list[int]]:
    """What watches over two real processes; the sentences it tells; the workers it started."""
    (folder / "worker.log").write_text("the last words of a worker\n")
    (folder / "server.log").write_text("the last words of a server\n")
    told: list[str] = []
    numbers: list[int] = []

    def start_worker(number: int) -> subprocess.Popen[bytes]:
        numbers.append(number)
        return start(stack)

    made = Supervision(
        start(stack), folder / "server.log", folder / "worker.log", start_worker, told.append,
        restarts=restarts,
    )  # fmt: skip
    made.start()
    return made, told, numbers


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_a_killed_worker_is_started_again_and_told_of(processes: ExitStack, tmp_path: Path) -> None:
    watched, told, numbers = supervision(processes, tmp_path)
    watched.look()
    assert (told, numbers) == ([], [0])
    first = watched.worker
    kill(first)
    watched.look()
    assert watched.worker is not first
    assert watched.worker.poll() is None
    assert told == ["the worker ended with -9; it is started again"]
    assert numbers == [0, 1]


def test_a_worker_that_keeps_dying_ends_everything(processes: ExitStack, tmp_path: Path) -> None:
    watched, told, numbers = supervision(processes, tmp_path)
    for _ in range(2):
        kill(watched.worker)
        watched.look()
    kill(watched.worker)
    with pytest.raises(ProcessFailed, match="started again 2 times before") as caught:
        watched.look()
    assert "the last words of a worker" in str(caught.value)
    assert numbers == [0, 1, 2]
    assert "for the 3th time" in told[-1]


def test_deaths_of_long_ago_do_not_count(processes: ExitStack, tmp_path: Path) -> None:
    watched, _, numbers = supervision(processes, tmp_path, restarts=1)
    watched.within_seconds = 0.0
    for _ in range(4):
        kill(watched.worker)
        watched.look()
    assert numbers == [0, 1, 2, 3, 4]


def test_a_dead_server_ends_the_watch(processes: ExitStack, tmp_path: Path) -> None:
    watched, told, _ = supervision(processes, tmp_path)
    threading.Timer(0.05, watched.server.kill).start()
    with pytest.raises(ProcessFailed, match="the server ended with -9") as caught:
        watched.watch(threading.Event(), look_seconds=0.01)
    assert "the last words of a server" in str(caught.value)
    assert told == ["the Prefect server ended with -9; nothing runs until it is back"]


def test_a_stop_ends_the_watch_quietly(processes: ExitStack, tmp_path: Path) -> None:
    watched, told, _ = supervision(processes, tmp_path)
    stop = threading.Event()
    stop.set()
    watched.watch(stop)
    assert told == []


def test_webhooks_are_told_and_one_that_is_gone_stops_nothing() -> None:
    alerts: list[dict[str, Any]] = []
    gone = f"http://127.0.0.1:{free_port()}/"
    with receive_alerts(receive=alerts.append) as address:
        teller([gone, address])("the worker ended")
    assert alerts == [{"text": "the worker ended", "event": "quantization.worker"}]


def test_outside_a_project_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flows.prefect_settings.IN_CHECKOUT", False)
    assert main([]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path} is not in a project" in said
    assert "model-quantization init" in said


def test_the_health_check_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert health.main(["--url", f"{url}/"]) == 1
    assert capsys.readouterr().out == f"unhealthy: no Prefect server answers at {url}/api\n"
