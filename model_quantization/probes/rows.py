"""Probe rows in every form that a model takes: arrays, frames, documents, mappings, and bad ones.

The rows are the same in every run: the values come from the model, the choice from a fixed seed.
Fewer rows are a prefix of more rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from math import isnan
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.probing import ProbeValues

Kind: TypeAlias = Literal["numbers", "table", "documents", "mappings"]
Form: TypeAlias = Callable[["ProbeRows"], Any]

MOST_ROWS: Final = 64
FEWEST_ROWS: Final = 16
_SEED: Final = 20_260_101
_DOCUMENTS: Final = (
    "",
    " ",
    "\n\t",
    "zzqxv unseen wörter",
    "日本語 テキスト",
    "ÀÉ ß İ",
    "1 2.5 3,000",
)
_UNKNOWN: Final = "unseen category"


@dataclass(frozen=True, slots=True)
class ProbeRows:
    """Rows for a model, before they have a form.

    Attributes
    ----------
    kind : {"numbers", "table", "documents", "mappings"}
    numbers : float64 array of shape (n, n_features)
        Of kind `numbers`.
    columns : tuple of tuple
        Of kind `table`: the cells of each column. None is a missing value.
    documents : tuple of str
    names : tuple of str or None
        Column names that the model was fitted with.
    mappings : tuple of dict
        From a key to a number, a text, or several texts.
    """

    kind: Kind
    numbers: Array = field(default_factory=lambda: np.empty((0, 0)))
    columns: tuple[tuple[Any, ...], ...] = ()
    documents: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    mappings: tuple[dict[str, Any], ...] = ()

    def __len__(self) -> int:
        match self.kind:
            case "numbers":
                return len(self.numbers)
            case "table":
                return len(self.columns[0]) if self.columns else 0
            case "documents":
                return len(self.documents)
            case "mappings":
                return len(self.mappings)

    def milder(self) -> list[ProbeRows]:
        """Return rows of numbers for models that refuse these: none negative, small and whole."""
        if self.kind != "numbers":
            return []
        positive = np.abs(self.numbers)
        whole = np.floor(np.minimum(positive, 1e6)) % 3
        return [replace(self, numbers=positive), replace(self, numbers=whole)]

    def first(self, count: int) -> ProbeRows:
        """Return the first rows."""
        return ProbeRows(
            self.kind,
            self.numbers[:count],
            tuple(column[:count] for column in self.columns),
            self.documents[:count],
            self.names,
            self.mappings[:count],
        )

    def to_files(self, directory: Path, stem: str) -> None:
        """Write `<stem>.npy` and `<stem>.json` for `from_files`."""
        # numpy's own error of a full disk only gives a number of bytes.
        data = BytesIO()
        np.save(data, self.numbers, allow_pickle=False)
        (directory / f"{stem}.npy").write_bytes(data.getvalue())
        record = {
            "kind": self.kind,
            "columns": self.columns,
            "documents": self.documents,
            "names": self.names,
            "mappings": self.mappings,
        }
        (directory / f"{stem}.json").write_text(json.dumps(record), encoding="utf-8")

    @classmethod
    def from_files(cls, directory: Path, stem: str) -> ProbeRows:
        """Return the rows that `to_files` wrote."""
        record = json.loads((directory / f"{stem}.json").read_text(encoding="utf-8"))
        names = record["names"]
        return cls(
            record["kind"],
            np.load(directory / f"{stem}.npy", allow_pickle=False),
            tuple(tuple(column) for column in record["columns"]),
            tuple(record["documents"]),
            None if names is None else tuple(names),
            tuple(record["mappings"]),
        )


def make_rows(
    values: ProbeValues, n_features: int | None, names: tuple[str, ...] | None
) -> ProbeRows | None:
    """Return probe rows for a model; None for an unknown kind of input.

    Parameters
    ----------
    values : ProbeValues
        Inputs to test, by column.
    n_features : int or None
        Columns that the model takes; None if unknown: it may take documents.
    names : tuple of str or None
        The columns' names, where the model was fitted with them.
    """
    if n_features is None and values.mappings:
        return ProbeRows("mappings", mappings=tuple(_mappings(values)))
    if n_features is None:
        # Probably documents; a model of another kind raises at every method.
        return ProbeRows("documents", documents=tuple(_documents(values)))
    if n_features < 1:
        return None
    if values.categories or values.text_columns:
        return ProbeRows("table", columns=_table(values, n_features), names=names)
    return ProbeRows("numbers", numbers=_numbers(values, n_features), names=names)


# Values -----------------------------------------------------------------------------------


def _numbers(values: ProbeValues, width: int) -> Array:
    """Rows of numbers at and beside the values, each column drawn on its own."""
    random = np.random.default_rng(_SEED)
    rows = np.empty((MOST_ROWS, width))
    for at in range(width):
        rows[:, at] = random.choice(_around(values.numbers.get(at)), MOST_ROWS)
    whole = [row for row in values.rows if row.shape == (width,)]
    for place, row in enumerate(whole[: MOST_ROWS // 3]):
        jitter = random.normal(size=width) * 1e-3 * (1.0 + np.abs(row)) * (place % 2)
        rows[1 + 2 * place] = row + jitter
    if not whole and not values.numbers:
        rows[1::2] = random.normal(size=rows[1::2].shape)
    rows[0] = [_middle(values.numbers.get(at)) for at in range(width)]
    return rows


def _around(values: Array | None) -> Array:
    """A column's values, their neighbours in float32 and float64, and points between and beyond."""
    values = _finite(values)
    if not values.size:
        return np.array([0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 10.0])
    with np.errstate(all="ignore"):  # the next value after the largest number is infinity
        values = np.unique(values)
        if values.size > 8:
            values = values[np.linspace(0, values.size - 1, 8).round().astype(int)]
        single = values.astype(np.float32)
        spread = max(float(np.ptp(values)), float(np.abs(values).max()) * 0.5, 1e-9)
        near = [
            values,
            np.nextafter(values, np.inf),
            np.nextafter(values, -np.inf),
            np.nextafter(single, np.float32(np.inf)).astype(np.float64),
            np.nextafter(single, np.float32(-np.inf)).astype(np.float64),
            values + 0.37 * spread,
            values - 0.41 * spread,
        ]
    found: Array = np.concatenate(near)
    return found[np.isfinite(found)]


