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
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
import setuptools
from sklearn.linear_model import LogisticRegression

import model_quantization as mq

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
    """The wheel, built from a copy of the project: a build leaves files behind.

    What was compiled already comes along, as compiling all of it takes most of a minute.
    """
    if int(setuptools.__version__.partition(".")[0]) < 77:
        pytest.fail("the build needs setuptools 77 or newer: pip install -e '.[dev]'")
    source = tmp_path_factory.mktemp("source") / "project"
    shutil.copytree(PROJECT, source, ignore=shutil.ignore_patterns(*LEFT_OUT))
    compiled = Path("build", "kernels")
    if (PROJECT / compiled).exists():
        shutil.copytree(PROJECT / compiled, source / compiled)
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


@pytest.fixture(scope="session")
def base(installed: Path) -> Path:
    """A directory of what `pip install model-quantization` brings, and of nothing else."""
    folder = installed.parent / "base"
    folder.mkdir()
    for name in ("numpy", "zstandard", "pcodec", "msgspec"):
        found = distribution(name)
        for top in {path.parts[0] for path in found.files or () if path.parts[0] != ".."}:
            (folder / top).symlink_to(found.locate_file(top))
    return folder


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
    done = python(command, "quantize", "models", "--bit-depth", "16", **where)
    assert (done.returncode, done.stderr) == (0, "")
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
    assert "model-quantization = model_quantization.__main__:main" in entry_points
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


SERVES = """
import json, pathlib, sys
import numpy as np

import model_quantization as mq
from model_quantization.extras import MODULES
from model_quantization.predictor.opening import iter_models

golden, release = map(pathlib.Path, sys.argv[1:])
answered = {}
for path in sorted(golden.glob("*.qma")):
    for model in iter_models(mq.load(path)):
        width = 18 if path.stem in ("process", "rotated") else 40
        rows = np.linspace(-2, 2, 5 * width).reshape(5, width)
        rows = ["the quick brown fox", "a dog"] if path.stem.startswith("text") else rows
        assert str(model.explain()) and repr(model) and dir(model)
        if path.stem == "table":  # its rows come in frames
            continue
        for method in model.fast_methods:
            if method != "apply":
                answer = np.asarray(getattr(model, method)(rows))
                answered[f"{path.stem}{model.path}.{method}"] = answer.tolist()

loader = mq.IntentModelLoader(model_dir=release)
rows, labels = np.load(release / "rows.npy"), np.load(release / "labels.npy")
assert np.array_equal(loader.predict(rows), labels)
assert loader.status()["active"] == "quantized"
assert loader.get_model_size_info()["size_reduction_percent"] > 0

y = np.arange(4) % 2
linear = mq.load(golden / "linear.qma")
artifact = str(golden / "linear.qma")
missing = {
    "quantize_model_file": lambda: mq.quantize_model_file(release / "intent.pkl"),
    "batch_quantize_models": lambda: mq.batch_quantize_models(release),
    "ModelQuantizer": lambda: mq.ModelQuantizer().quantize_model(object()),
    "compare_model_performance": lambda: mq.compare_model_performance(artifact, artifact, X=[[0]]),
    "judge_predictions": lambda: mq.judge_predictions(y, y, y),
    "QuantizedModel.restore": linear.restore,
    "QuantizedModel.score": lambda: linear.score(np.zeros((2, 40)), [0, 1]),
    "QuantizedModel odd rows": lambda: linear.predict([["a"]]),
    "ModelLoader": lambda: loader.use_quantized_model(False),
}
said = {}
for name, call in missing.items():
    try:
        call()
    except mq.QuantizationError as error:
        said[name] = [type(error).__name__, str(error)]
    else:
        said[name] = ["", "nothing was missing"]
assert loader.status()["active"] == "quantized", "what was active goes on answering"
assert linear.explain().to_json()["methods"]
allowed = {"numpy", "zstandard", "pcodec", "msgspec"}
assert not [name for name in MODULES if name in sys.modules and name not in allowed]
print(json.dumps({"answered": answered, "said": said, "public": mq.__all__}))
"""


