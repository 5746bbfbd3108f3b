"""`import model_quantization as mq`: its names, what importing it costs, and what editors see."""

from __future__ import annotations

import ast
import importlib
import pickle
import subprocess
import sys
import zipfile
from importlib.metadata import distributions, version
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import model_quantization as mq
from model_quantization import api, errors, limits
from model_quantization.evaluation import policy, predictions
from model_quantization.predictor import opening, quantized_model
from model_quantization.serving import named_loaders
from model_quantization.version import library_version

PROJECT = Path(__file__).resolve().parents[1]
HOMES: dict[str, ModuleType] = {
    "load": opening,
    "QuantizedModel": quantized_model,
    "quantize_model_file": api,
    "batch_quantize_models": api,
    "compare_model_performance": api,
    "ModelQuantizer": api,
    "ModelLoader": named_loaders,
    "IntentModelLoader": named_loaders,
    "SentimentModelLoader": named_loaders,
    "EmailModelLoader": named_loaders,
    "GatePolicy": policy,
    "Judgement": predictions,
    "judge_predictions": predictions,
    "Limits": limits,
    "QuantizationError": errors,
}


def test_every_public_name_is_the_librarys() -> None:
    assert set(mq.__all__) == {*HOMES, "__version__"}
    for name, home in HOMES.items():
        assert getattr(mq, name) is getattr(home, name), name
    assert mq.__version__ == version("model-quantization")
    with pytest.raises(AttributeError, match="has no attribute 'quantise'"):
        mq.quantise  # noqa: B018


def test_a_checkout_that_was_never_installed_has_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    library_version.cache_clear()
    monkeypatch.setattr("sys.path", [])
    assert mq.__version__ == "0+unknown"
    library_version.cache_clear()  # what other tests ask is asked anew


def test_versions_are_those_of_pythons_own_list() -> None:
    names = sorted({each.name for each in distributions()})
    for name in names[:: len(names) // 20]:
        assert library_version.__wrapped__(name) == version(name), name
    assert library_version.__wrapped__("SciKit.Learn") == version("scikit-learn")
    assert library_version.__wrapped__("no-such-library") == ""


@pytest.mark.parametrize("kind", ["dist-info", "egg-info", "archive", "no version", "egg"])
def test_every_kind_of_installation_has_its_version(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / ("some_thing.egg" if kind == "egg" else "place")
    told = "Metadata-Version: 2.1\nName: Some.Thing\nVersion: 1.2\n\nVersion: 3\n"
    if kind == "no version":
        told = told.replace("Version: 1.2\n", "")
    file = {"egg-info": "Some_Thing.egg-info/PKG-INFO", "egg": "EGG-INFO/PKG-INFO"}
    file_name = file.get(kind, "some_thing-1.2.dist-info/METADATA")
    if kind == "archive":
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr(file_name, told)
    else:
        (place / file_name).parent.mkdir(parents=True)
        (place / file_name).write_text(told)
    monkeypatch.setattr("sys.path", [str(tmp_path / "missing"), str(place), *sys.path])
    expected = "" if kind == "no version" else "1.2"
    assert (library_version.__wrapped__("some-thing") or "") == expected


def test_tab_completes_the_public_names_and_no_others() -> None:
    public = [name for name in dir(mq) if not name.startswith("_")]
    assert public == sorted(HOMES)
    assert "__version__" in dir(mq)


def test_editors_see_the_names_where_they_are_defined() -> None:
    tree = ast.parse((PROJECT / "model_quantization" / "__init__.py").read_text("utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(seen) == set(HOMES)
    for name, module in seen.items():
        assert getattr(importlib.import_module(str(module)), name) is getattr(mq, name)


IMPORTS = """
import sys
import zipfile
import model_quantization as mq
dir(mq), mq.__all__, mq.__version__, mq.Limits, mq.QuantizationError
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_importing_it_costs_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "scipy", "sklearn", "pandas", "prefect", "pydantic", "rich", "typer"}
    assert heavy.isdisjoint(done.stdout.split())


def test_the_documented_paths_hold_the_same_names() -> None:
    documented = importlib.import_module("ml.utils.model_quantization")
    loaders = importlib.import_module("ml.models.model_loader")
    for module in (documented, loaders):
        for name in module.__all__:
            assert getattr(module, name) is getattr(mq, name)
    for package in ("ml", "ml/utils", "ml/models"):
        assert not (PROJECT / package / "__init__.py").exists()


def test_a_loader_says_what_it_serves_and_completes_its_models_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 300))
    model = LogisticRegression(max_iter=200).fit(rows, (rows[:, :5]).argmax(axis=1))
    (tmp_path / "intent.pkl").write_bytes(pickle.dumps(model))
    mq.batch_quantize_models(tmp_path, latency_seconds=0)
    loader = mq.IntentModelLoader(model_dir=tmp_path)
    assert repr(loader) == "IntentModelLoader('intent', nothing loaded yet)"
    assert {"predict_proba", "classes_"}.isdisjoint(dir(loader))  # and nothing was loaded for it
    assert repr(loader).endswith("nothing loaded yet)")
    loader.predict(rows[:2])
    assert repr(loader) == "IntentModelLoader('intent', serving the quantized, release 1)"
    assert {"predict", "predict_proba", "classes_", "status", "reload"} <= set(dir(loader))
    assert {"fit", "set_params"}.isdisjoint(dir(loader))
    loader.use_quantized_model(False)
    assert repr(loader) == "IntentModelLoader('intent', serving the original, release 1)"
    (tmp_path / "quantized" / "objects").rename(tmp_path / "moved")
    broken = mq.IntentModelLoader(model_dir=tmp_path)
    broken.predict(rows[:2])
    assert repr(broken) == "IntentModelLoader('intent', serving the original: missing, release 1)"
