"""Reads and divides the rows of a request, in the same way in every process."""

from __future__ import annotations

from model_quantization.errors import HeldOutError
from model_quantization.evaluation.rows.division import (
    DividedRows,
    divide,
    divide_calibration,
    training_rows,
)
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.evaluation.rows.heldout import HeldOut, read_held_out, read_rows
from model_quantization.limits import Limits
from model_quantization.pipeline.child.messages.rows import RowsRequest


def rows_of(request: RowsRequest, expected: ExpectedRows, limits: Limits) -> DividedRows:
    """Return the rows of a request in parts that share no row.

    Parameters
    ----------
    request : RowsRequest
    expected : ExpectedRows
        What the model says of its rows.
    limits : Limits

    Raises
    ------
    HeldOutError, LimitError, PathRefused
        A file cannot be read, or a row is in the calibration file and in the held-out file.
    """
    if not request.divided:
        calibration, gate = read_rows(
            request.held_out, request.target, expected, request.calibration_rows, limits
        )
        source = "held-out rows" if calibration else "none"
        return DividedRows(calibration, None, gate, source)
    held_out = read_held_out(
        request.held_out,
        target=request.target,
        expected=expected,
        require_target=expected.needs_target,
        limits=limits,
    )
    if request.calibration is None:
        divided = divide(held_out)
        if divided.selection is not None or request.refit is None:
            return divided
        return divide_calibration(_labelled(request, expected, limits), held_out, "training rows")
    calibration = read_held_out(
        request.calibration,
        target=request.target,
        expected=expected,
        require_target=False,
        limits=limits,
    )
    return divide_calibration(calibration, held_out)


def training_rows_of(
    request: RowsRequest, expected: ExpectedRows, divided: DividedRows, limits: Limits
) -> HeldOut | None:
    """Return the labelled training rows of a request; None without such a file.

    Parameters
    ----------
    request, expected, limits
        As `rows_of` takes them.
    divided : DividedRows
        Its gate and its selection keep their rows.

    Raises
    ------
    HeldOutError, LimitError, PathRefused
        The file cannot be read, has no labels, or has no row but such.
    """
    if request.refit is None:
        return None
    labelled = _labelled(request, expected, limits)
    found = training_rows(labelled, divided)
    if found is None:
        raise HeldOutError(
            "every training row is also a row that judges",
            where=str(request.refit),
            expected=f"rows that are not in {request.held_out}",
            do="give the rows that the model was trained on",
        )
    return found


def _labelled(request: RowsRequest, expected: ExpectedRows, limits: Limits) -> HeldOut:
    assert request.refit is not None
    return read_held_out(
        request.refit,
        target=request.target,
        expected=expected,
        require_target=True,
        limits=limits,
    )
