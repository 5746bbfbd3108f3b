"""Tables and arrays -> rows in the form that a model takes, and their targets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.errors import HeldOutError
from model_quantization.evaluation.rows.expected import ExpectedRows, Labels
from model_quantization.evaluation.rows.targets import as_label, has_decimal_comma, read_targets

if TYPE_CHECKING:
    import pandas as pd

_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wanted content of a file: see the parameters of `read_held_out`."""

    target: tuple[str, ...]
    expected: ExpectedRows
    require_target: bool


# Rows, targets, notes on the columns, notes on the targets.
Parsed = tuple[Any, "NDArray[Any] | None", tuple[str, ...], tuple[str, ...]]


def from_frame(frame: pd.DataFrame, path: Path, wanted: Wanted) -> Parsed:
    """The rows, target and notes of a table read from `path`."""
    frame.columns = frame.columns.map(str)
    notes: list[str] = []
    if len(frame.columns) and frame.columns[0] == "Unnamed: 0":
        frame = frame.iloc[:, 1:]
        notes.append("an unnamed first column (a written index) was dropped")
    target, frame, target_notes = _split_target(frame, path, wanted)
    if not len(frame.columns):
        raise HeldOutError(
            "the held-out file has no feature columns", where=str(path), do="write them beside it"
        )
    expected = wanted.expected
    if expected.feature_names is not None and not expected.wants_text:
        frame, dropped = _named(frame, path, expected.feature_names)
        if dropped:
            notes.append(f"columns the model does not know were dropped: {listed(dropped)}")
        return _as_expected(frame, path, expected), target, tuple(notes), target_notes
    if not expected.wants_text:
        frame = _as_expected(frame, path, expected)
    return _unnamed(frame, path, expected.wants_text), target, tuple(notes), target_notes


def _as_expected(frame: pd.DataFrame, path: Path, expected: ExpectedRows) -> pd.DataFrame:
    """The table, after checking that every column has values that the model takes.

    Raises
    ------
    HeldOutError
        Text where the model takes numbers, or categories in another spelling than the model's.
    """
    import pandas as pd

    frame = frame.copy()
    for name in frame.columns:
        column = frame[name]
        known = expected.categories.get(name)
        if known is not None:
            _check_categories(column, str(name), path, known)
        elif expected.numbers_only and not pd.api.types.is_numeric_dtype(column):
            frame[name] = _as_numbers(column, str(name), path)
    return frame


def _as_numbers(column: pd.Series[Any], name: str, path: Path) -> Any:
    import pandas as pd

    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        numbers = pd.to_numeric(column.astype(object), errors="coerce")
        first = column[numbers.isna() & column.notna()].iloc[0]
        raise HeldOutError(
            "a column has text where the model takes numbers",
            where=f"{path}, column {name}",
            got=repr(first),
            do="write decimal points, not commas"
            if has_decimal_comma(first)
            else "correct the column, or write empty cells where a value is missing",
        ) from None


def _check_categories(column: pd.Series[Any], name: str, path: Path, known: Labels) -> None:
    """Raise if no value is a category of the model, and some are in another spelling."""
    values = column.dropna().unique().tolist()
    categories = set(known.values)
    if not values or any(value in categories for value in values if _is_of(value, known.kind)):
        return
    if all(_is_of(value, known.kind) for value in values) and not any(
        as_label(value.strip() if isinstance(value, str) else value, known) for value in values
    ):
        return  # unknown categories, which the model's encoder may allow
    raise HeldOutError(
        "a column has no category of the model",
        where=f"{path}, column {name}",
        expected=f"{known.kind} such as {listed([repr(value) for value in known.values], 3)}",
        got=f"{column.dtype} such as {listed([repr(value) for value in values], 3)}",
        do="write the categories as the model was trained on them",
    )


def _is_of(value: Any, kind: str) -> bool:
    if kind == "text":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _split_target(
    frame: pd.DataFrame, path: Path, wanted: Wanted
) -> tuple[NDArray[Any] | None, pd.DataFrame, tuple[str, ...]]:
    missing = [name for name in wanted.target if name not in frame.columns]
    if missing and wanted.require_target:
        raise HeldOutError(
            f"no target column {listed(missing)}",
            where=str(path),
            got=f"the columns {listed(list(frame.columns))}",
            do="rename the column, or configure the target's name",
        )
    present = [name for name in wanted.target if name in frame.columns]
    if missing or not present:
        return None, frame.drop(columns=present), ()
    arrays = []
    for name in present:
        column = frame[name]
        blank = column.isna() | (column.astype(str) == "")
        if blank.any():
            raise missing_target(path, name, np.flatnonzero(blank))
        arrays.append(column.to_numpy())
    target, notes = read_targets(arrays, present, path, wanted.expected)
    return target, frame.drop(columns=present), notes


