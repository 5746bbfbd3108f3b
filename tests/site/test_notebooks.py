"""The notebooks of examples/ run, show what they are about, and are read by the site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from site_build.notebooks import CellFailed, as_markdown, cells, run, write_outputs

NOTEBOOKS = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
# Notebook -> what its outputs must hold.
SHOWN = {
    "shrink_and_compare": ("RandomForestClassifier, 16 bits", "same answers: 100.00 %", "True"),
    "directory_with_a_gate": ("3 models: 1 published, 1 no_gain, 1 fallback", "fallback"),
    "serving": ("serving the quantized", "serving the original: integrity", "1 calls, 0 errors"),
}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_INTENT_MODEL"):
        monkeypatch.delenv(variable, raising=False)


def text_of(outputs: list[list[dict[str, Any]]]) -> str:
    return json.dumps(outputs, ensure_ascii=False)


def test_there_are_the_notebooks_that_are_run() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(SHOWN)


@pytest.mark.parametrize(
    "name", ["serving", *(pytest.param(n, marks=pytest.mark.slow) for n in SHOWN if n != "serving")]
)
def test_a_notebook_runs(name: str, tmp_path: Path) -> None:
    shown = text_of(run(NOTEBOOKS / f"{name}.ipynb", tmp_path))
    for words in SHOWN[name]:
        assert words in shown, words


@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_is_a_valid_one_with_its_outputs_stored(name: str) -> None:
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    stored = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for words in SHOWN[name]:
        assert words in text_of(stored), f"run: python -m site_build.notebooks ({words})"


def test_a_notebook_becomes_a_page() -> None:
    page = as_markdown(NOTEBOOKS / "shrink_and_compare.ipynb")
    assert page.startswith("# Shrink and compare a model")
    assert '<div class="output"><table>' in page
    assert "```python\n" in page


def made(path: Path, *sources: str) -> Path:
    parts = [
        {"cell_type": "code", "id": str(i), "metadata": {}, "outputs": [], "source": [source]}
        for i, source in enumerate(sources)
    ]
    path.write_text(json.dumps({"cells": parts, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    return path


def test_a_cell_that_fails_fails_the_run(tmp_path: Path) -> None:
    path = made(tmp_path / "bad.ipynb", "1 + 1", "1 / 0")
    with pytest.raises(CellFailed, match=r"bad\.ipynb, cell 2"):
        run(path, tmp_path)


def test_outputs_are_what_was_printed_and_the_last_expression(tmp_path: Path) -> None:
    path = made(tmp_path / "two.ipynb", "print('a < b')\nx = 2", "x + 1", "x;\nNone")
    write_outputs(path)
    outputs = [cell["outputs"] for cell in json.loads(path.read_text("utf-8"))["cells"]]
    assert outputs[0][0]["text"] == "a < b\n"
    assert outputs[1][0]["data"] == {"text/plain": "3"}
    assert outputs[2] == []
    assert [kind for kind, _ in cells(path)] == ["code"] * 3
    assert "```text\na < b\n```" in as_markdown(path)
