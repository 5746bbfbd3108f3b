"""The environments of `make test-versions` are those that pyproject.toml admits."""

from __future__ import annotations

import re

from tests.versions.environments import (
    ENVIRONMENTS,
    LOWEST,
    ROOT,
    TOOLS,
    interpreter,
    lowest_boosters,
    requirements,
)

LOWER = re.compile(r"(?P<name>[\w-]+)(?:\[\w+\])?>=(?P<version>[\d.]+)")


def pins() -> dict[str, str]:
    lines = LOWEST.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_the_lowest_set_has_the_lower_bound_of_each_requirement() -> None:
    found = pins()
    wanted = [each for each in requirements() if each not in TOOLS] + list(lowest_boosters())
    bounds = [match for match in map(LOWER.match, wanted) if match is not None]
    assert len(bounds) >= 18
    for bound in bounds:
        name = bound["name"].lower()
        assert padded(found[name]) == padded(bound["version"]), name


def padded(version: str) -> list[int]:
    parts = [int(part) for part in version.split(".")]
    return parts + [0] * (4 - len(parts))


def test_each_environment_is_of_a_supported_python_and_its_constraints_are_there() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.11"' in project
    assert {each.python for each in ENVIRONMENTS.values()} == {"3.11", "3.12", "3.13"}
    for each in ENVIRONMENTS.values():
        assert not each.constraints or (ROOT / each.constraints).is_file()


def test_a_python_that_no_machine_has_is_not_found() -> None:
    assert interpreter("2.99") is None
