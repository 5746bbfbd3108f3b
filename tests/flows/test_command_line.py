"""The command without a server: what it prints, writes and returns, apart from the run itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from flows.command_line import main
from flows.configuration import configure
from flows.final_state import FELL_SHORT, WITH_FAILURES
from flows.form import form_values
from flows.quantize_models import quantize_models
from model_quantization.batch.run import run_batch
from model_quantization.config.file import load_config
from model_quantization.release.manifest import read_release
from tests.model_directory import write_attack, write_models


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four models, their held-out data, and release 1 of them."""
    root = tmp_path_factory.mktemp("finished")
    models, held_out = write_models(root)
    run_batch(load_config(given=_settings(models, held_out)))
    return root


@pytest.fixture
def config(finished: Path, tmp_path: Path) -> Path:
    root = tmp_path / "run"
    shutil.copytree(finished, root)
    path = root / "run.yaml"
    path.write_text(yaml.safe_dump(_settings(root / "models", root / "holdout")))
    return path


def _settings(models: Path, held_out: Path) -> dict[str, Any]:
    return {"model_dir": str(models), "holdout_dir": str(held_out), "latency_seconds": 0}


class Flow:
    """Stands for the flow: runs the plain loop, and ends in the state it is given."""

    def __init__(self, name: str = "Completed", message: str = "done") -> None:
        self.name, self.message, self.given = name, message, None

    def __call__(self, config_path: str, **given: Any) -> SimpleNamespace:
        self.given = given
        failed = self.name in ("Failed", FELL_SHORT)
        if self.name != "Failed":
            run_batch(load_config(config_path))
        return SimpleNamespace(
            name=self.name,
            message=self.message,
            type="FAILED" if failed else "COMPLETED",
            is_failed=lambda: failed,
            is_completed=lambda: not failed,
        )


def _no_run(*_: Any, **__: Any) -> None:
    pytest.fail("the flow must not run")


Printed = Callable[[], tuple[str, str]]


