"""`python -m kernel_build.analyze`: static analysis of every kernel, by what this machine has.

`gcc -fanalyzer` follows the paths through each kernel, `clang-tidy` looks for known mistakes. All
warnings are errors. Each source is analysed once, for one of the types that it is compiled for and
the first instruction set; a machine with neither tool is told so, and that is no failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kernel_build.bindings import binding_text
from kernel_build.build import NATIVE, ROOT, sources
from kernel_build.compilers import COMMON, WARNINGS, this_machine
from kernel_build.prototypes import read_source

# What clang's analyser asks of all C is not asked here: `memcpy` with a size is how kernels copy.
_CHECKS = (
    "-*,bugprone-*,clang-analyzer-*,cert-*,"
    "-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,"
    "-bugprone-macro-parentheses,-bugprone-reserved-identifier,-bugprone-assignment-in-if-condition,"
    "-bugprone-implicit-widening-of-multiplication-result,-bugprone-suspicious-include,"
    "-bugprone-branch-clone,-bugprone-multi-level-implicit-pointer-conversion,"
    "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,"
    "-cert-dcl37-c,-cert-dcl51-cpp,-cert-msc32-c,-cert-msc51-cpp,-cert-err33-c,-cert-err34-c"
)


def main() -> int:
    """Return 1 where a tool found something."""
    work = ROOT / "build" / "kernels" / "analysis"
    work.mkdir(parents=True, exist_ok=True)
    units = list(_units(work))
    failures = 0
    for tool, command in (("gcc", _by_gcc), ("clang-tidy", _by_clang_tidy)):
        if shutil.which(tool) is None:
            print(f"analysis: {tool} is not installed here")
            continue
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            found = list(pool.map(lambda unit: _run(command(unit)), units))  # noqa: B023
        wrong = [text for text in found if text]
        print(f"analysis: {tool} read {len(units)} sources, {len(wrong)} with findings")
        print("\n".join(wrong), end="")
        failures += len(wrong)
    return int(failures > 0)


def _units(work: Path) -> Iterator[Path]:
    for source in sources():
        variant = read_source(source)[0]
        text = work / f"{variant.name}.c"
        text.write_text(binding_text(variant), encoding="utf-8")
        yield text
    yield NATIVE / "processor.c"


def _flags() -> list[str]:
    best = this_machine().instruction_sets[0].gnu
    return [*COMMON, *best, *WARNINGS, f"-I{NATIVE}", "-DKERNELS=kernels_analysed"]


def _by_gcc(unit: Path) -> list[str]:
    # Kernels allocate nothing; the program that calls them ends where it has no memory.
    analysis = ["-fanalyzer", "-Wno-analyzer-malloc-leak", "-Werror"]
    return ["gcc", *analysis, *_flags(), "-c", str(unit), "-o", os.devnull]


def _by_clang_tidy(unit: Path) -> list[str]:
    checks = [f"--checks={_CHECKS}", "--warnings-as-errors=*", "--quiet"]
    return ["clang-tidy", *checks, str(unit), "--", *_flags()]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{done.stdout}{done.stderr}" if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
