"""Partials: of functions that models may hold, with keyword arguments, and of nothing else."""

from __future__ import annotations

import functools
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_array

from model_quantization.api import quantize_model_file
from model_quantization.errors import (
    ScanRefused,
    SemanticError,
    UnsupportedComponent,
    UntrustedTypeError,
)
from model_quantization.estimators.capture import capture
from model_quantization.estimators.restore import restore
from model_quantization.evaluation.agreement import same_bits
from model_quantization.graph.nodes import DictNode, NameNode, Node, ObjectNode, SequenceNode
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import ScannedFile, scan
from model_quantization.predictor.opening import load
from model_quantization.trust import PARTIAL, TrustPolicy
from tests.attacks.pickles import COMMAND, MARKER, SYSTEM, call, name, program, text

TRUST = TrustPolicy()
RNG = np.random.default_rng(0)
ROWS = np.column_stack([RNG.integers(0, 6, 300), RNG.normal(size=(300, 3))])
LABELS = (ROWS[:, 0] > 2) ^ (ROWS[:, 1] > 0)

PARTIAL_NAME = name("functools", "partial")
CHECK = name("sklearn.utils.validation", "check_array")
SYSTEM_NAME = name("os", "system")
RECONSTRUCT = name("numpy._core.multiarray", "_reconstruct")
BUILD, DICT, NONE, NO_ARGS = pickle.BUILD, pickle.EMPTY_DICT, pickle.NONE, pickle.EMPTY_TUPLE


def scan_bytes(raw: bytes, root: Path, trust: TrustPolicy = TRUST) -> ScannedFile:
    workspace = Path(tempfile.mkdtemp(dir=root))
    source = workspace / "model.pkl"
    source.write_bytes(raw)
    return scan(source, trust, Limits(), workspace)


def state(*parts: bytes) -> bytes:
    return pickle.MARK + b"".join(parts) + pickle.TUPLE + BUILD


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_partial_of_a_listed_function_passes(tmp_path: Path, protocol: int) -> None:
    held = functools.partial(check_array, dtype=[np.float64], ensure_all_finite=False)
    model = make_pipeline(FunctionTransformer(held), StandardScaler()).fit(ROWS)
    found = scan_bytes(pickle.dumps(model, protocol), tmp_path)
    assert {PARTIAL, "sklearn.utils.validation:check_array"} <= found.names


HOSTILE = {
    "of os.system": call(PARTIAL_NAME, SYSTEM_NAME),
    "of a call": call(PARTIAL_NAME, SYSTEM),
    "of a reconstructor": call(PARTIAL_NAME, RECONSTRUCT),
    "of a partial": call(PARTIAL_NAME, call(PARTIAL_NAME, CHECK)),
    "of a partial of os.system": call(PARTIAL_NAME, call(PARTIAL_NAME, SYSTEM_NAME)),
    "of partial itself": call(PARTIAL_NAME, PARTIAL_NAME),
    "of a class": call(PARTIAL_NAME, name("sklearn.tree._classes", "DecisionTreeClassifier")),
    "of a class that is called": call(PARTIAL_NAME, name("builtins", "bytearray")),
    "of nothing": call(PARTIAL_NAME),
    "with a positional argument": call(PARTIAL_NAME, CHECK, text(COMMAND)),
    "given another function": (
        call(PARTIAL_NAME, CHECK) + state(SYSTEM_NAME, NO_ARGS, DICT, NONE)
    ),
    "given another listed function": (
        call(PARTIAL_NAME, CHECK) + state(name("numpy", "log1p"), NO_ARGS, DICT, NONE)
    ),
    "given a reconstructor": call(PARTIAL_NAME, CHECK) + state(RECONSTRUCT, NO_ARGS, DICT, NONE),
    "given a partial": (
        call(PARTIAL_NAME, CHECK) + state(call(PARTIAL_NAME, CHECK), NO_ARGS, DICT, NONE)
    ),
    "given positional arguments": (
        call(PARTIAL_NAME, CHECK) + state(CHECK, text(COMMAND) + pickle.TUPLE1, DICT, NONE)
    ),
    "given attributes": (
        call(PARTIAL_NAME, CHECK)
        + state(CHECK, NO_ARGS, DICT, DICT + text("a") + text("b") + pickle.SETITEM)
    ),
    "given a state of another form": call(PARTIAL_NAME, CHECK) + DICT + BUILD,
    "given a pair of dicts": call(PARTIAL_NAME, CHECK) + NONE + DICT + pickle.TUPLE2 + BUILD,
    "given a state twice": (
        call(PARTIAL_NAME, CHECK) + state(CHECK, NO_ARGS, DICT, NONE) * 2
    ),
    "made empty": PARTIAL_NAME + NO_ARGS + pickle.NEWOBJ,
    "made empty by copyreg": call(
        name("copyreg", "_reconstructor"), PARTIAL_NAME, name("builtins", "object"), NONE
    ),
    "made empty and built": (
        call(name("copyreg", "__newobj__"), PARTIAL_NAME)
        + state(SYSTEM_NAME, NO_ARGS, DICT, NONE)
    ),
    "called": call(call(PARTIAL_NAME, CHECK), text(COMMAND)),
    "a factory": call(name("collections", "defaultdict"), call(PARTIAL_NAME, CHECK)),
    "the kind a factory makes": call(name("collections", "defaultdict"), PARTIAL_NAME),
}  # fmt: skip


