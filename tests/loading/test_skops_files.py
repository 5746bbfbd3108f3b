"""Files of skops: they give the models that skops gives, and hostile ones run nothing."""

from __future__ import annotations

import io
import json
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from model_quantization import ModelLoader, batch_quantize_models
from model_quantization.errors import (
    HostileFile,
    LimitError,
    QuantizationError,
    ScanMalformed,
    ScanRefused,
)
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import scan
from model_quantization.loading.pickles.unpickle import unpickle_scanned
from model_quantization.loading.skops_files import write_as_pickle
from model_quantization.trust import TrustPolicy
from tests.loading.fitted_models import fit_composites, fit_every_estimator

X, Y = load_iris(return_X_y=True)
ANSWERS = ("predict", "predict_proba", "decision_function", "transform")
CHANCE = {"DummyClassifier"}  # answers anew each time


def read(file: bytes, root: Path, limits: Limits | None = None) -> Any:
    """The model of a skops file, by way of the scan."""
    root.mkdir(exist_ok=True)
    path = root / "model.skops"
    path.write_bytes(file)
    for left in ("snapshot", "translated"):
        (root / left).unlink(missing_ok=True)
    found = scan(path, TrustPolicy(), limits or Limits(), root)
    assert found.size_bytes == len(file)
    model, _ = unpickle_scanned(
        found.snapshot, found.format, str(path), found.names, saved_by=found.sklearn_version
    )
    return model


def rewritten(file: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The file with its schema changed in place, or replaced by what `change` returns."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                data = json.dumps(change(schema) or schema).encode()
            new.writestr(name, data)
    return stream.getvalue()


def answers(model: Any, rows: Any) -> dict[str, str]:
    """A hash of what each method answers, or the error."""
    found = {}
    for method in ANSWERS:
        if hasattr(model, method):
            try:
                value = getattr(model, method)(rows)
            except (ValueError, TypeError, AttributeError) as error:
                found[method] = type(error).__name__
            else:
                found[method] = joblib.hash(value.toarray() if sparse.issparse(value) else value)
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_every_estimator_answers_as_it_did(tmp_path: Path) -> None:
    check_models(list(fit_every_estimator()), tmp_path, 190)


@pytest.mark.filterwarnings("ignore")
def test_models_that_hold_models_functions_and_containers_answer_as_they_did(
    tmp_path: Path,
) -> None:
    check_models(fit_composites(), tmp_path, 50)


def check_models(models: list[tuple[str, Any]], root: Path, least: int) -> None:
    rows, count = np.random.default_rng(0).normal(size=(7, 5)), 0
    for name, model in models:
        try:
            file = skops.io.dumps(model)
        except (skops.io.exceptions.UnsupportedTypeException, NotImplementedError, TypeError):
            continue  # skops does not save it
        found = read(file, root)
        assert type(found) is type(model), name
        if name not in CHANCE:
            assert answers(found, rows) == answers(model, rows), name
        count += 1
    assert count >= least


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.booleans() | st.none(), inner)
        | st.dictionaries(st.text(), inner).map(OrderedDict)
        | st.binary()
        | st.sets(st.integers(0, 3))  # in one order, however they were put in
    ),
    max_leaves=20,
)


@given(values)
def test_values_come_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    model = FunctionTransformer(kw_args={"value": value})
    found = read(skops.io.dumps(model), tmp_path_factory.getbasetemp() / "values")
    assert repr(found.kw_args["value"]) == repr(value)


def test_arrays_states_of_chance_and_functions_come_back(tmp_path: Path) -> None:
    objects = np.array([["a", 1], [None, 2.5]], dtype=object)
    chance = np.random.RandomState(3)
    generator = np.random.default_rng(4)
    given = {
        "objects": objects,
        "dtype": np.dtype("<f4"),
        "number": np.float32(1.5),
        "masked": np.ma.MaskedArray([1.0, 2.0], [True, False]),
        "matrix": sparse.csr_matrix(np.eye(3)),
        "chance": chance,
        "generator": generator,
        "default": defaultdict(int, a=1),
        "slice": slice(1, 5, 2),
        "kind": np.float64,
        "function": np.log1p,
    }
    found = read(skops.io.dumps(FunctionTransformer(kw_args=given)), tmp_path).kw_args
    assert (found["objects"] == objects).all() and found["objects"].dtype == object
    assert found["dtype"] == given["dtype"] and found["slice"] == given["slice"]
    assert found["number"] == 1.5 and type(found["number"]) is np.float32
    assert found["masked"].tolist() == [None, 2.0]
    assert (found["matrix"] != given["matrix"]).nnz == 0
    assert found["chance"].normal() == chance.normal()
    assert found["generator"].normal() == generator.normal()
    assert found["default"] == {"a": 1} and found["default"].default_factory is int
    assert found["kind"] is np.float64 and found["function"] is np.log1p


