"""The files of the child process: written there, read here.

The reader checks everything: a file may have taken over the child that loaded it.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from model_quantization.arrays import Array, save_arrays
from model_quantization.artifact.tables import read_dtype
from model_quantization.errors import FormatError, QuantizationError, WorkerError
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.rows.division import Division
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.graph.json_form import node_from_json
from model_quantization.graph.methods import PublicMethods
from model_quantization.graph.nodes import ModelGraph
from model_quantization.limits import Limits
from model_quantization.pipeline.child.component_inputs import Layer
from model_quantization.pipeline.child.messages.original import OriginalReply, StoredArray
from model_quantization.pipeline.child.messages.rows import RowsReply
from model_quantization.planning.labelled import LabelledRows
from model_quantization.planning.refit import MOST_INPUTS
from model_quantization.schemes.pruning import Spread

ARRAYS = "arrays.bin"
GRAMS = "grams.npz"
SPREADS = "spreads.npz"
INPUTS = "inputs.npz"
LABELLED = "labelled.npz"
SELECTION = "selection-answers"  # name of the files with the original's answers
CALIBRATION = "calibration-answers"
# Errors of reading a file that is not the expected one.
_UNREADABLE = (
    EOFError,
    FileNotFoundError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)


def _unreadable(
    what: str, path: Path, error: Exception, do: str = "quantize the original again"
) -> WorkerError:
    return WorkerError(
        f"{what} cannot be read",
        where=str(path),
        got=f"{type(error).__name__}: {error}"[:200],
        do=do,
    )


@dataclass(frozen=True, slots=True)
class Original:
    """The content of a model file, and the answers of the model.

    Attributes
    ----------
    graph : ModelGraph
    surfaces : mapping of str to PublicMethods
        Path of each estimator that a caller can reach -> its methods and task.
    sklearn_version : str
        The version in the child.
    load_seconds : float
        Unpickling.
    answered : str or None
        Path of the estimator that answered the held-out rows; None when the model holds several
        (or none) that could have.
    answers : Answers or None
    expected : ExpectedRows
        What that estimator says of its rows.
    grams : dict
        Path of each calibrated array -> second moments of its component's inputs.
    error : QuantizationError or None
        Why there are no answers although there was a held-out file.
    probed : tuple of str
        Paths of the estimators that were asked probe rows.
    division : Division or None
        How the rows were divided; None where nothing is chosen from rows.
    inputs : dict of str to ndarray
        Path of a layer of weights -> the calibration rows that reached it.
    labelled : LabelledRows or None
        Training rows with their labels, if such were given.
    """

    graph: ModelGraph
    surfaces: Mapping[str, PublicMethods]
    sklearn_version: str
    load_seconds: float
    answered: str | None = None
    answers: Answers | None = None
    expected: ExpectedRows = field(default_factory=ExpectedRows)
    grams: dict[str, Array] = field(default_factory=dict)
    error: QuantizationError | None = None
    probed: tuple[str, ...] = ()
    division: Division | None = None
    inputs: dict[str, Array] = field(default_factory=dict)
    labelled: LabelledRows | None = None


def write_arrays(arrays: Iterable[Array], path: Path) -> tuple[StoredArray, ...]:
    """Write arrays one after the other; return the place of each."""
    stored: list[StoredArray] = []
    offset = 0
    with path.open("wb") as file:
        for array in arrays:
            order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
            stored.append(StoredArray(array.dtype.str, array.shape, order, offset))
            file.write(array.ravel(order="K").view(np.uint8).data if array.nbytes else b"")
            offset += array.nbytes
    return tuple(stored)


def read_original(reply: OriginalReply, workspace: Path, limits: Limits) -> Original:
    """Return the model that a child's reply and files describe.

    Raises
    ------
    WorkerError
        A file of the child cannot be read.
    FormatError, LimitError
        The reply describes a graph or an array that cannot exist.
    """
    check_plain_files(workspace)
    try:
        arrays = _read_arrays(reply.arrays, workspace / ARRAYS)
        root = node_from_json(reply.graph, n_arrays=len(arrays), limits=limits)
        grams = _read_grams(reply.rows, workspace / GRAMS)
    except QuantizationError:
        raise
    except _UNREADABLE as error:
        raise _unreadable(
            "the child's description of the model",
            workspace,
            error,
            do="do not use this file: what loaded it was taken over, or is broken",
        ) from error
    rows = reply.rows
    return Original(
        graph=ModelGraph(root, arrays, reply.notes, reply.dropped),
        surfaces=reply.surfaces,
        sklearn_version=reply.sklearn_version,
        load_seconds=reply.load_seconds,
        answered=rows.answered if rows else None,
        answers=Answers.from_files(workspace, limits=limits) if rows else None,
        expected=rows.expected if rows else ExpectedRows(),
        grams=grams,
        error=reply.error.error() if reply.error else None,
        probed=reply.probed,
        division=rows.division if rows else None,
        inputs=read_inputs(rows.inputs, workspace) if rows else {},
        labelled=read_labelled(rows.labelled, workspace) if rows else None,
    )


def write_spreads(spreads: Mapping[str, Spread], workspace: Path) -> None:
    """Run in the child: write the spread of each array of weights into the workspace."""
    parts = [part for spread in spreads.values() for part in (spread.features, spread.scores)]
    paths = np.array(list(spreads), dtype=np.str_)
    save_arrays(workspace / SPREADS, paths, *parts)


def read_spreads(workspace: Path) -> dict[str, Spread]:
    """Return the spread of each array of weights, by path; empty when no rows were asked.

    Raises
    ------
    WorkerError
        The child left something else.
    """
    path = workspace / SPREADS
    if not path.exists():
        return {}
    try:
        check_plain_files(workspace)
        with np.load(path, allow_pickle=False) as stored:
            names = [str(name) for name in stored["arr_0"].tolist()]
            parts = [stored[f"arr_{i}"] for i in range(1, 2 * len(names) + 1)]
        if any(part.ndim != 1 or not (part >= 0).all() for part in parts):
            raise ValueError("a spread is one-dimensional and not negative")
    except _UNREADABLE as error:
        raise _unreadable("the spread of the features", path, error) from error
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {name: Spread(*pair) for name, pair in zip(names, pairs, strict=True)}


def write_inputs(layers: Mapping[str, Layer], workspace: Path) -> tuple[str, ...]:
    """Run in the child: write the calibration rows that reached each layer; return their paths.

    Only dense rows of finite numbers, as float32: what is solved again from them is rounded.
    """
    kept = _dense(layers)
    np.savez(workspace / INPUTS, *kept.values(), allow_pickle=False)
    return tuple(kept)


def write_labelled(layers: Mapping[str, Layer], target: Array, workspace: Path) -> tuple[str, ...]:
    """Run in the child: leave the training rows that reached each layer, and their labels.

    Parameters
    ----------
    layers : mapping of str to Layer
    target : ndarray
        As `LabelledRows` says.
    workspace : Path

    Returns
    -------
    tuple of str
        The paths of the layers.
    """
    kept = {path: rows for path, rows in _dense(layers).items() if len(rows) == len(target)}
    np.savez(workspace / LABELLED, *kept.values(), target=target, allow_pickle=False)
    return tuple(kept)


def _dense(layers: Mapping[str, Layer]) -> dict[str, Array]:
    kept = {}
    for path, layer in layers.items():
        rows = layer.inputs
        if hasattr(rows, "toarray") and rows.shape[1] <= MOST_INPUTS:
            rows = rows.toarray()
        if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind in "fiub":
            kept[path] = rows.astype(np.float32)
    return kept


def read_inputs(paths: Iterable[str], workspace: Path) -> dict[str, Array]:
    """Return the calibration rows that reached each layer, by path.

    Raises
    ------
    WorkerError
        The child left something else.
    """
    names = tuple(paths)
    if not names:
        return {}
    found, _ = _read_rows(names, workspace / INPUTS, "calibration")
    return found


def read_labelled(paths: Iterable[str], workspace: Path) -> LabelledRows | None:
    """Return the training rows that reached each layer, with their labels; None without such.

    Raises
    ------
    WorkerError
        The child left something else.
    """
    names = tuple(paths)
    if not names:
        return None
    found, target = _read_rows(names, workspace / LABELLED, "training")
    assert target is not None
    return LabelledRows(found, target)


def _read_rows(
    names: tuple[str, ...], path: Path, what: str
) -> tuple[dict[str, Array], Array | None]:
    """The rows of each layer, and the labels in the same file, if any."""
    try:
        check_plain_files(path.parent)
        with np.load(path, allow_pickle=False) as stored:
            found = {name: stored[f"arr_{at}"] for at, name in enumerate(names)}
            target = stored["target"] if path.name == LABELLED else None
        for name, rows in found.items():
            if rows.ndim != 2 or rows.dtype != np.float32 or not np.isfinite(rows).all():
                raise ValueError(f"the rows of {name} are no finite numbers")
            if target is not None and len(target) != len(rows):
                raise ValueError(f"{len(target)} labels of {len(rows)} rows")
        if target is not None:
            _check_target(target)
    except _UNREADABLE as error:
        raise _unreadable(f"the {what} rows of a layer", path, error) from error
    return found, target


def _check_target(target: Array) -> None:
    is_classes = target.dtype == np.int64 and target.ndim == 1 and (target >= 0).all()
    is_numbers = target.dtype == np.float64 and target.ndim == 2 and np.isfinite(target).all()
    if not is_classes and not is_numbers:
        raise ValueError("labels are neither places of classes nor finite numbers")


def read_answers(workspace: Path, stem: str, limits: Limits) -> Answers:
    """Return the answers that a child wrote into its workspace.

    Raises
    ------
    WorkerError, LimitError
        The files are missing, broken or too large.
    """
    check_plain_files(workspace)
    return Answers.from_files(workspace, stem, limits)


def check_plain_files(workspace: Path) -> None:
    """Raise a `WorkerError` if a child made a link, pipe or device in its workspace."""
    with os.scandir(workspace) as entries:
        for entry in entries:
            if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
                raise WorkerError(
                    "the child left something else than plain files",
                    where=entry.path,
                    do="do not use this file: what loaded it was taken over",
                )


def _read_arrays(stored: Iterable[StoredArray], path: Path) -> tuple[Array, ...]:
    size = path.stat().st_size
    data = np.memmap(path, dtype=np.uint8, mode="r") if size else np.empty(0, dtype=np.uint8)
    arrays: list[Array] = []
    for item in stored:
        dtype = read_dtype(item.dtype, "child")
        count = 1
        for length in item.shape:
            count *= length
        end = item.offset + count * dtype.itemsize
        if item.order not in ("C", "F") or min(0, item.offset, *item.shape) < 0 or end > size:
            raise FormatError("the child described an array that is not there", where="child")
        plain = np.asarray(data[item.offset : end]).view(dtype)
        arrays.append(plain.reshape(item.shape, order="F" if item.order == "F" else "C"))
    return tuple(arrays)


def _read_grams(rows: RowsReply | None, path: Path) -> dict[str, Array]:
    if rows is None or not rows.grams:
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[f"arr_{i}"] for i, name in enumerate(rows.grams)}
