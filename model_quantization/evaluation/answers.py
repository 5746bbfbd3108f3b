"""A model's answers to rows as plain arrays: the form in which models are compared.

Methods are looked up by name. Their results become arrays without object dtype, so that answers
cross a process as files that nobody has to unpickle. Arrays are keyed by method, with a suffix
where one method gives several::

    predict                       (n,) or (n, k)
    predict_proba/0, /1           one per output of a multi-output model
    transform/data, /indices, /indptr, /shape    a sparse matrix, as canonical CSR
    classes_                      the labels behind the columns of predict_proba, if any
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.arrays import save_arrays
from model_quantization.errors import LimitError, PredictionError, WorkerError
from model_quantization.limits import Limits

ANSWER_METHODS = (
    "predict",
    "predict_proba",  # predict_log_proba is its logarithm
    "decision_function",
    "score_samples",
    "transform",
    "kneighbors",  # called only on models without other methods
)
SPARSE_PARTS = ("data", "indices", "indptr", "shape")

# Errors that a model's code may raise on some rows. Lack of memory and interrupts are not among
# them and pass through.
MODEL_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    Warning,
)


@dataclass(frozen=True, slots=True)
class Answers:
    """The arrays that a model gave for some rows, and the methods that failed on them.

    Attributes
    ----------
    arrays : mapping of str to ndarray
        Keyed as the module says; never of object dtype, always in native byte order.
    failed : mapping of str to str
        Method -> "Type: message" of its error.
    """

    arrays: Mapping[str, NDArray[Any]]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that answered, in the order they were asked."""
        names = (key.split("/")[0] for key in self.arrays)
        return tuple(dict.fromkeys(name for name in names if name != "classes_"))

    def of(self, method: str) -> dict[str, NDArray[Any]]:
        """The arrays of one method, by key; empty when it gave none."""
        return {key: array for key, array in self.arrays.items() if key.split("/")[0] == method}

    def outputs(self, method: str) -> dict[str, Any]:
        """The result of one method, by key: ndarrays, and sparse matrices as CSR."""
        arrays = self.of(method)
        found: dict[str, Any] = {}
        for key, array in arrays.items():
            name, _, part = key.rpartition("/")
            if part not in SPARSE_PARTS:
                found[key] = array
            elif part == SPARSE_PARTS[0]:
                from scipy.sparse import csr_array

                data, indices, indptr, shape = (arrays[f"{name}/{each}"] for each in SPARSE_PARTS)
                found[name] = csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
        return found

    def to_files(self, directory: Path, stem: str = "answers") -> tuple[Path, Path]:
        """The paths of the two files written: `<stem>.npz` and `<stem>.json`."""
        arrays, failed = directory / f"{stem}.npz", directory / f"{stem}.json"
        # Keys hold slashes, and np.savez takes them as keyword arguments: position them instead.
        save_arrays(arrays, *self.arrays.values())
        record = {"keys": list(self.arrays), "failed": dict(self.failed)}
        failed.write_text(json.dumps(record), encoding="utf-8")
        return arrays, failed

    @classmethod
    def from_files(
        cls, directory: Path, stem: str = "answers", limits: Limits | None = None
    ) -> Answers:
        """The answers that `to_files` wrote, equal bit for bit.

        Raises
        ------
        LimitError
            The arrays together are larger than `limits.decoded_bytes`.
        WorkerError
            The files are missing or broken.
        """
        limits = limits or Limits()
        path = directory / f"{stem}.npz"
        try:
            record = json.loads((directory / f"{stem}.json").read_text(encoding="utf-8"))
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > limits.decoded_bytes:
                raise LimitError(
                    "answers are too large",
                    where=str(path),
                    expected=f"at most {limits.decoded_bytes} bytes",
                    got=f"{size}",
                    do="raise the limit decoded_bytes or evaluate on fewer rows",
                )
            with np.load(path, allow_pickle=False) as stored:
                arrays = {
                    str(key): stored[f"arr_{position}"]
                    for position, key in enumerate(record["keys"])
                }
            failed = {str(method): str(why) for method, why in record["failed"].items()}
        except LimitError:
            raise
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            EOFError,
            MemoryError,
            zipfile.BadZipFile,
        ) as error:
            raise WorkerError(
                "the answers handed back cannot be read",
                where=str(path),
                got=f"{type(error).__name__}: {error}",
                do="run the model again; if it repeats, its process is being killed",
            ) from error
        return cls(arrays, failed)


