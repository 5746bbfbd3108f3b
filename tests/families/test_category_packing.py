"""Names of categories as one front-coded list: what is packed, what comes back, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from model_quantization.errors import SemanticError
from model_quantization.families import family_named
from model_quantization.graph.nodes import ArrayNode, PackedNode, SequenceNode, attributes
from tests.families.component import treat

NAN = float("nan")


class Held(list[Any]):
    def add(self, array: Any) -> int:
        self.append(array)
        return len(self) - 1


def packed_names() -> tuple[PackedNode, Held]:
    names = np.array([f"name {number:04d}" for number in range(200)], dtype=object)
    mixed = np.array(["\ud800", "z" * 40, None, NAN], dtype=object)
    encoder = OrdinalEncoder(categories=[names, mixed, [1, 2]], encoded_missing_value=-1)
    encoder.fit(np.array([["name 0001", None, 1]], dtype=object))
    graph = treat(encoder).graph
    assert isinstance(graph.root, PackedNode)
    return graph.root, Held(graph.arrays)


def test_names_of_all_columns_are_one_list_and_come_back() -> None:
    node, held = packed_names()
    parts = dict(node.parts)
    assert "categories_" not in parts
    assert held[parts["names.sizes"].array].tolist() == [200, 2, 0]
    assert held[parts["names.data"].array].size < 600
    back = attributes(family_named("encoders").unpack(node, held))["categories_"]
    assert back.items[0].items.items[:2] == ("name 0000", "name 0001")
    assert back.items[1].items.items[:3] == ("\ud800", "z" * 40, None)


def test_few_names_are_left_as_they_are() -> None:
    assert not isinstance(treat(OneHotEncoder().fit([["low"], ["high"]])).graph.root, PackedNode)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("names.prefix", None, "missing or no array"),
        ("names.prefix", np.zeros(202), "malformed stream"),
        ("names.prefix", np.zeros(201, np.uint8), "another number of prefixes than of lengths"),
        ("names.prefix", np.full(202, 200, np.uint8), "shares more bytes"),
        ("names.length", np.full(202, 1, np.uint8), "own bytes do not add up"),
        ("names.prefix", np.full(202, 1 << 31, np.uint32), "too long"),
        ("names.sizes", np.array([200, 2], np.uint8), "every column needs"),
        ("names.sizes", np.array([200, 1, 0], np.uint8), "names do not add up"),
        ("names.data", np.full(600, 255, np.uint8), "not UTF-8"),
        ("names.rest", None, "part is missing"),
        ("names.rest", SequenceNode("list", (1, 2, 3)), "categories that are no list"),
    ],
)
def test_broken_names_are_refused(part: str, value: Any, message: str) -> None:
    node, held = packed_names()
    parts = dict(node.parts)
    if part == "names.data":
        value = value[: held[parts[part].array].size]
    parts[part] = ArrayNode(held.add(value)) if isinstance(value, np.ndarray) else value
    broken = replace(node, parts=tuple(parts.items()))
    with pytest.raises(SemanticError, match=message):
        family_named("encoders").unpack(broken, held)
