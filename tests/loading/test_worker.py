"""The worker: limits, deaths, threads, forks; the caller always gets an answer or a named error."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model_quantization.errors import (
    EnvironmentMismatch,
    LimitError,
    WorkerCrashed,
    WorkerError,
    WorkerTimeout,
)
from model_quantization.limits import MIB, Limits
from model_quantization.loading.sandbox.channel import LENGTH
from model_quantization.loading.sandbox.confinement import UNCONFINED
from model_quantization.loading.sandbox.worker import Worker
from model_quantization.pipeline.child.handlers import HANDLERS
from tests.forking import held_by_another_thread, in_a_fork

MODULE = "tests.loading.worker_handlers"
NAMES = (
    "answer_raw", "answer_with_list", "answer_with_text", "crash", "describe", "echo",
    "exhaust_memory", "kill_server", "leave", "raise_known", "raise_system_error", "raise_unknown",
    "sleep_with_grandchild", "spin", "talk", "write_file",
)  # fmt: skip
ALL = frozenset(f"{MODULE}:{name}" for name in NAMES)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(ALL, ("no_such_third_party_module",))
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def unconfined() -> Iterator[Worker]:
    """Its children can start processes, as children can where no filter exists."""
    worker = Worker(ALL, (), UNCONFINED)
    yield worker
    worker.close()


def run(worker: Worker, name: str, limits: Limits | None = None, **request: Any) -> Any:
    return worker.call(f"{MODULE}:{name}", request, limits or Limits())


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_until(condition: Any) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 5 s")


def test_a_call_gives_what_the_handler_gives(worker: Worker) -> None:
    answer = run(worker, "echo", values=[1, 0.5, None, "é\ud800"])
    assert answer["request"] == {"values": [1, 0.5, None, "é\ud800"]}


def test_every_call_has_a_process_and_a_group_of_its_own(worker: Worker) -> None:
    first, second = run(worker, "echo"), run(worker, "echo")
    assert len({first["pid"], second["pid"], os.getpid()}) == 3
    assert first["group"] == first["pid"]


def test_the_child_is_limited(worker: Worker) -> None:
    limits = Limits(worker_memory_bytes=512 * MIB, worker_cpu_seconds=7.5)
    child = run(worker, "describe", limits)
    assert child["limits"]["CPU"][0] == 8
    assert child["limits"]["CORE"] == [0, 0]
    assert child["limits"]["NOFILE"][1] <= 256
    assert 512 * MIB < child["limits"]["AS"][1] < 8192 * MIB
    assert child["interrupt"]
    assert child["threads"] == "1"
    # Standard streams, its own socket, and the directory that it lists: nothing of other calls.
    assert len(child["descriptors"]) == 5


def test_an_error_of_this_library_arrives_as_it_was_raised(worker: Worker) -> None:
    with pytest.raises(EnvironmentMismatch) as caught:
        run(worker, "raise_known")
    assert str(caught.value) == "a/b: wrong; expected 1, got 2; install 1."


def test_any_other_error_is_a_worker_error_with_its_type_and_text(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="got KeyError: 'no such thing'") as caught:
        run(worker, "raise_unknown")
    assert not isinstance(caught.value, WorkerCrashed)


def test_a_full_disk_says_what_to_do(worker: Worker) -> None:
    with pytest.raises(WorkerError, match=r"No space left on device; free some space and run"):
        run(worker, "raise_system_error", errno=errno.ENOSPC)
    with pytest.raises(WorkerError, match=r"Input/output error\.$"):
        run(worker, "raise_system_error", errno=errno.EIO)


def test_too_large_a_file_is_a_limit_error(unconfined: Worker, tmp_path: Path) -> None:
    limits = Limits(decompressed_bytes=10_000)
    with pytest.raises(LimitError, match=r"at most 10,000 bytes; raise `limits.decompressed"):
        run(unconfined, "write_file", limits, path=str(tmp_path / "large"), size=20_000)
    assert run(unconfined, "write_file", limits, path=str(tmp_path / "small"), size=9_000) == {}


def test_too_much_memory_is_a_limit_error(worker: Worker) -> None:
    with pytest.raises(LimitError, match=r"raise `limits.worker_memory_bytes`"):
        run(worker, "exhaust_memory", Limits(worker_memory_bytes=256 * MIB))


def test_too_much_cpu_time_is_a_timeout(worker: Worker) -> None:
    with pytest.raises(WorkerTimeout, match=r"too much CPU time.*at most 0\.5 s"):
        run(worker, "spin", Limits(worker_cpu_seconds=0.5))


def test_too_much_time_kills_the_child_and_what_it_started(
    unconfined: Worker, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(WorkerTimeout, match="at most 1 s"):
        run(unconfined, "sleep_with_grandchild", Limits(worker_wall_seconds=1.0), pids=str(pids))
    child, grandchild = map(int, pids.read_text().split())
    assert not is_alive(child)
    wait_until(lambda: not is_alive(grandchild))


def test_a_crash_names_the_signal_and_quotes_the_last_words(worker: Worker) -> None:
    with pytest.raises(WorkerCrashed, match="signal SIGSEGV, last words: about to crash"):
        run(worker, "crash")


def test_an_exit_names_its_code(worker: Worker) -> None:
    with pytest.raises(WorkerCrashed, match="exit code 3"):
        run(worker, "leave")


def test_what_a_child_prints_goes_nowhere(worker: Worker, capfd: pytest.CaptureFixture) -> None:
    assert run(worker, "talk") == {"done": True}
    assert capfd.readouterr() == ("", "")


def test_large_answers_arrive_and_larger_ones_are_refused(worker: Worker) -> None:
    assert len(run(worker, "answer_with_text", size=5 * MIB)["text"]) == 5 * MIB
    with pytest.raises(LimitError, match=r"raise `limits.manifest_bytes`"):
        run(worker, "answer_with_text", Limits(manifest_bytes=MIB), size=2 * MIB)


def test_large_requests_arrive_and_larger_ones_are_refused(worker: Worker) -> None:
    assert len(run(worker, "echo", text="a" * 8 * MIB)["request"]["text"]) == 8 * MIB
    with pytest.raises(WorkerError, match="the request is too large"):
        run(worker, "echo", text="a" * 17 * MIB)


def test_only_registered_handlers_run(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="no such handler"):
        worker.call("os:system", {}, Limits())
    names = [handler.name for handler in HANDLERS]
    assert names == [
        "model_quantization.pipeline.child.original:inspect",
        "model_quantization.pipeline.child.candidate:answer_rows",
        "model_quantization.pipeline.child.latency:measure",
        "model_quantization.pipeline.child.measuring:measure_plans",
        "model_quantization.loading.sandbox.probe:probe",
    ]


def test_a_handler_must_give_a_record(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="expected a dict, got list"):
        run(worker, "answer_with_list")


def framed(body: bytes) -> str:
    return (LENGTH.pack(len(body)) + body).hex()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b"[" * 100_000, b'{"answer":[]}', b'{"error":"ScanRefused"}',
     b'{"error":"ScanRefused","fields":{}}', b'{"answer":' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_an_answer_from_a_child_that_was_taken_over_is_only_data(
    worker: Worker, body: bytes
) -> None:
    with pytest.raises(WorkerError, match="answer cannot be read"):
        run(worker, "answer_raw", hex=framed(body))


def test_such_a_child_cannot_announce_what_it_does_not_send(worker: Worker) -> None:
    with pytest.raises(LimitError, match="answer is too large"):
        run(worker, "answer_raw", hex=LENGTH.pack(1 << 62).hex())
    with pytest.raises(WorkerCrashed, match="exit code 0"):
        run(worker, "answer_raw", hex=LENGTH.pack(100).hex())


def test_threads_call_at_once(worker: Worker) -> None:
    def work(number: int) -> str:
        if number % 4 == 3:
            with pytest.raises(WorkerCrashed):
                run(worker, "leave")
            return ""
        return run(worker, "echo", number=str(number))["request"]["number"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(40)))
    assert answers == ["" if number % 4 == 3 else str(number) for number in range(40)]


def test_a_server_that_is_killed_during_a_call_is_started_again(unconfined: Worker) -> None:
    with pytest.raises(WorkerCrashed, match="the next call starts a new one"):
        run(unconfined, "kill_server")
    assert run(unconfined, "echo")["pid"]


def test_a_server_that_died_between_calls_is_started_again(worker: Worker) -> None:
    first = _server_of(worker, run(worker, "echo"))
    os.kill(first, signal.SIGKILL)
    assert run(worker, "echo")["pid"]
    assert _server_of(worker, {}) != first


def _server_of(worker: Worker, _: Any) -> int:
    assert worker._server is not None
    return worker._server.process.pid


def test_a_closed_worker_leaves_no_process_and_starts_again() -> None:
    worker = Worker(ALL, ())
    run(worker, "echo")
    server = _server_of(worker, {})
    worker.close()
    worker.close()
    assert not is_alive(server)
    run(worker, "echo")
    worker.close()


def test_a_worker_that_is_dropped_ends_its_server() -> None:
    worker = Worker(ALL, ())
    run(worker, "echo")
    server = _server_of(worker, {})
    del worker
    wait_until(lambda: not is_alive(server))


def test_own_modules_that_cannot_be_imported_are_an_error_that_says_why() -> None:
    worker = Worker(ALL, ("model_quantization.no_such_module",))
    with pytest.raises(
        WorkerError, match=r"does not start.*No module named 'model_quantization.no_such_module'"
    ):
        run(worker, "echo")
    worker.close()


def test_a_fork_of_the_parent_starts_its_own_server(worker: Worker) -> None:
    run(worker, "echo")
    server = _server_of(worker, {})
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(worker, "echo")
            os.write(writing, str(_server_of(worker, {})).encode())
            worker.close()
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert int(answer.read()) != server
    assert os.waitpid(child, 0)[1] == 0
    run(worker, "echo")
    assert _server_of(worker, {}) == server


def test_a_fork_that_happens_while_another_thread_holds_the_lock(worker: Worker) -> None:
    def call() -> bool:
        run(worker, "echo")
        worker.close()
        return True

    with held_by_another_thread(worker._lock):
        assert in_a_fork(call) == 0


SCRIPT = f"""
import os, sys
from model_quantization.limits import Limits
from model_quantization.loading.sandbox.confinement import UNCONFINED
from model_quantization.loading.sandbox.worker import Worker
print("imported", flush=True)
worker = Worker(frozenset({{"{MODULE}:echo", "{MODULE}:sleep_with_grandchild"}}), (), UNCONFINED)
print(worker.call("{MODULE}:echo", {{"a": 1}}, Limits())["request"], flush=True)
"""


def script(tmp_path: Path, tail: str = "") -> list[str]:
    path = tmp_path / "script.py"
    root = str(Path(__file__).parents[2])
    path.write_text(f"import sys; sys.path.insert(0, {root!r})\n" + SCRIPT + textwrap.dedent(tail))
    return [sys.executable, str(path)]


def test_a_script_without_a_guard_works_and_runs_once(tmp_path: Path) -> None:
    done = subprocess.run(script(tmp_path), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n") == ["imported", "{'a': 1}", ""]
    assert done.stderr == ""


def test_standard_input_as_a_script_works(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-"], input=SCRIPT, capture_output=True, text=True, timeout=60,
        check=True, cwd=root,
    )  # fmt: skip
    assert done.stdout.split("\n") == ["imported", "{'a': 1}", ""]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_the_parent_is_killed_during_a_call(
    tmp_path: Path, how: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    tail = f"""
        import signal
        # What runs in the background of a shell ignores it, and so do its children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print(worker._server.process.pid, flush=True)
        handler = "{MODULE}:sleep_with_grandchild"
        worker.call(handler, {{"pids": {json.dumps(str(pids))}}}, Limits())
    """
    parent = subprocess.Popen(
        script(tmp_path, tail), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        server = int([parent.stdout.readline() for _ in range(3)][-1])
        wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        parent.send_signal(how)
        parent.wait()
    left = [server, *map(int, pids.read_text().split())]
    wait_until(lambda: not any(is_alive(pid) for pid in left))


def test_a_daemonic_process_can_call_a_worker() -> None:
    import multiprocessing

    context = multiprocessing.get_context("fork")
    process = context.Process(target=_call_in_a_daemon, daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def _call_in_a_daemon() -> None:
    worker = Worker(ALL, ())
    run(worker, "echo")
    worker.close()


def test_a_call_in_another_thread_than_the_first_outlives_that_thread(worker: Worker) -> None:
    worker.close()
    thread = threading.Thread(target=run, args=(worker, "echo"))
    thread.start()
    thread.join()
    assert run(worker, "echo")["pid"]
