"""The command line as a whole: help, version, completion, errors, JSON, pipes and exit codes."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import typer
from sklearn.linear_model import LogisticRegression

from flows import command_line as flow_line
from model_quantization.commands import demo, options
from model_quantization.commands.application import app, main
from model_quantization.commands.exit_codes import MEANINGS, ExitCode, exit_code_of
from model_quantization.commands.output import execute
from model_quantization.commands.reference import BEGIN, reference_text, with_reference
from model_quantization.errors import ConfigError, PathRefused, ScanRefused
from model_quantization.schemes.recipe import BIT_DEPTHS, BitDepth

PROJECT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "init",
    "quantize",
    "run",
    "profile",
    "compare",
    "inspect",
    "verify",
    "rollback",
    "doctor",
    "keygen",
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of four classes, and held-out rows of the same name."""
    models = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1100, 200))
    truth = (rows @ rng.normal(size=(200, 4))).argmax(axis=1)
    model = LogisticRegression(max_iter=300).fit(rows[:400], truth[:400])
    (models / "churn.pkl").write_bytes(pickle.dumps(model))
    (models / "rows").mkdir()
    np.savez(models / "rows" / "churn.npz", X=rows[400:], target=truth[400:])
    return models


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def process(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "model_quantization", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=PROJECT,
        env={**os.environ, **environ},
    )


# Help, version, completion ----------------------------------------------------------------------


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, "")
    listed = re.findall(r"^  ([a-z]+)  +[A-Z]", out, re.MULTILINE)
    assert tuple(listed) == COMMANDS
    assert "..." not in out.partition("Commands:")[2]  # no description was cut
    for exit_code in MEANINGS:
        assert re.search(rf"^  {exit_code:d} ", out, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, command, "--help")
    assert (code, err) == (0, "") and out.startswith(f"Usage: model-quantization {command} ")
    assert "--json" in out  # every command prints a result


def test_help_and_completion_import_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from model_quantization.commands.application import main\n"
        "main(['--help']); main(['quantize', '--help'])\n"
        "heavy = {'numpy', 'sklearn', 'pandas', 'pydantic', 'rich', 'prefect', 'scipy'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    # typer itself checks the values of options with pydantic.
    assert set(json.loads(done.stdout.splitlines()[-1].replace("'", '"'))) <= {"pydantic"}


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    code, out, _ = run(capsys, "--version")
    assert (code, out) == (0, f"model-quantization {version('model-quantization')}\n")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("model-quantization ", COMMANDS),
        ("model-quantization ver", ("verify",)),
        ("model-quantization quantize --bit-depth ", BIT_DEPTHS),
        ("model-quantization quantize --weight", ("--weight-threshold",)),
    ],
)
def test_a_shell_completes(line: str, wanted: tuple[str, ...]) -> None:
    words = line.split(" ")
    done = process(
        _MODEL_QUANTIZATION_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
    )
    assert tuple(done.stdout.split()) == wanted


# Options ----------------------------------------------------------------------------------------


def declared(application: typer.Typer) -> Iterator[tuple[str, Any]]:
    """(command, parameter) of an application."""
    group: Any = typer.main.get_command(application)
    for command in getattr(group, "commands", {"": group}).values():
        for parameter in command.params:
            yield command.name or "", parameter


def _one_text(texts: list[str]) -> bool:
    """Whether each text is the longest one with parts left out that concern other commands."""
    longest = max(texts, key=len)
    for text in texts:
        rest = iter(re.findall(r"\w+", longest.lower()))
        if not all(word in rest for word in re.findall(r"\w+", text.lower())):
            return False
    return True


