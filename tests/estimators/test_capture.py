"""A live object as data and back: values, identity, order and paths."""

from __future__ import annotations

import copy
import functools
import math
import operator
from collections import OrderedDict, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LassoCV, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from model_quantization.errors import LimitError, UnsupportedComponent, UntrustedTypeError
from model_quantization.estimators.capture import capture, capture_objects
from model_quantization.estimators.graph_arrays import BULK
from model_quantization.estimators.restore import restore
from model_quantization.graph.nodes import NumbersNode, RefNode, StringsNode
from model_quantization.graph.traversal import array_paths, components
from model_quantization.limits import Limits
from model_quantization.trust import TrustPolicy

TRUST = TrustPolicy()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
Y = (X[:, 0] > 0).astype(int)


def round_trip(value: Any) -> Any:
    graph = capture(value, TRUST)
    return restore(graph.root, graph.arrays, TRUST, dropped=graph.dropped)


def check_same(one: Any, other: Any) -> None:
    assert type(one) is type(other), (one, other)
    if isinstance(one, np.ndarray) and one.dtype.names:  # padding bytes of a record have no meaning
        assert one.dtype == other.dtype and one.shape == other.shape
        for name in one.dtype.names:
            check_same(one[name].copy(), other[name].copy())
    elif isinstance(one, np.ndarray) and not one.dtype.hasobject:
        assert one.dtype.newbyteorder("=") == other.dtype and one.shape == other.shape
        assert one.astype(other.dtype).tobytes() == other.tobytes()
    elif isinstance(one, np.ndarray):
        assert one.shape == other.shape
        check_same(one.ravel().tolist(), other.ravel().tolist())
    elif isinstance(one, dict):
        check_same(list(one), list(other))
        check_same(list(one.values()), list(other.values()))
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for each in zip(one, other, strict=True):
            check_same(*each)
    elif isinstance(one, float | np.floating) and math.isnan(one):
        assert math.isnan(other)
    elif isinstance(one, float):
        assert one == other and math.copysign(1, one) == math.copysign(1, other)
    else:
        assert one == other


