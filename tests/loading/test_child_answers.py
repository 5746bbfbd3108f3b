"""What a child that was taken over says of a model: refused by name, whatever it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_quantization.errors import FormatError, QuantizationError, WorkerError
from model_quantization.limits import Limits
from model_quantization.pipeline.child.handover import read_inspection

HONEST: dict[str, Any] = {
    "graph": ["l", ["a", 0]],
    "arrays": [["<f8", [2, 3], "C", 0]],
    "notes": [],
    "residue": {},
    "surfaces": {},
    "sklearn_version": "1.9.1",
    "load_seconds": 0.1,
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "arrays.bin").write_bytes(np.arange(6.0).tobytes())
    return tmp_path


def test_an_honest_answer_is_read(workspace: Path) -> None:
    held = read_inspection(HONEST, workspace, Limits())
    assert np.array_equal(held.graph.arrays[0], np.arange(6.0).reshape(2, 3))
    assert not held.graph.arrays[0].flags.writeable


@pytest.mark.parametrize(
    "lie",
    [
        {"arrays": None},
        {"arrays": [None]},
        {"arrays": [["<f8", [2, 3], "C"]]},
        {"arrays": [["<f8", ["2"], "C", 0]]},
        {"arrays": [["<f8", [2, 3], "C", "0"]]},
        {"arrays": [["<f8", [2, 3], "C", -8]]},
        {"arrays": [["<f8", [5], "C", 16]]},
        {"arrays": [["<f8", [-1, -6], "C", 0]]},
        {"arrays": [["<f8", [1 << 70, 0], "C", 0]]},
        {"arrays": [["|O", [6], "C", 0]]},
        {"graph": ["a", 1]},
        {"graph": ["a", 7]},
        {"notes": None},
        {"load_seconds": "soon"},
        {"load_seconds": None},
        {"answered": 5},
        {"answered": ""},
        {"grams": ["coef_"]},
        {"latency": {"p50": 1}},
        {"latency": [1]},
        {"feature_names": 5},
        {"error": "x"},
        {"error": {"name": "HeldOutError", "fields": {"t": ""}}},
        {"error": {"name": 5}},
    ],
    ids=repr,
)
def test_lies_are_errors_of_this_library(workspace: Path, lie: dict[str, Any]) -> None:
    with pytest.raises(QuantizationError) as caught:
        read_inspection(HONEST | lie, workspace, Limits())
    assert isinstance(caught.value, WorkerError | FormatError)


def test_missing_parts_are_named(workspace: Path) -> None:
    for key in HONEST:
        told = {name: value for name, value in HONEST.items() if name != key}
        with pytest.raises(
            WorkerError, match=rf"cannot be read; got KeyError: '{key}'; do not use"
        ):
            read_inspection(told, workspace, Limits())


def test_an_array_file_that_is_a_link_is_not_followed(workspace: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(6.0).tobytes())
    (workspace / "arrays.bin").unlink()
    (workspace / "arrays.bin").symlink_to(secret)
    with pytest.raises(WorkerError, match=r"arrays\.bin: the child left something else"):
        read_inspection(HONEST, workspace, Limits())
    (workspace / "arrays.bin").unlink()
    os.mkfifo(workspace / "arrays.bin")
    with pytest.raises(WorkerError, match=r"arrays\.bin: the child left something else"):
        read_inspection(HONEST, workspace, Limits())