def test_no_help_text_speaks_of_another_command(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for command in ("run", "profile", "quantize"):
        assert main([command, "--help"]) == 0
        shown[command] = " ".join(capsys.readouterr().out.split())
    assert "single model" not in shown["run"] and "(default " not in shown["run"]
    assert "With auto" not in shown["profile"] and "directory of held-out" not in shown["profile"]
    assert "single model" in shown["quantize"] and "With auto: the most" in shown["quantize"]


def test_an_option_has_the_same_meaning_wherever_it_is() -> None:
    meanings: dict[str, set[tuple[str, str, str]]] = {}
    for application in (app, demo.app, flow_line.app):
        for command, parameter in declared(application):
            for name in parameter.opts:
                if name.startswith("--"):
                    kind = parameter.name, str(parameter.metavar), parameter.help or ""
                    # Their one required file is narrower than the directory of the others.
                    if command not in ("compare", "profile") or name != "--held-out":
                        meanings.setdefault(name, set()).add(kind)
    different = {
        name
        for name, kinds in meanings.items()
        if len({kind[:2] for kind in kinds}) > 1 or not _one_text([kind[2] for kind in kinds])
    }
    assert different == {"--only"}  # `--model` of the documented script is the same option
    assert {"--only", "--bit-depth", "--weight-threshold", "--held-out", "--trusted"} <= {*meanings}
    assert {"--signing-key", "--public-key", "--json", "--junit", "--strict"} <= {*meanings}


def test_the_flow_has_the_options_of_run() -> None:
    of_run = {name for command, p in declared(app) if command == "run" for name in p.opts}
    of_flow = {name for _, parameter in declared(flow_line.app) for name in parameter.opts}
    assert (of_flow - of_run, of_run - of_flow) == ({"--rollback"}, {"--json"})


def test_bit_depths_are_those_of_the_library() -> None:
    assert get_args(BitDepth) == BIT_DEPTHS
    assert options.BitDepthOption is not None


# Errors and exit codes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "missing command"),
        (["quantise"], "no such command 'quantise'. Did you mean 'quantize'?"),
        (["inspect"], "missing argument 'ARTIFACT'"),
        (["inspect", "missing.qma"], "does not exist"),
        (["verify", "missing"], "does not exist"),
        (["quantize", "--bit-depth", "7"], "'7' is not one of '8', '16', '32', 'exact', 'auto'"),
        (["quantize", "--bits", "8"], "no such option: --bits"),
        (["quantize", "missing"], "the model directory does not exist"),
        (["run", "--config", "missing.yaml"], "missing.yaml: the configuration cannot be read"),
        (["run", "--dry-run", "--print-config"], "--dry-run and --print-config"),
        (["rollback", ".", "first"], "invalid value for 'RELEASE'"),
    ],
)
def test_bad_usage_is_one_line_and_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert told in err
    assert "Value error" not in err and "Traceback" not in err


def test_every_error_has_one_exit_code() -> None:
    assert exit_code_of(ConfigError("x")) is ExitCode.BAD_USAGE
    assert exit_code_of(PathRefused("x")) is ExitCode.BAD_USAGE
    assert exit_code_of(ScanRefused("x")) is exit_code_of(OSError()) is ExitCode.FOUND_SOMETHING
    assert set(MEANINGS) == set(ExitCode)


def test_a_file_that_is_a_directory_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "keygen", tmp_path / "missing" / "k.pem")
    assert (code, out) == (1, "") and "no such file or directory" in err and err.count("\n") == 1


