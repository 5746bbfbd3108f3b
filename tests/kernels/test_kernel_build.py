"""What the build reads of a C source, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from kernel_build.bindings import binding_text, sets_text
from kernel_build.compilers import Compiler, system_compiler
from kernel_build.prototypes import read_source
from kernel_build.wheels import MEMBER, TARGETS, other_wheel

GOOD = """
/* Compiled for each VALUE of f32, f64. */
#include "kernel.h"
/* KERNEL none not_this(f64_in x) { */
KERNEL truth found(
    IN(VALUE) values, u8_rows_out flags, i64 count,
    f64 limit
) {
    RETURN(0);
}
"""


def read(tmp_path: Path, text: str) -> list[str]:
    source = tmp_path / "trees" / "example.c"
    source.parent.mkdir()
    source.write_text(text)
    return [
        f"{variant.name}: {kernel.name} {kernel.result} "
        + " ".join(
            f"{each.letter}{'w' * each.written}{each.dimensions or ''}"
            for each in kernel.parameters
        )
        for variant in read_source(source)
        for kernel in variant.kernels
    ]


def test_a_source_gives_its_kernels_for_each_type(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == [
        "trees_example_f32: found t f Bw2 w x",
        "trees_example_f64: found t d Bw2 w x",
    ]


def test_what_is_written_calls_them(tmp_path: Path) -> None:
    read(tmp_path, GOOD)
    variants = read_source(tmp_path / "trees" / "example.c")
    text = binding_text(variants[0])
    assert "#define VALUE f32" in text
    assert (
        "found((IN(VALUE)){given[0].at, given[0].size}, "
        "(u8_rows_out){given[1].at, given[1].rows, given[1].columns}, "
        "given[2].whole, given[3].real)"
    ) in text
    tables = sets_text(variants, ["avx2", "baseline"])
    assert tables.index('{"avx2", avx2}') < tables.index('{"baseline", baseline}')
    assert "kernels_trees_example_f64_baseline" in tables


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int nothing;", "expected kernels as KERNEL"),
        ("KERNEL none a(f64_in x) {}\n  KERNEL none b(f64_in y) {}", "of a line; read a"),
        ("KERNEL none a(f64_in x);", "each at the start of a line; read none"),
        ("KERNEL void a(f64_in x) {", "a returns void; expected one of none, integer, truth"),
        ("KERNEL none a(void) {", "expected 1 to 32"),
        ("KERNEL none a(double x) {", "parameter x has type double; expected i64, f64, or an"),
        ("KERNEL none a(const f64_in x) {", "`const f64_in x` is malformed"),
        ("KERNEL none a(IN(VALUE) x) {", r"type IN\(VALUE\); expected"),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


def test_a_compiler_is_asked_for_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = pytest.importorskip("kernel_build.backend")
    monkeypatch.setattr(backend.build_meta, "get_requires_for_build_wheel", lambda _: ["one"])
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert backend.get_requires_for_build_wheel() == ["one", backend.COMPILER]
    monkeypatch.setenv("CC", "/opt/zig cc")
    assert backend.get_requires_for_build_wheel() == ["one"]
    found = system_compiler()
    assert found == Compiler(("/opt/zig", "cc"), is_zig=True)
    target = TARGETS["manylinux_2_28_aarch64"]
    command = found.compiling(target, target.instruction_sets[0])
    assert command[:4] == ["/opt/zig", "cc", "-target", "aarch64-linux-gnu.2.28"]
    assert "-ffp-contract=off" in command and "-mcpu=generic+v8_2a+dotprod" in command


def test_a_wheel_for_another_machine(tmp_path: Path) -> None:
    pattern = tmp_path / "model_quantization-1.0-cp311-abi3-linux_x86_64.whl"
    info = "model_quantization-1.0.dist-info"
    with zipfile.ZipFile(pattern, "w") as wheel:
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: cp311-abi3-linux_x86_64\n\n")
        wheel.writestr(f"{info}/RECORD", "old")
        wheel.writestr(MEMBER, b"old")
        wheel.writestr("model_quantization/api.py", "x = 1\n")
    module = tmp_path / "module.so"
    module.write_bytes(b"new")
    made = [
        other_wheel(pattern, "manylinux_2_28_aarch64", module, tmp_path).read_bytes()
        for _ in range(2)
    ]
    assert made[0] == made[1]
    with zipfile.ZipFile(
        tmp_path / "model_quantization-1.0-cp311-abi3-manylinux_2_28_aarch64.whl"
    ) as wheel:
        assert wheel.read(MEMBER) == b"new"
        assert wheel.read("model_quantization/api.py") == b"x = 1\n"
        assert wheel.read(f"{info}/WHEEL").decode() == (
            "Wheel-Version: 1.0\nTag: cp311-abi3-manylinux_2_28_aarch64\n"
        )
        rows = [line.split(",") for line in wheel.read(f"{info}/RECORD").decode().splitlines()]
        assert {row[0] for row in rows} == set(wheel.namelist())
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"new").digest()).rstrip(b"=").decode()
        assert [MEMBER, f"sha256={digest}", "3"] in rows
