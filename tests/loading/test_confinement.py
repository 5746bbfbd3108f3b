"""What a worker's child cannot do, and that it does not miss it."""

from __future__ import annotations

import os
import platform
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_quantization.errors import ConfigError, WorkerError
from model_quantization.limits import Limits
from model_quantization.loading.sandbox.confinement import UNCONFINED, Access, Confinement
from model_quantization.loading.sandbox.landlock import landlock_version
from model_quantization.loading.sandbox.probe import ProbeRequest
from model_quantization.loading.sandbox.probe import probe as probe_handler
from model_quantization.loading.sandbox.seccomp import build_filter
from model_quantization.loading.sandbox.user import is_open_to_others
from model_quantization.loading.sandbox.worker import Worker
from model_quantization.pipeline.child.handlers import ask_child

MODULE = "tests.loading.confined_handlers"
NAMES = (
    "become_program", "become_root", "environment", "fork", "io_uring", "kill_parent", "make_link",
    "make_pipe", "open_socket", "raise_limit", "read_environment_of_parent", "remove_file",
    "start_program", "truncate_file", "work", "write_file",
)  # fmt: skip
ALL = frozenset({probe_handler.name, *(f"{MODULE}:{name}" for name in NAMES)})

has_filter = pytest.mark.skipif(
    build_filter(platform.machine(), 1) is None, reason="no filter for this architecture"
)
has_landlock = pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
REFUSED = "tried what a worker may not do.*expected no network, no other process"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(ALL, ("sklearn.ensemble", "joblib"))
    yield worker
    worker.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    path = tmp_path / "workspace"
    path.mkdir(mode=0o700)
    return path


def run(worker: Worker, name: str, workspace: Path | None = None, **request: Any) -> Any:
    access = Access(str(workspace) if workspace else "")
    return worker.call(f"{MODULE}:{name}", request, Limits(), access)


@has_filter
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
def test_it_opens_no_socket(worker: Worker, family: str) -> None:
    with pytest.raises(WorkerError, match=f"{REFUSED}.*Operation not permitted"):
        run(worker, "open_socket", family=family)


@has_filter
@pytest.mark.parametrize("name", ["fork", "start_program", "become_program"])
def test_it_starts_no_process(worker: Worker, name: str, workspace: Path) -> None:
    with pytest.raises(WorkerError, match=REFUSED):
        run(worker, name, workspace)


@has_filter
@pytest.mark.parametrize(
    "name", ["kill_parent", "raise_limit", "become_root", "io_uring", "make_link", "make_pipe"]
)
def test_it_reaches_nobody_else(worker: Worker, name: str, workspace: Path) -> None:
    with pytest.raises(WorkerError, match=REFUSED):
        run(worker, name, workspace)


@has_landlock
def test_it_writes_in_its_workspace_only(
    worker: Worker, workspace: Path, tmp_path: Path, unconfined: Worker
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    outside.chmod(0o666)
    tmp_path.chmod(0o777)
    for name in ("write_file", "remove_file", "truncate_file"):
        with pytest.raises(WorkerError, match=f"{REFUSED}.*Permission denied"):
            run(worker, name, workspace, path=str(outside))
    with pytest.raises(WorkerError, match=REFUSED):
        run(worker, "write_file", workspace, path=str(tmp_path / "new"))
    with pytest.raises(WorkerError, match=REFUSED):
        run(worker, "write_file", path=str(workspace / "of another call"))
    assert outside.read_text() == "kept" and len(list(tmp_path.iterdir())) == 2
    run(worker, "write_file", workspace, path=str(workspace / "inside"))
    assert (workspace / "inside").read_text() == "written"
    run(unconfined, "write_file", path=str(outside))  # it was the confinement that refused
    assert outside.read_text() == "written"


@pytest.fixture(scope="module")
def unconfined() -> Iterator[Worker]:
    worker = Worker(ALL, (), UNCONFINED)
    yield worker
    worker.close()


def test_a_model_does_not_miss_anything(worker: Worker, workspace: Path) -> None:
    answer = run(worker, "work", workspace)
    assert answer["threads"] == 4 and min(answer["scores"]) > 0.9
    assert answer["parallel"] == [0, 1, 2]
    assert answer["directory"] == str(workspace)


def test_secrets_of_the_environment_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    monkeypatch.setenv("OMP_SCHEDULE", "static")
    monkeypatch.setenv("MODEL_QUANTIZATION_KERNELS", "reference")
    worker = Worker(ALL, ())
    names = run(worker, "environment")["names"]
    worker.close()
    assert "SOME_API_KEY" not in names
    expected = {"OMP_SCHEDULE", "OMP_NUM_THREADS", "PATH", "MODEL_QUANTIZATION_KERNELS"}
    assert expected <= set(names)


@is_root
def test_as_root_it_is_nobody_who_can_read_what_is_open(worker: Worker, tmp_path: Path) -> None:
    found = probe(worker, tmp_path)
    assert found["uid"] == Confinement().uid
    with pytest.raises(WorkerError, match=REFUSED):
        run(worker, "read_environment_of_parent")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "workspace").mkdir()
    held = worker.call(
        probe_handler.name, {"outside": str(tmp_path)}, Limits(), Access(str(closed / "workspace"))
    )
    assert held["capabilities"] in (0, 1 << 2)  # at most to read what is closed to others
    assert held["own_write"] == "" and held["write"]


@is_root
def test_the_workspace_is_handed_over_with_what_is_in_it(worker: Worker, workspace: Path) -> None:
    snapshot = workspace / "snapshot"
    snapshot.write_bytes(b"x")
    snapshot.chmod(0o600)
    run(worker, "write_file", workspace, path=str(workspace / "result"))
    owner = Confinement().uid
    assert {path.stat().st_uid for path in (snapshot, workspace, workspace / "result")} == {owner}
    assert stat.S_IMODE(workspace.stat().st_mode) == 0o700


