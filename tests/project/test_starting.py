"""A project that `init` starts works: its configurations, its deployments, its CI file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from model_quantization.commands.application import main
from model_quantization.config.file import load_config
from model_quantization.errors import ConfigError
from model_quantization.places import MARKS, configuration_path, default_model_dir, find_project
from model_quantization.project.starting import start_project
from tests.model_directory import write_models

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = (
    ".github/workflows/quantize.yml",
    ".gitignore",
    "configs/ci.yaml",
    "configs/nightly.yaml",
    "holdout/README.md",
    "models/README.md",
    "prefect.yaml",
    "requirements.txt",
)
DIRECTORIES = ("model_dir", "output_dir", "holdout_dir")


def test_it_writes_a_project_and_says_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "own"
    assert main(["init", str(project)]) == 0
    found = {p.relative_to(project).as_posix() for p in project.rglob("*") if p.is_file()}
    assert found == set(FILES)
    said = capsys.readouterr().out
    assert all(str(project / name) in said for name in FILES)
    assert f"cd {project} && model-quantization run" in said
    assert set(MARKS) < found


def test_what_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "configs" / "nightly.yaml"
    own.parent.mkdir()
    own.write_text("model_dir: mine\n")
    assert main(["init", str(tmp_path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["kept"] == [str(own)]
    assert len(record["written"]) == len(FILES) - 1
    assert own.read_text() == "model_dir: mine\n"
    written, kept = start_project(tmp_path)
    assert (written, len(kept)) == ([], len(FILES))


@pytest.mark.parametrize("place", ["a file", "site-packages/own"])
def test_a_place_that_cannot_be_a_project(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(ConfigError, match="directory"):
        start_project(tmp_path / place)
    assert not (tmp_path / "site-packages").exists()


def test_a_run_in_it_publishes_below_its_own_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start_project(tmp_path)
    write_models(tmp_path)
    monkeypatch.delenv("ML_MODEL_DIR", raising=False)
    monkeypatch.setenv("MLQ_LATENCY_SECONDS", "0")
    monkeypatch.chdir(tmp_path / "models")
    # From any directory of the project, and its README files are no models.
    assert main(["run"]) == 0, capsys.readouterr().err
    assert (tmp_path / "models" / "quantized" / "manifest.json").is_file()
    monkeypatch.chdir(tmp_path)
    assert default_model_dir() == "models"
    workflow = yaml.safe_load((tmp_path / ".github/workflows/quantize.yml").read_text())
    steps = [step.get("run", "") for step in workflow["jobs"]["quantize"]["steps"]]
    commands = [step.split() for step in steps if step.startswith("model-quantization ")]
    assert len(commands) == 2
    for command in commands:
        assert main(command[1:]) == 0
    for name in ("summary.md", "summary.csv", "report.html"):
        assert (tmp_path / "build" / "quantized" / name).is_file()
    assert (tmp_path / "build" / "quantize.xml").is_file()


@pytest.mark.parametrize("name", ["nightly", "ci"])
def test_its_configurations_are_those_of_the_checkout_elsewhere(tmp_path: Path, name: str) -> None:
    start_project(tmp_path)
    started = load_config(tmp_path / "configs" / f"{name}.yaml")
    ours = load_config(CHECKOUT / "configs" / f"{name}.yaml")
    leave = set(DIRECTORIES)
    assert started.model_dump(exclude=leave) == ours.model_dump(exclude=leave)
    assert started.model_path == tmp_path / "models"
    assert started.holdout_path == tmp_path / "holdout"
    assert started.output_path.is_relative_to(tmp_path)


def test_its_requirement_is_the_version_that_started_it(tmp_path: Path) -> None:
    start_project(tmp_path)
    text = (tmp_path / "requirements.txt").read_text()
    assert re.fullmatch(r"model-quantization\[all\](==[\w.+]+)?\n", text)


def test_a_project_is_found_from_below_and_not_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_project(tmp_path / "own")
    assert find_project(tmp_path / "own" / "models") == tmp_path / "own"
    assert find_project(tmp_path) is None
    monkeypatch.chdir(tmp_path / "own" / "holdout")
    assert configuration_path("configs/ci.yaml") == tmp_path / "own" / "configs" / "ci.yaml"
    monkeypatch.chdir(tmp_path)
    assert configuration_path("configs/ci.yaml") == Path("configs/ci.yaml")


def test_the_documented_directory_of_models_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ML_MODEL_DIR", raising=False)
    assert default_model_dir() == "ml/models"
    Path("models").mkdir()
    assert default_model_dir() == "models"
    Path("ml/models").mkdir(parents=True)
    assert default_model_dir() == "ml/models"
    monkeypatch.setenv("ML_MODEL_DIR", "elsewhere")
    assert default_model_dir() == "elsewhere"
