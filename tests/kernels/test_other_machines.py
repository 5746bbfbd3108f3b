"""Kernels of aarch64, run under qemu: the calls of the tests, with what their references gave.

Needs `qemu-aarch64` (Debian's package qemu-user) and the package ziglang, which compiles for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from kernel_build.build import ROOT, Options, build_standalone
from kernel_build.compilers import Target, this_machine

AARCH64 = Target("aarch64", "linux", "aarch64-linux-musl")
QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
TESTS = ("booster_links", "forest_kernels", "linear_kernels", "symmetric", "table_exp")
TESTS = (*TESTS, "text_agreement", "tree_links", "bit_planes", "tree_tops", "layer_kernels")


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests of kernels call, recorded."""
    recorded = tmp_path_factory.mktemp("calls") / "calls.bin"
    tests = [f"tests/kernels/test_{name}.py" for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
    environment = {**os.environ, "KERNEL_CALLS": str(recorded)}
    subprocess.run(
        [*command, *tests], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return recorded


def checked(*command: str | Path) -> list[str]:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.splitlines()


def sets_checked(lines: list[str]) -> list[str]:
    """The instruction sets in which every call agreed."""
    return [line.partition(":")[0] for line in lines if line.endswith(" calls, 0 differ")]


@pytest.mark.slow
def test_recorded_calls_agree_without_python(calls: Path) -> None:
    options = Options(this_machine(), strict=True)
    program = build_standalone(options.work / "standalone", options)
    assert "baseline" in sets_checked(checked(program, "check", calls))


@pytest.mark.slow
@pytest.mark.skipif(QEMU is None, reason="qemu-aarch64 is not installed (package qemu-user)")
@pytest.mark.skipif(find_spec("ziglang") is None, reason="the package ziglang is not installed")
def test_recorded_calls_agree_on_aarch64(calls: Path) -> None:
    options = Options(AARCH64, strict=True)
    program = build_standalone(options.work / "standalone", options)
    assert QEMU is not None
    assert sets_checked(checked(QEMU, program, "check-elsewhere", calls)) == ["dotprod", "baseline"]
    # Its C library is another: `exp` and `log` may differ by some units in the last place.
    plain = checked(QEMU, "-cpu", "cortex-a53", program, "check-elsewhere", calls)
    assert sets_checked(plain) == ["baseline"]  # a processor without the dot product