def _middle(values: Array | None) -> float:
    values = _finite(values)
    return float(np.median(values)) if values.size else 0.0


def _finite(values: Array | None) -> Array:
    return np.empty(0) if values is None else values[np.isfinite(values)]


def _table(values: ProbeValues, width: int) -> tuple[tuple[Any, ...], ...]:
    random = np.random.default_rng(_SEED)
    columns: list[tuple[Any, ...]] = []
    for at in range(width):
        if at in values.text_columns:
            pool: list[Any] = list(_documents(ProbeValues(documents=values.text_columns[at])))
        elif at in values.categories:
            pool = [item for item in values.categories[at] if _is_cell(item)]
        else:
            pool = _around(values.numbers.get(at)).tolist()
        pool = pool or [0.0]
        picks = random.integers(0, len(pool), MOST_ROWS)
        picks[: min(len(pool), MOST_ROWS)] = np.arange(min(len(pool), MOST_ROWS))
        columns.append(tuple(pool[pick] for pick in picks))
    return tuple(columns)


def _is_cell(item: Any) -> bool:
    """Whether a category can be in a table: a number, text or a boolean, and no NaN."""
    return isinstance(item, str | int) or (isinstance(item, float) and not isnan(item))


def _documents(values: ProbeValues) -> Iterator[str]:
    """Documents of known terms, of unknown ones, and unusual ones."""
    random = np.random.default_rng(_SEED)
    terms = values.documents or ("word",)
    for number in range(MOST_ROWS):
        if number % 8 == 7:
            yield _DOCUMENTS[number // 8 % len(_DOCUMENTS)]
            continue
        count = 1 + number % 12
        words = [terms[pick] for pick in random.integers(0, len(terms), count)]
        if number % 3 == 2:
            words.insert(count // 2, "zzqxv")
        if number % 5 == 4:
            words = [word.upper() for word in words]
        yield " ".join(words)


def _mappings(values: ProbeValues) -> Iterator[dict[str, Any]]:
    """Mappings of known entries, and of keys and texts that the model does not know."""
    random = np.random.default_rng(_SEED)
    numbers = (1, 0, -2.5, 1e-3, True, 7.0)
    for row in range(MOST_ROWS):
        found: dict[str, Any] = {}
        picks = random.integers(0, len(values.mappings), row % 12)
        for place, (key, text) in enumerate(values.mappings[pick] for pick in picks):
            found[key] = numbers[(row + place) % len(numbers)] if text is None else text
        if row % 3 == 2:
            found["zzqxv"] = 1.5
        if row % 5 == 4 and found:
            found[next(iter(found))] = "unseen wörter"
        yield found


# Forms ------------------------------------------------------------------------------------


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
