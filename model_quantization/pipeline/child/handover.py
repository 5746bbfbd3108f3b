"""What a child process found in a model file, as it hands it over: written there, read here.

The reader believes nothing: the child ran somebody else's bytes, and may have been taken over.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import FormatError, QuantizationError, WorkerError, error_from_record
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.latency import Latency
from model_quantization.graph.json_form import node_from_json
from model_quantization.graph.nodes import ModelGraph
from model_quantization.limits import Limits

ARRAYS = "arrays.bin"
# What reading a record raises that is not the one it should be.
UNREADABLE = (
    AttributeError,
    FileNotFoundError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the child found.

    Attributes
    ----------
    graph : ModelGraph
    surfaces : dict
        Path of each estimator a caller can reach -> its methods and task.
    sklearn_version : str
        The version in the child.
    load_seconds : float
        Unpickling.
    answered : str or None
        Path of the estimator that answered the held-out rows; None when the model holds several
        (or none) that could have.
    answers : Answers or None
    feature_names : tuple of str or None
    latency : Latency or None
        Of the method that serves (`predict_proba` where there is one).
    grams : dict
        Path of each calibrated array -> second moments of its component's inputs.
    error : QuantizationError or None
        Why there are no answers although there was a held-out file.
    """

    graph: ModelGraph
    surfaces: dict[str, dict[str, Any]]
    sklearn_version: str
    load_seconds: float
    answered: str | None = None
    answers: Answers | None = None
    feature_names: tuple[str, ...] | None = None
    latency: Latency | None = None
    grams: dict[str, Array] = field(default_factory=dict)
    error: QuantizationError | None = None


def write_arrays(arrays: tuple[Array, ...], path: Path) -> list[list[Any]]:
    """Write arrays one after the other; return [dtype, shape, order, offset] of each."""
    rows: list[list[Any]] = []
    offset = 0
    with path.open("wb") as file:
        for array in arrays:
            order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
            rows.append([array.dtype.str, list(array.shape), order, offset])
            file.write(array.ravel(order="K").view(np.uint8).data if array.nbytes else b"")
            offset += array.nbytes
    return rows


def read_inspection(found: dict[str, Any], workspace: Path, limits: Limits) -> Inspection:
    """Return what a child's answer says; it may have been taken over by the file it loaded.

    Raises
    ------
    WorkerError
        The answer is none.
    FormatError, LimitError
        What it says of the graph or its arrays cannot be.
    """
    check_plain_files(workspace)
    try:
        return _read_inspection(found, workspace, limits)
    except QuantizationError:
        raise
    except UNREADABLE as error:
        raise WorkerError(
            "the child's description of the model cannot be read",
            where=str(workspace),
            got=f"{type(error).__name__}: {error}"[:200],
            do="do not use this file: what loaded it was taken over, or is broken",
        ) from error


def check_plain_files(workspace: Path) -> None:
    """Raise a `WorkerError` when a child left a link, pipe or device where files are read."""
    with os.scandir(workspace) as entries:
        for entry in entries:
            if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
                raise WorkerError(
                    "the child left something else than plain files",
                    where=entry.path,
                    do="do not use this file: what loaded it was taken over",
                )


def _read_arrays(rows: list[Any], path: Path, limits: Limits) -> tuple[Array, ...]:
    from model_quantization.artifact.tables import read_dtype

    size = path.stat().st_size
    data = np.memmap(path, dtype=np.uint8, mode="r") if size else np.empty(0, dtype=np.uint8)
    arrays: list[Array] = []
    for dtype_name, shape, order, offset in rows:
        dtype = read_dtype(dtype_name, "child")
        count = 1
        for length in shape:
            count *= int(length)
        nbytes = count * dtype.itemsize
        if order not in ("C", "F") or min([0, *shape]) < 0 or offset + nbytes > size:
            raise FormatError("the child described an array that is not there", where="child")
        plain = np.asarray(data[offset : offset + nbytes]).view(dtype)
        arrays.append(plain.reshape(shape, order=order))
    return tuple(arrays)


def _read_inspection(found: dict[str, Any], workspace: Path, limits: Limits) -> Inspection:
    arrays = _read_arrays(found["arrays"], workspace / ARRAYS, limits)
    root = node_from_json(found["graph"], n_arrays=len(arrays), limits=limits)
    answered = found.get("answered")
    grams: dict[str, Array] = {}
    if found.get("grams"):
        with np.load(workspace / "grams.npz", allow_pickle=False) as stored:
            grams = {path: stored[f"arr_{i}"] for i, path in enumerate(found["grams"])}
    latency, names, error = found.get("latency"), found.get("feature_names"), found.get("error")
    return Inspection(
        graph=ModelGraph(root, arrays, tuple(found["notes"]), found["residue"]),
        surfaces=found["surfaces"],
        sklearn_version=str(found["sklearn_version"]),
        load_seconds=float(found["load_seconds"]),
        answered=answered,
        answers=Answers.from_files(workspace, limits=limits) if answered is not None else None,
        feature_names=tuple(names) if names is not None else None,
        latency=Latency.from_json(latency) if latency else None,
        grams=grams,
        error=error_from_record(error["name"], error["fields"]) if error else None,
    )
