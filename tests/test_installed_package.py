"""The wheel, installed beside applications whose packages have the same names as ours."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
import setuptools
from sklearn.linear_model import LogisticRegression

PROJECT = Path(__file__).resolve().parents[1]
LEFT_OUT = (".*", "build", "dist", "demo", "tests", "benchmarks", "__pycache__", "*.egg-info")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
# Files that each application has of its own, by the case that they are.
APPLICATIONS = {
    "ml without __init__": ("ml/own.py", "ml/utils/own.py"),
    "ml with __init__": ("ml/__init__.py", "ml/own.py"),
    "tasks": ("tasks/__init__.py", "tasks/own.py"),
    "flows": ("flows/__init__.py", "flows/own.py"),
}


def python(
    *arguments: str | Path, application: Path, installed: Path
) -> subprocess.CompletedProcess[str]:
    """Run Python in the directory of an application, with the wheel and what that needs.

    With -S, as an editable installation of this project would be found otherwise.
    """
    path = os.pathsep.join(map(str, (application, installed, sysconfig.get_path("purelib"))))
    return run((sys.executable, "-S", *arguments), application, PYTHONPATH=path)


def run(
    arguments: tuple[str | Path, ...], cwd: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=cwd,
        env=os.environ | environ,
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the project: a build leaves files behind."""
    if int(setuptools.__version__.partition(".")[0]) < 77:
        pytest.fail("the build needs setuptools 77 or newer: pip install -e '.[dev]'")
    source = tmp_path_factory.mktemp("source") / "project"
    shutil.copytree(PROJECT, source, ignore=shutil.ignore_patterns(*LEFT_OUT))
    done = run((*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", "..", "."), source)
    assert done.returncode == 0, done.stderr
    (found,) = source.parent.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path) -> Path:
    """The directory that the wheel is installed in."""
    target = wheel.parent / "installed"
    done = run((*PIP, "install", "--no-deps", "--target", target, wheel), wheel.parent)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(params=APPLICATIONS)
def application(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The directory of an application, with a model and a script."""
    for name in APPLICATIONS[request.param]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("NAME = 'own'\n")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 400))
    truth = (rows @ rng.normal(size=(400, 6))).argmax(axis=1)
    model = LogisticRegression(max_iter=200).fit(rows, truth)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "intent.pkl").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "rows.npy", rows[:20])
    np.save(tmp_path / "labels.npy", model.predict(rows[:20]))
    return tmp_path


USES = """
import json, pathlib, sys
import numpy as np

import model_quantization as mq

target, *own = sys.argv[1:]
assert mq.__file__.startswith(target), mq.__file__
for name in own:
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert __import__(module, fromlist=["NAME"]).NAME == "own", module
documented = True
try:
    from ml.utils.model_quantization import quantize_model_file
    from ml.models.model_loader import IntentModelLoader
except ModuleNotFoundError:
    documented = False
    from model_quantization import IntentModelLoader, quantize_model_file
else:
    found = sys.modules["ml.utils.model_quantization"].__file__
    assert found.startswith(target), found

rows, labels = np.load("rows.npy"), np.load("labels.npy")
loader = IntentModelLoader(model_dir="models")
assert np.array_equal(loader.predict(rows), labels)
assert loader.status()["active"] == "quantized", loader.status()
results = quantize_model_file("models/intent.pkl", "elsewhere/intent.qma", bit_depth=16)
restored = mq.load(results["output_path"]).restore()
assert np.array_equal(restored.predict(rows), labels)
print(json.dumps({"documented": documented}))
"""


def test_library_loaders_and_command_work_beside_it(
    application: Path, installed: Path, request: pytest.FixtureRequest
) -> None:
    case = request.node.callspec.params["application"]
    own = APPLICATIONS[case]
    where = {"application": application, "installed": installed}
    command = installed / "bin" / "model-quantization"
    for arguments in (("quantize", "models", "--bit-depth", "16"), ("verify", "models/quantized")):
        done = python(command, *arguments, **where)
        assert (done.returncode, done.stderr) == (0, ""), (arguments, done.stderr)
    (application / "use.py").write_text(USES)
    done = python("use.py", installed, *own, **where)
    assert done.returncode == 0, done.stderr
    # A package `ml` of the application's hides the documented paths: it uses `model_quantization`.
    assert json.loads(done.stdout) == {"documented": case != "ml with __init__"}


def test_a_flow_beside_other_tasks_says_whose_they_are(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").touch()
    arguments = ("-m", "flows.quantize_models", "--help")
    done = python(*arguments, application=tmp_path, installed=installed)
    assert done.returncode == 1
    assert "the package `tasks` that Python finds here belongs to another project" in done.stderr


def test_the_wheel_holds_what_is_needed_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(name for name in names if name.endswith("entry_points.txt"))
        entry_points = archive.read(metadata).decode()
    assert "model-quantization = model_quantization.commands.application:main" in entry_points
    wanted = {
        path.relative_to(PROJECT).as_posix()
        for package in ("model_quantization", "ml", "tasks", "flows")
        for path in (PROJECT / package).rglob("*")
        if path.suffix in (".py", ".txt", ".md", ".html") or path.name == "py.typed"
    }
    assert {
        "model_quantization/allowed_names.txt",
        "model_quantization/artifact/FORMAT.md",
    } < wanted
    assert wanted <= names
    assert {"ml/__init__.py", "ml/utils/__init__.py", "ml/models/__init__.py"}.isdisjoint(names)
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"model_quantization", "ml", "tasks", "flows"}