def test_an_array_that_occurs_twice_is_kept_once(tmp_path: Path) -> None:
    big = np.zeros(10_000)
    found = read(skops.io.dumps(FunctionTransformer(kw_args={"a": big, "b": big})), tmp_path)
    assert found.kw_args["a"] is found.kw_args["b"]


def test_files_are_quantized_served_and_fallen_back_to(tmp_path: Path) -> None:
    models = {
        "sgd": SGDClassifier(loss="log_loss", random_state=0),
        "neighbours": KNeighborsClassifier(algorithm="kd_tree"),
        "boosted": GradientBoostingClassifier(n_estimators=3, random_state=0),
    }
    for name, model in models.items():
        skops.io.dump(model.fit(X, Y), tmp_path / f"{name}.skops")
    result = batch_quantize_models(tmp_path, bit_depth="exact")
    assert result["summary"]["published_models"] == len(models)
    for name, model in models.items():
        expected = model.predict(X)
        loader = ModelLoader(name, tmp_path)
        assert (loader.predict(X) == expected).all(), name
        assert loader.status()["active"] == "quantized", name
        loader.use_quantized_model(False)
        assert (loader.predict(X) == expected).all(), name
        assert loader.status()["active"] == "original", name


def test_numbers_as_keys_keep_their_value(tmp_path: Path) -> None:
    vectorizer = DictVectorizer().fit([{"city": "Rome", "rooms": 2}])
    assert read(skops.io.dumps(vectorizer), tmp_path).vocabulary_ == vectorizer.vocabulary_
    weighted = LogisticRegression(class_weight={0: 1.0, True: 2.0, np.int64(2): 3.0})
    assert read(skops.io.dumps(weighted), tmp_path).class_weight == {0: 1.0, 1: 2.0, 2: 3.0}


# What is refused.

FILE = skops.io.dumps(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y))


def node(loader: str, module: str = "builtins", name: str = "list", **rest: Any) -> dict[str, Any]:
    return {"__loader__": loader, "__module__": module, "__class__": name, **rest}


def in_the_model(part: dict[str, Any]) -> bytes:
    def change(schema: dict[str, Any]) -> None:
        schema["content"]["content"]["memory"] = part

    return rewritten(FILE, change)


EMPTY = node("TupleNode", name="tuple", content=[])
HOSTILE: dict[str, tuple[dict[str, Any], type[QuantizationError]]] = {
    "function": (node("FunctionNode", "os", "system"), HostileFile),
    "type": (node("TypeNode", "builtins", "eval"), HostileFile),
    "object": (node("ObjectNode", "subprocess", "Popen"), HostileFile),
    "called": (node("ConstructorFromReduceNode", "os", "system", content=EMPTY), HostileFile),
    "loss": (
        node("LossNode", "os", "system", __reduce__={"args": EMPTY}, content=EMPTY), HostileFile,
    ),
    "method": (
        node("MethodNode", "builtins", "str", content={"func": "format", "obj": EMPTY}),
        ScanRefused,
    ),
    "operator": (node("OperatorFuncNode", "operator", "methodcaller", attrs=EMPTY), ScanRefused),
    "partial": (
        node("PartialNode", "functools", "partial", content={
            "func": node("FunctionNode", "os", "system"), "args": EMPTY,
            "kwds": node("JsonNode", content="null"), "namespace": node("JsonNode", content="null"),
        }),
        ScanRefused,
    ),
    "unknown": (node("NewNode"), ScanRefused),
    "no name": (node("ObjectNode", name=[]), ScanMalformed),  # type: ignore[arg-type]
    "generator": (
        node("RandomGeneratorNode", "numpy.random", "Generator", content={
            "bit_generator": node(
                "DictNode", name="dict",
                key_types=node("ListNode", content=[node("TypeNode", name="str")]),
                content={"bit_generator": node("JsonNode", content='"seed"')},
            ),
        }),
        ScanMalformed,
    ),
    "other file": (node("BytesNode", name="bytes", file="../../etc/passwd"), ScanMalformed),
}  # fmt: skip


