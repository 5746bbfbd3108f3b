"""Bytes of a Parquet, CSV or NPZ file -> the table or arrays in it.

Every fault of a file is a `HeldOutError` that names the file. Nothing is unpickled.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import stat
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.errors import HeldOutError, LimitError, PathRefused
from model_quantization.evaluation.rows.frames import (
    Parsed,
    Wanted,
    from_array,
    from_frame,
    listed,
    missing_target,
)
from model_quantization.evaluation.rows.targets import has_decimal_comma, read_targets
from model_quantization.limits import Limits

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".npz")
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    NotImplementedError,
    OverflowError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_bytes(path: Path, limits: Limits) -> bytes:
    """The content of a plain file of at most `limits.file_bytes` bytes.

    Raises
    ------
    HeldOutError, LimitError, PathRefused
        Missing or unreadable; too large; a directory, pipe or device.
    """
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise HeldOutError(
            "the held-out file cannot be opened",
            where=str(path),
            got=str(error.strerror),
            do="name a .parquet, .csv, .csv.gz or .npz file that this user can read",
        ) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PathRefused(
                "the held-out file is not a plain file",
                where=str(path),
                do="replace it by a Parquet, CSV, gzipped CSV or NPZ file",
            )
        with open(descriptor, "rb", closefd=False) as file:
            # Not the whole limit at once: Python would reserve that much memory first.
            content = file.read(min(status.st_size, limits.file_bytes) + 1)
    finally:
        os.close(descriptor)
    _check_size(len(content), limits.file_bytes, "file_bytes", path)
    return content


def parse_rows(content: bytes, path: Path, wanted: Wanted, limits: Limits) -> Parsed:
    """Rows, target and notes of a file with this content; its name's ending gives the format.

    The notes on the target come last, apart from the others.

    Raises
    ------
    HeldOutError, LimitError
        As `read_held_out` says.
    """
    suffix = next((s for s in reversed(SUFFIXES) if path.name.endswith(s)), "")
    if not suffix:
        raise HeldOutError(
            "unknown kind of held-out file",
            where=str(path),
            expected=f"a name ending in {', '.join(SUFFIXES)}",
        )
    if not content:
        raise HeldOutError("the held-out file is empty", where=str(path), do="write it again")
    try:
        if suffix == ".npz":
            return _from_npz(content, path, wanted, limits)
        if suffix == ".parquet":
            frame = _parquet(content, path, limits)
        else:
            frame = _csv(content, path, wanted, limits)
        return from_frame(frame, path, wanted)
    except (HeldOutError, LimitError):
        raise
    except UnicodeDecodeError as error:
        raise HeldOutError(
            "the held-out file is not UTF-8",
            where=str(path),
            got=f"byte 0x{error.object[error.start]:02x}",
            do="write it as UTF-8",
        ) from error
    except _UNREADABLE as error:
        raise HeldOutError(
            "the held-out file cannot be read",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            do="write it again as Parquet, CSV, gzipped CSV or NPZ without pickled objects",
        ) from error


def _check_size(size: int, limit: int, name: str, path: Path) -> None:
    if size > limit:
        raise LimitError(
            "the held-out file is too large",
            where=str(path),
            expected=f"at most {limit} bytes",
            got=f"{size} or more",
            do=f"use fewer rows, or raise the limit {name}",
        )


def _parquet(content: bytes, path: Path, limits: Limits) -> pd.DataFrame:
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    _check_size(size, limits.decompressed_bytes, "decompressed_bytes", path)
    frame: pd.DataFrame = file.read().to_pandas()
    return frame


def _csv(content: bytes, path: Path, wanted: Wanted, limits: Limits) -> pd.DataFrame:
    """The frame of a CSV file: numeric columns as numbers, other columns as text, unchanged.

    The first reading finds the numeric columns (with empty cells as NaN). The second reads the text
    columns, in which "NA", "null" and "" stay text.
    """
    import pandas as pd

    if path.name.endswith(".gz"):
        with gzip.open(io.BytesIO(content)) as stream:
            # Piece by piece: reading the whole limit would reserve that much memory first.
            pieces, size = [], 0
            while size <= limits.decompressed_bytes and (piece := stream.read(1 << 20)):
                pieces.append(piece)
                size += len(piece)
        content = b"".join(pieces)
        _check_size(len(content), limits.decompressed_bytes, "decompressed_bytes", path)
    if not content.strip():
        raise HeldOutError("the held-out file is empty", where=str(path), do="write it again")
    _check_layout(content, path, wanted)
    frame = pd.read_csv(io.BytesIO(content), low_memory=False)
    # pandas would take extra cells as an index.
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        raise HeldOutError(
            "rows have more cells than the header has names",
            where=str(path),
            do="name every column",
        )
    text = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    for name in frame.columns:
        column, cells = frame[name], text[name]
        if name in wanted.target and wanted.expected.needs_target:
            frame[name] = _target_cells(column, cells, wanted)
            continue
        known = wanted.expected.categories.get(name)
        is_text = wanted.expected.wants_text and name not in wanted.target
        is_text = is_text or (known is not None and known.kind == "text")
        if is_text:
            pass
        elif pd.api.types.is_numeric_dtype(column) and not is_text:
            # A column of empty cells is numeric, all missing; a column of "NA" is text.
            is_text = bool(column.isna().all() and not cells.isin(["", "nan", "NaN"]).all())
        else:
            is_text = True
        if is_text:
            frame[name] = cells
        elif column.dtype == np.float64:
            frame[name] = _floats(cells, column.isna())
    return frame


def _check_layout(content: bytes, path: Path, wanted: Wanted) -> None:
    """Raise an error that describes the file, if it has other separators than a CSV file here."""
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in content[:1000]:
        raise HeldOutError(
            "the held-out file is UTF-16, not UTF-8", where=str(path), do="write it as UTF-8"
        )
    lines = content.lstrip(codecs.BOM_UTF8)[:100_000].decode("utf-8", "replace").splitlines()
    header = lines[0] if lines else ""
    names = {*wanted.target, *(wanted.expected.feature_names or ())}
    for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        cells = [cell.strip('"') for cell in header.split(separator)]
        if "," not in header and len(cells) > 1 and (not names or names & set(cells)):
            commas = any(
                has_decimal_comma(cell.strip('"'))
                for line in lines[1:20]
                for cell in line.split(separator)
            )
            raise HeldOutError(
                f"the columns are separated by {word}"
                + (" and the numbers have decimal commas" if commas else ""),
                where=str(path),
                expected="commas between columns and decimal points",
                do="write the file with `DataFrame.to_csv(path, index=False)`",
            )


def _target_cells(column: pd.Series[Any], cells: pd.Series[str], wanted: Wanted) -> pd.Series[Any]:
    """The targets as written; unless the classes are text, pandas' missing values are missing."""
    classes = wanted.expected.classes
    if len(classes) == 1 and classes[0] is not None and classes[0].kind == "text":
        return cells.astype(object)
    return cells.astype(object).mask(column.isna(), None)


