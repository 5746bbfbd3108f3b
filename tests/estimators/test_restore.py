"""Objects are restored as they were: values, classes, sharing, order, and dropped attributes."""

from __future__ import annotations

import copy
import datetime
import pickle
import threading
import warnings
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import numpy as np
import pytest

from model_quantization.errors import (
    DroppedAttribute,
    EnvironmentMismatch,
    FormatError,
    LimitError,
    SemanticError,
    UntrustedTypeError,
)
from model_quantization.estimators.capture import capture
from model_quantization.estimators.restore import restore
from model_quantization.graph.nodes import (
    ArrayNode,
    DictNode,
    Node,
    ObjectNode,
    RefNode,
    SequenceNode,
)
from model_quantization.predictor.component import Context, view_value
from model_quantization.trust import TrustPolicy
from tests.artifact.models import file_of, made

TRUST = TrustPolicy()
NAMED_DTYPE = np.dtype([("a", "<f8"), ("b", "<i4", (2,))])


def round_trip(value: Any) -> Any:
    """Through the file and back."""
    return made(file_of([value]))[0]


VALUES: dict[str, Any] = {
    "none": None,
    "bools": [True, False],
    "integers": [0, -1, 1 << 255],
    "floats": [0.1, -0.0, 1e308, 5e-324],
    "texts": ["", "a", "\u20ac", "\U0001f600", "lone \ud800"],
    "many texts": ["word", "\ud800"] * 20,
    "many integers": list(range(50)),
    "many floats": [0.5, -0.0] * 20,
    "tuple": (1, (2, (3,))),
    "set": {1, "a", (1, 2)},
    "frozenset": frozenset({1.5}),
    "bytes": [b"", b"\x00\xff"],
    "dict": {"a": 1, 2: "b", (1, 2): None, None: 3, 1.5: 4},
    "keys that are arrays": {tuple(range(10)): "long"},
    "many entries": {f"k{i}": i for i in range(30)},
    "complex": 1 - 2j,
    "slice": slice(None, 5, 2),
    "range": range(1, 9, 3),
    "dates": [datetime.date(2020, 2, 29), datetime.datetime(2021, 1, 1), datetime.timedelta(3)],
    "numpy scalars": [np.float32(1.5), np.int8(-3), np.bool_(True), np.str_("x"), np.bytes_(b"y")],
    "empty scalars": [np.str_(""), np.bytes_(b"")],
    "numpy dates": [np.datetime64("2020-01-01"), np.timedelta64(3, "s")],
    "dtypes": [np.dtype("f4"), np.dtype(object), np.dtype("U5"), NAMED_DTYPE],
    "names": [np.log1p, np.float64, dict],
    "ordered": OrderedDict(b=1, a=2),
    "counter": Counter("abca"),
    "default": defaultdict(list, {1: [2]}),
    "queue": deque([1, 2], maxlen=5),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back(name: str) -> None:
    value = VALUES[name]
    back = round_trip(value)
    assert type(back) is type(value)
    assert back == value
    if isinstance(value, list):
        assert [type(item) for item in back] == [type(item) for item in value]
        assert [repr(item) for item in back] == [repr(item) for item in value]


def test_what_equality_does_not_see() -> None:
    assert list(round_trip(OrderedDict(b=1, a=2))) == ["b", "a"]
    assert round_trip(deque([1], maxlen=5)).maxlen == 5
    assert round_trip(defaultdict(list)).default_factory is list
    nan = round_trip([float("nan")])
    assert nan[0] != nan[0]
    octets = round_trip([bytearray(b"x")])
    assert type(octets[0]) is bytearray


ARRAYS = {
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "objects": np.array([{"a": 1}, None, "x"], dtype=object),
    "lists of one length": np.array([[1, 2], [3, 4]], dtype=object).reshape(4)[:2],
    "grid of objects": np.array([[None, "a"], [1, 2.5]], dtype=object),
    "texts": np.array(["a", "bcd"], dtype=object),
    "records": np.array([(1.5, (2, 3))], dtype=NAMED_DTYPE),
    "no records": np.zeros(0, dtype=NAMED_DTYPE),
    "records of objects": np.array([("a", 1)], dtype=[("x", object), ("y", "i4")]),
    "dates": np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
    "masked": np.ma.MaskedArray([1.0, 2.0], mask=[False, True]),
    "empty": np.zeros((3, 0)),
    "scalar": np.array(2.5),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back(name: str) -> None:
    array = ARRAYS[name]
    back = round_trip(array)
    assert type(back) is type(array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert repr(back) == repr(array)
    assert back.flags.f_contiguous == array.flags.f_contiguous
    assert back.flags.writeable


def test_generators_go_on_where_they_were() -> None:
    for generator in (
        np.random.default_rng(3),
        np.random.RandomState(3),
        *(np.random.Generator(kind(5)) for kind in (np.random.Philox, np.random.SFC64)),
    ):
        generator.normal(size=7)
        back = round_trip(generator)
        assert back.normal(size=5).tolist() == generator.normal(size=5).tolist()


def test_what_was_shared_is_shared() -> None:
    inner, array = [1, 2], np.arange(3.0)
    back = round_trip({"a": inner, "b": [inner], "c": array, "d": (array,)})
    assert back["a"] is back["b"][0]
    assert back["c"] is back["d"][0]


def test_the_object_owns_its_arrays() -> None:
    graph = capture([np.arange(3.0)], TRUST)
    first, second = (restore(graph.root, graph.arrays, TRUST) for _ in range(2))
    first[0][0] = 9
    assert second[0][0] == 0
    assert graph.arrays[0][0] == 0


def fitted() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    rows = np.random.default_rng(0).normal(size=(40, 3))
    return make_pipeline(StandardScaler(), SVC()).fit(rows, np.arange(40) % 2)


def test_an_estimator_is_of_the_original_class_and_answers_the_same() -> None:
    model = fitted()
    rows = np.random.default_rng(1).normal(size=(20, 3))
    before = pickle.dumps(model)
    back = round_trip(model)
    assert type(back) is type(model)
    assert back.get_params().keys() == model.get_params().keys()
    assert back.decision_function(rows).tolist() == model.decision_function(rows).tolist()
    assert pickle.dumps(model) == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = pickle.loads(pickle.dumps(back))
    assert again.predict(rows).tolist() == model.predict(rows).tolist()


# Residue ----------------------------------------------------------------------------------


def object_with(**state: Node) -> ObjectNode:
    mapping = DictNode(
        SequenceNode("list", tuple(state)), SequenceNode("list", tuple(state.values()))
    )
    return ObjectNode("sklearn.svm._classes:SVC", (), mapping)


def dropped() -> Any:
    root = object_with(C=1.0, inner=object_with(C=2.0))
    notes = {"loss_curve_": "loss on training rows", "inner/history_": "of the optimizer"}
    return restore(root, (), TRUST, dropped=notes)


def test_reading_what_was_dropped_says_so() -> None:
    from sklearn.svm import SVC

    model = dropped()
    with pytest.raises(
        DroppedAttribute, match=r"SVC: loss_curve_ was needed for training only.*loss on"
    ):
        _ = model.loss_curve_
    with pytest.raises(DroppedAttribute, match="of the optimizer; read it from the original"):
        _ = model.inner.history_
    assert not hasattr(model, "loss_curve_")
    with pytest.raises(AttributeError, match="no attribute 'other_'"):
        _ = model.other_
    assert model.C == 1.0
    assert isinstance(model, SVC)
    assert type(model).__name__ == "SVC"


def test_the_class_that_reports_is_made_once_and_pickles_as_the_real_one() -> None:
    from sklearn.svm import SVC

    first, second = dropped(), dropped()
    assert type(first) is type(second)
    assert type(pickle.loads(pickle.dumps(first))) is SVC
    assert copy.deepcopy(first).C == 1.0


# What does not fit ------------------------------------------------------------------------


def test_a_class_that_is_not_allowed() -> None:
    node = ObjectNode("my_package.text:Cleaner", (), None)
    with pytest.raises(
        UntrustedTypeError, match=r"my_package.text:Cleaner is not on the allow-list"
    ):
        restore(node, (), TRUST)
    policy = TrustPolicy(frozenset({"my_package.text:Cleaner"}))
    with pytest.raises(EnvironmentMismatch, match="does not exist here"):
        restore(node, (), policy)


@pytest.mark.bad_input(48)
def test_48_a_class_of_another_version_of_the_library() -> None:
    with pytest.raises(EnvironmentMismatch, match=r"cannot be made from this artifact"):
        restore(ObjectNode("sklearn._loss._loss:CyHuberLoss", ("x",), None), (), TRUST)
    state = SequenceNode("list", (1,))
    with pytest.raises(EnvironmentMismatch, match="Ridge does not take this state"):
        restore(ObjectNode("sklearn.linear_model._ridge:Ridge", (), state), (), TRUST)


def test_entries_that_do_not_fit_their_object() -> None:
    node = ObjectNode("collections:OrderedDict", (), None, SequenceNode("list", (1,)))
    with pytest.raises(SemanticError, match="entries do not fit their object"):
        restore(node, (), TRUST)


def test_a_reference_into_what_is_not_there() -> None:
    with pytest.raises(FormatError, match="a reference to a node that is not there"):
        restore(RefNode(4), (), TRUST)
    with pytest.raises(FormatError, match="a reference to a node that is not there"):
        view_value(RefNode(4), Context((), {}), "")


def test_a_reference_to_a_node_outside() -> None:
    outside = SequenceNode("list", (1, 2), id=4)
    node = SequenceNode("tuple", (RefNode(4), RefNode(4)))
    back = restore(node, (), TRUST, identified={4: outside})
    assert back == ([1, 2], [1, 2])
    assert back[0] is back[1]


def test_a_graph_deeper_than_the_stack() -> None:
    node: Node = 1
    for _ in range(3000):
        node = SequenceNode("list", (node,))
    with pytest.raises(LimitError, match="nested too deep to be made"):
        restore(node, (), TRUST)


def test_dropped_notes_take_no_longer_than_there_are_objects() -> None:
    notes = {f"{number}/gone_": "residue" for number in range(20_000)}
    root = SequenceNode("list", tuple(object_with(C=1.0) for _ in range(500)))
    assert len(restore(root, (), TRUST, dropped=notes)) == 500


def test_threads_may_restore_one_file() -> None:
    graph = capture(fitted(), TRUST)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(restore(graph.root, graph.arrays, TRUST)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = np.random.default_rng(1).normal(size=(5, 3))
    assert len({tuple(model.decision_function(rows)) for model in found}) == 1


# Views ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["tuple", "dict", "many entries", "many texts", "many integers", "numpy scalars"]
)
def test_a_view_gives_the_same_plain_values(name: str) -> None:
    graph = capture(VALUES[name], TRUST)
    context = Context.of(graph.root, graph.arrays)
    assert view_value(graph.root, context, "") == VALUES[name]


def test_a_view_gives_names_for_functions_and_views_for_objects() -> None:
    graph = capture({"f": np.log1p, "m": fitted()}, TRUST)
    seen = view_value(graph.root, Context.of(graph.root, graph.arrays), "")
    assert seen["f"] == "numpy:log1p"
    assert seen["m"].type == "sklearn.pipeline:Pipeline"
    assert seen["m"].path == "m"
    name, step = seen["m"]["steps"][0]
    assert name == "standardscaler"
    assert step.path == "m/steps/standardscaler"
    assert step.get("nothing", 5) == 5
    assert "mean_" in step
    with pytest.raises(KeyError):
        step["nothing"]


def test_a_view_of_shared_arrays_is_the_array() -> None:
    arrays = (np.arange(3.0),)
    node = SequenceNode("list", (ArrayNode(0), ArrayNode(0)))
    seen = view_value(node, Context.of(node, arrays), "")
    assert seen[0] is seen[1] is arrays[0]
