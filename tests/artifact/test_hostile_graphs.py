"""Nodes outside the grammar, names that must not be reached, values that make no sense.

The number in a name is the case's in the list of bad inputs that the project answers for.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from model_quantization.codecs import encode_strings
from model_quantization.errors import (
    FormatError,
    LimitError,
    QuantizationError,
    SemanticError,
    UntrustedTypeError,
)
from tests.artifact import models
from tests.artifact.forge import Forged, edited
from tests.artifact.models import array_at, made, with_array
from tests.artifact.refusals import (
    Manifest,
    kind_of,
    refused,
    with_graph,
)
from tests.artifact.samples import nodes_file


@pytest.mark.parametrize(
    "graph",
    [
        ["r", 0],
        ["#", 0, ["l", ["r", 0]]],
        ["l", ["r", 1], ["#", 1, ["l"]]],
        ["l", ["#", 1, ["l"]], ["#", 1, ["l"]]],
        ["#", 0, ["a", 0]],
        ["#", -1, ["l"]],
        ["#", True, ["l"]],
        ["#", 0, 5],
        ["#", 0, [["l"]]],
        ["#", 0, []],
    ],
)
@pytest.mark.bad_input(38)
def test_38_a_reference_forward_in_a_circle_or_to_nothing(graph: Any) -> None:
    assert kind_of(with_graph(graph)) is FormatError


@pytest.mark.parametrize("index", [27, -1, True, 0.0, "0", 1 << 60, None])
@pytest.mark.bad_input(38)
def test_38_an_array_that_does_not_exist(index: Any) -> None:
    for graph in (["a", index], ["by", "bytes", index], ["num", "list", "int", index],
                  ["str", "list", index, 0], ["str", "list", 0, index]):  # fmt: skip
        assert kind_of(with_graph(graph)) is FormatError


@pytest.mark.parametrize(
    "graph",
    [
        [], {}, ["?"], [1], ["x", 1], [["l"]], ["a"], ["a", 0, 1], ["d", ["l"]], ["d", 1, ["l"]],
        ["d", ["l", 1], ["l"]], ["d", ["e", 1], ["l", 1]], ["o"], ["o", "name"], ["o", ":x"],
        ["o", 5],
        ["o", "a:b", 5], ["o", "a:b", [], None, None, None], ["p", "forest", "a:b"],
        ["p", 1, "a:b", []],
        ["p", "forest", "a:b", [["x"]]], ["p", "forest", "a:b", [["x", 1], ["x", 2]]], ["s", 1, ""],
        ["oa", 3, ["l"]], ["oa", [-1], ["l"]], ["str", "set", 0, 1], ["num", "array", "int", 0],
        ["by", "str", 0], ["v"], ["v", "lambda", 1], ["v", "slice", 1], ["v", ["complex"], 1, 2],
        ["f", "1"],
        ["f", "Infinity"], ["n", "eval"], ["rec", [1], ["a"], [], 8, [0]],
        ["rec", [1], [], [], 8, []],
        ["rec", [True], ["a"], [1], 8, [0]], ["rec", [1], [2], [1], 8, [0]], ["rec", 1, 2, 3, 4, 5],
    ],
)  # fmt: skip
@pytest.mark.bad_input(38)
def test_38_a_node_outside_the_grammar(graph: Any) -> None:
    error = refused(with_graph(graph))
    assert type(error) is FormatError
    assert str(error).startswith("artifact: graph")


@pytest.mark.bad_input(38)
def test_38_a_reference_to_what_unpacking_left_out() -> None:
    packed = ["p", "text", "sklearn.feature_extraction.text:TfidfTransformer",
              [["gone.part", ["#", 5, ["l"]]]]]  # fmt: skip
    with pytest.raises((FormatError, SemanticError)):
        made(with_graph(["l", packed, ["r", 5]]))


@pytest.mark.parametrize(
    "name",
    ["builtins:eval", "builtins:exec", "os:system", "posix:system", "subprocess:Popen",
     "functools:partial", "numpy:load", "joblib:load", "importlib:import_module",
     "sklearn.datasets._base:os.system", "builtins:getattr", "operator:attrgetter"],
)  # fmt: skip
@pytest.mark.bad_input(37)
def test_37_a_name_that_is_not_on_the_allow_list(name: str) -> None:
    for graph in (["o", name, ["true"]], ["n", name], ["o", name, [], ["d", ["l"], ["l"]]]):
        with pytest.raises(UntrustedTypeError):
            made(with_graph(graph))


@pytest.mark.parametrize(
    "name",
    ["numpy:log1p", "numpy:add", "builtins:bytearray", "builtins:bytes", "builtins:object",
     "builtins:int", "numpy:ndarray", "numpy:void", "numpy:dtype", "numpy:float64"],
)  # fmt: skip
@pytest.mark.bad_input(37)
def test_37_a_class_that_is_a_function_or_no_class_of_objects(name: str) -> None:
    with pytest.raises(UntrustedTypeError):
        made(with_graph(["o", name, [1 << 40]]))


@pytest.mark.parametrize(
    ("graph", "error"),
    [
        (["e", ["l"]], SemanticError),
        (["d", ["l", ["l"]], ["l", 1]], SemanticError),
        (["s", "<f8", "00"], FormatError),
        (["s", "|O", "00" * 8], FormatError),
        (["s", "V2147483647", ""], FormatError),
        (["s", "(2,)<f8", "00" * 16], FormatError),
        (["s", "<f8", "zz"], FormatError),
        (["s", "<U1", "ffffffff"], FormatError),
        (["oa", [3], ["l", 1]], SemanticError),
        (["oa", [1 << 40, 1 << 40, 0], ["l"]], SemanticError),
        (["oa", [1], 5], SemanticError),
        (["v", "complex", "a", "b"], SemanticError),
        (["v", "range", 0, 1, 0], SemanticError),
        (["v", "dtype", "f8,f8"], SemanticError),
        (["v", "dtype", ["l", ["t", "a", "|O"]]], SemanticError),
        (["v", "dtype", 5], SemanticError),
        (["rec", [1 << 40], ["a"], [["a", 0]], 8, [0]], SemanticError),
        (["rec", [4], ["a"], [5], 8, [0]], SemanticError),
        (["p", "nobody", "a:b", []], FormatError),
        (["p", "generic", "a:b", []], FormatError),
        (["p", "forest", "a:b", []], SemanticError),
        (["p", "text", "sklearn.feature_extraction.text:CountVectorizer", []], SemanticError),
        (["o", "collections:OrderedDict", [], None, ["l", 1]], SemanticError),
        (["o", "numpy.random.mtrand:RandomState", [], 5], SemanticError),
        (["o", "numpy.ma:MaskedArray", [], ["d", ["l"], ["l"]]], SemanticError),
    ],
)
@pytest.mark.bad_input(38)
def test_38_nodes_that_make_no_value(graph: Any, error: type[QuantizationError]) -> None:
    with pytest.raises(error):
        made(with_graph(graph))


def test_a_record_that_is_far_larger_than_its_fields() -> None:
    index, values = array_at(nodes_file(), "bulk/values")
    graph = ["rec", [len(values)], ["a"], [["a", index]], 1 << 40, [0]]
    with pytest.raises(LimitError):
        made(with_graph(graph))


def test_strings_whose_lengths_do_not_add_up() -> None:
    _, lengths = encode_strings(["abc", "de"])
    for wrong in (lengths + 1, lengths[:0], np.array([1 << 63, 1 << 63], dtype="u8")):
        data = with_array(nodes_file(), "shared/1", wrong)
        index = len(Forged.of(data).manifest["arrays"]) - 1
        blob, _ = array_at(data, "octets/0")
        with pytest.raises(SemanticError):
            made(edited(data, lambda m, i=index, b=blob: m.update(graph=["str", "list", b, i])))


@pytest.mark.parametrize(
    "head", [["by", "bytes"], *(["num", "list", k] for k in ("int", "float", "O"))]
)
def test_an_array_that_does_not_hold_what_its_node_says(head: list[Any]) -> None:
    for path in ("arrays/text", "arrays/float64", "arrays/bool"):
        index, _ = array_at(nodes_file(), path)
        with pytest.raises(SemanticError):
            made(with_graph([*head, index]))


@pytest.mark.parametrize(
    ("key", "value"), [("pos", 625), ("pos", -1), ("pos", 1 << 40), ("pos", None), ("pos", True)]
)
def test_a_position_of_a_generator_that_numpy_would_follow(key: str, value: Any) -> None:
    words = array_at(models.file_of({"r": np.random.RandomState(0)}), "r/state/key")[1]
    data = models.file_of({"r": np.random.RandomState(0)})

    def change(manifest: Manifest) -> None:
        def walk(node: Any) -> None:
            if isinstance(node, list):
                if node and node[0] == "d" and "pos" in node[1]:
                    node[2][node[1].index("pos")] = value
                for item in node:
                    walk(item)

        walk(manifest["graph"])

    assert len(words) == 624
    with pytest.raises(SemanticError):
        made(edited(data, change))


def test_a_buffer_position_of_philox_that_numpy_would_follow() -> None:
    generator = np.random.Generator(np.random.Philox(1))
    data = models.file_of({"r": generator})

    def change(manifest: Manifest) -> None:
        text = json.dumps(manifest["graph"])
        at = text.index('"buffer_pos"')
        assert at > 0
        keys = manifest["graph"]
        while not (keys[0] == "d" and "buffer_pos" in keys[1]):
            keys = keys[2][1] if keys[0] == "d" else keys[3]
        keys[2][keys[1].index("buffer_pos")] = -1_000_000

    with pytest.raises(SemanticError):
        made(edited(data, change))


def test_residue_of_what_can_have_none() -> None:
    data = edited(
        models.tree_file(), lambda manifest: manifest["residue"].update({"tree_/x": "was dropped"})
    )
    with pytest.raises(SemanticError):
        made(data)
