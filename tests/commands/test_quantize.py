"""The documented command line, from its arguments to its exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_quantization.commands.demo import main
from tests.model_directory import NAMES, write_attack, write_models

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_models(tmp_path_factory.mktemp("cli"))


def _run(
    *arguments: object, cwd: Path = PROJECT, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROJECT / "model_quantization_demo.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **environ},
    )


def test_the_documented_usage_needs_no_held_out_data(directories: tuple[Path, Path]) -> None:
    models, _ = directories
    done = _run("--bit-depth", "16", "--weight-threshold", "0.0005", ML_MODEL_DIR=str(models))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "in place of 16 bits: no held-out data" in done.stdout
    assert "no_gain" in done.stdout
    assert f"Release 1 in {models / 'quantized'}" in done.stdout


def test_json_is_all_there_is_on_stdout(
    directories: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, held_out = directories
    where = {"model": models, "holdout": held_out, "output": tmp_path / "out"}
    arguments = [part for key, path in where.items() for part in (f"--{key}-dir", str(path))]
    code = main([*arguments, "--model", "linear", "--model", "eu/*", "--workers", "1", "--json"])
    out, err = capsys.readouterr()
    assert (code, err) == (0, ""), out
    result = json.loads(out)
    assert sorted(result["models"]) == ["eu/price", "linear"]
    assert result["exit_code"] == 0
    assert result["release"] == 1
    linear = result["models"]["linear"]
    assert linear["status"] == "published"
    assert linear["output_path"] == str(tmp_path / "out" / "linear.qma")
    assert linear["original_size_bytes"] == (models / "linear.pkl").stat().st_size
    assert result["summary"]["overall_size_reduction_percent"] > 10


def test_a_refused_model_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_attack(tmp_path)
    assert main(["--model-dir", str(tmp_path)]) == 1
    assert "os:system is not on the allow-list" in capsys.readouterr().out


def test_strict_decides_over_models_that_were_not_proven(
    directories: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, _ = directories
    config = tmp_path / "run.yaml"
    config.write_text(
        f"model_dir: {models}\noutput_dir: {tmp_path / 'out'}\nonly: linear\n"
        "on_gate_failure: original\n"
    )
    assert main(["--config", str(config)]) == 0
    assert main(["--config", str(config), "--strict"]) == 1
    assert "linear (unverified): " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "liner"], "no model matches `liner`; expected one of"),
        (["--weight-threshold", "-1"], "--weight-threshold: cannot be used; expected greater"),
        (["--weight-threshold", "x"], "invalid value for '--weight-threshold': "),
        (["--workers", "x"], "invalid value for '--workers': "),
        (["--workers", "0"], "--workers: cannot be used; expected greater than or equal to 1"),
        (["--config", "nope.yaml"], "nope.yaml: the configuration cannot be read"),
        (["--holdout-dir", "nope"], "nope: the held-out directory does not exist; create it"),
        (["--model-dir", "nope"], "nope: the model directory does not exist; create it"),
        (["--model-dir", "tests/flows"], "no models found; expected files ending in .pkl,"),
        (["--output-dir", "pyproject.toml"], "not used as output; expected a directory"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    directories: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(PROJECT)
    assert main(["--model-dir", str(directories[0]), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_an_unknown_bit_depth_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bit-depth", "7"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "invalid value for '--bit-depth': '7' is not one of '8', '16', '32'" in err


def test_a_locked_output_directory_is_not_bad_usage(
    directories: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from model_quantization.files.atomic import exclusive

    with exclusive(tmp_path / "out"):
        code = main(["--model-dir", str(directories[0]), "--output-dir", str(tmp_path / "out")])
    assert code == 1
    assert "another run is writing here" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(
    directories: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("model_quantization.batch.run.run_batch", interrupted)
    assert main(["--model-dir", str(directories[0])]) == 130
    assert "run again to continue where this run stopped" in capsys.readouterr().err


def test_help_explains_exit_codes_and_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "--bit-depth",
        "--model, --only NAME",
        "--weight-threshold",
        "Exit codes",
        "ML_MODEL_DIR",
    ):
        assert part in shown


def test_all_models_are_found(directories: tuple[Path, Path]) -> None:
    from model_quantization.batch.discovery import discover

    models, _ = directories
    assert tuple(model.name for model in discover(models, models / "quantized").models) == NAMES