@pytest.mark.bad_input(69)
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_node_is_refused_by_name(case: str, tmp_path: Path) -> None:
    part, error = HOSTILE[case]
    with pytest.raises(error) as refused:
        read(in_the_model(part), tmp_path)
    assert "model.skops" in str(refused.value)


def test_a_small_archive_that_is_large_when_it_is_read_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("1.npy", bytes(3_000_000))
    with pytest.raises(LimitError, match="decompresses to more"):
        read(stream.getvalue(), tmp_path, Limits(decompressed_bytes=2_000_000))


def test_a_small_matrix_that_is_large_when_it_is_read_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, data=np.zeros(1_000_000))
    part = node("SparseMatrixNode", "scipy.sparse._csr", "csr_matrix", file="1.npz", type="scipy")
    file = io.BytesIO(in_the_model(part))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("1.npz", stream.getvalue())
    with pytest.raises(LimitError, match="decompresses to more"):
        read(file.getvalue(), tmp_path, Limits(decompressed_bytes=2_000_000))


def test_a_text_that_is_written_many_times_is_refused(tmp_path: Path) -> None:
    text = node("JsonNode", content=json.dumps("x" * 1000))
    part = node("ListNode", content=[text] * 1500)
    with pytest.raises(LimitError):
        read(in_the_model(part), tmp_path, Limits(decompressed_bytes=1_000_000))


def test_a_file_that_nests_deeply_is_refused(tmp_path: Path) -> None:
    part = node("JsonNode", content="1")
    for _ in range(300):
        part = node("ListNode", content=[part])
    with pytest.raises(LimitError, match="nests deeper"):
        read(in_the_model(part), tmp_path)
    with pytest.raises(LimitError, match="at most 50 levels"):
        read(in_the_model(part), tmp_path, Limits(depth=50))


def test_other_archives_and_newer_protocols_say_what_they_are(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, X=np.zeros(3))
    with pytest.raises(ScanMalformed, match="zip archive"):
        read(stream.getvalue(), tmp_path)
    with pytest.raises(ScanMalformed, match="protocol"):
        read(rewritten(FILE, lambda schema: schema.update(protocol=99)), tmp_path)
    with pytest.raises(ScanMalformed, match="does not read"):
        read(FILE[:-200], tmp_path)


def paths(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, child in children:
        found.append((*at, key))
        if isinstance(child, dict | list):
            found += paths(child, (*at, key))
    return found


with zipfile.ZipFile(io.BytesIO(FILE)) as _archive:
    SCHEMA = json.loads(_archive.read("schema.json"))
PATHS = paths(SCHEMA)
READ_AS_DATA = st.sampled_from(
    [None, 0, -1, 2.5, "", "os", "1.npy", [], {}, [{}], "system", "ObjectNode", "NdArrayNode"]
)


@given(st.sampled_from(PATHS), READ_AS_DATA | st.sampled_from(PATHS))
def test_whatever_is_changed_gives_a_model_or_an_error_by_name(
    tmp_path_factory: pytest.TempPathFactory, path: tuple[Any, ...], value: Any
) -> None:
    root = tmp_path_factory.getbasetemp() / "changed"

    def change(schema: dict[str, Any]) -> None:
        found: Any = schema
        if isinstance(value, tuple):  # a node from elsewhere in the file
            for key in value:
                found = found[key]
        part: Any = schema
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = json.loads(json.dumps(found)) if isinstance(value, tuple) else value

    try:
        read(rewritten(FILE, change), root)
    except QuantizationError as error:
        assert "model.skops" in str(error)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(FILE)
    (tmp_path / "there").write_bytes(b"kept")
    with pytest.raises(ScanMalformed):
        write_as_pickle(tmp_path / "model.skops", tmp_path / "there", Limits())
    assert (tmp_path / "there").read_bytes() == b"kept"