def test_all_well(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow = Flow()
    assert main(flow, ["--config", str(config), "--bit-depth", "8", "--allowed-drop", "0.1"]) == 0
    assert flow.given is not None
    assert (flow.given["bit_depth"], flow.given["allowed_drop"]) == ("8", 0.1)
    out, err = capsys.readouterr()
    assert "4 of them unchanged since an earlier run" in out
    assert "linear" in out
    assert err == "Completed: done\n"


def test_what_the_run_did_is_not_called_unchanged(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Does(Flow):
        def __call__(self, *given: Any, **more: Any) -> Any:
            (config.parent / "models" / "quantized" / "stats" / "linear.json").touch()
            return super().__call__(*given, **more)

    assert main(Does(), ["--config", str(config)]) == 0
    assert "3 of them unchanged since an earlier run" in capsys.readouterr().out


def test_shortfalls_are_listed_and_a_test_case_each(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_attack(config.parent / "models")
    junit = tmp_path / "junit.xml"
    arguments = ["--config", str(config), "--junit", str(junit), "--strict"]
    assert main(Flow(FELL_SHORT, "Short: evil."), arguments) == 1
    err = capsys.readouterr().err
    assert "short: evil (refused)" in err
    assert err.endswith("FellShort: Short: evil.\n")
    suite = next(ElementTree.parse(junit).getroot().iter("testsuite"))
    assert {case.get("name") for case in suite.iter("testcase")} == {
        *("eu/price", "evil", "forest", "linear", "tiny")
    }
    assert suite.get("errors") == "1"
    assert main(Flow(WITH_FAILURES), ["--config", str(config), "--only", "linear"]) == 1
    out = capsys.readouterr().out
    assert "linear" in out
    assert "forest" not in out


def test_a_run_that_failed_as_a_whole_is_a_test_case_too(config: Path, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    assert main(Flow("Failed", "no"), ["--config", str(config), "--junit", str(junit)]) == 1
    case = next(ElementTree.parse(junit).getroot().iter("testcase"))
    assert case.get("name") == "run"


def test_a_configuration_that_cannot_be_used_is_a_test_case_too(
    config: Path, tmp_path: Path
) -> None:
    junit = tmp_path / "junit.xml"
    arguments = ["--config", str(config), "--weight-threshold", "-1", "--junit", str(junit)]
    assert main(_no_run, arguments) == 2
    suite = next(ElementTree.parse(junit).getroot().iter("testsuite"))
    case = next(suite.iter("testcase"))
    assert (case.get("name"), suite.get("errors")) == ("run", "1")
    assert "`weight_threshold` cannot be used" in "".join(case.itertext())


def test_a_dry_run_says_what_and_why_and_writes_nothing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = config.parent / "models"
    elsewhere = config.parent / "elsewhere"
    arguments = ["--config", str(config), "--dry-run", "--output-dir", str(elsewhere)]
    assert main(_no_run, arguments) == 0
    out = capsys.readouterr().out
    assert "quantize  linear: not in the release yet\n" in out
    assert out.endswith("4 to quantize, 0 unchanged. Nothing was written.\n")
    assert not elsewhere.exists()
    write_attack(models)
    (models / "tiny.sav").unlink()
    before = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}
    assert main(_no_run, ["--config", str(config), "--dry-run", "--force", "--only", "l*"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "quantize  linear: forced",
        "withdraw  tiny: its file is gone",
        "1 to quantize, 0 unchanged. Nothing was written.",
    ]
    assert main(_no_run, ["--config", str(config), "--dry-run"]) == 0
    assert "3 unchanged" in capsys.readouterr().out
    after = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}
    assert after == before
    assert main(_no_run, ["--config", str(config), "--dry-run", "--only", "nope"]) == 2
    assert "no model matches `nope`" in capsys.readouterr().err


def test_the_configuration_is_printed_whole(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_no_run, ["--config", str(config), "--print-config", "--bit-depth", "16"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["bit_depth"] == "16"
    assert printed["gate"]["alpha"] == 0.05
    assert main(_no_run, ["--config", str(config), "--weight-threshold", "-1"]) == 2
    assert "--weight-threshold: cannot be used" in capsys.readouterr().err


def test_every_option_reaches_the_configuration_of_the_flow(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = Flow()
    arguments = ["--config", str(config), "--bit-depth", "16", "--target", "label", "--strict"]
    arguments += ["--trusted", "shop.text:Cleaner", "--signing-key", "env:KEY", "--workers", "3"]
    arguments += ["--public-key", "old.pem", "--public-key", "env:NEW", "--allowed-drop", "0.02"]
    assert main(_no_run, [*arguments, "--print-config"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert main(flow, arguments) == 0
    given = {"config_path": str(config), **(flow.given or {})}
    del given["return_state"]
    asked = quantize_models.validate_parameters(given)
    path = asked.pop("config_path")
    reached = configure(path, **form_values(asked.pop("more"), **asked)).model_dump(mode="json")
    assert reached == printed
    assert (reached["target"], reached["public_keys"]) == (["label"], ["old.pem", "env:NEW"])
    assert (reached["trusted"], reached["signing_key"]) == (["shop.text:Cleaner"], "env:KEY")


def test_rolling_back(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_batch(load_config(config, given={"bit_depth": "16", "only": "linear"}))
    output = config.parent / "models" / "quantized"
    assert read_release(output).models["linear"].bit_depth == "16"
    assert main(_no_run, ["--config", str(config), "--rollback", "1"]) == 0
    assert capsys.readouterr().out.startswith("release 3 is served now")
    assert read_release(output).models["linear"].bit_depth == "8"
    assert main(_no_run, ["--config", str(config), "--rollback", "9"]) == 1
    assert "there is no release 9; expected one of 1, 2, 3" in capsys.readouterr().err


def test_a_run_and_something_else_do_not_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_no_run, ["--dry-run", "--rollback", "1"]) == 2
    assert "--dry-run and --rollback" in capsys.readouterr().err
