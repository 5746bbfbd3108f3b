"""Nodes, paths, and their JSON."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.errors import FormatError, LimitError
from model_quantization.estimators.capture import capture
from model_quantization.graph.json_form import node_from_json, node_to_json
from model_quantization.graph.nodes import (
    ArrayNode,
    BytesNode,
    DictNode,
    ModelGraph,
    NameNode,
    Node,
    NumbersNode,
    ObjectArrayNode,
    ObjectNode,
    PackedNode,
    RecordArrayNode,
    RefNode,
    ScalarNode,
    SequenceNode,
    StringsNode,
    ValueNode,
    attributes,
    entries,
    unpacked,
)
from model_quantization.graph.traversal import (
    array_indices,
    array_paths,
    children,
    compact,
    components,
    entry_steps,
    join,
    model_type,
    renumber,
    walk,
    with_attributes,
    with_children,
)
from model_quantization.limits import Limits
from model_quantization.trust import TrustPolicy

N_ARRAYS = 9
indices = st.integers(0, N_ARRAYS - 1)
atoms = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.text(max_size=4)
    | st.floats(allow_nan=False)
)
names = st.sampled_from(("sklearn.svm:SVC", "numpy:log1p", "a.b:c.d"))
sizes = st.lists(st.integers(0, 5), max_size=3).map(tuple)
leaves = st.one_of(
    atoms,
    st.builds(ArrayNode, indices),
    st.builds(StringsNode, st.sampled_from(("list", "tuple", "array")), indices, indices),
    st.builds(NumbersNode, st.sampled_from(("list", "tuple")), st.just("<f4"), indices),
    st.builds(BytesNode, st.sampled_from(("bytes", "bytearray")), indices),
    st.builds(ScalarNode, st.just("<f4"), st.just("0000803f")),
    st.builds(NameNode, names),
)  # fmt: skip
sequences = ("list", "tuple", "set", "frozenset")


def containers(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    many = st.lists(inner, max_size=3).map(tuple)

    def mapping(items: list[tuple[str, Node]]) -> DictNode:
        keys, values = tuple(k for k, _ in items), tuple(v for _, v in items)
        return DictNode(SequenceNode("list", keys), SequenceNode("list", values))

    dicts = st.lists(st.tuples(st.text(max_size=3), inner), max_size=3).map(mapping)
    parts = st.dictionaries(st.text(max_size=3), inner, max_size=3).map(lambda d: tuple(d.items()))
    return st.one_of(
        st.builds(SequenceNode, st.sampled_from(sequences), many),
        dicts,
        st.builds(ObjectArrayNode, sizes, inner),
        st.builds(ObjectNode, names, many, st.none() | dicts, st.none() | dicts),
        st.builds(PackedNode, st.just("forest"), names, parts),
        st.builds(lambda a, b: ValueNode("complex", (a, b)), inner, inner),
        st.builds(
            lambda column: RecordArrayNode((2,), ("x",), (column,), 8, (0,)), inner
        ),
    )  # fmt: skip


nodes = st.recursive(leaves, containers, max_leaves=15)


def read(value: Any, **limits: int) -> Node:
    return node_from_json(value, n_arrays=N_ARRAYS, limits=Limits(**limits))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(nodes)
def test_nodes_survive_json(node: Node) -> None:
    assert read(json.loads(json.dumps(node_to_json(node)))) == node


@settings(deadline=None, derandomize=True, max_examples=100)
@given(nodes)
def test_changing_nothing_changes_nothing(node: Node) -> None:
    assert with_children(node, lambda child: child) == node
    assert renumber(node, {i: i for i in range(N_ARRAYS)}) == node
    moved = renumber(node, {i: N_ARRAYS - 1 - i for i in range(N_ARRAYS)})
    before = [index for _, held in walk(node) for index in array_indices(held)]
    after = [index for _, held in walk(moved) for index in array_indices(held)]
    assert after == [N_ARRAYS - 1 - index for index in before]


@settings(deadline=None, derandomize=True, max_examples=100)
@given(nodes)
def test_compacting_keeps_just_the_arrays_that_are_named(node: Node) -> None:
    arrays = tuple(np.array([index]) for index in range(N_ARRAYS))
    graph = compact(ModelGraph(None, ()), node, arrays)
    before = [int(arrays[i][0]) for _, held in walk(node) for i in array_indices(held)]
    after = [int(graph.arrays[i][0]) for _, held in walk(graph.root) for i in array_indices(held)]
    assert before == after
    assert len(graph.arrays) == len(set(before))


def test_a_walk_sees_every_node_and_keys_too() -> None:
    inside = NumbersNode("tuple", "int", 4)
    node = DictNode(SequenceNode("list", ("a", inside)), SequenceNode("list", (1, ArrayNode(2))))
    assert [path for path, _ in walk(node)] == ["", "a", "keys", "key"]
    assert {index for _, held in walk(node) for index in array_indices(held)} == {2, 4}


def estimator(name: str, **state: Node) -> ObjectNode:
    keys, values = tuple(state), tuple(state.values())
    mapping = DictNode(SequenceNode("list", keys), SequenceNode("list", values))
    return ObjectNode(f"package.module:{name}", (), mapping)


def pipeline() -> ObjectNode:
    inner = estimator("LinearSVC", coef_=ArrayNode(0), intercept_=ArrayNode(1))
    steps = SequenceNode(
        "list",
        (
            SequenceNode("tuple", ("tfidf", estimator("TfidfVectorizer", idf_=ArrayNode(2)))),
            SequenceNode("tuple", ("clf", inner)),
        ),
    )
    return estimator("Pipeline", steps=steps, memory=None)


def test_a_named_step_stands_under_its_name() -> None:
    graph = ModelGraph(pipeline(), tuple(np.zeros(size) for size in (1, 2, 3)))
    assert array_paths(graph) == {
        2: "steps/tfidf/idf_", 0: "steps/clf/coef_", 1: "steps/clf/intercept_",
    }  # fmt: skip
    assert [path for path, _ in components(graph)] == ["", "steps/tfidf", "steps/clf"]
    assert graph.nbytes() == 48


def test_paths_of_lists_arguments_entries_and_parts() -> None:
    node = ObjectNode("a:b", (ArrayNode(0),), SequenceNode("list", (ArrayNode(1),)), ArrayNode(2))
    assert [step for step, _ in children(node)] == ["args/0", "state", "entries"]
    packed = PackedNode("forest", "a:b", (("tree_count", 1), ("tree_rows", ArrayNode(0))))
    assert [step for step, _ in children(packed)] == ["tree_count", "tree_rows"]
    assert attributes(packed) == {"tree_count": 1, "tree_rows": ArrayNode(0)}
    assert attributes(node) == {}
    assert [step for step, _ in children(SequenceNode("list", (1, 2)))] == ["0", "1"]
    assert [step for step, _ in children(RecordArrayNode((1,), ("x",), (1,), 8, (0,)))] == ["x"]
    assert list(children(5)) == []
    bulk = DictNode(StringsNode("list", 0, 1), NumbersNode("list", "int", 2))
    assert [step for step, _ in children(bulk)] == ["keys", "values"]
    assert list(entries(bulk)) == []


@pytest.mark.parametrize(
    ("path", "step", "whole"), [("", "", ""), ("a", "", "a"), ("", "b", "b"), ("a", "b", "a/b")]
)
def test_join(path: str, step: str, whole: str) -> None:
    assert join(path, step) == whole


def test_keys_as_steps_are_their_values_and_never_alike() -> None:
    keys = ("a", 3, (1, ("b", None)), None, 1.5, True, np.int64(7), np.float64(0.5), np.str_("c"))
    assert entry_steps(keys) == ["a", "3", "(1, (b, None))", "None", "1.5", "True", "7", "0.5", "c"]
    assert entry_steps(["3", 3, b"x", b"y", "3~1"]) == ["3", "3~1", "key", "key~1", "3~1~1"]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (pipeline(), "Pipeline(TfidfVectorizer, LinearSVC)"),
        (estimator("SVC"), "SVC"),
        (SequenceNode("list", ()), "list"),
        (DictNode(SequenceNode("list", ()), SequenceNode("list", ())), "dict"),
        (ArrayNode(0), "ArrayNode"),
        (PackedNode("forest", "sklearn.tree:DecisionTreeClassifier", ()), "DecisionTreeClassifier"),
    ],
)
def test_the_model_in_a_word(node: Node, text: str) -> None:
    assert model_type(ModelGraph(node, ())) == text


# JSON -------------------------------------------------------------------------------------


def test_ids_and_references() -> None:
    shared = SequenceNode("list", (1,), id=3)
    node = SequenceNode("list", (shared, RefNode(3)))
    assert node_to_json(node) == ["l", ["#", 3, ["l", 1]], ["r", 3]]
    assert read(node_to_json(node)) == node


def test_floats_that_json_lacks() -> None:
    node = SequenceNode("list", (float("inf"), float("-inf"), float("nan")))
    assert node_to_json(node) == ["l", ["f", "inf"], ["f", "-inf"], ["f", "nan"]]
    assert repr(read(node_to_json(node))) == repr(node)


def test_what_an_object_lacks_is_not_written() -> None:
    assert node_to_json(ObjectNode("a:b", (), None)) == ["o", "a:b"]
    assert node_to_json(ObjectNode("a:b", (), None, 1)) == ["o", "a:b", [], None, 1]


def test_limits() -> None:
    with pytest.raises(LimitError, match=r"graph: too many nodes; expected <= 5\."):
        read(["l", 1, 2, 3, 4, 5], nodes=5)
    assert read(["l", 1, 2, 3, 4], nodes=5)
    with pytest.raises(LimitError, match=r"graph: nested too deep; expected <= 2\."):
        read(["l", ["l", ["l", 1]]], depth=2)
    assert read(["l", ["l", 1]], depth=2)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "not a node"),
        (["q"], "unknown node tag"),
        (["a", 9], r"an array that does not exist \(there are 9\)"),
        (["a", True], "array is a count"),
        (["r", 0], "a reference to a node that does not come earlier"),
        (["#", 0, ["a", 1]], "a node of this kind cannot be referred to"),
        (["l", ["#", 0, ["l"]], ["#", 0, ["l"]]], "a node id that is used twice"),
        (["o", "SVC"], "a class is named module:qualname"),
        (["d", ["l", 1], ["l"]], "a dict with more keys than values"),
        (["d", ["e", 1], ["l", 1]], "dict keys and values are lists or tuples"),
        (["p", "f", "a:b", [["x", 1], ["x", 1]]], "a part that stands twice"),
        (["p", "f", "a:b", [1]], r"a part is \[name, node\]"),
        (["f", "5"], "not a special float"),
        (["v", "set", 1], "not a value node"),
        (["by", "text", 0], "unknown kind of bytes"),
        (["num", "set", "int", 0], "unknown kind of numbers"),
        (["str", "set", 0, 0], "unknown kind of strings"),
        (["s", "<f4"], "a scalar node has 2 fields; got 1"),
        (["o", "a:b", 3], "arguments of an object are a list"),
        (["rec", [1], ["a"], [1], 8, []], "a column and an offset for each name"),
    ],
)
def test_every_refusal_says_what_is_wrong(value: Any, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        read(value)


def test_a_captured_model_survives_json() -> None:
    model = OrderedDict(a=[1, 2.5, "x", None], b={"c": (1, frozenset({2}))}, d=np.arange(3.0))
    graph = capture(model, TrustPolicy())
    text = json.dumps(node_to_json(graph.root))
    again = node_from_json(json.loads(text), n_arrays=len(graph.arrays), limits=Limits())
    assert again == graph.root


def test_other_attributes_of_a_component() -> None:
    packed = PackedNode("forest", "a:b", (("x", 1), ("y", 2)), id=3)
    assert with_attributes(packed, {"y": 5, "z": 6}) == PackedNode(
        "forest", "a:b", (("x", 1), ("y", 5)), id=3
    )
    plain = unpacked(packed, attributes(packed))
    assert attributes(with_attributes(plain, {"x": 7, "z": 8})) == {"x": 7, "y": 2}
    assert (plain.type, plain.id) == ("a:b", 3)


def test_a_state_that_is_no_dict_has_no_attributes_to_change() -> None:
    with pytest.raises(TypeError, match="the state of a:b has no attributes"):
        with_attributes(ObjectNode("a:b", (), None), {"x": 1})