def test_what_the_probe_finds_here(worker: Worker, tmp_path: Path) -> None:
    found = probe(worker, tmp_path)
    if build_filter(platform.machine(), 1) is not None:
        assert found["seccomp"] and found["no_new_privileges"]
        assert "not permitted" in found["network"] and "not permitted" in found["process"]
    if landlock_version():
        assert "denied" in found["write"]
    assert found["limits"]["CORE"] == 0


def test_without_confinement_everything_works(unconfined: Worker, tmp_path: Path) -> None:
    found = probe(unconfined, tmp_path)
    assert not found["network"] and not found["process"] and not found["write"]
    assert found["uid"] == os.getuid() and not found["seccomp"]


def probe(worker: Worker, tmp_path: Path) -> dict[str, Any]:
    outside = tmp_path / "probed"
    outside.mkdir(exist_ok=True)
    workspace = tmp_path / "own"
    workspace.mkdir(exist_ok=True)
    return worker.call(
        probe_handler.name, {"outside": str(outside)}, Limits(), Access(str(workspace))
    )


def test_the_default_worker_can_be_probed(tmp_path: Path) -> None:
    workspace = tmp_path / "own"
    workspace.mkdir()
    request = ProbeRequest(tmp_path)
    assert ask_child(probe_handler, request, Limits(), Access(str(workspace))).own_write == ""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ML_WORKER_FILTERS", "maybe", "expected on or off, got maybe"),
        ("ML_WORKER_USER", "no-such-user", "a name, a number, or `keep`, got no-such-user"),
    ],
)
def test_a_confinement_that_cannot_be_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        Confinement.from_environment()


def test_the_confinement_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ML_WORKER_FILTERS", "ML_WORKER_USER"):
        monkeypatch.delenv(name, raising=False)
    assert Confinement.from_environment() == Confinement()
    monkeypatch.setenv("ML_WORKER_USER", "1234")
    monkeypatch.setenv("ML_WORKER_FILTERS", "off")
    assert Confinement.from_environment() == Confinement(False, 1234, 1234)
    monkeypatch.setenv("ML_WORKER_USER", "keep")
    assert Confinement.from_environment() == UNCONFINED
    monkeypatch.setenv("ML_WORKER_USER", "root")
    assert Confinement.from_environment().uid == 0


def test_what_is_open_to_others(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir(mode=0o755)
    file = top / "file"
    file.write_text("")
    file.chmod(0o644)
    open_above: dict[str, bool] = dict.fromkeys(map(str, tmp_path.parents), True)
    open_above[str(tmp_path)] = True
    assert is_open_to_others(str(file), dict(open_above))
    assert is_open_to_others(str(top / "missing"), dict(open_above))
    file.chmod(0o640)
    assert not is_open_to_others(str(file), dict(open_above))
    file.chmod(0o644)
    top.chmod(0o750)
    assert not is_open_to_others(str(file), dict(open_above))
    assert not is_open_to_others(str(top), dict(open_above))


def run_bpf(program: bytes, number: int, arguments: tuple[int, ...] = (), arch: int = 0) -> int:
    """The verdict of a filter on one call: an interpreter of the instructions that it uses."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<IIQ6Q", number, arch, 0, *padded)
    steps = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    at = held = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (held,) = struct.unpack_from("<I", data, value)
            case 0x15:
                at += if_true if held == value else if_false
            case 0x35:
                at += if_true if held >= value else if_false
            case 0x45:
                at += if_true if held & value else if_false
            case 0x06:
                return value


ALLOW, DENY, ABSENT, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000


@pytest.mark.parametrize(
    ("machine", "arch", "calls"),
    [
        ("x86_64", 0xC000003E, {"read": 0, "socket": 41, "clone": 56, "clone3": 435, "kill": 62,
                                "tgkill": 234, "prlimit": 302, "execve": 59, "sendto": 44}),
        ("aarch64", 0xC00000B7, {"read": 63, "socket": 198, "clone": 220, "clone3": 435,
                                 "kill": 129, "tgkill": 131, "prlimit": 261, "execve": 221,
                                 "sendto": 206}),
    ],
)  # fmt: skip
def test_the_filters_verdicts(machine: str, arch: int, calls: dict[str, int]) -> None:
    program = build_filter(machine, 4321)
    assert program is not None and len(program) // 8 < 256

    def verdict(name: str, *arguments: int) -> int:
        assert program is not None
        return run_bpf(program, calls[name], arguments, arch)

    assert verdict("read") == verdict("sendto") == ALLOW
    assert verdict("socket") == verdict("execve") == DENY
    assert verdict("clone3") == ABSENT
    assert verdict("clone", 0x10000) == verdict("clone", 0x3D0F00) == ALLOW
    assert verdict("clone", 0) == verdict("clone", 17) == DENY
    assert verdict("kill", 4321, 9) == verdict("tgkill", 4321, 4322, 6) == ALLOW
    assert verdict("kill", 1) == verdict("kill", 2**64 - 1) == verdict("tgkill", 1) == DENY
    assert verdict("prlimit", 0, 7, 0, 0x7FFE_0000_1000) == ALLOW
    assert verdict("prlimit", 0, 7, 0x7FFE_0000_1000) == DENY
    assert verdict("prlimit", 0, 7, 0x7FFE_0000_0000) == DENY
    assert run_bpf(program, calls["read"], (), arch ^ 1) == KILL
    assert run_bpf(program, 0x40000000 + calls["read"], (), arch) == KILL


def test_no_filter_for_an_unknown_architecture() -> None:
    assert build_filter("riscv64", 1) is None
