"""What a release says of itself agrees with itself: version, licence, bounds, templates."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
METADATA = PYPROJECT["project"]


def yaml_of(path: str) -> Any:
    return yaml.safe_load((PROJECT / path).read_text("utf-8"))


def test_version_and_date_are_the_same_everywhere() -> None:
    citation = yaml_of("CITATION.cff")
    changelog = (PROJECT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## \[(\d[^\]]*)\] - (\S+)$", changelog, re.MULTILINE)
    assert released[0] == (METADATA["version"], citation["date-released"])
    assert citation["version"] == METADATA["version"]
    assert citation["license"] == METADATA["license"] == "BSD-3-Clause"
    (author,) = METADATA["authors"]
    assert citation["authors"] == [author] == [{"name": "The model-quantization developers"}]


def test_the_licence_is_the_one_that_is_named() -> None:
    text = (PROJECT / "LICENSE").read_text("utf-8")
    assert text.startswith("BSD 3-Clause License")
    assert METADATA["authors"][0]["name"] in text
    assert METADATA["license-files"] == ["LICENSE"]


def test_the_workflow_runs_every_python_that_is_claimed() -> None:
    claimed = [
        line.rpartition(" ")[2] for line in METADATA["classifiers"] if re.search(r"3\.\d+$", line)
    ]
    jobs = yaml_of(".github/workflows/tests.yml")["jobs"]
    for job in ("newest", "lowest"):
        assert jobs[job]["strategy"]["matrix"]["python"] == claimed


def test_the_hook_and_the_workflow_run_targets_that_exist() -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    (repository,) = yaml_of(".pre-commit-config.yaml")["repos"]
    commands = [hook["entry"] for hook in repository["hooks"]]
    for job in yaml_of(".github/workflows/tests.yml")["jobs"].values():
        commands += [step["run"] for step in job["steps"] if "make" in step.get("run", "")]
    targets = {word for command in commands for word in re.findall(r"\bmake (\S+)", command)}
    assert targets >= {"lint", "test", "kernels"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("path", sorted((PROJECT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")))
def test_an_issue_form_has_what_the_page_shows(path: Path) -> None:
    form = yaml.safe_load(path.read_text("utf-8"))
    assert form["name"]
    assert form["description"]
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    assert all(part["attributes"].get("label") or part["type"] == "markdown"
               for part in form["body"])  # fmt: skip


def test_no_metadata_name_a_host_that_is_not_there() -> None:
    assert "urls" not in METADATA
    for name in ("CITATION.cff", "LICENSE", ".pre-commit-config.yaml"):
        assert "://" not in (PROJECT / name).read_text("utf-8"), name


def test_the_editor_settings_are_those_of_the_formatter() -> None:
    text = (PROJECT / ".editorconfig").read_text("utf-8")
    assert f"max_line_length = {PYPROJECT['tool']['ruff']['line-length']}" in text


def test_every_file_that_the_source_distribution_takes_exists() -> None:
    for line in (PROJECT / "MANIFEST.in").read_text("utf-8").splitlines():
        kind, *names = line.split()
        if kind in ("include", "graft"):
            for name in names:
                assert (PROJECT / name).exists(), name


def test_make_lists_its_targets() -> None:
    done = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "make sdist" in done.stdout
