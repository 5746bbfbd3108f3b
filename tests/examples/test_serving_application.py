"""The example service: its answers, its probes, and new releases under load by two servers."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.serve import free_port
from tests.serving.releases import ROWS, Releases

SERVING = Path(__file__).resolve().parents[2] / "examples" / "serving"
PROJECT = SERVING.parents[1]
SERVERS = {
    "uvicorn": (
        "uvicorn", "--app-dir", str(SERVING), "application:application", "--port", "{port}",
        "--workers", "1",
    ),
    "gunicorn": (
        "gunicorn", "--pythonpath", str(SERVING), "--config", str(SERVING / "gunicorn.conf.py"),
        "--worker-tmp-dir", "/dev/shm", "application:application",
    ),
}  # fmt: skip
START_SECONDS = 120
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    made = Releases(tmp_path / "models")
    made.models.mkdir()
    for number in (1, 2, 3):
        made.prepare(number)
    made.publish(1)
    return made


@contextmanager
def serving(server: str, releases: Releases) -> Iterator[str]:
    """The address of the service in processes of its own; at the end none of them is left."""
    port = free_port()
    log = releases.models.parent / "service.log"
    environment = os.environ | {
        "SERVED_MODELS": "intent",
        "ML_MODEL_DIR": str(releases.models),
        "BIND": f"127.0.0.1:{port}",
        "WEB_CONCURRENCY": "2",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(PROJECT),
    }
    command = [word.format(port=port) for word in SERVERS[server]]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=releases.models.parent,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while get(f"{address}/ready")[0] != 200:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


def get(url: str, body: Any = None) -> tuple[int, Any]:
    """(status, what was answered as JSON or text); status 0 where nobody listens."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            status, content = response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
    except (urllib.error.URLError, OSError):
        return 0, None
    with suppress(ValueError):
        return status, json.loads(content)
    return status, content.decode()


def ask(address: str, **changes: Any) -> tuple[int, Any]:
    return get(f"{address}/models/intent", {"rows": ROWS.tolist()} | changes)


def test_questions_probes_and_metrics(releases: Releases) -> None:
    with serving("uvicorn", releases) as address:
        status, found = ask(address)
        assert status == 200
        assert found == {
            "model": "intent", "release": 1, "active": "quantized",
            "answers": releases.answers[1].tolist(),
        }  # fmt: skip
        status, found = ask(address, method="predict_proba")
        assert status == 200
        assert len(found["answers"]) == len(ROWS)
        # What the caller did wrong is said, and is no fault of the service.
        assert ask(address, rows=[[1.0, 2.0]])[0] == 422
        assert "features" in ask(address, rows=[[1.0, 2.0]])[1]["detail"]
        assert ask(address, rows=[])[0] == 422
        assert ask(address, method="fit")[0] == 422
        assert ask(address, rows=[["a", "b"]])[0] == 422
        assert get(f"{address}/models/other", {"rows": [[1.0]]})[0] == 404
        assert get(f"{address}/health") == (200, {"state": "alive"})
        assert get(f"{address}/ready") == (200, {"ready": True, "broken": {}})
        assert get(f"{address}/models")[1]["intent"]["active"] == "quantized"
        status, text = get(f"{address}/metrics")
        assert status == 200
        counted = re.search(r'call_seconds_count\{method="predict",model="intent"\} (\S+)', text)
        assert counted is not None
        assert float(counted[1]) == 3


def test_a_model_that_cannot_answer_is_not_ready(releases: Releases) -> None:
    application = load_application(releases)
    releases.publish(1).unlink()
    (releases.models / "intent.pkl").unlink()
    loader = application.LOADERS["intent"]
    assert loader.status()["active"] is None
    from fastapi import Response

    (ready,) = (
        route.endpoint for route in application.application.routes if route.path == "/ready"
    )
    response = Response()
    assert ready(response)["ready"] is False
    assert response.status_code == 503


def load_application(releases: Releases) -> Any:
    """The module of the example, made anew for these models."""
    spec = importlib.util.spec_from_file_location("served_application", SERVING / "application.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVED_MODELS", "intent")
        patch.setenv("ML_MODEL_DIR", str(releases.models))
        spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_new_releases_under_load_lose_no_request(server: str, releases: Releases) -> None:
    pytest.importorskip(server, reason=f"{server} is not installed: pip install {server}")
    right = {number: answers.tolist() for number, answers in releases.answers.items()}
    seen: set[int] = set()
    wrong: list[Any] = []
    stop = threading.Event()

    def work(address: str) -> int:
        calls = 0
        while not stop.is_set():
            status, found = ask(address)
            calls += 1
            numbers = [
                n for n, answers in right.items() if status == 200 and found["answers"] == answers
            ]
            if not numbers:
                wrong.append((status, found))
            seen.update(numbers)
        return calls

    with serving(server, releases) as address, ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, address) for _ in range(4)]
        try:
            for number in (2, 3, 1, 2):
                time.sleep(3)
                releases.publish(number)
            time.sleep(3)
        finally:
            stop.set()
        calls = sum(worker.result() for worker in workers)
        # The last release is the one that every process serves in the end.
        last = [ask(address)[1]["answers"] == right[2] for _ in range(20)]
    assert not wrong, wrong[:3]
    assert seen == {1, 2, 3}
    assert all(last)
    assert calls > 40


def test_the_images_run_as_nobody_and_name_files_that_exist() -> None:
    for name in ("Dockerfile", "Dockerfile.worker"):
        lines = (SERVING / name).read_text().splitlines()
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert users, name
        assert users[-1] not in ("root", "0")
    for line in (SERVING / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY examples/"):
            for path in line.split()[1:-1]:
                assert (PROJECT / path).is_file(), path


def test_the_compose_file_is_hardened_and_complete() -> None:
    composed = yaml.safe_load((SERVING / "compose.yaml").read_text())
    services = composed["services"]
    assert set(services) == {"database", "server", "deploy", "worker", "service"}
    for name, service in services.items():
        if name != "database":
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"]
            assert (PROJECT / service["build"]["dockerfile"]).is_file()
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} listens beyond this machine"
        for other in service.get("depends_on", {}):
            assert other in services


def test_the_kubernetes_files_are_hardened_and_agree() -> None:
    deployment, service = yaml.safe_load_all((SERVING / "kubernetes" / "service.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        v["name"] for v in pod["volumes"]
    }
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    ours = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    theirs = yaml.safe_load((SERVING / "kubernetes" / "prefect.yaml").read_text())["deployments"]
    nightly = next(item for item in ours if item["name"] == "nightly")
    for key in ("entrypoint", "parameters", "schedules", "concurrency_limit"):
        assert theirs[0][key] == nightly[key]
    env = theirs[0]["work_pool"]["job_variables"]["env"]
    assert nightly["work_pool"]["job_variables"]["env"].items() <= env.items()
