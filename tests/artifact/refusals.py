"""The errors that hostile files get."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from model_quantization.artifact.reader import read_artifact
from model_quantization.errors import QuantizationError, SemanticError
from model_quantization.limits import Limits
from tests.artifact.forge import edited
from tests.artifact.models import array_at, made, with_array
from tests.artifact.samples import nodes_file

Manifest = dict[str, Any]


def refused(data: bytes, limits: Limits | None = None) -> QuantizationError:
    """The error of opening a file and decoding every array."""
    with pytest.raises(QuantizationError) as caught:
        read_artifact(data, limits).check()
    assert caught.value.where
    return caught.value


def kind_of(data: bytes, limits: Limits | None = None) -> type[QuantizationError]:
    return type(refused(data, limits))


def with_graph(node: Any) -> bytes:
    """A file whose model is this node; it has arrays 0 to 26."""
    return edited(nodes_file(), lambda manifest: manifest.update(graph=node))


def changed(data: bytes, path: str, position: Any, value: Any) -> bytes:
    _, values = array_at(data, path)
    values[position] = value
    return with_array(data, path, values)


def refuses_to_make(data: bytes) -> None:
    read_artifact(data).check()
    with pytest.raises(SemanticError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made(data)
