"""What the golden artifacts hold, in words that do not depend on the code that reads them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from model_quantization.artifact.reader import read_artifact
from model_quantization.predictor.opening import load
from tests.artifact.samples import BOOSTERS, MODELS, asked

DIRECTORY = Path(__file__).parent / "golden"


def describe(name: str, data: bytes) -> dict[str, Any]:
    """Digest of the file and of each array; what a model answers."""
    arrays = [describe_array(array) for array in read_artifact(data)]
    record: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest(), "arrays": arrays}
    if name in (*MODELS, *BOOSTERS):
        record["answers"] = answers(name, data)
    return record


def describe_array(array: np.ndarray) -> list[Any]:
    """[dtype, shape, memory order, sha256 of the elements in that order]."""
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    digest = hashlib.sha256(array.tobytes(order=order)).hexdigest()
    return [array.dtype.str, list(array.shape), order, digest]


def answers(name: str, data: bytes) -> list[Any]:
    """The labels that a model gives the samples."""
    labels: list[Any] = load(data).predict(asked(name)).tolist()
    return labels