VALUES = {
    "nothing": None,
    "truth": [True, False],
    "whole numbers": [0, -1, 1 << 62, -(1 << 63), (1 << 63), -(1 << 200)],
    "floats": [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1 / 3],
    "text": ["", "a\0b", "日本語", "e\u0301", "\U0001f600"],
    "bytes": [b"", b"\x00\xff", bytearray(b"xy")],
    "small values": [1 + 2j, slice(1, None, -2), range(3, 9, 2), slice(None)],
    "tuples": ((), (1,), ((2,), [3])),
    "sets": [set(), {3, 1, 2}, frozenset({"b", "a"}), {(1, 2), (0,)}],
    "odd keys": {1: "a", "1": "b", (1, 2): "c", None: "d", 2.5: "e"},
    "many numbers": list(range(BULK)),
    "many floats": [0.1 * i for i in range(BULK)],
    "many texts": [f"name {i}" for i in range(BULK)],
    "many numpy numbers": list(np.arange(BULK, dtype=np.int16)),
    "many truths": [bool(i % 2) for i in range(BULK)],
    "mixed numbers": [1, 2.0] * BULK,
    "large among many": [1 << 70, *range(BULK)],
    "a tuple of many": tuple(range(BULK)),
    "a dict of many": {f"word {i}": i for i in range(BULK)},
    "a dict of numpy numbers": {i: np.float32(i) for i in range(BULK)},
    "numpy scalars": [np.float64(0.1), np.float32(0.1), np.int8(-3), np.bool_(True),
                      np.datetime64("2026-11-24"), np.str_("x"), np.bytes_(b"y"),
                      np.complex64(1j)],
    "dtypes": [np.dtype("f8"), np.dtype(">i4"), np.dtype("U5"), np.dtype([("a", "f8")])],
    "dict kinds": [OrderedDict(b=1, a=2)],
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_plain_values(name: str) -> None:
    check_same(VALUES[name], round_trip(VALUES[name]))


ARRAYS = {
    "dense": X,
    "Fortran": np.asfortranarray(X),
    "strided": X[::2, ::-1],
    "broadcast": np.broadcast_to(np.arange(4.0), (3, 4)),
    "big-endian": X.astype(">f8"),
    "no dimension": np.array(3.5),
    "empty": np.empty((2, 0, 3)),
    "truth": X > 0,
    "half": X.astype(np.float16),
    "complex": X.astype(complex),
    "text": np.array(["a", "bcd", ""]),
    "bytes": np.array([b"a", b"bcd"]),
    "dates": np.array(["2026-11-24", "NaT"], dtype="M8[s]"),
    "objects": np.array([["a", None], [1, 2.5]], dtype=object),
    "texts as objects": np.array([f"name {i}" for i in range(20)], dtype=object).reshape(4, 5),
    "arrays in an array": np.array([None, None], dtype=object),
    "records": np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "aligned records": np.zeros(3, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    array = ARRAYS[name]
    if name == "arrays in an array":
        array[:] = [np.arange(3), np.eye(2)]
    before = array.tobytes() if not array.dtype.hasobject else b""
    found = round_trip(array)
    check_same(array, found)
    assert found.flags.writeable and not np.shares_memory(found, array)
    assert array.dtype.hasobject or array.tobytes() == before
    if name == "Fortran":
        assert found.flags.f_contiguous and not found.flags.c_contiguous


def test_a_masked_array_and_a_memory_map(tmp_path: Any) -> None:
    masked = np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 1, 0], fill_value=-9.0)
    found = round_trip(masked)
    assert type(found) is np.ma.MaskedArray and found.fill_value == -9.0
    np.testing.assert_array_equal(found.mask, masked.mask)
    np.testing.assert_array_equal(found.data, masked.data)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(round_trip(mapped), X)


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_random_states_go_on_where_they_were(kind: str) -> None:
    generator = np.random.Generator(getattr(np.random, kind)(7))
    generator.normal(size=5)
    found = round_trip(generator)
    np.testing.assert_array_equal(found.normal(size=5), generator.normal(size=5))
    state = np.random.RandomState(3)
    state.normal()
    found = round_trip(state)
    np.testing.assert_array_equal(found.normal(size=5), state.normal(size=5))


def test_functions_and_classes_are_names() -> None:
    for thing in (np.log1p, np.sum, np.float64, StandardScaler, np.add):
        assert round_trip([thing])[0] is thing
    for thing in (functools.partial(operator.add, 1), operator.itemgetter(1), eval):
        with pytest.raises((UntrustedTypeError, UnsupportedComponent)):
            capture([thing], TRUST)


def test_dicts_of_other_kinds() -> None:
    found = round_trip(Bunch(a=1, b=X))
    assert type(found) is Bunch and found.a == 1
    counted = round_trip(defaultdict(int, a=1))
    assert type(counted) is defaultdict and counted == {"a": 1} and counted["b"] == 0


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(max_size=20)
)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=10)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=10)
    ),
    max_leaves=30,
)


@given(nested)
@settings(deadline=None, derandomize=True, max_examples=200)
def test_any_nesting_of_values(value: Any) -> None:
    if any(isinstance(part, int) and part.bit_length() > 256 for part in _parts(value)):
        with pytest.raises(UnsupportedComponent):
            capture(value, TRUST)
    else:
        check_same(value, round_trip(value))


def _parts(value: Any) -> Any:
    if isinstance(value, dict):
        for item in value.items():
            yield from _parts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)
    else:
        yield value


# Identity ---------------------------------------------------------------------------------


def test_what_is_one_object_stays_one() -> None:
    array, inner, model = np.arange(3.0), [1], GaussianNB().fit(X, Y)
    held = {"a": array, "b": [array, inner], "c": inner, "d": model, "e": (model, {"x": inner})}
    found = round_trip(held)
    assert found["a"] is found["b"][0]
    assert found["c"] is found["b"][1] is found["e"][1]["x"]
    assert found["d"] is found["e"][0]
    apart = round_trip({"a": array, "b": array.copy()})
    assert apart["a"] is not apart["b"]


def test_references_name_what_came_before_them() -> None:
    inner = [1]
    graph = capture([inner, inner, [inner]], TRUST)
    first, second, third = graph.root.items
    assert first.id == 0 and second == RefNode(0) and third.items == (RefNode(0),)


def test_capturing_leaves_the_model_as_it_is() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    before = copy.deepcopy(model)
    capture(model, TRUST)
    assert vars(model[1]).keys() == vars(before[1]).keys()
    np.testing.assert_array_equal(model[1].coef_, before[1].coef_)


