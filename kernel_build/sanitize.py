"""`python -m kernel_build.sanitize [tests]`: tests and fuzzing on kernels built with sanitizers.

AddressSanitizer reports a read or write beside an array, UndefinedBehaviorSanitizer a shift too
far or an overflow; either ends the run. The checkout's own kernels stay as they are.

1. The tests of kernels, and of artifacts that lie, run on the sanitized module.
2. What the tests of kernels called is called again, and then mutated, without Python and each
   array in memory of its own (`standalone.c`): `EXECUTIONS` times in all, 1,000,000 by default.

With tests named, only those run.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from kernel_build.build import FILE_NAME, MODULE, ROOT, Options, build, build_standalone
from kernel_build.compilers import this_machine

TESTS = (
    "tests/kernels",
    "tests/artifact/test_hostile_files.py",
    "tests/artifact/test_hostile_graphs.py",
    "tests/artifact/test_hostile_models.py",
    "tests/artifact/test_hostile_tables.py",
    "tests/artifact/test_mutations.py",
    "tests/families/test_booster_parts.py",
    "-q",
    "-m",
    "not slow",
)
EXECUTIONS = 1_000_000
# The tests run on the sanitized module as if it lay where the package looks for it.
_RUN = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location({name!r}, {path!r})
sys.modules[{name!r}] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def main(arguments: list[str]) -> int:
    """Build, run, and return the exit status of the tests, or else of the fuzzing."""
    options = Options(this_machine(), strict=True, sanitized=True)
    module = build(options.work / "module" / FILE_NAME, options)
    calls = options.work / "calls.bin"
    calls.unlink(missing_ok=True)
    status = _tested(module, arguments or list(TESTS), calls)
    if status or arguments:
        return status
    program = build_standalone(options.work / "standalone", options)
    count = os.environ.get("EXECUTIONS", str(EXECUTIONS))
    checked = subprocess.run([program, "check", calls], check=False).returncode
    mutated = subprocess.run([program, "fuzz", calls, count, "1"], check=False).returncode
    return checked or mutated


def _tested(module: Path, arguments: list[str], calls: Path) -> int:
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    libraries = [
        subprocess.check_output([*compiler, f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ,
        "KERNEL_CALLS": str(calls),
        "LD_PRELOAD": " ".join(libraries),
        # Python's own allocations look like leaks.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }
    program = _RUN.format(name=MODULE, path=str(module))
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