def answerable(model: Any) -> tuple[str, ...]:
    """The methods of `ANSWER_METHODS` that the model has and that are worth comparing."""
    present = tuple(method for method in ANSWER_METHODS if hasattr(model, method))
    without_neighbors = tuple(method for method in present if method != "kneighbors")
    return without_neighbors or present


def answer(model: Any, rows: Any, methods: Sequence[str]) -> Answers:
    """Return the model's answers to `rows` by each of `methods`, as plain arrays.

    Parameters
    ----------
    model : object
        Any object with these methods.
    rows : DataFrame, ndarray or list of str
        In the form that the model takes.
    methods : sequence of str
        Those of `answerable` for the *original*: a method that the other model lacks has then
        failed.

    Raises
    ------
    PredictionError
        `predict` raised. Any other method that raises is listed in `Answers.failed`.
    """
    arrays: dict[str, NDArray[Any]] = {}
    failed: dict[str, str] = {}
    for method in methods:
        try:
            arrays |= plain_arrays(method, getattr(model, method)(rows))
        except MODEL_ERRORS as error:
            why = f"{type(error).__name__}: {error}"
            if method == "predict":
                raise PredictionError(
                    "predict failed",
                    where=type(model).__name__,
                    got=why,
                    do="check that the held-out rows have the form the model was trained on",
                ) from error
            failed[method] = why
    return Answers(arrays | _classes(model), failed)


def _classes(model: Any) -> dict[str, NDArray[Any]]:
    """The labels behind the columns of predict_proba; one entry per output."""
    try:
        classes = model.classes_
    except MODEL_ERRORS:
        return {}
    if isinstance(classes, list):
        return {f"classes_/{i}": plain_array(each) for i, each in enumerate(classes)}
    return {"classes_": plain_array(classes)}


def plain_arrays(key: str, value: Any) -> dict[str, NDArray[Any]]:
    """`value` as arrays without object dtype, keyed `key` or `key/...` as the module says."""
    if hasattr(value, "tocsr"):
        matrix = value.tocsr(copy=True)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()  # stored zeros are no difference
        matrix.sort_indices()
        shape = np.asarray(matrix.shape, dtype=np.int64)
        parts = (matrix.data, matrix.indices, matrix.indptr, shape)
        return {
            f"{key}/{part}": plain_array(a) for part, a in zip(SPARSE_PARTS, parts, strict=True)
        }
    # A list of matrices is one per output; a list of anything less is a list of rows.
    if isinstance(value, list | tuple) and value and all(_is_matrix(item) for item in value):
        return {
            inner: array
            for position, item in enumerate(value)
            for inner, array in plain_arrays(f"{key}/{position}", item).items()
        }
    return {key: plain_array(value)}


def _is_matrix(value: Any) -> bool:
    return hasattr(value, "tocsr") or len(getattr(value, "shape", ())) > 1


def plain_array(value: Any) -> NDArray[Any]:
    """`value` as a contiguous array in native byte order and without object dtype.

    Text becomes a 'U' array. In an object array that holds anything but text, each other value
    becomes `<type> repr`, which keeps None, NaN and tuples apart from text and from each other.
    """
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.empty(len(value), dtype=object)
        array[:] = list(value)
    if array.dtype == object or array.dtype.kind == "T":
        texts = [
            item if isinstance(item, str) else f"<{type(item).__name__}> {item!r}"
            for item in array.ravel()
        ]
        array = np.array(texts, dtype=np.str_).reshape(array.shape)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(array.shape)
