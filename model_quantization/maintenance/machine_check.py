"""Tests which defences are active on this machine, and how fast predictors will run here.

The checks try operations instead of reading version numbers: a worker's child attempts forbidden
ones, and files are written to the output directory.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from model_quantization.errors import QuantizationError
from model_quantization.files.atomic import sync_directory
from model_quantization.limits import Limits
from model_quantization.loading.sandbox.confinement import Access, Confinement
from model_quantization.loading.sandbox.landlock import landlock_version
from model_quantization.loading.sandbox.probe import ProbeRequest, probe
from model_quantization.pipeline.child.handlers import ask_child

ACTIVE, ABSENT, BROKEN = "active", "absent", "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """One defence, or one condition of speed.

    Attributes
    ----------
    state : {"active", "absent", "broken"}
        Absent: this machine does not offer the defence. Broken: models cannot be quantized here.
    name, detail : str
    """

    state: str
    name: str
    detail: str


def examine(directory: Path | None = None) -> Iterator[Check]:
    """Yield the result of every check, made now on this machine.

    Parameters
    ----------
    directory : Path, optional
        An existing output directory; a temporary directory by default.
    """
    with tempfile.TemporaryDirectory(prefix="doctor-") as scratch:
        yield from _worker(Path(scratch))
        yield from _files(directory or Path(scratch))
    yield from _speed()
    yield _signing()


def _worker(scratch: Path) -> Iterator[Check]:
    workspace, outside = scratch / "workspace", scratch / "outside"
    workspace.mkdir()
    outside.mkdir(mode=0o777)
    confinement = Confinement.from_environment()
    access = Access(str(workspace))
    try:
        started = time.perf_counter()
        ask_child(probe, ProbeRequest(outside), Limits(), access)
        first = time.perf_counter() - started
        started = time.perf_counter()
        found = ask_child(probe, ProbeRequest(outside), Limits(), access).to_json()
        again = time.perf_counter() - started
    except QuantizationError as error:
        yield Check(BROKEN, "fork server", " ".join(str(error).split()))
        return
    took = f"first call {first:.1f} s, then {again * 1000:.0f} ms"
    yield Check(ACTIVE, "fork server", took)
    limits = found["limits"]
    yield Check(
        ACTIVE,
        "resource limits",
        f"memory {limits['AS']:,} bytes, CPU {limits['CPU']} s, {limits['NOFILE']} files, "
        f"largest file {limits['FSIZE']:,} bytes, core {limits['CORE']}",
    )
    yield _user(found)
    yield _filter(found, confinement)
    yield _landlock(confinement)
    for name, key in (("no network", "network"), ("no process", "process"), ("no write", "write")):
        refused = found[key]
        yield Check(
            ACTIVE if refused else ABSENT,
            name,
            f"a worker that tries is told: {refused}"
            if refused
            else "a worker that tries succeeds",
        )
    if found["own_write"]:
        yield Check(BROKEN, "own files", f"a worker cannot write its results: {found['own_write']}")


def _user(found: dict[str, Any]) -> Check:
    if os.geteuid() != 0:
        detail = f"the worker is user {found['uid']}, as this process is: only root can change it"
        return Check(ABSENT, "another user", detail)
    if found["uid"] == 0:
        return Check(ABSENT, "another user", "the worker is root (ML_WORKER_USER names another)")
    powers = found["capabilities"]
    detail = f"the worker is user {found['uid']}, "
    detail += "reads what is closed to others" if powers else "without any of root's powers"
    return Check(ACTIVE, "another user", detail)


def _filter(found: dict[str, Any], confinement: Confinement) -> Check:
    if found["seccomp"]:
        return Check(ACTIVE, "system calls", "seccomp filter, no new privileges")
    why = f"no filter for {platform.system()} {platform.machine()}, or the kernel refuses it"
    return Check(ABSENT, "system calls", why if confinement.filters else "ML_WORKER_FILTERS is off")


def _landlock(confinement: Confinement) -> Check:
    found = landlock_version()
    if found and confinement.filters:
        return Check(ACTIVE, "directories", f"Landlock version {found}")
    why = "the kernel has no Landlock" if confinement.filters else "ML_WORKER_FILTERS is off"
    return Check(ABSENT, "directories", why)


def _files(directory: Path) -> Iterator[Check]:
    probe = directory / f".doctor-{os.getpid()}"
    link = probe.with_suffix(".link")
    try:
        started = time.perf_counter()
        with probe.open("wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(directory)
        took = (time.perf_counter() - started) * 1000
        yield Check(ACTIVE, "fsync", f"{took:.1f} ms for a file and its directory in {directory}")
        try:
            link.hardlink_to(probe)
            yield Check(ACTIVE, "hard links", "names cost no second copy")
        except OSError as error:
            yield Check(ABSENT, "hard links", f"{error.strerror}: names are copies")
    except OSError as error:
        yield Check(BROKEN, "output", f"{directory} cannot be written ({error.strerror})")
    finally:
        link.unlink(missing_ok=True)
        probe.unlink(missing_ok=True)


def _speed() -> Iterator[Check]:
    yield _kernels()
    named = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    shown = ", ".join(f"{name}={os.environ[name]}" for name in named if name in os.environ)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Check(ACTIVE, "threads", f"{cores} cores; {shown or 'no limit set'}; workers use one")


def _kernels() -> Check:
    from model_quantization.kernels import compiled

    try:
        chosen = compiled.instruction_set()
    except ImportError as error:
        return Check(BROKEN, "kernels", str(error))
    if chosen == compiled.REFERENCE:
        return Check(ABSENT, "kernels", f"{compiled.VARIABLE} asks for the slow references")
    return Check(ACTIVE, "kernels", f"{chosen}, of {', '.join(compiled.available_sets())}")


def _signing() -> Check:
    try:
        return Check(ACTIVE, "signing", f"cryptography {version('cryptography')}")
    except PackageNotFoundError:
        return Check(ABSENT, "signing", "pip install 'model-quantization[signing]'")
