"""Held-out and calibration data: one file per model, found by name; reading it runs no code."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.errors import HeldOutError, PathRefused
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.evaluation.rows.formats import SUFFIXES, parse_rows, read_bytes
from model_quantization.evaluation.rows.frames import Wanted
from model_quantization.files.plain_files import present_once
from model_quantization.limits import Limits
from model_quantization.names import spellings

CALIBRATION_ENDING = ".calibration"
"""After a model's name: the file of rows on which `auto` chooses."""
REFIT_ENDING = ".refit"
"""After a model's name: the file of labelled training rows."""
_MIX = np.uint64(0x9E3779B97F4A7C15)
_NAN_BITS = np.float64("nan").view(np.uint64)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows with their targets.

    Attributes
    ----------
    path, sha256
        The file of the rows.
    rows : DataFrame, ndarray (n, d) or list of str
        In the form the model takes.
    target : ndarray (n,) or (n, k), or None
        Never of object dtype; None when the file was read without a target.
    row_hashes : ndarray of uint64 (n,)
        Hash of each row's features (the target is not part of it): equal values have equal hashes
        in every file format, so that shared rows are found.
    notes : tuple of str
        What was done to the file's columns on the way.
    target_notes : tuple of str
        Labels of the target that are no class of the model, with how many rows have them.
    """

    path: Path
    sha256: str
    rows: Any
    target: NDArray[Any] | None
    row_hashes: NDArray[np.uint64]
    notes: tuple[str, ...] = ()
    target_notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.row_hashes)

    def take(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> HeldOut:
        """The same data with only the rows at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.intp)
        if isinstance(self.rows, list):
            rows: Any = [self.rows[i] for i in chosen]
        else:
            rows = self.rows.iloc[chosen] if hasattr(self.rows, "iloc") else self.rows[chosen]
        target = None if self.target is None else self.target[chosen]
        return replace(self, rows=rows, target=target, row_hashes=self.row_hashes[chosen])


def find_held_out(directory: Path | None, name: str) -> Path | None:
    """The held-out file of model `name` in `directory`, or None if the directory has no such file.

    Raises
    ------
    HeldOutError
        The directory does not exist, or holds two files for the model.
    PathRefused
        The name leaves the directory, or is not a plain file.
    """
    if directory is None:
        return None
    if not directory.is_dir():
        raise HeldOutError(
            "the held-out directory does not exist",
            where=str(directory),
            do="create it, or configure no held-out directory",
        )
    if any(ord(character) < 32 for character in name):
        raise PathRefused(
            "a model name holds control characters", got=repr(name), do="rename the model file"
        )
    found = present_once(
        directory / f"{spelled}{suffix}" for spelled in spellings(name) for suffix in SUFFIXES
    )
    for path in found:
        if not path.resolve().is_relative_to(directory.resolve()):
            raise PathRefused(
                "the held-out file is outside its directory",
                where=str(path),
                got=str(path.resolve()),
                do="put the file itself into the held-out directory",
            )
        if not path.is_file():
            raise PathRefused(
                "the held-out file is not a plain file",
                where=str(path),
                do="replace it by a Parquet, CSV, gzipped CSV or NPZ file",
            )
    if len(found) > 1:
        raise HeldOutError(
            f"more than one file has data for {name}",
            where=str(directory),
            expected="one",
            got=" and ".join(path.name for path in found),
            do="remove all but one",
        )
    return found[0] if found else None


def find_refit_rows(given: str, directory: Path | None, name: str) -> Path | None:
    """Return the file of labelled training rows of model `name`; None when no file has this name.

    Parameters
    ----------
    given : str
        A file, or a directory to look in; empty: `directory` is.
    directory : Path or None
        The held-out directory.
    name : str

    Raises
    ------
    HeldOutError
        What is given does not exist; two files of the model.
    PathRefused
        As `find_held_out`.
    """
    place = Path(given).absolute() if given else directory
    if place is not None and place.is_file():
        return place
    if given and place is not None and not place.is_dir():
        raise HeldOutError(
            "the training rows do not exist",
            where=given,
            do="name a file, or a directory with `<model>.refit.parquet`",
        )
    return find_held_out(place, f"{name}{REFIT_ENDING}")