def _floats(cells: pd.Series[str], missing: pd.Series[bool]) -> NDArray[np.float64]:
    """The floats nearest to the written numbers; pandas' parser may differ in the last bit."""
    pairs = zip(cells, missing, strict=True)
    return np.fromiter((np.nan if gap else float(cell) for cell, gap in pairs), np.float64)


def _from_npz(content: bytes, path: Path, wanted: Wanted, limits: Limits) -> Parsed:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(member.file_size for member in archive.infolist())
    _check_size(size, limits.decompressed_bytes, "decompressed_bytes", path)
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        if "X" not in stored:
            raise HeldOutError(
                "no array X", where=str(path), got=listed(list(stored)), do="name the rows X"
            )
        x = stored["X"]
        key = next((name for name in ("y", "target") if name in stored), None)
        target = stored[key] if key and wanted.target else None
        notes: tuple[str, ...] = ()
        names = list(stored)
    if target is None and wanted.target and wanted.require_target:
        raise HeldOutError(
            "no array y or target", where=str(path), got=listed(names), do="name the targets y"
        )
    if target is not None:
        blank = target == "" if target.dtype.kind in "US" else np.isnan(target)
        if blank.any():
            rows = np.flatnonzero(blank.reshape(len(target), -1).any(axis=1))
            raise missing_target(path, str(key), rows)
        columns = list(target.T) if target.ndim == 2 else [target]
        target, notes = read_targets(columns, [str(key)] * len(columns), path, wanted.expected)
    return from_array(x, path, wanted), target, (), notes
