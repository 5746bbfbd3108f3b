"""Finds a compiler, and makes its commands for a target and an instruction set."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

# No reassociation, no contraction: a kernel's additions are done in the order in which they
# stand. Neither traps nor errno are used, so that comparisons become vector code.
COMMON = (
    "-std=c11",
    "-O3",
    "-g0",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
)
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wpointer-arith", "-Wstrict-prototypes")
SANITIZERS = (
    "-g1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
)


@dataclass(frozen=True, slots=True)
class InstructionSet:
    """An instruction set, and the flags that choose it: those of gcc and clang, and of zig."""

    name: str
    gnu: tuple[str, ...]
    zig: tuple[str, ...]


# The best first: the same order and names as in native/processor.c.
INSTRUCTION_SETS = {
    "x86_64": (
        InstructionSet(
            "avx512", ("-march=x86-64-v4", "-mavx512vnni"), ("-mcpu=x86_64_v4+avx512vnni",)
        ),
        InstructionSet("avx2", ("-march=x86-64-v3",), ("-mcpu=x86_64_v3",)),
        InstructionSet("baseline", ("-march=x86-64",), ("-mcpu=x86_64",)),
    ),
    "aarch64": (
        InstructionSet("dotprod", ("-march=armv8.2-a+dotprod",), ("-mcpu=generic+v8_2a+dotprod",)),
        InstructionSet("baseline", ("-march=armv8-a",), ("-mcpu=generic",)),
    ),
}
_ELSEWHERE = (InstructionSet("baseline", (), ()),)
_SAME_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Target:
    """What is compiled for.

    Attributes
    ----------
    machine, system : str
        `x86_64` or `aarch64`; `linux` or `darwin`.
    zig : str or None
        zig's name of a target other than this machine; only zig can compile for one.
    """

    machine: str
    system: str
    zig: str | None = None

    @property
    def instruction_sets(self) -> tuple[InstructionSet, ...]:
        """The sets that kernels are built for, the best first."""
        return INSTRUCTION_SETS.get(self.machine, _ELSEWHERE)


def this_machine() -> Target:
    """The machine that runs this."""
    machine = platform.machine().lower()
    return Target(_SAME_MACHINE.get(machine, machine), platform.system().lower())


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler: the command that starts it, and whether it is zig's."""

    command: tuple[str, ...]
    is_zig: bool

    def compiling(self, target: Target, chosen: InstructionSet | None) -> list[str]:
        """The command that compiles for a target, for one of its instruction sets."""
        flags = () if chosen is None else chosen.zig if self.is_zig else chosen.gnu
        return [*self.command, *self._for(target), *COMMON, *flags]

    def linking(self, target: Target) -> list[str]:
        """The command that links an extension module."""
        undefined = ["-undefined", "dynamic_lookup"] if target.system == "darwin" else []
        strip = [] if target.system == "darwin" else ["-s"]
        return [*self.command, *self._for(target), "-shared", *undefined, *strip]

    def linking_program(self, target: Target) -> list[str]:
        """The command that links a program; one for another machine needs nothing that is there."""
        static = ["-static"] if target.zig and "musl" in target.zig else []
        return [*self.command, *self._for(target), *static]

    def _for(self, target: Target) -> list[str]:
        if not self.is_zig:
            return []
        # Without a named system zig would compile for this machine's own C library only.
        return ["-target", target.zig or f"{target.machine}-{_zig_system(target.system)}"]


def _zig_system(system: str) -> str:
    if system == "darwin":
        return "macos"
    libc, version = platform.libc_ver()
    return f"linux-gnu.{version}" if libc == "glibc" else "linux-musl"


def system_compiler() -> Compiler | None:
    """The compiler that `CC` names, or else gcc or clang; None if none of them is installed."""
    named = shlex.split(os.environ.get("CC", ""))
    if named:
        return Compiler(tuple(named), is_zig="zig" in Path(named[0]).name)
    for name in ("gcc", "clang", "cc"):
        if shutil.which(name):
            return Compiler((name,), is_zig=False)
    return None


def zig_compiler() -> Compiler | None:
    """The compiler of the `ziglang` package; None where it is not installed."""
    try:
        import ziglang
    except ImportError:
        return None
    name = "zig.exe" if sys.platform == "win32" else "zig"
    return Compiler((str(Path(ziglang.__file__).parent / name), "cc"), is_zig=True)


def find_compiler(target: Target) -> Compiler:
    """The compiler for a target: the system's for this machine, zig's for any other.

    Raises
    ------
    FileNotFoundError
        No compiler is installed.
    """
    found = None if target.zig else system_compiler()
    found = found or zig_compiler()
    if found is None:
        raise FileNotFoundError(
            "no C compiler: expected gcc, clang, CC in the environment, or the package ziglang; "
            "install one of them (pip install ziglang needs nothing else)"
        )
    return found
