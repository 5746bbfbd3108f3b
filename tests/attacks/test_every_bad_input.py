"""Every case of docs/bad_inputs.md has a test, and every marked test a case."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tests.conftest import BAD_INPUTS

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "bad_inputs.md"


def _marked(module: ModuleType) -> Iterator[int]:
    """The numbers that the tests of a module prove, by their own marks and their parameters'."""
    for test in vars(module).values():
        for mark in getattr(test, "pytestmark", ()) if callable(test) else ():
            if mark.name == "bad_input":
                yield from mark.args
            if mark.name == "parametrize":
                for parameter in mark.args[1]:
                    for own in getattr(parameter, "marks", ()):
                        yield from own.args if own.name == "bad_input" else ()


def test_every_number_has_a_test_and_a_line() -> None:
    proven: set[int] = set()
    for path in sorted(TESTS.rglob("test_*.py")):
        if "bad_input" in path.read_text():
            name = path.relative_to(TESTS.parent).with_suffix("").as_posix().replace("/", ".")
            proven |= set(_marked(importlib.import_module(name)))
    assert proven == set(range(1, BAD_INPUTS + 1))
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)}
    assert listed == proven
