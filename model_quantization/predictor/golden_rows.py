"""Golden rows: a few rows, and the artifact's answers to them when it was made.

A loader asks them again before it serves. So another processor, another library or a damaged cache
is found before production. The restored estimator is asked as well, if the installed libraries are
not those that made the artifact.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.artifact.tables import MOST_DIMENSIONS, read_dtype
from model_quantization.errors import (
    EnvironmentMismatch,
    FormatError,
    PredictionError,
    QuantizationError,
)
from model_quantization.graph.values import MISFITS

ROWS = 4
TOLERANCE = 1e-5  # share of the larger magnitude: processors differ in the order of their sums
_METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform")
_MOST_NUMBERS: Final = 4096  # per answer; a sparse one may have millions
_CELL: Final = str | int | float | bool | None
_UNKNOWN: Final = object()


def golden_budget(artifact_bytes: int) -> int:
    """Most bytes of JSON that golden rows may take in an artifact of this size.

    A fiftieth; more in small artifacts, since two numbers and a label need some hundred bytes.
    """
    return max(artifact_bytes // 50, min(1024, artifact_bytes // 4))


def golden_rows(model: Any, rows: Any, budget_bytes: int) -> dict[str, Any] | None:
    """Return golden rows for an artifact, or None for rows of a kind that is not kept.

    Parameters
    ----------
    model : QuantizedModel
        The answers of every method that takes these rows are recorded, unless two calls differ.
    rows : ndarray, DataFrame or list of str
        Held-out rows or probe rows; the first few are kept.
    budget_bytes : int
        Rows and answers may take this much of the file; fewer rows are kept to fit, or none.
    """
    for count in range(min(ROWS, len(rows)), 0, -1):
        recorded = _encode_rows(rows, count)
        if recorded is None:
            return None
        answers = {}
        for method in _METHODS:
            if hasattr(model, method):
                answer = _steady_answer(getattr(model, method), recorded)
                if answer is not None:
                    answers[method] = answer
        golden = {"rows": recorded, "answers": answers}
        size = sum(len(str(part)) for part in (recorded, answers))
        if answers and size <= budget_bytes:
            return golden
    return None


def _steady_answer(method: Callable[[Any], Any], recorded: Any) -> Any:
    """The answer in its stored form; None if the model gives no answer, or two calls differ."""
    try:
        first, second = (_flat(method(_decode_rows(recorded))) for _ in range(2))
    except (QuantizationError, RuntimeError, *MISFITS):  # NotImplementedError is a RuntimeError
        return None
    if first is None or second is None or not all(map(_same, first, second)):
        return None
    encoded = [_encode(part) for part in first]
    return encoded[0] if len(encoded) == 1 else encoded


def run_self_test(
    model: Any, golden: dict[str, Any] | None, methods: Iterable[str] | None = None
) -> bool:
    """Ask the golden rows again.

    Parameters
    ----------
    model : object
        The model that has the methods.
    golden : dict or None
    methods : iterable of str, optional
        Ask only these; default: every method with an answer.

    Returns
    -------
    bool
        False when nothing was asked.

    Raises
    ------
    PredictionError
        A label differs, a number differs by more than `TOLERANCE`, or there is no answer.
    FormatError
        The record is not one of golden rows.
    """
    if golden is None:
        return False
    rows = golden.get("rows")
    answers = golden.get("answers")
    if not isinstance(answers, dict):
        raise FormatError("golden rows without answers", where="golden")
    wanted = {
        name: recorded for name, recorded in answers.items() if methods is None or name in methods
    }
    for method, recorded in wanted.items():
        if method not in _METHODS or not hasattr(model, method):
            raise FormatError(
                "golden rows for a method that is not there", where=f"golden/{method}"
            )
        _ask_again(model, method, _decode_rows(rows), recorded)
    return bool(wanted)


def check_restored(
    estimator: Any,
    golden: dict[str, Any] | None,
    methods: Iterable[str],
    libraries: tuple[str, str],
) -> None:
    """Check that a restored estimator answers the golden rows as recorded.

    Parameters
    ----------
    estimator : estimator
    golden : dict or None
    methods : iterable of str
        Methods that the restored estimator answers.
    libraries : (str, str)
        Libraries that made the artifact, and those installed, for the message.

    Raises
    ------
    EnvironmentMismatch
        An answer differs or is missing.
    """
    try:
        run_self_test(estimator, golden, methods)
    except PredictionError as error:
        raise EnvironmentMismatch(
            "the restored estimator does not answer as it did when the artifact was made",
            where=error.where,
            expected=libraries[0],
            got=libraries[1],
            do="serve it with those versions, or quantize the original with these",
        ) from error


def _ask_again(model: Any, method: str, rows: Any, recorded: Any) -> None:
    expected = [_decode(part) for part in (recorded if isinstance(recorded, list) else [recorded])]
    try:
        got = _flat(getattr(model, method)(rows))
    except QuantizationError:
        raise
    except MISFITS as error:
        raise PredictionError(
            f"{method} cannot answer the golden rows",
            where=f"golden/{method}",
            got=f"{type(error).__name__}: {error}",
            do="quantize the model again on this machine",
        ) from error
    if got is None or len(got) != len(expected) or not all(map(_same, expected, got)):
        raise PredictionError(
            f"{method} answers the golden rows differently than when the artifact was made",
            where=f"golden/{method}",
            do="quantize the model again on this machine",
        )


def _flat(answer: Any) -> list[Array] | None:
    """The answer as plain arrays; None where it is too large, or not numbers or text."""
    if isinstance(answer, list | tuple) and answer and hasattr(answer[0], "shape"):
        found: list[Array] = []
        for part in answer:
            flat = _flat(part)
            if flat is None:
                return None
            found += flat
        return found
    if hasattr(answer, "toarray"):
        if np.prod(answer.shape) > _MOST_NUMBERS:
            return None
        answer = answer.toarray()
    array = np.asarray(answer)
    if array.dtype.kind == "O" and all(type(item) is str for item in array.ravel()):
        array = array.astype(str)
    kept = array.dtype.kind in "fiubU" and array.size <= _MOST_NUMBERS
    return [array] if kept else None


def _same(expected: Array, got: Array) -> bool:
    if expected.shape != got.shape:
        return False
    if expected.dtype.kind in "fc" and got.dtype.kind in "fc":
        size = float(np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)))
        return bool(
            np.allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True)
        )
    return bool(np.array_equal(expected, got))


def _encode(array: Array) -> dict[str, Any]:
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}


def _decode(recorded: Any) -> Array:
    if not isinstance(recorded, dict) or set(recorded) != {"dtype", "shape", "data"}:
        raise FormatError("not an array of golden rows", where="golden", got=repr(recorded)[:80])
    dtype = read_dtype(recorded["dtype"], "golden")
    shape = recorded["shape"]
    if dtype.kind not in "fiubU" or not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS:
        raise FormatError("not an array of golden rows", where="golden", got=repr(recorded)[:80])
    try:
        raw = base64.b64decode(recorded["data"], validate=True)
        if not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError(f"shape {shape}")
        return np.frombuffer(raw, dtype=dtype).reshape(shape)
    except MISFITS as error:
        raise FormatError(f"not an array of golden rows: {error}", where="golden") from None


# Rows ---------------------------------------------------------------------------------------


def _encode_rows(rows: Any, count: int) -> Any:
    """The first rows as JSON values; None for a kind that is not kept."""
    if isinstance(rows, np.ndarray) and rows.ndim == 2:
        first = rows[:count]
        if rows.dtype.kind in "fiu":
            return _encode(np.asarray(first, dtype=np.float64))
        cells = [[_cell(value) for value in row] for row in first.tolist()]
        known = all(value is not _UNKNOWN for row in cells for value in row)
        return {"cells": cells} if known else None
    if isinstance(rows, list):
        texts = rows[:count]
        return texts if all(isinstance(text, str) for text in texts) else None
    if hasattr(rows, "columns") and hasattr(rows, "iloc"):
        columns = [_encode_column(name, column) for name, column in rows.iloc[:count].items()]
        return None if None in columns else {"columns": columns}
    return None


def _encode_column(name: Any, column: Any) -> dict[str, Any] | None:
    if not isinstance(name, str):
        return None
    if getattr(column.dtype, "kind", "O") in "fiub":
        return {"name": name, "numbers": _encode(column.to_numpy())}
    cells = [_cell(value) for value in column.astype(object).tolist()]
    recorded: dict[str, Any] = {"name": name, "cells": cells}
    if hasattr(column, "cat"):
        recorded["categories"] = [_cell(value) for value in column.cat.categories.tolist()]
    known = all(value is not _UNKNOWN for value in [*cells, *recorded.get("categories", ())])
    return recorded if known else None


def _cell(value: Any) -> Any:
    """A plain value; None for every kind of missing value."""
    if value is None or type(value).__name__ in ("NAType", "NaTType") or _is_nan(value):
        return None
    return value if type(value) in (str, int, float, bool) else _UNKNOWN


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _decode_rows(recorded: Any) -> Any:
    if isinstance(recorded, list) and all(isinstance(text, str) for text in recorded):
        return recorded
    if isinstance(recorded, dict) and set(recorded) == {"cells"}:
        return _decode_cells(recorded["cells"])
    if isinstance(recorded, dict) and set(recorded) == {"columns"}:
        return _decode_table(recorded["columns"])
    return _decode(recorded)


def _decode_cells(recorded: Any) -> Array:
    rows = recorded if isinstance(recorded, list) else [None]
    width = len(rows[0]) if rows and isinstance(rows[0], list) else -1
    if not all(isinstance(row, list) and len(row) == width and _are_cells(row) for row in rows):
        raise FormatError("not the rows of golden rows", where="golden", got=repr(recorded)[:80])
    made = np.empty((len(rows), max(width, 0)), dtype=object)
    for number, row in enumerate(rows):
        made[number, :] = row
    return made


def _decode_table(recorded: Any) -> Any:
    import pandas as pd

    if (
        not isinstance(recorded, list)
        or not recorded
        or not all(isinstance(each, dict) for each in recorded)
    ):
        raise FormatError("not a table of golden rows", where="golden", got=repr(recorded)[:80])
    columns = {each.get("name"): _decode_column(each) for each in recorded}
    if len(columns) != len(recorded) or len({len(column) for column in columns.values()}) != 1:
        raise FormatError("columns that are no table", where="golden", got=repr(recorded)[:80])
    return pd.DataFrame(columns)


def _decode_column(recorded: Mapping[str, Any]) -> Any:
    import pandas as pd

    name: Any = recorded.get("name")
    cells: Any = recorded.get("cells")
    categories: Any = recorded.get("categories", [])
    if isinstance(name, str) and set(recorded) == {"name", "numbers"}:
        numbers = _decode(recorded["numbers"])
        if numbers.ndim == 1:
            return pd.Series(numbers.copy())
    elif (
        isinstance(name, str)
        and set(recorded) in ({"name", "cells"}, {"name", "cells", "categories"})
        and _are_cells(cells)
        and _are_cells(categories)
    ):
        if "categories" in recorded:
            if len(set(map(repr, categories))) == len(categories) and None not in categories:
                return pd.Series(pd.Categorical(cells, categories=categories))
        else:
            return pd.Series(cells, dtype=object)
    raise FormatError("not a column of golden rows", where="golden", got=repr(dict(recorded))[:80])


def _are_cells(recorded: Any) -> bool:
    return isinstance(recorded, list) and all(isinstance(value, _CELL) for value in recorded)
