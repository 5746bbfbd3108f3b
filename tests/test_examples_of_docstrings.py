"""Every example of a docstring runs, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import model_quantization as mq

LIBRARY = Path(mq.__file__).parent
# A line that begins an example; a module without one is not imported for the asking.
MODULES = sorted(
    ".".join(("model_quantization", *path.relative_to(LIBRARY).with_suffix("").parts))
    for path in LIBRARY.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)
PUBLIC = sorted(set(mq.__all__) - {"__version__"})


def examples_in(module: ModuleType) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_INTENT_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    module = importlib.import_module(name.removesuffix(".__init__"))
    found = examples_in(module)
    assert found, f"{name} has examples that doctest does not find"
    runner = doctest.DocTestRunner()
    for number, test in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        said: list[str] = []
        runner.run(test, out=said.append)
        assert not said, f"{test.name}\n{''.join(said)}"


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    thing = getattr(mq, name)
    parser = doctest.DocTestParser()
    shown = parser.get_examples(inspect.getdoc(thing) or "")
    assert shown, f"{name} has no example"
    assert not any(doctest.SKIP in example.options for example in shown), name