# Form -------------------------------------------------------------------------------------


def test_long_lists_of_one_kind_are_arrays() -> None:
    graph = capture([list(range(100)), [str(i) for i in range(100)]], TRUST)
    numbers, texts = graph.root.items
    assert isinstance(numbers, NumbersNode) and isinstance(texts, StringsNode)
    assert len(graph.arrays) == 3


def test_sets_of_equal_content_give_equal_graphs() -> None:
    words = [f"word {i}" for i in range(50)]
    one, other = set(words), {f"word {i}" for i in range(49, -1, -1)}
    assert repr(capture(one, TRUST).root) == repr(capture(other, TRUST).root)


def test_paths_are_what_a_person_would_write() -> None:
    inner = Pipeline([("scale", StandardScaler()), ("clf", LogisticRegression())])
    model = {"models": [inner.fit(X, Y)], 5: {"array": X}, "thresholds": (0.5, X[0])}
    held = capture_objects(model, TRUST)
    assert set(dict(components(held.graph))) >= {
        "models/0", "models/0/steps/scale", "models/0/steps/clf"
    }  # fmt: skip
    assert held.objects["models/0/steps/clf"] is inner.steps[1][1]
    paths = set(array_paths(held.graph).values())
    assert {"models/0/steps/clf/coef_", "5/array", "thresholds/1"} <= paths


def test_residue_is_left_out_and_noted_with_its_path() -> None:
    model = Pipeline([("lasso", LassoCV(alphas=[0.5, 0.1], cv=2).fit(X, X[:, 1]))])
    graph = capture(model, TRUST)
    assert set(graph.dropped) == {"steps/lasso/alphas_", "steps/lasso/mse_path_"}
    assert not any("mse_path_" in path for path in array_paths(graph).values())


# Limits -----------------------------------------------------------------------------------


def test_limits_name_the_place() -> None:
    deep: Any = [[[[[1]]]]]
    with pytest.raises(LimitError, match=r"0/0: nested too deep; expected <= 2"):
        capture(deep, TRUST, Limits(depth=2))
    with pytest.raises(LimitError, match="0/0: nested too deep"):
        capture((((1,),),), TRUST, Limits(depth=2))
    with pytest.raises(LimitError, match="too many objects"):
        capture([[] for _ in range(20)], TRUST, Limits(nodes=10))


class Local:
    """A class that no run trusts."""


class Refusing:
    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("not for pickling")


class Calling:
    def __reduce__(self) -> Any:
        return (print, ("hello",))


class Global:
    def __reduce__(self) -> str:
        return "TRUST"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Refusing(), "cannot be pickled .not for pickling"),
        (Calling(), "rebuilt by calling '?print"),
        (Global(), "it is a global object"),
    ],
)
def test_classes_that_pickle_in_ways_of_their_own(value: Any, message: str) -> None:
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    with pytest.raises(UnsupportedComponent, match=f"a/b: .* as data: .*{message}"):
        capture({"a": {"b": value}}, TrustPolicy(frozenset({name})))


def test_an_unknown_class_says_how_to_trust_it() -> None:
    with pytest.raises(
        UntrustedTypeError,
        match=r"1: tests\.estimators\.test_capture:Local is not on "
        r"the allow-list; if you wrote .*trusted",
    ):
        capture([0, Local()], TRUST)
    trust = TrustPolicy(frozenset({f"{__name__}:Local"}))
    graph = capture(Local(), trust)
    assert type(restore(graph.root, graph.arrays, trust)) is Local


def test_subclasses_of_arrays_and_functions_in_functions() -> None:
    class Kept(np.ndarray):
        pass

    with pytest.raises((UnsupportedComponent, UntrustedTypeError)):
        capture([np.zeros(3).view(Kept)], TRUST)

    def inner() -> None:
        """Not importable."""

    with pytest.raises(UnsupportedComponent, match=r"f: builtins.function .* no importable name"):
        capture({"f": inner}, TRUST)
    impostor = lambda: 1  # noqa: E731
    impostor.__module__, impostor.__qualname__ = "numpy", "exp"
    with pytest.raises(UnsupportedComponent, match="numpy:exp is another object when"):
        capture([impostor], TRUST)
