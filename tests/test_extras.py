"""A missing library is named with the extra that brings it; the table is that of pyproject.toml."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from model_quantization.errors import MissingExtra
from model_quantization.extras import MODULES, install_command, need

PROJECT = Path(__file__).resolve().parents[1]
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = METADATA["optional-dependencies"]


def distributions(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9_.-]+", line)[0].lower() for line in requirements}  # type: ignore[index]


def test_the_table_is_that_of_pyproject() -> None:
    for extra in (
        "quantize",
        "report",
        "flow",
        "signing",
        "s3",
        "hub",
        "mlflow",
        "metrics",
        "dask",
        "ray",
    ):
        listed = {name for name, of in MODULES.values() if of == extra}
        assert listed == distributions(EXTRAS[extra]) - {"model-quantization"}, extra


def test_the_base_is_what_serving_needs() -> None:
    assert distributions(METADATA["dependencies"]) == {
        "numpy",
        "zstandard",
        "pcodec",
        "msgspec",
    }


def test_all_brings_what_the_readme_uses() -> None:
    (line,) = EXTRAS["all"]
    assert line == "model-quantization[flow,quantize,report,s3,signing]"
    assert any("[all," in line for line in EXTRAS["dev"])


def test_what_is_there_is_not_missed() -> None:
    need("this", "joblib", "sklearn")


def test_what_is_missing_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("jinja2", "matplotlib", "typer"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra) as caught:
        need("the report page", "jinja2", "joblib", "matplotlib", "typer")
    assert str(caught.value) == (
        "the report page needs jinja2, matplotlib and typer, not installed here; "
        "run: pip install 'model-quantization[report,quantize]'."
    )
    with pytest.raises(ImportError, match="needs jinja2, not installed here"):
        need("the report page", "jinja2")


def test_the_command_quotes_what_a_shell_would_read() -> None:
    assert install_command("s3") == "pip install 'model-quantization[s3]'"
