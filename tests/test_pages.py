"""Every example of a page runs, and every command line that a page shows is one that exists.

Python blocks of a page run in their order, in one directory; a block with the title of a file is
that file. Shell blocks of the tutorial run as well, command by command. Those of other pages, which
may start servers, are checked: the program, its command, and every option must be there.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pickle
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import category_encoders
import click
import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

import model_quantization as mq
from model_quantization.commands.application import app
from model_quantization.config.file import load_config
from tests.shop import shop

__all__ = ["shop"]

PROJECT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        PROJECT / "README.md",
        PROJECT / "CONTRIBUTING.md",
        PROJECT / "SECURITY.md",
        *(PROJECT / "docs").rglob("*.md"),
    ]
)
RUN = "docs/tutorial.md"  # its shell blocks run, too
LONG = {RUN, "docs/how_to/held_out.md", "docs/how_to/trusted.md", "docs/precision.md"}
# Their examples talk to a hub or a registry: tests/sharing runs what they call, here they are read.
SERVICES = {"docs/operations.md"}
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Programs of others, whose options are theirs.
OTHERS = {"pip", "prefect", "docker", "kubectl", "systemctl", "curl", "eval", "cd", "git", "export"}


def name_of(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


def blocks(page: Path, *languages: str) -> list[tuple[str, str, str]]:
    """Language, title and text of each block of these languages, in order."""
    found = BLOCK.findall(page.read_text("utf-8"))
    return [block for block in found if block[0] in languages]


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a shell block; `&&` and `;` divide commands."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        for command in re.split(r"&&|;|\|", line):
            words = shlex.split(command, comments=True) if command.count('"') % 2 == 0 else []
            if words:
                yield words


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page, id=name_of(page), marks=[pytest.mark.slow] if name_of(page) in LONG else []
        )
        for page in WITH_PYTHON
    ],
)
def test_the_examples_of_a_page_run(
    page: Path,
    shop: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if name_of(page) == "docs/report.md":  # which reads what a run wrote
        mq.batch_quantize_models("ml/models", latency_seconds=0)
    ran = 0
    for language, title, text in blocks(page, "python", "shell"):
        if title:
            Path(title).write_text(text, "utf-8")
        elif language == "python" and name_of(page) in SERVICES:
            check_calls(ast.parse(text))
            ran += 1
        elif language == "python":
            exec(compile(text, name_of(page), "exec"), shop)
            ran += 1
        elif name_of(page) == RUN:
            for words in commands(text):
                ran += 1
                run_here(words, monkeypatch)
    assert ran
    check_what_it_came_to(name_of(page), shop, capsys.readouterr().out)


def check_calls(example: ast.Module) -> None:
    """What it imports is there, and takes the arguments that it is given."""
    names: dict[str, Any] = {}
    for node in ast.walk(example):
        if isinstance(node, ast.ImportFrom):
            exec(compile(ast.Module([node], []), "an import", "exec"), names)
    called = 0
    for node in ast.walk(example):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            keywords = {each.arg: None for each in node.keywords if each.arg}
            inspect.signature(names[node.func.id]).bind(*node.args, **keywords)
            called += 1
    assert called


def run_here(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] == "cd":
        monkeypatch.chdir(words[1])
        return
    assert words[0] == "model-quantization", words
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    command = [sys.executable, "-m", "model_quantization", *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"


def check_what_it_came_to(page: str, names: dict[str, Any], printed: str) -> None:
    """What a page tells its reader of its own examples."""
    if page == "README.md":
        assert np.array_equal(names["labels"], names["model"].predict(names["rows"]))
        assert np.array_equal(names["model_loader"].predict(names["rows"]), names["labels"])
    elif page == "docs/python.md":
        check_the_page_about_python(names, printed.splitlines())
    elif page == "docs/loaders.md":
        assert names["figures"]["count"] == 1
        assert np.array_equal(names["labels"], names["model"].predict(names["rows"]))
    elif page == RUN:
        assert "serving the quantized" in printed
        assert Path("models/quantized/report.html").is_file()
        assert np.array_equal(names["answers"], names["churn"].predict(names["rows"][:5]))
    elif page == "docs/how_to/held_out.md":
        verdicts = printed.split()[:-1]
        assert len(verdicts) == 6
        assert set(verdicts) <= {"exact", "label_exact", "non_inferior"}
    elif page == "docs/how_to/trusted.md":
        assert "shop_text:Cleaner" in printed  # the refusal names what it would need
        assert "carries program code" in printed
        assert "('predict', 'predict_proba'" in printed  # without its sampler, answered fast


def check_the_page_about_python(names: dict[str, Any], printed: list[str]) -> None:
    assert all(line.endswith("%") for line in printed)
    single, agreement, unproven, overall, served = (
        float(line.split()[-1].rstrip("%")) for line in printed
    )
    assert agreement > 95
    assert unproven < overall / 2  # without rows nothing is rounded, which saves less
    assert single > 0  # of the artifact that rounds nothing: the first example gives no rows
    assert overall > 20  # at 16 bits, over three equal models whose names differ in length
    assert overall == pytest.approx(served, abs=0.1)
    expected = names["model"].predict(names["rows"])
    assert np.array_equal(names["labels"], expected)
    assert np.array_equal(names["estimator"].predict(names["rows"]), expected)
    assert np.array_equal(names["model_loader"].predict(names["rows"]), expected)
    assert np.array_equal(names["quantized_model"].predict(names["rows"]), expected)


ENCODERS = re.findall(
    r"^\| `(\w+Encoder)` \| (.*) \|$",
    (PROJECT / "docs/how_to/trusted.md").read_text("utf-8"),
    re.MULTILINE,
)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "listed"), ENCODERS)
def test_an_encoder_needs_the_names_that_the_page_lists(
    encoder: str, listed: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"town": rng.choice(list("abcdefgh"), 400), "n": rng.normal(size=400)})
    truth = (table["n"] > 0).astype(int)
    options = {"max_process": 1} if encoder == "HashingEncoder" else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*no_silent_downcasting")
        kind = getattr(category_encoders, encoder)(cols=["town"], **options)
        model = make_pipeline(kind, RandomForestClassifier(60, random_state=0)).fit(table, truth)
        path = tmp_path / "model.pkl"
        path.write_bytes(pickle.dumps(model))
        names = tuple(f"category_encoders.{name}" for name in re.findall(r"`([^`]+)`", listed))
        with pytest.raises(mq.QuantizationError) as refused:
            mq.quantize_model_file(path)
        assert all(name in str(refused.value) for name in names)
        for number in range(len(names)):  # every one of them is needed
            with pytest.raises(mq.QuantizationError):
                mq.quantize_model_file(path, trusted=names[:number] + names[number + 1 :])
        result = mq.quantize_model_file(path, trusted=names)
        quantized = mq.load(result["output_path"], trusted=names)
        assert np.array_equal(quantized.predict(table), model.predict(table))


COMMANDS = [
    pytest.param(words, id=f"{name_of(page)}: {' '.join(words)[:60]}")
    for page in PAGES
    for _, _, text in blocks(page, "shell")
    for words in commands(text)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_line_of_a_page_exists(words: list[str]) -> None:
    program, rest = words[0], words[1:]
    options = [word.partition("=")[0] for word in rest if word.startswith("--")]
    if program == "model-quantization":
        check_options(rest, options)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in rest if "=" not in word} <= set(targets)
    elif Path(program).name in ("python", "python3") and rest[0] == "-m":
        assert importlib.util.find_spec(rest[1]) is not None, rest[1]
        if rest[1].partition(".")[0] in ("model_quantization", "flows", "benchmarks", "tests"):
            known = sources_of(rest[1])
            assert all(f'"{option}"' in known for option in options), options
    elif Path(program).name in ("python", "python3"):
        assert (PROJECT / rest[0]).is_file(), rest[0]
    elif program == "pytest":
        assert all(Path(PROJECT / word).exists() for word in rest if word.startswith("tests/"))
    else:
        assert program in OTHERS, f"what is {program}? See OTHERS, or name a program of ours"


def check_options(rest: list[str], options: list[str]) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group | typer.core.TyperGroup)
    if rest[0].startswith("--"):
        return  # --help, --version, --install-completion
    command = group.commands[rest[0]]
    known = {name for parameter in command.params for name in parameter.opts}
    assert set(options) - {"--help"} <= known, set(options) - known


def sources_of(module: str) -> str:
    """The text of a module and of the files beside it, where its options are written."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    beside = Path(spec.origin).parent.glob("*.py")
    shared = (PROJECT / "model_quantization" / "commands").glob("*.py")
    return "\n".join(path.read_text("utf-8") for path in (*beside, *shared))


CONFIGURATIONS = [
    pytest.param(text, id=name_of(page))
    for page in PAGES
    for _, _, text in blocks(page, "yaml")
    if name_of(page) in ("docs/configuration.md", "docs/precision.md", "docs/versions.md")
]


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_every_configuration_of_a_page_is_one(text: str, tmp_path: Path) -> None:
    values = yaml.safe_load(text)
    if values is None:
        assert text.startswith("# yaml-language-server")
        return
    path = tmp_path / "run.yaml"
    path.write_text(text, "utf-8")
    load_config(path)


def test_every_other_block_of_yaml_parses() -> None:
    for page in PAGES:
        for _, _, text in blocks(page, "yaml"):
            list(yaml.safe_load_all(text))
