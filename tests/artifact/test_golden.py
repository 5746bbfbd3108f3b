"""Files that earlier versions wrote stay readable; `make_golden` makes them, tests never do."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from model_quantization.artifact.reader import read_artifact
from model_quantization.estimators.restore import restore
from model_quantization.loading.pickles.migrations.steps import installed
from model_quantization.predictor.opening import load
from model_quantization.trust import TrustPolicy
from tests.artifact.golden_files import DIRECTORY, answers, describe_array
from tests.artifact.independent_reader import read_file
from tests.artifact.samples import BOOSTERS, FILES, MODELS, asked

GOLDEN = (*FILES, *BOOSTERS)
# What libraries of boosters read, they and newer ones wrote: none reads what a newer one wrote.
MADE_WITH = {"lightgbm": (4, 7), "xgboost": (3, 2), "catboost": (1, 2)}


def golden(name: str) -> tuple[bytes, dict[str, Any]]:
    record: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text())
    return (DIRECTORY / f"{name}.qma").read_bytes(), record


def test_there_is_a_golden_file_for_every_sample_and_no_other() -> None:
    found = {path.name for path in DIRECTORY.iterdir()}
    assert found == {f"{name}.{kind}" for name in GOLDEN for kind in ("qma", "json")}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_file_is_the_one_that_was_written(name: str) -> None:
    data, record = golden(name)
    assert hashlib.sha256(data).hexdigest() == record["sha256"]


@pytest.mark.parametrize("name", GOLDEN)
def test_the_arrays_of_a_golden_file_are_what_they_were(name: str) -> None:
    data, record = golden(name)
    assert [describe_array(array) for array in read_artifact(data)] == record["arrays"]


@pytest.mark.parametrize("name", GOLDEN)
def test_a_reader_written_from_the_page_alone_agrees(name: str) -> None:
    data, _ = golden(name)
    manifest, arrays = read_file(data)
    artifact = read_artifact(data)
    assert manifest == artifact.manifest
    assert len(arrays) == len(artifact)
    for index, (theirs, ours) in enumerate(zip(arrays, artifact, strict=True)):
        assert describe_array(theirs) == describe_array(ours), index


def test_the_golden_files_hold_every_codec_scheme_and_layout() -> None:
    from model_quantization.codecs import REGISTRY

    manifests = [read_file(golden(name)[0])[0] for name in FILES]
    steps = {step["id"] for m in manifests for row in m["streams"] for step in row[2]}
    metas = [meta for m in manifests for meta, _ in m["arrays"]]
    assert steps == set(REGISTRY)
    assert {meta["scheme"]["kind"] for meta in metas} == {"exact", "float", "affine", "codebook"}
    assert {(meta["layout"], meta["order"]) for meta in metas} == {
        (layout, order) for layout in ("dense", "sparse") for order in "CF"
    }


@pytest.mark.parametrize(
    "name", [*(name for name in MODELS if name.startswith(("text", "table"))), *BOOSTERS]
)
def test_a_golden_model_is_answered_without_scikit_learn(name: str) -> None:
    model = load(golden(name)[0])
    assert "predict" in model.fast_methods
    assert model._lowered.methods["predict"](asked(name)) is not None


@pytest.mark.parametrize("name", (*MODELS, *BOOSTERS))
def test_a_golden_model_answers_as_it_did(name: str) -> None:
    data, record = golden(name)
    assert answers(name, data) == record["answers"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("name", (*MODELS, *BOOSTERS))
def test_the_estimator_restored_from_a_golden_model_answers_as_it_did(name: str) -> None:
    if name in BOOSTERS:
        pytest.importorskip(name, reason="the extra `boosters` is not installed")
        if installed(name) < MADE_WITH[name]:
            pytest.skip(f"{name} is older than the one that made the golden file")
    data, record = golden(name)
    assert load(data).restore().predict(asked(name)).tolist() == record["answers"]


def test_the_nodes_of_the_golden_file_become_the_values_they_were() -> None:
    import numpy as np

    artifact = read_artifact(golden("nodes")[0])
    value = restore(artifact.root, artifact, TrustPolicy())
    assert value["atoms"] == [None, True, -5, 1 << 200, 0.1, -0.0, "text \ud800"]
    assert repr(value["floats"]) == "[nan, inf, -inf]"
    assert value["tuple"] == (1, 2)
    assert value["sets"] == [{1, "a"}, frozenset({2})]
    assert value["dict"] == {1: "one", ("a", 2): "pair"}
    texts = ["alpha", "b\u00e9ta", "", "lone \ud800 surrogate"]
    assert value["bulk"] == dict(zip(texts, range(4), strict=True))
    assert value["strings"] == tuple(texts)
    assert value["records"]["left"].tolist() == [1, 2]
    assert value["records"]["pair"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert value["records"].dtype.itemsize == 32
    assert value["scalars"] == [np.float32(1.5), np.datetime64("2020-01-01"), np.str_("")]
    assert [type(item) for item in value["scalars"]] == [np.float32, np.datetime64, np.str_]
    assert value["objects"].tolist() == [["a"], [None]]
    assert value["numbers"] == (1.0, 2.0)
    assert [type(item) for item in value["numbers"]] == [np.float32, np.float32]
    assert value["octets"] == [b"xyz", bytearray()]
    assert value["values"] == [1 - 2j, slice(None, 3, None), range(0, 9, 2), np.dtype("f4")]
    assert value["name"] is np.log1p
    assert list(value["object"].items()) == [("first", 1), ("second", 2)]
    assert value["generator"].bit_generator.state["state"]["inc"] == 1
    assert value["again"] is value["shared"]


@pytest.mark.parametrize("name", ["rotated", "process"])
def test_a_golden_model_with_coarser_rows_can_be_restored(name: str) -> None:
    grid = np.random.default_rng(7).integers(-8, 9, (300, 18)) / 4
    model = load(golden(name)[0])
    restored = model.restore()
    if name == "rotated":
        assert (restored.predict(grid) == (grid[:, 0] > 0)).mean() > 0.8
    else:
        mean, deviation = restored.predict(grid[:60], return_std=True)
        assert np.corrcoef(mean, grid[:60, 0])[0, 1] > 0.95 and (deviation > 0).all()


def test_the_golden_files_hold_every_width() -> None:
    metas = [meta for name in FILES for meta, _ in read_file(golden(name)[0])[0]["arrays"]]
    widths = {meta["scheme"]["bits"] for meta in metas if meta["scheme"]["kind"] == "affine"}
    assert widths == {2, 3, 4, 5, 6, 7, 8, 16}
