"""Any change of a good file gives an error of this library, or an object."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.artifact.reader import read_artifact
from model_quantization.errors import QuantizationError
from model_quantization.estimators.restore import restore
from model_quantization.limits import Limits
from model_quantization.predictor.opening import iter_models, load
from model_quantization.trust import TrustPolicy
from tests.artifact import models
from tests.artifact.forge import Forged
from tests.artifact.samples import FILES

SMALL = Limits(decoded_bytes=1 << 26)
MADE = {
    **FILES,
    "tree": models.tree_file,
    "packed tree": lambda: models.tree_file(packed=True),
    "neighbors": lambda: models.neighbors_file("kd_tree"),
    "support vectors": models.support_file,
}
QUICK = settings(deadline=None, derandomize=True, max_examples=40)

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 5, 1 << 31, 1 << 47, 1 << 63, 0.5, 1e308, "", "a", "|O", "<f8",
    [], {}, ["l"], ["a", 0], ["a", 1], ["n", "numpy:add"], ["o", "collections:deque", []], ["r", 0],
    ["#", 77, ["l"]], ["e", ["l", 1]], ["d", ["l"], ["l"]], ["s", "<f8", "00" * 8],
    ["by", "bytes", 0],
    ["str", "list", 0, 1], ["num", "list", "int", 0], ["v", "dtype", "<f4"],
    ["oa", [2], ["l", 1, 2]],
    ["rec", [1], ["a"], [["a", 0]], 8, [0]], ["p", "forest", "a:b", []],
]  # fmt: skip


def use(data: bytes) -> None:
    """Open, decode, restore, load and self-test; only errors of this library may come of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            artifact = read_artifact(data, SMALL)
            artifact.check()
            residue = artifact.manifest["residue"]
            restore(artifact.root, artifact, TrustPolicy(), dropped=residue)
        except QuantizationError as error:
            assert str(error)
        try:
            for model in iter_models(load(data, limits=SMALL)):
                model.self_test()
        except QuantizationError as error:
            assert str(error)


@pytest.mark.parametrize("name", MADE)
@QUICK
@given(st.data())
def test_bytes_of_the_file(name: str, data: st.DataObject) -> None:
    hostile = bytearray(MADE[name]())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(hostile) - 1))
        hostile[at] = data.draw(st.integers(0, 255))
    use(bytes(hostile))


@pytest.mark.parametrize("name", MADE)
@QUICK
@given(st.data())
def test_bytes_of_a_segment_under_hashes_that_fit(name: str, data: st.DataObject) -> None:
    forged = Forged.of(MADE[name]())
    segment = data.draw(st.sampled_from(sorted(forged.segments)))
    hostile = bytearray(forged.segments[segment])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(hostile) - 1))
        hostile[at] = data.draw(st.integers(0, 255))
    forged.segments[segment] = bytes(hostile)
    use(forged.data())


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    if path:
        yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for step, item in items:
            yield from places(item, (*path, step))


@pytest.mark.parametrize("name", MADE)
@QUICK
@given(st.data())
def test_values_of_the_manifest_under_a_hash_that_fits(name: str, data: st.DataObject) -> None:
    forged = Forged.of(MADE[name]())
    key = data.draw(st.sampled_from(("graph", "graph", "graph", "arrays", "streams", "model")))
    part = {key: forged.manifest[key]}
    for _ in range(data.draw(st.integers(1, 2))):
        found = list(places(part))
        *way, last = data.draw(st.sampled_from(found))
        parent: Any = part
        for step in way:
            parent = parent[step]
        match data.draw(st.sampled_from(("value", "copy", "remove", "number"))):
            case "remove" if way:
                del parent[last]
            case "copy":
                source: Any = part
                for step in data.draw(st.sampled_from(found)):
                    source = source[step] if not isinstance(source, str) else source
                parent[last] = copy.deepcopy(source)
            case "number" if type(parent[last]) is int:
                parent[last] += data.draw(st.sampled_from((-1, 1, 100)))
            case _:
                parent[last] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
        if key not in part:
            return
    forged.manifest |= part
    use(forged.data())


@pytest.mark.parametrize("name", MADE)
@QUICK
@given(st.data())
def test_elements_of_an_array(name: str, data: st.DataObject) -> None:
    original = MADE[name]()
    artifact = read_artifact(original)
    index = data.draw(st.integers(0, len(artifact) - 1))
    values = np.array(artifact[index], order="C")
    flat = values.reshape(-1)
    if flat.size and values.dtype.kind in "iufb":
        at = data.draw(st.integers(0, flat.size - 1))
        wild = {"f": [np.nan, np.inf, -1.0, 0.0], "b": [True, False]}.get(values.dtype.kind)
        if wild is None:
            info = np.iinfo(values.dtype)
            wild = [0, 1, info.max, info.min, info.max // 2]
        flat[at] = data.draw(st.sampled_from(wild))
    if data.draw(st.booleans()):
        values = flat[: max(flat.size - 1, 0)].copy()
    forged = Forged.of(original)
    forged.set_array(index, values)
    use(forged.data())
