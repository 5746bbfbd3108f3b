"""Held-out rows in three parts that share no row: calibration, selection and gate.

`bit_depth: auto` chooses a precision from rows. The gate must not use the same rows. So each row
belongs to one part, by a hash of its values: a row is in the same part in every run, in every file
format, and at every position. Equal rows share a part.

Parts are shares: the number of rows in each varies by about its square root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model_quantization.errors import HeldOutError
from model_quantization.evaluation.rows.heldout import HeldOut
from model_quantization.records import Record

FEWEST_TO_DIVIDE: Final = 3000
"""With fewer distinct rows the gate gets all of them: it needs them more."""
SELECTION_SHARE: Final = 0.2
CALIBRATION_SHARE: Final = 0.1
MOST_SELECTED: Final = 2000
MOST_CALIBRATED: Final = 1000
MOST_TRAINED: Final = 20_000
_SALT: Final = np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True, slots=True)
class Division(Record):
    """The number of rows in each part, and the source of the first two.

    Attributes
    ----------
    calibration, selection, gate : int
    source : str
        `held-out rows`, `calibration file`, `training rows`, or `none`: the choice is made without
        rows.
    """

    calibration: int
    selection: int
    gate: int
    source: str


@dataclass(frozen=True, slots=True)
class DividedRows:
    """Rows by purpose; no row is in two parts.

    Attributes
    ----------
    calibration : HeldOut or None
        Rows for ranges and refits. Their targets are not used.
    selection : HeldOut or None
        Rows for comparing candidates.
    gate : HeldOut
        Rows for the verdict.
    source : str
        As in `Division`.
    """

    calibration: HeldOut | None
    selection: HeldOut | None
    gate: HeldOut
    source: str = "none"

    @property
    def division(self) -> Division:
        """The number of rows of each part."""
        return Division(
            calibration=len(self.calibration) if self.calibration else 0,
            selection=len(self.selection) if self.selection else 0,
            gate=len(self.gate),
            source=self.source,
        )


def divide(rows: HeldOut) -> DividedRows:
    """Return the rows in three parts; a few rows all go to the gate.

    Parameters
    ----------
    rows : HeldOut
        Rows of one file.
    """
    distinct = len(np.unique(rows.row_hashes))
    if distinct < FEWEST_TO_DIVIDE:
        return DividedRows(None, None, rows)
    calibration = min(CALIBRATION_SHARE, MOST_CALIBRATED / distinct)
    selection = min(SELECTION_SHARE, MOST_SELECTED / distinct)
    place = places(rows.row_hashes)
    calibrates = place < calibration
    selects = ~calibrates & (place < calibration + selection)
    return DividedRows(
        rows.take(np.flatnonzero(calibrates)),
        rows.take(np.flatnonzero(selects)),
        rows.take(np.flatnonzero(~calibrates & ~selects)),
        "held-out rows",
    )


def divide_calibration(
    calibration: HeldOut, gate: HeldOut, source: str = "calibration file"
) -> DividedRows:
    """Return the rows of a calibration file in two parts, and all held-out rows for the gate.

    Rows beyond the number that calibration and selection use are left out, by their hash. A row
    that is in both files belongs to the gate.

    Raises
    ------
    HeldOutError
        Every row of the calibration file is also a held-out row.
    """
    fresh = ~np.isin(calibration.row_hashes, gate.row_hashes)
    if not fresh.any():
        raise HeldOutError(
            "every calibration row is also a held-out row",
            where=str(calibration.path),
            expected=f"rows that are not in {gate.path}",
            do="give other rows; without the file, `auto` divides the held-out rows itself",
        )
    calibration = calibration.take(np.flatnonzero(fresh))
    distinct = len(np.unique(calibration.row_hashes))
    share = min(1 / 3, MOST_CALIBRATED / distinct)
    place = places(calibration.row_hashes)
    calibrates = place < share
    selects = ~calibrates & (place < share + min(1 - share, MOST_SELECTED / distinct))
    if not calibrates.any() or not selects.any():
        everything = calibration.take(range(len(calibration)))
        return DividedRows(everything, everything, gate, source)
    return DividedRows(
        calibration.take(np.flatnonzero(calibrates)),
        calibration.take(np.flatnonzero(selects)),
        gate,
        source,
    )


def training_rows(labelled: HeldOut, divided: DividedRows) -> HeldOut | None:
    """Return labelled rows that neither the choice nor the gate has; None where none are left.

    A row that judges anything stays where it is. At most `MOST_TRAINED` are taken, by their hash.

    Parameters
    ----------
    labelled : HeldOut
        Rows that the model was trained on.
    divided : DividedRows
    """
    judging = [part.row_hashes for part in (divided.selection, divided.gate) if part is not None]
    fresh = np.flatnonzero(~np.isin(labelled.row_hashes, np.concatenate(judging)))
    if not len(fresh):
        return None
    first = np.argsort(places(labelled.row_hashes[fresh]), kind="stable")[:MOST_TRAINED]
    return labelled.take(np.sort(fresh[first]))


def places(hashes: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return a number from 0 up to 1 for each hash, spread evenly and the same for equal hashes.

    The hashes are mixed once more, because the search for shared rows uses the same hashes.
    """
    mixed = hashes ^ _SALT
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53)
