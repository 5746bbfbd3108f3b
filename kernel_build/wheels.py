"""`python -m kernel_build.wheels DIRECTORY`: wheels for other machines than this, by zig.

A wheel of this machine is built by pip and taken as the pattern: another machine's differs in the
kernels and in its tag only, as everything else is Python. numpy's headers are those of the numpy
installed here; they are the same for all systems below but for one line that names a header.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from kernel_build.build import FILE_NAME, ROOT, Options, build
from kernel_build.compilers import Target

MEMBER = f"model_quantization/kernels/{FILE_NAME}"
# Tag of the wheel -> what is compiled for: glibc 2.28 and macOS 11 are what numpy's wheels need.
TARGETS = {
    "manylinux_2_28_x86_64": Target("x86_64", "linux", "x86_64-linux-gnu.2.28"),
    "manylinux_2_28_aarch64": Target("aarch64", "linux", "aarch64-linux-gnu.2.28"),
    "macosx_11_0_arm64": Target("aarch64", "darwin", "aarch64-macos.11.0"),
    "macosx_11_0_x86_64": Target("x86_64", "darwin", "x86_64-macos.11.0"),
}


def pattern_wheel(directory: Path) -> Path:
    """A wheel of this machine."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(directory)]
    subprocess.run([*command, str(ROOT)], check=True)
    (made,) = directory.glob("*.whl")
    return made


def other_wheel(pattern: Path, tag: str, module: Path, directory: Path) -> Path:
    """The wheel with another machine's kernels and tag; the same input gives the same bytes."""
    name, version, python, abi, _ = pattern.name.removesuffix(".whl").split("-")
    made = directory / f"{name}-{version}-{python}-{abi}-{tag}.whl"
    rows: list[tuple[str, str, str]] = []
    with zipfile.ZipFile(pattern) as source, zipfile.ZipFile(made, "w") as wheel:
        members = sorted(source.namelist(), key=lambda member: (".dist-info/" in member, member))
        for member in members:
            if member.endswith("/RECORD"):
                record = member
                continue
            data = source.read(member)
            if member == MEMBER:
                data = module.read_bytes()
            elif member.endswith(".dist-info/WHEEL"):
                data = _retagged(data.decode(), f"{python}-{abi}-{tag}").encode()
            _add(wheel, member, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append((member, f"sha256={digest}", str(len(data))))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
        _add(wheel, record, text.getvalue().encode())
    return made


def _add(wheel: zipfile.ZipFile, member: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0))
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    wheel.writestr(entry, data)


def _retagged(text: str, tag: str) -> str:
    kept = [line for line in text.splitlines() if line and not line.startswith("Tag: ")]
    return "\n".join([*kept, f"Tag: {tag}", ""])


def main(arguments: list[str] | None = None) -> int:
    """Build the wheels that are asked for; 1 where one could not be built."""
    parser = argparse.ArgumentParser(prog="python -m kernel_build.wheels", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tag", action="append", choices=[*TARGETS], help="all, if none is named")
    given = parser.parse_args(arguments)
    given.directory.mkdir(parents=True, exist_ok=True)
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        pattern = pattern_wheel(Path(scratch))
        for tag in given.tag or TARGETS:
            try:
                target = TARGETS[tag]
                module = build(Path(scratch) / tag / FILE_NAME, Options(target, strict=True))
                made = other_wheel(pattern, tag, module, given.directory)
                print(f"{made} ({made.stat().st_size / 1e6:.1f} MB)")
            except (FileNotFoundError, RuntimeError) as error:
                print(f"{tag}: {error}", file=sys.stderr)
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
