"""Tables and arrays -> rows in the form a model takes, and their targets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.errors import HeldOutError
from model_quantization.evaluation.answers import plain_array

if TYPE_CHECKING:
    import pandas as pd

_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a file is read for: see the parameters of `read_held_out`."""

    target: tuple[str, ...]
    feature_names: tuple[str, ...] | None
    wants_text: bool | None
    require_target: bool


Parsed = tuple[Any, "NDArray[Any] | None", tuple[str, ...]]


def from_frame(frame: pd.DataFrame, path: Path, wanted: Wanted) -> Parsed:
    """The rows, target and notes of a table read from `path`."""
    frame.columns = frame.columns.map(str)
    notes: list[str] = []
    if len(frame.columns) and frame.columns[0] == "Unnamed: 0":
        frame = frame.iloc[:, 1:]
        notes.append("an unnamed first column (a written index) was dropped")
    target, frame = _split_target(frame, path, wanted)
    if not len(frame.columns):
        raise HeldOutError(
            "the held-out file has no feature columns", where=str(path), do="write them beside it"
        )
    if wanted.feature_names is not None and not wanted.wants_text:
        frame, dropped = _named(frame, path, wanted.feature_names)
        if dropped:
            notes.append(f"columns the model does not know were dropped: {listed(dropped)}")
        return frame, target, tuple(notes)
    return _unnamed(frame, path, wanted.wants_text), target, tuple(notes)


def _split_target(
    frame: pd.DataFrame, path: Path, wanted: Wanted
) -> tuple[NDArray[Any] | None, pd.DataFrame]:
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
        return None, frame.drop(columns=present)
    arrays = []
    for name in present:
        column = frame[name]
        blank = column.isna() | (column.astype(str) == "")
        if blank.any():
            raise missing_target(path, name, np.flatnonzero(blank))
        arrays.append(plain_array(column.to_numpy()))
    target = arrays[0] if len(arrays) == 1 else np.column_stack(arrays)
    return target, frame.drop(columns=present)


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
            "the model takes one text a row",
            where=str(path),
            expected="one column beside the target",
            got=listed(list(frame.columns)),
            do="remove the other columns",
        )
    if all(pd.api.types.is_numeric_dtype(dtype) for dtype in dtypes) and not wants_text:
        return frame.to_numpy(dtype=np.float64, na_value=np.nan)
    column = frame.iloc[:, 0].to_numpy(dtype=object)
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


def from_array(x: NDArray[Any], path: Path, wanted: Wanted) -> Any:
    """The rows of an array read from `path`: ndarray, DataFrame or list of str."""
    if x.ndim == 0 or x.dtype.kind not in "biufU":
        raise HeldOutError(
            "X is neither numbers nor text", where=str(path), got=f"{x.dtype} of shape {x.shape}"
        )
    if x.dtype.kind == "U" and x.ndim == 1 and wanted.wants_text is not False:
        return [str(text) for text in x]
    if x.ndim == 1:
        x = x[:, np.newaxis]
    if wanted.feature_names is None and x.dtype.kind != "U":
        return x.astype(np.float64)
    import pandas as pd

    if wanted.feature_names is not None and x.shape[1:] != (len(wanted.feature_names),):
        raise HeldOutError(
            "X has not the model's features",
            where=str(path),
            expected=f"{len(wanted.feature_names)} columns",
            got=f"shape {x.shape}",
            do="write the columns in the model's order, or use Parquet or CSV with their names",
        )
    columns = list(wanted.feature_names or map(str, range(x.shape[1])))
    return pd.DataFrame(x, columns=columns)


def listed(names: list[str]) -> str:
    """The first few of `names`, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:_NAMES_SHOWN])
    return f"{shown} and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown
