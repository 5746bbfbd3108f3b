"""What a child that was taken over says of a model: refused by name, whatever it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_quantization.errors import FormatError, HeldOutError, QuantizationError, WorkerError
from model_quantization.limits import Limits
from model_quantization.pipeline.child.handover import Original, read_original
from model_quantization.pipeline.child.original import inspect

HONEST: dict[str, Any] = {
    "graph": ["l", ["a", 0]],
    "arrays": [{"dtype": "<f8", "shape": [2, 3], "order": "C", "offset": 0}],
    "notes": [],
    "dropped": {},
    "surfaces": {},
    "sklearn_version": "1.9.1",
    "load_seconds": 0.1,
}


ROWS: dict[str, Any] = {"answered": "", "expected": {}, "grams": []}
FIELDS = {"what": "w", "where": "", "expected": "", "got": "", "do": ""}


def array(**changes: Any) -> dict[str, Any]:
    return {"arrays": [HONEST["arrays"][0] | changes]}


def rows(**changes: Any) -> dict[str, Any]:
    return {"rows": ROWS | changes}


def read(said: dict[str, Any], workspace: Path) -> Original:
    return read_original(inspect.read_reply(said), workspace, Limits())


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "arrays.bin").write_bytes(np.arange(6.0).tobytes())
    return tmp_path


def test_an_honest_answer_is_read(workspace: Path) -> None:
    held = read(HONEST, workspace)
    assert np.array_equal(held.graph.arrays[0], np.arange(6.0).reshape(2, 3))
    assert not held.graph.arrays[0].flags.writeable


@pytest.mark.parametrize(
    "lie",
    [
        {"arrays": None},
        {"arrays": [None]},
        {"arrays": [["<f8", [2, 3], "C", 0]]},
        array(shape=["2"]),
        array(offset="0"),
        array(offset=-8),
        array(shape=[5], offset=16),
        array(shape=[-1, -6]),
        array(shape=[1 << 70, 0]),
        array(shape=[1 << 62, 1 << 62]),
        array(dtype="|O", shape=[6]),
        array(order="A"),
        array(order=None),
        {"graph": ["a", 1]},
        {"graph": ["a", 7]},
        {"graph": None, "arrays": [{}]},
        {"notes": None},
        {"notes": [1]},
        {"dropped": ["x"]},
        {"surfaces": {"": {"methods": "predict", "task": ""}}},
        {"load_seconds": "soon"},
        {"load_seconds": None},
        {"rows": 5},
        rows(),
        rows(answered=5),
        rows(grams=["coef_"]),
        rows(expected=5),
        {"error": "x"},
        {"error": {"name": "HeldOutError", "fields": {"t": ""}}},
        {"error": {"name": 5}},
        {"error": {"name": "HeldOutError", "fields": FIELDS | {"do": 1}}},
    ],
    ids=repr,
)
def test_lies_are_errors_of_this_library(workspace: Path, lie: dict[str, Any]) -> None:
    with pytest.raises(QuantizationError) as caught:
        read(HONEST | lie, workspace)
    assert isinstance(caught.value, WorkerError | FormatError)


def test_missing_parts_are_named(workspace: Path) -> None:
    for key in HONEST:
        told = {name: value for name, value in HONEST.items() if name != key}
        with pytest.raises(
            WorkerError,
            match=rf"the child's reply is malformed; got .*missing required field `{key}`; do not",
        ):
            read(told, workspace)


def test_an_error_of_the_child_keeps_its_name(workspace: Path) -> None:
    told = HONEST | {"error": {"name": "HeldOutError", "fields": FIELDS}}
    assert isinstance(read(told, workspace).error, HeldOutError)


def test_an_array_file_that_is_a_link_is_not_followed(workspace: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(6.0).tobytes())
    (workspace / "arrays.bin").unlink()
    (workspace / "arrays.bin").symlink_to(secret)
    with pytest.raises(WorkerError, match=r"arrays\.bin: the child left something else"):
        read(HONEST, workspace)
    (workspace / "arrays.bin").unlink()
    os.mkfifo(workspace / "arrays.bin")
    with pytest.raises(WorkerError, match=r"arrays\.bin: the child left something else"):
        read(HONEST, workspace)
