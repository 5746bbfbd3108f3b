"""The demo's table of two releases beside each other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

import compare_releases

HEAD = "model,bits,size_after_bytes,verdict,published\n"


def test_two_releases_beside_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(
        f"{HEAD}process,8,23900,fallback,false\nspam,8,9000,non_inferior,true\nold,8,1,exact,true\n"
    )
    second.write_text(f"{HEAD}process,4,4540,non_inferior,true\nspam,3-7,3000,label_exact,true\n")
    compare_releases.main([str(first), str(second)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [
        "process",
        "-",
        "-",
        "fallback",
        "4.5",
        "KB",
        "4",
        "bits",
        "non_inferior",
    ]
    assert lines[2].split() == [
        "spam",
        "9.0",
        "KB",
        "8",
        "bits",
        "non_inferior",
        "3.0",
        "KB",
        "3-7",
        "bits",
        "label_exact",
    ]
    assert lines[3:] == ["first: 1 of 2 published, 9.0 KB", "second: 2 of 2 published, 7.5 KB"]