def test_an_interrupt_is_130() -> None:
    stopped = typer.Typer()

    @stopped.command()
    def wait() -> None:
        raise KeyboardInterrupt

    assert execute(stopped, [], program="wait") == ExitCode.INTERRUPTED


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_ends_the_command_quietly(unbuffered: str, shop: Path) -> None:
    read, write = os.pipe()
    os.close(read)  # as `head` does when it has seen enough
    for arguments in (["--help"], ["run", "--print-config", "--config", str(_config(shop))]):
        done = subprocess.run(
            [sys.executable, "-m", "model_quantization", *arguments],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
            cwd=PROJECT,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
        assert (done.returncode, done.stderr) == (ExitCode.READER_GONE, "")
    os.close(write)


# JSON holds no less than the text ---------------------------------------------------------------


def _config(shop: Path, **more: object) -> Path:
    path = shop / "run.yaml"
    values = {"model_dir": str(shop), "holdout_dir": str(shop / "rows"), "latency_seconds": 0}
    path.write_text(json.dumps(values | more))
    return path


def test_quantizing_a_file(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, rows = shop / "churn.pkl", shop / "rows"
    arguments = ("quantize", source, "--output-dir", tmp_path, "--held-out", rows)
    code, out, err = run(capsys, *arguments, "--bit-depth", "16")
    assert (code, err) == (0, "")
    assert "LogisticRegression" in out and "label_exact" in out
    assert f"artifact {tmp_path / 'churn.qma'}" in out
    code, text, _ = run(capsys, *arguments, "--bit-depth", "16", "--json")
    record = json.loads(text)
    assert code == record["exit_code"] == 0 and record["bit_depth"] == "16"
    assert record["output_path"] == str(tmp_path / "churn.qma")
    assert record["score_before"] is not None and record["verdict"] and record["metric"]
    code, out, _ = run(capsys, *arguments, "--allowed-drop", "0", "--strict", "--bit-depth", "8")
    assert code in (0, 1) and ("fallback" in out) == (code == 1)


def test_options_of_a_directory_are_refused_for_a_file(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "quantize", shop / "churn.pkl", "--only", "a", "--workers", "2")
    assert code == 2 and "--only, --workers can be used with a directory of models only" in err


def test_quantizing_a_directory_and_running_a_configuration(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--output-dir", tmp_path / "out")
    held_out = ("--held-out", shop / "rows")
    code, out, err = run(capsys, "quantize", shop, *where, *held_out, "--bit-depth", "16")
    assert (code, err) == (0, "") and "churn" in out and "Release 1 in " in out
    config = ("run", "--config", _config(shop), *where, "--bit-depth", "16")
    code, out, _ = run(capsys, *config, "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0 and plan["to_quantize"] == len(plan["steps"]) == 1
    code, out, _ = run(capsys, *config, "--dry-run")
    for step in plan["steps"]:
        assert all(step[key] in out for key in ("action", "model", "why"))
    code, out, _ = run(capsys, *config, "--json")
    record = json.loads(out)
    assert code == record["exit_code"] == 0 and record["release"] == 2
    churn = record["models"]["churn"]
    assert {"verdict", "score_change", "latency_us_before", "latency_us_after"} <= churn.keys()
    code, out, _ = run(capsys, *config)
    again = ", 1 of them unchanged since an earlier run."  # the run before did it
    assert record["summary"]["total"].replace(". Served", f"{again} Served") in out
    assert churn["verdict"] in out
    assert churn["family"] in out and churn["bit_depth"] in out


def test_a_short_model_is_named_on_stderr_and_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.model_directory import write_attack

    write_attack(tmp_path)
    code, _, err = run(capsys, "quantize", tmp_path)
    assert code == 1 and err == "short: evil (refused)\n" and err.count("\n") == 1
    code, out, err = run(capsys, "quantize", tmp_path, "--json")
    record = json.loads(out)
    assert (code, err) == (1, "") and record["short"] == ["evil"]
    assert record["models"]["evil"]["advice"].startswith("evil (refused): ")


def test_a_run_that_uses_a_cluster_says_that_it_does_not(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _config(shop, task_runner="dask")
    code, _, err = run(capsys, "run", "--config", config, "--output-dir", tmp_path / "out")
    assert code == 0 and err.startswith("note: `task_runner: dask` is for the flow")


def test_comparing_two_files(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, quantized = shop / "churn.pkl", tmp_path / "churn.qma"
    where = ("--output-dir", tmp_path, "--held-out", shop / "rows")
    run(capsys, "quantize", original, *where, "--bit-depth", "16")
    arguments = ("compare", original, quantized, "--held-out", shop / "rows" / "churn.npz")
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    for part in ("accuracy", "size", "smaller", "1 row (us)", "load (s)", "memory", "of 700 rows"):
        assert part in out
    code, text, _ = run(capsys, *arguments, "--json")
    record = json.loads(text)
    assert code == 0 and record["rows"] == 700 and record["agreement"] > 0.99
    for side in ("original", "quantized"):
        assert set(record[side]) >= {"score", "metrics", "latency", "load_seconds", "size_bytes"}
    with np.load(shop / "rows" / "churn.npz") as rows:
        pd.DataFrame(rows["X"]).assign(target=rows["target"]).to_csv(
            tmp_path / "rows.csv", index=False
        )
    named = (*arguments[:-1], tmp_path / "rows.csv", "--target", "labl")
    code, _, err = run(capsys, *named)
    assert code == 1 and "no target column labl" in err
    code, _, err = run(capsys, "compare", original, quantized)
    assert code == 2 and "missing option '--held-out'" in err


def test_keys_and_checks_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "keygen", tmp_path / "k.pem", "--json")
    record = json.loads(out)
    assert code == 0 and set(record) == {"key_id", "private", "public"}
    assert Path(record["public"]).is_file()


def test_releases_as_json(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out_dir = tmp_path / "out"
    for bits in ("8", "16"):
        run(capsys, "quantize", shop, "--output-dir", out_dir, "--bit-depth", bits)
    code, out, _ = run(capsys, "rollback", out_dir, "--json")
    releases = json.loads(out)["releases"]
    assert code == 0 and [item["number"] for item in releases] == [2, 1]
    assert [item["current"] for item in releases] == [True, False]
    assert run(capsys, "rollback", shop)[1] == "nothing was published here\n"
    _, text, _ = run(capsys, "rollback", out_dir)
    for item in releases:
        assert item["created"] in text and f"{item['artifacts']} artifacts" in text
    code, out, _ = run(capsys, "rollback", out_dir, 1, "--json")
    record = json.loads(out)
    assert code == 0 and (record["release"], record["rollback_of"]) == (3, 1)


# The page ---------------------------------------------------------------------------------------


def test_the_page_of_commands_is_written_from_them() -> None:
    page = (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page == with_reference(page), "run: make docs"
    for command in COMMANDS:
        assert f"## `{command}`" in reference_text()


SHOWN = re.compile(
    r"(model-quantization|python model_quantization_demo\.py|python -m flows\.quantize_models)"
    r"((?: +[^\s`#]+)*)"
)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "SECURITY.md",
        *sorted(f"docs/{path.name}" for path in (PROJECT / "docs").glob("*.md")),
    ],
)
def test_commands_and_options_that_the_pages_show_exist(page: str) -> None:
    text = (PROJECT / page).read_text(encoding="utf-8").partition(BEGIN)[0]
    known: dict[str, set[str]] = {"": {"--install-completion", "--help", "--version"}}
    for command, parameter in declared(app):
        known.setdefault(command, {"--help"}).update(parameter.opts)
    other = {
        "python model_quantization_demo.py": demo.app,
        "python -m flows.quantize_models": flow_line.app,
    }
    blocks = re.findall(r"^```shell\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    code = "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])
    for program, rest in SHOWN.findall(code):
        words = rest.split()
        if program == "model-quantization":
            command = words[0] if words and not words[0].startswith("-") else ""
            assert command in known, f"{page}: {program}{rest}"
            allowed = known[command]
        else:
            allowed = {name for _, p in declared(other[program]) for name in p.opts} | {"--help"}
        for word in words:
            assert not word.startswith("--") or word in allowed, f"{page}: {program}{rest}"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no lines"):
        with_reference(f"# Commands\n{BEGIN}")