def test_serving_needs_the_base_alone_and_the_rest_names_its_extra(
    installed: Path, base: Path, tmp_path: Path
) -> None:
    golden = PROJECT / "tests" / "artifact" / "golden"
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 400))
    truth = (rows @ rng.normal(size=(400, 6))).argmax(axis=1)
    model = LogisticRegression(max_iter=200).fit(rows, truth)
    release = tmp_path / "models"
    release.mkdir()
    (release / "intent.pkl").write_bytes(pickle.dumps(model))
    np.save(release / "rows.npy", rows[:20])
    np.save(release / "labels.npy", model.predict(rows[:20]))
    mq.batch_quantize_models(release, bit_depth=16)
    script = tmp_path / "serve.py"
    script.write_text(SERVES)
    arguments = (sys.executable, "-S", script, golden, release)
    done = run(arguments, tmp_path, PYTHONPATH=os.pathsep.join(map(str, (installed, base))))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, (kind, message) in found["said"].items():
        assert kind == "MissingExtra", (name, kind, message)
        assert "run: pip install 'model-quantization[quantize]'" in message, name
    # Every public name is walked: it needs an extra, or is used above without one.
    walked = {name.partition(".")[0].partition(" ")[0] for name in found["said"]}
    used = {"load", "IntentModelLoader", "EmailModelLoader", "SentimentModelLoader"}
    values = {"__version__", "GatePolicy", "Judgement", "Limits", "QuantizationError"}
    assert set(found["public"]) == walked | used | values
    # The answers are those of an environment that has everything.
    assert len(found["answered"]) > 25
    for name, answer in found["answered"].items():
        stem, _, method = name.rpartition(".")
        here = mq.load(golden / f"{stem}.qma")
        text = stem.startswith("text")
        width = 18 if stem in ("process", "rotated") else 40
        numbers = np.linspace(-2, 2, 5 * width).reshape(5, width)
        given = ["the quick brown fox", "a dog"] if text else numbers
        with np.errstate(divide="ignore"):
            assert np.asarray(getattr(here, method)(given)).tolist() == answer, name


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("-m", "model_quantization", "quantize", "models"), "quantize"),
        (("-m", "flows.quantize_models"), "flow,quantize"),
    ],
)
def test_a_command_names_the_extra_that_it_needs(
    arguments: tuple[str, ...], extra: str, installed: Path, base: Path, tmp_path: Path
) -> None:
    path = os.pathsep.join(map(str, (installed, base)))
    done = run((sys.executable, "-S", *arguments), tmp_path, PYTHONPATH=path)
    assert done.returncode in (1, 2)
    assert f"pip install 'model-quantization[{extra}]'" in done.stderr


def test_an_installed_package_starts_a_project_and_behaves_as_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    before = {path for path in installed.rglob("*") if "__pycache__" not in path.parts}
    where = {"application": tmp_path, "installed": installed}
    outside = python("-m", "flows.serve", **where)
    assert outside.returncode == 2
    assert "start one with `model-quantization init`" in outside.stderr
    done = python("-m", "model_quantization", "init", "own", **where)
    assert done.returncode == 0, done.stderr
    own = tmp_path / "own"
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 300))
    model = LogisticRegression(max_iter=200).fit(rows[:200], rows[:200, 0] > 0)
    (own / "models" / "churn.pkl").write_bytes(pickle.dumps(model))
    np.savez(own / "holdout" / "churn.npz", X=rows[200:], target=rows[200:, 0] > 0)
    inside = {"application": own, "installed": installed}
    done = python("-m", "model_quantization", "run", "--json", **inside)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output_dir"] == str(own / "models" / "quantized")
    # Prefect's settings are those of the checkout: package data, read by the same code.
    settings = python("-m", "flows.prefect_settings", **inside)
    assert settings.returncode == 0, settings.stderr
    assert settings.stdout == run((sys.executable, "-m", "flows.prefect_settings"), PROJECT).stdout
    assert "PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30" in settings.stdout
    # The deployments of the project name a flow that an installed package has, and so does a run.
    script = "import flows.quantize_models as f; print(f.quantize_models.name, f.__file__)"
    flow = python("-c", script, **inside)
    assert flow.stdout.split() == ["quantize-models", str(installed / "flows/quantize_models.py")]
    after = {path for path in installed.rglob("*") if "__pycache__" not in path.parts}
    assert after == before, "something was written beside the installed packages"