def missing_target(path: Path, name: str, rows: NDArray[Any]) -> HeldOutError:
    """The error for targets without a value at `rows`."""
    shown = ", ".join(str(row) for row in rows[:_NAMES_SHOWN])
    return HeldOutError(
        f"target {name} is missing in {len(rows)} rows",
        where=str(path),
        got=f"no value at rows {shown}{', ...' if len(rows) > _NAMES_SHOWN else ''}",
        do="fill these targets in or remove the rows",
    )


def _named(
    frame: pd.DataFrame, path: Path, names: tuple[str, ...]
) -> tuple[pd.DataFrame, list[str]]:
    """The columns that the model knows, in its order, and the names of the others."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise HeldOutError(
            f"{len(missing)} of the model's {len(names)} features are missing",
            where=str(path),
            expected=f"columns {listed(missing)}",
            got=listed(list(frame.columns)),
            do="add the columns under the names the model was trained with",
        )
    return frame[list(names)], [name for name in frame.columns if name not in names]


def _unnamed(frame: pd.DataFrame, path: Path, wants_text: bool | None) -> Any:
    import pandas as pd

    dtypes = list(frame.dtypes)
    if wants_text and len(dtypes) > 1:
        raise HeldOutError(
            "the model takes one text per row",
            where=str(path),
            expected="one column beside the target",
            got=listed([f"{n} (empty)" if _is_empty(frame[n]) else str(n) for n in frame.columns]),
            do="remove the other columns",
        )
    if all(pd.api.types.is_numeric_dtype(dtype) for dtype in dtypes) and not wants_text:
        return frame.to_numpy(dtype=np.float64, na_value=np.nan)
    column = frame.iloc[:, 0].to_numpy(dtype=object)
    if wants_text and _is_empty(frame.iloc[:, 0]):
        raise HeldOutError(
            "every text is empty",
            where=f"{path}, column {frame.columns[0]}",
            do="write the texts into this column",
        )
    if len(dtypes) == 1 and wants_text is not False and all(isinstance(v, str) for v in column):
        return list(column)
    if wants_text:
        raise HeldOutError(
            "the model takes text, but some rows hold none",
            where=str(path),
            got=f"{sum(not isinstance(v, str) for v in column)} rows without text",
            do="fill these rows in or remove them",
        )
    return frame


def _is_empty(column: pd.Series[Any]) -> bool:
    """Whether a column has only missing values and blanks."""
    return bool((column.isna() | (column.astype(str).str.strip() == "")).all())


def from_array(x: NDArray[Any], path: Path, wanted: Wanted) -> Any:
    """The rows of an array read from `path`: ndarray, DataFrame or list of str."""
    if x.ndim == 0 or x.dtype.kind not in "biufU":
        raise HeldOutError(
            "X is neither numbers nor text", where=str(path), got=f"{x.dtype} of shape {x.shape}"
        )
    expected = wanted.expected
    if x.dtype.kind == "U" and x.ndim == 1 and expected.wants_text is not False:
        return [str(text) for text in x]
    if x.ndim == 1:
        x = x[:, np.newaxis]
    if expected.feature_names is None and x.dtype.kind != "U":
        return x.astype(np.float64)
    import pandas as pd

    if expected.feature_names is not None and x.shape[1:] != (len(expected.feature_names),):
        raise HeldOutError(
            "X does not have the model's features",
            where=str(path),
            expected=f"{len(expected.feature_names)} columns",
            got=f"shape {x.shape}",
            do="write the columns in the model's order, or use Parquet or CSV with their names",
        )
    columns = list(expected.feature_names or map(str, range(x.shape[1])))
    return _as_expected(pd.DataFrame(x, columns=columns), path, expected)


def listed(names: list[str], most: int = _NAMES_SHOWN) -> str:
    """The first few of `names`, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