@pytest.mark.parametrize("attack", HOSTILE)
def test_any_other_partial_is_refused_and_never_run(attack: str, tmp_path: Path) -> None:
    with pytest.raises(ScanRefused) as caught:
        scan_bytes(program(HOSTILE[attack]), tmp_path)
    assert "model.pkl" in caught.value.where
    assert caught.value.do
    assert not Path(MARKER).exists()


def test_the_refusals_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ScanRefused, match=r"makes a partial of .*_reconstruct"):
        scan_bytes(program(HOSTILE["of a reconstructor"]), tmp_path)
    with pytest.raises(ScanRefused, match="the state of a partial is not that of its function"):
        scan_bytes(program(HOSTILE["given another listed function"]), tmp_path)


def test_a_partial_of_a_function_that_the_run_trusts(tmp_path: Path) -> None:
    raw = pickle.dumps(functools.partial(os.path.join))
    with pytest.raises(ScanRefused, match="posixpath:join is not on the allow-list"):
        scan_bytes(raw, tmp_path)
    trust = TrustPolicy(frozenset({"posixpath:join"}))
    assert scan_bytes(raw, tmp_path, trust).names == {PARTIAL, "posixpath:join"}


# As data and back.


def test_a_partial_comes_back() -> None:
    held = functools.partial(np.clip, a_min=0.0, a_max=np.float32(1.5))
    graph = capture({"one": held, "again": held}, TRUST)
    made = restore(graph.root, graph.arrays, TRUST)["one"]
    assert type(made) is functools.partial
    assert (made.func, made.args, made.keywords) == (held.func, (), held.keywords)


@pytest.mark.parametrize(
    ("held", "error", "message"),
    [
        (functools.partial(np.clip, 1.0), UnsupportedComponent, "positional"),
        (functools.partial(os.system), UntrustedTypeError, "system is not on the allow-list"),
        (functools.partial(StandardScaler), UnsupportedComponent, "may hold to call"),
    ],
    ids=["positional", "unlisted", "a class"],
)
def test_what_is_no_data_is_not_captured(held: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        capture(held, TRUST)


def partial_node(**parts: Node) -> ObjectNode:
    keys, values = SequenceNode("list", tuple(parts)), SequenceNode("list", tuple(parts.values()))
    return ObjectNode(PARTIAL, (), DictNode(keys, values))


NO_KEYWORDS = DictNode(SequenceNode("list", ()), SequenceNode("list", ()))
CLIP = NameNode("numpy:clip")
RECONSTRUCTOR = NameNode("numpy._core.multiarray:_reconstruct")
CLASS = NameNode("sklearn.tree._classes:DecisionTreeClassifier")


@pytest.mark.parametrize(
    ("node", "error"),
    [
        (partial_node(func=NameNode("os:system"), keywords=NO_KEYWORDS), UntrustedTypeError),
        (
            partial_node(func=RECONSTRUCTOR, keywords=NO_KEYWORDS),
            UntrustedTypeError,
        ),
        (
            partial_node(
                func=CLASS, keywords=NO_KEYWORDS
            ),
            UntrustedTypeError,
        ),
        (
            partial_node(
                func=partial_node(func=CLIP, keywords=NO_KEYWORDS), keywords=NO_KEYWORDS
            ),
            UntrustedTypeError,
        ),
        (partial_node(keywords=NO_KEYWORDS), UntrustedTypeError),
        (partial_node(func=CLIP), SemanticError),
        (partial_node(func=CLIP, keywords=NO_KEYWORDS, args=1), SemanticError),
        (partial_node(func=CLIP, keywords=7), SemanticError),
    ],
    ids=[
        "os.system", "a reconstructor", "a class", "a partial", "nothing", "no keywords",
        "more", "a number",
    ],
)  # fmt: skip
def test_an_artifact_cannot_make_other_partials(node: Node, error: type[Exception]) -> None:
    with pytest.raises(error):
        restore(node, (), TRUST)


def test_a_name_shared_under_two_keys_does_not_swap_the_function() -> None:
    keys = SequenceNode("list", ("func", "keywords", "func"))
    values = SequenceNode("list", (NameNode("os:system"), NO_KEYWORDS, CLIP))
    with pytest.raises((UntrustedTypeError, SemanticError)):
        restore(ObjectNode(PARTIAL, (), DictNode(keys, values)), (), TRUST)


# The models that hold one.


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(categorical_features=[0], max_iter=8, random_state=0),
        HistGradientBoostingRegressor(categorical_features=[0], max_iter=8, random_state=0),
    ],
    ids=["classifier", "regressor"],
)
def test_histogram_models_with_categories_from_a_file(model: Any, tmp_path: Path) -> None:
    model.fit(ROWS, LABELS)
    source, target = tmp_path / "model.pkl", tmp_path / "model.qma"
    source.write_bytes(pickle.dumps(model))
    quantize_model_file(source, target, bit_depth="exact")
    opened = load(target)
    rows = ROWS.copy()
    rows[3, 0], rows[5, 0], rows[7, 2] = np.nan, 17, np.nan
    for method in opened.fast_methods:
        expected = getattr(model, method)(rows)
        assert same_bits(getattr(opened, method)(rows), expected)
        assert same_bits(getattr(opened.restore(), method)(rows), expected)
    assert "predict" in opened.fast_methods
