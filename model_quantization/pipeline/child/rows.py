"""Reads and divides the rows of a request, in the same way in every process."""

from __future__ import annotations

from model_quantization.evaluation.rows.division import DividedRows, divide, divide_calibration
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.evaluation.rows.heldout import read_held_out, read_rows
from model_quantization.limits import Limits
from model_quantization.pipeline.child.messages import RowsRequest


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
        return divide(held_out)
    calibration = read_held_out(
        request.calibration,
        target=request.target,
        expected=expected,
        require_target=False,
        limits=limits,
    )
    return divide_calibration(calibration, held_out)
