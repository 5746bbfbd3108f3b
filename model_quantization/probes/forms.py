"""Probe rows in every form that a model takes: arrays, frames, documents, mappings, bad ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.probes.rows import ProbeRows

Form: TypeAlias = Callable[[ProbeRows], Any]

_UNKNOWN: Final = "unseen category"


def _frame(rows: ProbeRows) -> Any:
    import pandas as pd

    names: tuple[Any, ...] = rows.names or tuple(range(_width(rows)))
    if rows.kind == "numbers":
        return pd.DataFrame(rows.numbers, columns=list(names))
    return pd.DataFrame(
        {name: list(cells) for name, cells in zip(names, rows.columns, strict=True)}
    )


def _width(rows: ProbeRows) -> int:
    return rows.numbers.shape[1] if rows.kind == "numbers" else len(rows.columns)


def _plain(rows: ProbeRows) -> Any:
    """The form that the model is fitted on."""
    if rows.kind == "documents":
        return list(rows.documents)
    if rows.kind == "mappings":
        return [dict(row) for row in rows.mappings]
    if rows.kind == "numbers" and rows.names is None:
        return rows.numbers.copy()
    if rows.kind == "table" and rows.names is None:
        return np.array(list(zip(*rows.columns, strict=True)), dtype=object)
    return _frame(rows)


def _with(rows: ProbeRows, number: float) -> Any:
    changed = rows.first(4).numbers.copy()
    changed[len(changed) // 2, -1] = number
    return _plain(ProbeRows("numbers", changed, names=rows.names))


def _integers(rows: ProbeRows) -> Array:
    bounded: Array = np.clip(np.nan_to_num(rows.numbers), -1e6, 1e6)
    return bounded.round().astype(np.int64)


def _nullable(rows: ProbeRows) -> Any:
    return _frame(rows.first(4)).convert_dtypes()


def _missing_cells(rows: ProbeRows) -> Any:
    frame = _frame(rows.first(8)).astype(object)
    for at in range(frame.shape[1]):
        frame.iat[at % len(frame), at] = None
    return frame


def _unknown_cells(rows: ProbeRows) -> Any:
    frame = _frame(rows.first(8)).astype(object)
    for at, cells in enumerate(rows.columns):
        if isinstance(cells[0], str):
            frame.iat[at % len(frame), at] = _UNKNOWN
    return frame


def _category_dtype(rows: ProbeRows) -> Any:
    frame = _frame(rows.first(8))
    texts = [name for name in frame.columns if frame[name].map(type).eq(str).all()]
    return frame.astype(dict.fromkeys(texts, "category"))


_NUMBERS: Final[dict[str, Form]] = {
    "one row": lambda rows: _plain(rows.first(1)),
    "two rows": lambda rows: _plain(rows.first(2)),
    "float32": lambda rows: rows.first(4).numbers.astype(np.float32),
    "Fortran order": lambda rows: np.asfortranarray(rows.first(8).numbers),
    "integers": lambda rows: _integers(rows.first(8)),
    "booleans": lambda rows: rows.first(8).numbers > 0,
    "list": lambda rows: rows.first(3).numbers.tolist(),
    "NaN": lambda rows: _with(rows, np.nan),
    "infinity": lambda rows: _with(rows, np.inf),
    "a column short": lambda rows: rows.first(2).numbers[:, 1:],
    "one dimension": lambda rows: rows.numbers[0],
    "no rows": lambda rows: rows.numbers[:0],
}
_NAMED_NUMBERS: Final[dict[str, Form]] = {
    "array without names": lambda rows: rows.first(4).numbers,
    "integer frame": lambda rows: _frame(rows.first(8)).clip(-1e6, 1e6).round().astype(int),
    "boolean frame": lambda rows: _frame(rows.first(8)) > 0,
    "nullable frame": _nullable,
    "object frame": lambda rows: _frame(rows.first(4)).astype(object),
}
_TABLE: Final[dict[str, Form]] = {
    "one row": lambda rows: _plain(rows.first(1)),
    "two rows": lambda rows: _plain(rows.first(2)),
    "missing cells": _missing_cells,
    "unknown categories": _unknown_cells,
    "category columns": _category_dtype,
    "nullable frame": _nullable,
    "a column short": lambda rows: _frame(rows.first(2)).iloc[:, 1:],
    "no rows": lambda rows: _frame(rows.first(0)),
}
_TEXTS: Final[dict[str, Form]] = {
    "one row": lambda rows: _plain(rows.first(1)),
    "tuple": lambda rows: tuple(rows.first(4).documents),
    "array of objects": lambda rows: np.array(rows.first(4).documents, dtype=object),
    "None among documents": lambda rows: [rows.documents[0], None],
    "one document alone": lambda rows: rows.documents[0],
    "no rows": lambda rows: [],
}


_MAPPINGS: Final[dict[str, Form]] = {
    "one row": lambda rows: _plain(rows.first(1)),
    "tuple": lambda rows: tuple(_plain(rows.first(4))),
    "several texts": lambda rows: [
        {key: [cell, _UNKNOWN] if isinstance(cell, str) else cell for key, cell in row.items()}
        for row in rows.first(8).mappings
    ],
    "None among entries": lambda rows: [dict.fromkeys(row) for row in rows.first(4).mappings],
    "None among mappings": lambda rows: [rows.mappings[0], None],
    "one mapping alone": lambda rows: dict(rows.mappings[1]),
    "no rows": lambda rows: [],
}


def all_rows(rows: ProbeRows) -> Any:
    """Return every row in the form that the model is fitted on."""
    return _plain(rows)


def other_forms(rows: ProbeRows) -> dict[str, Form]:
    """Return the other forms by name, the most telling first; each is a function of the rows."""
    match rows.kind:
        case "numbers":
            return _NUMBERS if rows.names is None else {**_NUMBERS, **_NAMED_NUMBERS}
        case "table":
            return _TABLE if rows.names is not None else {"one row": _TABLE["one row"]}
        case "documents":
            return _TEXTS
        case "mappings":
            return _MAPPINGS
