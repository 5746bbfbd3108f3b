"""`python -m kernel_build.sanitize [tests]`: run tests on kernels built with sanitizers.

AddressSanitizer reports a read or write beside an array, UndefinedBehaviorSanitizer a shift too
far or an overflow; either ends the run. The checkout's own kernels stay as they are.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from kernel_build.build import FILE_NAME, MODULE, ROOT, Options, build
from kernel_build.compilers import this_machine

TESTS = ("tests/kernels", "-q", "-m", "not slow")
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
    """Build, run, and return the exit status of the tests."""
    options = Options(this_machine(), strict=True, sanitized=True)
    module = build(options.work / "module" / FILE_NAME, options)
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    libraries = [
        subprocess.check_output([*compiler, f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(libraries),
        # Python's own allocations look like leaks.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }
    program = _RUN.format(name=MODULE, path=str(module))
    command = [sys.executable, "-c", program, *(arguments or TESTS)]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
