"""Compiles every kernel once per instruction set and type, and links one extension module.

What is compiled is kept under `build/kernels` with a digest of all that went into it, so that a
second build compiles only what changed.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kernel_build.bindings import binding_text, sets_text, table_name
from kernel_build.compilers import (
    SANITIZERS,
    WARNINGS,
    Compiler,
    Target,
    find_compiler,
    this_machine,
)
from kernel_build.prototypes import read_source

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "model_quantization" / "kernels"
NATIVE = KERNELS / "native"
MODULE = "model_quantization.kernels._native"
FILE_NAME = "_native.abi3.so"


@dataclass(frozen=True, slots=True)
class Options:
    """How to build.

    Attributes
    ----------
    target : Target
    strict : bool
        Warnings are errors.
    sanitized : bool
        With AddressSanitizer and UndefinedBehaviorSanitizer.
    headers : tuple of Path
        Of Python and numpy; those of the running interpreter if empty.
    """

    target: Target
    strict: bool = False
    sanitized: bool = False
    headers: tuple[Path, ...] = ()

    @property
    def work(self) -> Path:
        """Where what is compiled is kept."""
        name = self.target.zig or f"{self.target.machine}-{self.target.system}"
        return ROOT / "build" / "kernels" / (name + ("-sanitized" if self.sanitized else ""))


@dataclass(frozen=True, slots=True)
class _Unit:
    """One file to compile: its name without ending, its text, the command but for the file."""

    name: str
    source: Path
    command: tuple[str, ...]


def sources() -> list[Path]:
    """The kernels' C sources, in a fixed order."""
    return sorted(path for path in KERNELS.glob("*/*.c") if path.parent != NATIVE)


def build(output: Path, options: Options | None = None) -> Path:
    """Build the extension module, and return where it is: `output`.

    Raises
    ------
    ValueError
        A kernel's prototype is malformed.
    FileNotFoundError
        There is no compiler.
    RuntimeError
        The compiler failed; the message has what it printed.
    """
    options = options or Options(this_machine(), strict=bool(os.environ.get("CI")))
    compiler = find_compiler(options.target)
    options.work.mkdir(parents=True, exist_ok=True)
    units = list(_units(compiler, options))
    digest = _digest_of_headers()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        objects = list(pool.map(lambda unit: _compile(unit, options.work, digest), units))
    output.parent.mkdir(parents=True, exist_ok=True)
    # Renamed over the old one: a process that has that open keeps it.
    fresh = output.with_name(f".{output.name}.{os.getpid()}")
    link = [*compiler.linking(options.target), *(SANITIZERS if options.sanitized else ())]
    _run([*link, *map(str, objects), "-lm", "-o", str(fresh)])
    fresh.replace(output)
    return output


def build_standalone(output: Path, options: Options) -> Path:
    """Build the program that runs kernels without Python (`standalone.c`), and return `output`.

    Raises
    ------
    ValueError, FileNotFoundError, RuntimeError
        As `build` says.
    """
    compiler = find_compiler(options.target)
    options.work.mkdir(parents=True, exist_ok=True)
    units = [unit for unit in _units(compiler, options) if unit.name != "binding"]
    plain = next(unit.command for unit in units if unit.name == "processor")
    units.append(_Unit("standalone", ROOT / "kernel_build" / "standalone.c", plain))
    digest = _digest_of_headers()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        objects = list(pool.map(lambda unit: _compile(unit, options.work, digest), units))
    output.parent.mkdir(parents=True, exist_ok=True)
    link = [*compiler.linking_program(options.target), *(SANITIZERS if options.sanitized else ())]
    _run([*link, *map(str, objects), "-lm", "-o", str(output)])
    return output


def _units(compiler: Compiler, options: Options) -> Iterator[_Unit]:
    variants = [variant for source in sources() for variant in read_source(source)]
    sets = options.target.instruction_sets
    extra = [*WARNINGS, *(["-Werror"] if options.strict else []), f"-I{NATIVE}"]
    extra += SANITIZERS if options.sanitized else ()
    for variant in variants:
        text = _write(options.work / f"{variant.name}.c", binding_text(variant))
        for chosen in sets:
            command = compiler.compiling(options.target, chosen)
            table = table_name(variant, chosen.name)
            yield _Unit(table, text, (*command, *extra, f"-DKERNELS={table}"))
    names = [chosen.name for chosen in sets]
    listed = _write(options.work / "sets.c", sets_text(variants, names))
    plain = [*compiler.compiling(options.target, sets[-1]), *extra]
    headers = [f"-isystem{path}" for path in options.headers or _own_headers()]
    if options.target.zig and options.target.system != "linux":
        headers.append(f"-isystem{_foreign_headers(options.work)}")
    yield _Unit("sets", listed, tuple(plain))
    yield _Unit("processor", NATIVE / "processor.c", tuple(plain))
    yield _Unit("binding", NATIVE / "binding.c", (*plain, *headers))


def _own_headers() -> tuple[Path, ...]:
    import numpy as np

    return Path(sysconfig.get_path("include")), Path(np.get_include())


def _foreign_headers(work: Path) -> Path:
    """The directory of an empty `endian.h`, which numpy's headers ask for on every system.

    They take the byte order from the compiler where that header does not say it.
    """
    directory = work / "headers"
    directory.mkdir(exist_ok=True)
    _write(directory / "endian.h", "")
    return directory


def _write(path: Path, text: str) -> Path:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def _digest_of_headers() -> bytes:
    """Of every source and header: few change at a time, and all are compiled within seconds."""
    digest = hashlib.sha256()
    for path in sorted(KERNELS.glob("*/*.h")):
        digest.update(path.read_bytes())
    return digest.digest()


def _compile(unit: _Unit, work: Path, headers: bytes) -> Path:
    made, note = work / f"{unit.name}.o", work / f"{unit.name}.digest"
    # Without the checkout's own place: what a copy of the checkout brings along is still its own.
    place = str(ROOT).encode()
    digest = hashlib.sha256(headers + "\0".join(unit.command).encode().replace(place, b""))
    for path in _texts(unit.source):
        digest.update(path.read_bytes().replace(place, b""))
    if made.exists() and note.exists() and note.read_text() == digest.hexdigest():
        return made
    note.unlink(missing_ok=True)
    _run([*unit.command, "-c", str(unit.source), "-o", str(made)])
    note.write_text(digest.hexdigest())
    return made


def _texts(source: Path) -> Iterator[Path]:
    """The file, and the kernel source that a written binding includes."""
    yield source
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith('#include "/') or (line.startswith('#include "') and ":/" in line):
            yield Path(line.split('"')[1])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}\nfailed:\n{done.stdout}{done.stderr}")
    if done.stderr:
        sys.stderr.write(done.stderr)


def in_place(sanitized: bool = False) -> Path:
    """Build into the checkout that this file is in."""
    strict = bool(os.environ.get("CI")) or sanitized
    return build(KERNELS / FILE_NAME, Options(this_machine(), strict, sanitized))