def read_held_out(
    path: Path,
    *,
    target: tuple[str, ...] = ("target",),
    expected: ExpectedRows | None = None,
    require_target: bool = True,
    limits: Limits | None = None,
) -> HeldOut:
    """The rows and targets of one file, rows in the form that the model takes.

    Parameters
    ----------
    path : Path
        A `.parquet`, `.csv`, `.csv.gz` or `.npz` file; an NPZ file holds `X`, and `y` or `target`.
    target : tuple of str
        Target columns; empty: every column is a feature. (An NPZ file names its own.)
    expected : ExpectedRows, optional
        What the model says of its rows (`expected.ask_model`). With `feature_names`, rows become
        a DataFrame with these columns in this order. Without, numeric columns become a float64
        ndarray, a single text column a list of str, anything else a DataFrame. `wants_text` True:
        the single feature column is text, whatever it looks like, and `feature_names` are
        ignored; False: never a list. Targets are read in the form of `classes`.
    require_target : bool
        False: a file that lacks the target is read without one.
    limits : Limits, optional
        `file_bytes` and `decompressed_bytes` apply.

    Raises
    ------
    HeldOutError
        Unreadable, empty, without the target or a feature, with missing target values, or in
        another form than the model's: targets that are none of its classes, text for numbers.
    LimitError
        Larger than the limits allow.
    PathRefused
        Not a plain file.
    """
    limits = limits or Limits()
    content = read_bytes(path, limits)
    wanted = Wanted(target, expected or ExpectedRows(), require_target)
    rows, targets, notes, target_notes = parse_rows(content, path, wanted, limits)
    if not len(rows):
        raise HeldOutError(
            "the held-out file has no rows", where=str(path), do="add rows, or remove the file"
        )
    if targets is not None and len(targets) != len(rows):
        raise HeldOutError(
            "rows and targets differ in number",
            where=str(path),
            expected=f"{len(rows)} targets",
            got=str(len(targets)),
            do="write one target per row",
        )
    sha256 = hashlib.sha256(content).hexdigest()
    return HeldOut(path, sha256, rows, targets, hash_rows(rows), notes, target_notes)


def check_disjoint(calibration: HeldOut, held_out: HeldOut) -> None:
    """Check that no row of `held_out` is also a row of `calibration`.

    Raises
    ------
    HeldOutError
        Some rows are shared: a gate on calibration rows proves nothing.
    """
    shared = int(np.isin(held_out.row_hashes, calibration.row_hashes).sum())
    if shared:
        raise HeldOutError(
            f"{shared} of {len(held_out)} held-out rows are also calibration rows",
            where=str(held_out.path),
            expected=f"no row of {calibration.path}",
            do="take the shared rows out of one of the two files",
        )


def hash_rows(rows: Any) -> NDArray[np.uint64]:
    """A hash of each row's values, in column order, that does not depend on how they are stored.

    Numbers hash by their float64 value (1, 1.0 and True are equal, as are 0.0 and -0.0, and all
    NaN), text by its UTF-8 bytes. Column names do not count: an NPZ file has none.
    """
    if isinstance(rows, list):
        columns: list[NDArray[Any]] = [np.array(rows, dtype=object)]
    elif hasattr(rows, "iloc"):
        columns = [rows.iloc[:, j].to_numpy() for j in range(rows.shape[1])]
    else:
        columns = list(rows.reshape(len(rows), -1).T)
    hashes = np.zeros(len(rows), dtype=np.uint64)
    for column in columns:
        hashes = _mixed((hashes + _MIX) ^ _mixed(_bits(column)))
    return hashes


def _bits(column: NDArray[Any]) -> NDArray[np.uint64]:
    if column.dtype.kind in "biuf":
        values = np.asarray(column, dtype=np.float64) + 0.0  # -0.0 + 0.0 is 0.0
        return np.where(np.isnan(values), _NAN_BITS, values.view(np.uint64))
    return np.fromiter((_item_bits(item) for item in column), np.uint64, len(column))


def _item_bits(item: Any) -> np.uint64:
    # pandas' NA and NaT are recognized by name, without importing pandas.
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return _NAN_BITS
    if isinstance(item, bool | int | float | np.number | np.bool_):
        return np.uint64(_bits(np.array([float(item)]))[0])
    digest = hashlib.blake2b(str(item).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): every input bit moves every output."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def read_rows(
    request_path: Path,
    target: tuple[str, ...],
    expected: ExpectedRows,
    calibration_rows: int,
    limits: Limits,
) -> tuple[HeldOut | None, HeldOut]:
    """Return (calibration rows or None, gate rows) of a held-out file: never a row in both."""
    rows = read_held_out(
        request_path,
        target=target,
        expected=expected,
        require_target=expected.needs_target,
        limits=limits,
    )
    if calibration_rows <= 0 or len(rows) <= calibration_rows:
        return None, rows
    calibration = rows.take(range(calibration_rows))
    gate = rows.take(range(calibration_rows, len(rows)))
    check_disjoint(calibration, gate)
    return calibration, gate
